"""BabyJubJub points, hashes and signatures against circomlibjs and zokrates-pycrypto, and attacks on their decoders."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.errors import DecodeError, ParameterError, ProofRejected
from mpc.prg import Stream
from zk import eddsa, eddsa_zokrates
from zk.babyjubjub import (
    BASE8,
    BASE8_TABLE,
    GENERATOR,
    IDENTITY,
    ORDER,
    FixedBase,
    L,
    P,
    Point,
    multi_scalar,
    square_root,
)
from zk.pedersen_hash import circom_pedersen, zokrates_pedersen, zokrates_pedersen_scalars

EXTERNAL = Path(__file__).parents[1] / "vectors" / "babyjubjub" / "external"
CIRCOM: dict[str, Any] = json.loads((EXTERNAL / "circomlibjs" / "vectors.v1.json").read_bytes())
ZOKRATES: dict[str, Any] = json.loads((EXTERNAL / "zokrates-pycrypto" / "vectors.v1.json").read_bytes())
scalars = st.integers(min_value=-(2**256), max_value=2**256)


def point(x: str, y: str) -> Point:
    return Point(int(x), int(y))


def naive_add(p: Point, q: Point) -> Point:
    """The affine law of EIP-2494, the plain twin of the extended coordinates."""
    product = 168696 * p.x * q.x * p.y * q.y
    x = (p.x * q.y + p.y * q.x) * pow(1 + product, -1, P) % P
    y = (p.y * q.y - 168700 * p.x * q.x) * pow(1 - product, -1, P) % P
    return Point(x, y)


@pytest.mark.parametrize("vector", CIRCOM["points"], ids=lambda v: v["scalar"][:8])
def test_circomlibjs_points(vector: dict[str, str]) -> None:
    want = point(vector["x"], vector["y"])
    assert BASE8_TABLE.times(int(vector["scalar"])) == int(vector["scalar"]) * BASE8 == want
    assert want.to_circom().hex() == vector["packed"]
    assert Point.from_circom(bytes.fromhex(vector["packed"])) == want


@pytest.mark.parametrize("vector", ZOKRATES["points"], ids=lambda v: v["scalar"][:8])
def test_zokrates_points(vector: dict[str, str]) -> None:
    want = point(vector["x"], vector["y"])
    assert int(vector["scalar"]) * eddsa_zokrates.BASE == want
    assert want.to_zokrates().hex() == vector["packed"]
    assert Point.from_zokrates(bytes.fromhex(vector["packed"])) == want


def test_orders() -> None:
    assert ORDER * GENERATOR == IDENTITY != L * GENERATOR
    assert BASE8.in_subgroup() and not GENERATOR.in_subgroup()


@settings(max_examples=30, deadline=None)
@given(scalars, scalars)
def test_group_laws_and_plain_twin(a: int, b: int) -> None:
    p, q = a * GENERATOR, b * BASE8
    assert p + q == naive_add(p, q) == q + p
    assert multi_scalar([(GENERATOR, a), (BASE8, b)]) == p + q
    assert p - p == IDENTITY and p + IDENTITY == p
    assert p + p == naive_add(p, p) == 2 * p
    assert BASE8_TABLE.times(b) == (b % L) * BASE8
    for pack, unpack in ((Point.to_circom, Point.from_circom), (Point.to_zokrates, Point.from_zokrates)):
        assert unpack(pack(p)) == p


@settings(max_examples=50, deadline=None)
@given(st.integers(min_value=0, max_value=P - 1))
def test_square_root(value: int) -> None:
    root = square_root(value * value)
    assert root in (value, P - value) or root == value == 0
    other = square_root(value)
    assert other is None or other * other % P == value


@pytest.mark.parametrize(("x", "y"), [(1, 1), (P, 1), (0, P + 1), (-1, 1), (True, 1), (0, 1.0), (0, 2)])
def test_points_off_the_curve_or_unreduced(x: Any, y: Any) -> None:
    with pytest.raises(DecodeError):
        Point(x, y)


@pytest.mark.parametrize(("unpack", "order"), [(Point.from_circom, "little"), (Point.from_zokrates, "big")])
def test_packed_points_have_one_spelling(unpack: Any, order: Any) -> None:
    def spell(number: int) -> bytes:
        return number.to_bytes(32, order)

    assert unpack(spell(1)) == IDENTITY
    y = next(
        y for y in range(2, 99) if square_root((1 - y * y) * pow(168700 - 168696 * y * y, -1, P)) is None
    )
    y_plus_p, sign_on_zero, y_of_no_point = spell(P + 1), spell(1 | 1 << 255), spell(y)
    for bad in (y_plus_p, sign_on_zero, y_of_no_point, bytes(31), bytes(33)):
        with pytest.raises(DecodeError):
            unpack(bad)


def test_fixed_base_refuses_points_of_order_8l() -> None:
    with pytest.raises(ParameterError):
        FixedBase(GENERATOR)


@pytest.mark.parametrize("vector", CIRCOM["pedersen"], ids=lambda v: v["data"][:8])
def test_circomlibjs_pedersen(vector: dict[str, str]) -> None:
    assert circom_pedersen(bytes.fromhex(vector["data"])).to_circom().hex() == vector["packed"]


@pytest.mark.parametrize("vector", ZOKRATES["pedersen"], ids=lambda v: v["name"][:8])
def test_zokrates_pedersen(vector: dict[str, str]) -> None:
    found = zokrates_pedersen(bytes.fromhex(vector["data"]), vector["name"])
    assert found == point(vector["x"], vector["y"])


@pytest.mark.parametrize("vector", ZOKRATES["pedersen_scalars"], ids=lambda v: v["name"])
def test_zokrates_pedersen_scalars(vector: dict[str, Any]) -> None:
    found = zokrates_pedersen_scalars([int(s) for s in vector["scalars"]], vector["name"])
    assert found == point(vector["x"], vector["y"])


def test_pedersen_of_nothing_or_too_much() -> None:
    for call in (
        lambda: circom_pedersen(bytes(251)),
        lambda: circom_pedersen(b""),
        lambda: zokrates_pedersen(b"", "x"),
        lambda: zokrates_pedersen_scalars([], "x"),
    ):
        with pytest.raises(ParameterError):
            call()
    with pytest.raises(ParameterError):
        zokrates_pedersen(b"x", "n" * 29)
    with pytest.raises(ParameterError):
        zokrates_pedersen_scalars([-1], "x")


@pytest.mark.parametrize("vector", CIRCOM["eddsa"], ids=lambda v: f"{v['scheme']}-{v['key'][:4]}")
def test_circomlibjs_signatures(vector: dict[str, Any]) -> None:
    key = eddsa.SigningKey(bytes.fromhex(vector["key"]))
    scheme = vector["scheme"]
    message = bytes.fromhex(vector["message"]) if scheme == "pedersen" else int(vector["message"])
    assert key.public == key.scalar * BASE8 == point(*vector["public"])
    signature = key.sign(message, scheme)
    assert signature.r == point(*vector["R8"]) and signature.s == int(vector["S"])
    assert signature.to_bytes().hex() == vector["packed"]
    assert eddsa.Signature.from_bytes(signature.to_bytes()) == signature
    eddsa.verify(key.public, message, signature, scheme)


@pytest.mark.parametrize("vector", ZOKRATES["eddsa"], ids=lambda v: v["message"][:8])
def test_zokrates_signatures(vector: dict[str, Any]) -> None:
    key = eddsa_zokrates.SigningKey(int(vector["key"]))
    message = bytes.fromhex(vector["message"])
    signature = key.sign(message)
    assert key.public == point(*vector["public"])
    assert signature == eddsa_zokrates.Signature(point(*vector["R"]), int(vector["S"]))
    eddsa_zokrates.verify(key.public, message, signature)


def stream(label: bytes) -> Stream:
    return Stream(sha256(label).digest())


def test_signature_of_another_message_key_or_scheme() -> None:
    key, other = (eddsa.SigningKey.generate(stream(name)) for name in (b"a", b"b"))
    signature = key.sign(5)
    for public, message, scheme in (
        (key.public, 6, "poseidon"),
        (other.public, 5, "poseidon"),
        (key.public, 5, "mimc7"),
    ):
        with pytest.raises(ProofRejected):
            eddsa.verify(public, message, signature, scheme)
    tampered = eddsa.Signature(signature.r, (signature.s + 1) % L)
    assert not eddsa.is_valid(key.public, 5, tampered)


def test_signature_with_s_plus_group_order() -> None:
    signature = eddsa.SigningKey(bytes(32)).sign(5)
    with pytest.raises(DecodeError):
        eddsa.Signature(signature.r, signature.s + L)
    raw = signature.r.to_circom() + (signature.s + L).to_bytes(32, "little")
    for bad in (raw, signature.to_bytes() + b"\0", signature.to_bytes()[:-1]):
        with pytest.raises(DecodeError):
            eddsa.Signature.from_bytes(bad)


def test_public_keys_of_small_order_sign_nothing() -> None:
    """Under the identity or a point of order 2, R = S B8 would sign every message."""
    signature = eddsa.Signature(BASE8_TABLE.times(77), 77)
    small = Point(0, P - 1)
    assert 2 * small == IDENTITY
    for public in (IDENTITY, small):
        assert not eddsa.is_valid(public, 5, signature)
        forged = eddsa_zokrates.Signature(77 * eddsa_zokrates.BASE, 77)
        assert not eddsa_zokrates.is_valid(public, b"m", forged)


@pytest.mark.parametrize("message", [-1, P, True, 1.5, b"bytes"])
def test_messages_that_are_no_field_element(message: Any) -> None:
    key = eddsa.SigningKey(bytes(32))
    with pytest.raises(ParameterError):
        key.sign(message)
    with pytest.raises(ParameterError):
        eddsa.is_valid(key.public, message, key.sign(1))


def test_keys_are_checked_and_never_printed() -> None:
    key = eddsa.SigningKey(bytes(range(32)))
    assert "0102" not in repr(key) and "seed" not in repr(key)
    assert "12345" not in repr(eddsa_zokrates.SigningKey(12345))
    for bad in (0, P, -1, True):
        with pytest.raises(ParameterError):
            eddsa_zokrates.SigningKey(bad)
    with pytest.raises(ParameterError):
        eddsa.SigningKey(bytes(31))
    with pytest.raises(ParameterError):
        key.sign(1, "no such scheme")


def test_zokrates_signature_of_another_message() -> None:
    key = eddsa_zokrates.SigningKey.generate(stream(b"z"))
    signature = key.sign(b"m")
    with pytest.raises(ProofRejected):
        eddsa_zokrates.verify(key.public, b"n", signature)
    with pytest.raises(DecodeError):
        eddsa_zokrates.Signature(signature.r, signature.s + ORDER)
