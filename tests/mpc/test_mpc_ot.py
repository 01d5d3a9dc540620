"""Oblivious transfer: known answers, both sides' views, the attacks it must stop, and triples made by it."""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.bits import planes, spread, transpose64
from mpc.engine import Additive, Engine
from mpc.errors import DecodeError, FaultyParty, ParameterError
from mpc.ot import Receiver, Sender, receive_keys, send_keys, transferred
from mpc.ot.edwards import ORDER, P, Point
from mpc.ot.extension import rows_of
from mpc.ot.hash import CorrelationRobustHash
from mpc.prg import Stream
from mpc.protocols import inner_product, matrix_product, median, reveal_less_than, squared_norm
from mpc.runtime import Protocol, RunResult, run_local
from mpc.triples import Kind, Recipe, Recorder, Request

BASE = Point.decode(bytes.fromhex("5866666666666666666666666666666666666666666666666666666666666666"))


def stream(*labels: bytes | int | str) -> Stream:
    return Stream(bytes(range(32)), b"ot test").derive(*labels)


# --- the curve -------------------------------------------------------------------------------------------


def test_the_base_point_maps_to_nine_and_has_the_right_order() -> None:
    assert BASE.montgomery == (9).to_bytes(32, "little")
    assert BASE.in_prime_subgroup
    assert BASE.times(ORDER).is_neutral and not BASE.times(ORDER - 1).is_neutral


def test_rfc_7748_section_5_2_first_vector() -> None:
    scalar = bytes.fromhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4")
    u = bytes.fromhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")
    want = "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"
    secret = X25519PrivateKey.from_private_bytes(scalar)
    assert secret.exchange(X25519PublicKey.from_public_bytes(u)).hex() == want


def test_rfc_8032_section_7_1_first_key_through_our_map_is_the_x25519_key() -> None:
    """One scalar, two libraries' coordinates: Ed25519's public point mapped is X25519's public key."""
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    scalar = hashlib.sha512(seed).digest()[:32]
    on_x25519 = X25519PrivateKey.from_private_bytes(scalar).public_key().public_bytes_raw()
    assert Point.decode(public).montgomery == on_x25519
    assert Point.decode(public).encode() == public


@given(st.integers(1, 2**64), st.integers(1, 2**64))
@settings(max_examples=15, deadline=None)
def test_points_add_like_their_logarithms(a: int, b: int) -> None:
    assert BASE.times(a) + BASE.times(b) == BASE.times(a + b)
    assert BASE.times(a) + -BASE.times(a) == Point(0, 1)


@given(st.binary(min_size=32, max_size=32))
@settings(max_examples=60, deadline=None)
def test_points_have_one_encoding(data: bytes) -> None:
    try:
        point = Point.decode(data)
    except DecodeError:
        return
    assert point.encode() == data
    assert (-(point.x**2) + point.y**2 - 1 + 121665 * pow(121666, -1, P) * point.x**2 * point.y**2) % P == 0


@pytest.mark.parametrize(
    "data", [b"", bytes(31), P.to_bytes(32, "little"), (2**255 + 1).to_bytes(32, "little")]
)
def test_encodings_of_no_point_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        Point.decode(data)


# --- base transfers --------------------------------------------------------------------------------------


def base_run(
    choices: list[int], sender: Protocol[Any] | None = None, receiver: Protocol[Any] | None = None
) -> RunResult:
    return run_local(
        {
            1: sender or send_keys(2, len(choices), stream("base sender")),
            2: receiver or receive_keys(1, choices, stream("base receiver")),
        },
        record=True,
    )


def test_the_receiver_gets_the_keys_it_chose_and_only_those() -> None:
    choices = [0, 1, 1, 0, 1, 0, 0, 1]
    result = base_run(choices)
    pairs, keys = result.results[1], result.results[2]
    assert keys == [pair[choice] for pair, choice in zip(pairs, choices, strict=True)]
    assert len({key for pair in pairs for key in pair}) == 2 * len(choices)


TORSION = Point(0, P - 1)  # of order two


def test_a_sender_whose_point_has_a_small_component_would_read_the_choices_and_is_stopped() -> None:
    """Attack first: with A + T accepted, choice 1 would carry T into B, which the sender can test for."""
    poisoned = BASE.times(123456789) + TORSION
    own = BASE.times(987654321)
    assert own.in_prime_subgroup and not (own + poisoned).in_prime_subgroup  # choice 0 | choice 1

    def attacker() -> Protocol[None]:
        yield {2: poisoned.encode()}
        yield {}

    result = base_run([0, 1], sender=attacker())
    error = result.errors[2]
    assert isinstance(error, FaultyParty) and error.party == 1 and "small order" in str(error)
    assert not result.view(1)


@pytest.mark.parametrize(
    "key", [b"", bytes(32), Point(0, 1).encode(), TORSION.encode(), b"\xff" * 32, bytes(64)]
)
def test_a_senders_key_that_is_no_key_is_blamed(key: bytes) -> None:
    def attacker() -> Protocol[None]:
        yield {2: key}
        yield {}

    error = base_run([0], sender=attacker()).errors[2]
    assert isinstance(error, FaultyParty) and error.party == 1


@pytest.mark.parametrize("kind", ["silent", "short", "off the curve", "neutral", "the sender's own point"])
def test_a_receivers_malformed_choices_are_blamed(kind: str) -> None:
    def attacker() -> Protocol[None]:
        inbox = yield {}
        good = BASE.encode()
        answer = {
            "short": good,
            "off the curve": good + b"\x02" + bytes(31),
            "neutral": good + Point(0, 1).encode(),
            "the sender's own point": good + inbox[1],
        }
        yield {1: answer[kind]} if kind in answer else {}

    error = base_run([0, 1], receiver=attacker()).errors[1]
    assert isinstance(error, FaultyParty) and error.party == 2


# --- bits and the hash -----------------------------------------------------------------------------------


def test_transposing_is_what_it_says() -> None:
    words = stream("transpose").uint64((64, 5))
    bits = np.unpackbits(words.T.copy().view(np.uint8).reshape(5, 64, 8), axis=-1, bitorder="little")
    transpose64(words)
    after = np.unpackbits(words.T.copy().view(np.uint8).reshape(5, 64, 8), axis=-1, bitorder="little")
    np.testing.assert_array_equal(after, bits.transpose(0, 2, 1))


@pytest.mark.parametrize("words", [1, 3, 600])
def test_rows_are_the_columns_turned(words: int) -> None:
    columns = stream("rows").uint64((128, words))
    rows = rows_of(columns)
    assert rows.shape == (64 * words, 2)
    source = stream("positions")
    for _ in range(200):
        row, column = source.below(64 * words), source.below(128)
        ours = int(rows[row, column // 64]) >> (column % 64) & 1
        assert ours == int(columns[column, row // 64]) >> (row % 64) & 1


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=130), st.integers(1, 64))
def test_planes_and_spread_agree_with_shifts(values: list[int], bits: int) -> None:
    array = np.array(values, dtype=np.uint64)
    turned = planes(array, bits)
    assert turned.shape == (bits, -(-len(values) // 64))
    for j in {0, bits - 1, bits // 2}:
        np.testing.assert_array_equal(spread(turned[j], len(values)), array >> np.uint64(j) & np.uint64(1))


def test_the_hash_is_two_aes_calls_by_the_formula() -> None:
    key, rows = bytes(range(16)), stream("hash").uint64((6, 2))
    pads = CorrelationRobustHash(key).pads(rows, first_tweak=1000, width=3)

    def aes(block: bytes) -> bytes:
        return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)

    for i, row in enumerate(rows):
        inner = aes(row.tobytes())
        want = b""
        for block in range(2):
            tweak = (1000 + 2 * i + block).to_bytes(16, "little")
            outer = aes(bytes(a ^ b for a, b in zip(inner, tweak, strict=True)))
            want += bytes(a ^ b for a, b in zip(outer, inner, strict=True))
        assert pads[i].tobytes() == want[:24]


def test_equal_rows_have_different_pads() -> None:
    pads = CorrelationRobustHash(bytes(16)).pads(np.zeros((1000, 2), dtype=np.uint64), 0, 1)
    assert len(np.unique(pads)) == 1000


# --- the extension ---------------------------------------------------------------------------------------


def extend(choices: np.ndarray[Any, Any], width: int, times: int = 1) -> RunResult:
    def sender() -> Protocol[list[Any]]:
        end = yield from Sender.setup(2, stream("sender"))
        pads = []
        for _ in range(times):
            pads.append((yield from end.extend(64 * len(choices), width)))
        return pads

    def receiver() -> Protocol[list[Any]]:
        end = yield from Receiver.setup(1, stream("receiver"))
        pads = []
        for _ in range(times):
            pads.append((yield from end.extend(choices, width)))
        return pads

    return run_local({1: sender(), 2: receiver()}, record=True, raise_errors=True)


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_the_receiver_holds_the_chosen_pad_of_every_transfer(width: int) -> None:
    choices = stream("choices").uint64(20)
    result = extend(choices, width)
    (zero, one), chosen = result.results[1][0], result.results[2][0]
    picks = spread(choices, 1280).astype(bool)[:, None]
    np.testing.assert_array_equal(chosen, np.where(picks, one, zero))
    # What was not chosen is different everywhere, and no pad is ever repeated.
    assert not np.any(np.where(picks, zero, one) == chosen)
    assert len(np.unique(np.concatenate([zero, one]))) == 2 * 1280 * width


def test_a_second_extension_has_fresh_pads() -> None:
    result = extend(np.zeros(4, dtype=np.uint64), 1, times=2)
    first, second = result.results[2]
    assert not np.any(first == second)


def test_what_the_sender_sees_does_not_depend_on_the_choices() -> None:
    """Chi-square on the bytes of the receiver's columns, for choices that are all 0 and all 1."""
    for choices in (np.zeros(64, dtype=np.uint64), np.full(64, 2**64 - 1, dtype=np.uint64)):
        message = max((delivery.data for delivery in extend(choices, 1).view(1)), key=len)
        assert len(message) == 128 * 65 * 8
        counts = np.bincount(np.frombuffer(message, dtype=np.uint8), minlength=256)
        expected = len(message) / 256
        assert float(((counts - expected) ** 2 / expected).sum()) < 330.5  # 255 degrees, p = 0.001


@pytest.mark.parametrize("fault", [b"", bytes(8), bytes(128 * 8 * 5 + 8), None])
def test_a_receivers_malformed_columns_are_blamed(fault: bytes | None) -> None:
    def attacker() -> Protocol[None]:
        yield from Receiver.setup(1, stream("receiver"))
        yield {} if fault is None else {1: fault}

    def sender() -> Protocol[Any]:
        end = yield from Sender.setup(2, stream("sender"))
        return (yield from end.extend(256, 1))

    error = run_local({1: sender(), 2: attacker()}).errors[1]
    assert isinstance(error, FaultyParty) and error.party == 2


class TwoFaced(Receiver):
    """Chooses 0 everywhere, except that in column `lie` it claims to choose 1 everywhere.

    The sender's rows are then t_i ^ s_lie * e_lie: knowing t, this receiver can compute H of both candidates,
    and whichever is the sender's pad tells it that bit of s.
    """

    lie = 5

    def extend(self, choices: Any, width: int) -> Any:
        step = super().extend(choices, width)
        outbox = next(step)
        columns = np.frombuffer(outbox[1], dtype="<u8").reshape(128, -1).copy()
        columns[self.lie, :-1] ^= np.uint64(2**64 - 1)
        inbox = yield {1: columns.tobytes()}
        outbox = step.send(inbox)
        try:
            while True:
                inbox = yield outbox
                outbox = step.send(inbox)
        except StopIteration as stop:
            return stop.value


def two_faced_run(salt: int) -> tuple[RunResult, int]:
    """The run, and the bit of the sender's secret that the cheat is after."""
    secrets: list[int] = []

    def sender() -> Protocol[Any]:
        end = yield from Sender.setup(2, stream("honest sender", salt))
        secrets.append(int(end._secret[0]) >> TwoFaced.lie & 1)
        return (yield from end.extend(256, 1))

    def receiver() -> Protocol[Any]:
        end = yield from TwoFaced.setup(1, stream("cheat", salt))
        return (yield from end.extend(np.zeros(4, dtype=np.uint64), 1))

    result = run_local({1: sender(), 2: receiver()})
    return result, secrets[0]


def test_a_receiver_that_claims_other_choices_in_one_column_is_named_or_learns_nothing_new() -> None:
    """Where s is 1 in that column the cheat is caught; where it is 0 the pads are those of an honest run."""
    seen = set()
    for salt in range(12):
        result, bit = two_faced_run(salt)
        seen.add(bit)
        if bit:
            error = result.errors[1]
            assert isinstance(error, FaultyParty) and error.party == 2 and "choices" in str(error)
        else:
            np.testing.assert_array_equal(result.results[1][0], result.results[2])
    assert seen == {0, 1}


def test_without_the_check_one_column_would_give_away_a_bit_of_the_secret() -> None:
    """Attack first: the same cheat against the algebra alone, with a sender that does not check."""
    for bit in (0, 1):
        t = stream("t").uint64((128, 4))
        lie = np.zeros_like(t)
        lie[TwoFaced.lie] = 2**64 - 1
        q = t ^ (lie if bit else np.zeros_like(t))
        hashed = CorrelationRobustHash(bytes(16))
        pads = hashed.pads(rows_of(q), 0, 1)
        guesses = [hashed.pads(rows_of(t), 0, 1), hashed.pads(rows_of(t ^ lie), 0, 1)]
        assert [bool(np.all(guess == pads)) for guess in guesses] == [bit == 0, bit == 1]


@pytest.mark.parametrize("fault", [b"", bytes(31), None])
def test_a_senders_malformed_challenge_is_blamed(fault: bytes | None) -> None:
    def attacker() -> Protocol[None]:
        yield from Sender.setup(2, stream("sender"))
        yield {}
        yield {} if fault is None else {2: fault}

    def receiver() -> Protocol[Any]:
        end = yield from Receiver.setup(1, stream("receiver"))
        return (yield from end.extend(np.zeros(4, dtype=np.uint64), 1))

    error = run_local({1: attacker(), 2: receiver()}).errors[2]
    assert isinstance(error, FaultyParty) and error.party == 1


def test_transfers_come_in_blocks() -> None:
    end = Sender(2, np.zeros(2, dtype=np.uint64), [], bytes(32), stream("x"))
    with pytest.raises(ParameterError):
        next(end.extend(63, 1))


# --- triples ---------------------------------------------------------------------------------------------

REQUESTS = [
    Request(Kind.PRODUCT, (7, 2)),
    Request(Kind.SQUARE, (5,)),
    Request(Kind.DOT, (3, 4)),
    Request(Kind.MATRIX, (2, 3, 4)),
    Request(Kind.AND, (6,)),
    Request(Kind.MASK, (9,)),
    Request(Kind.BIT, (70,)),
]


def check(request: Request, one: tuple[Any, ...], two: tuple[Any, ...]) -> None:
    plus = [a + b for a, b in zip(one, two, strict=True)]
    xor = [a ^ b for a, b in zip(one, two, strict=True)]
    match request.kind:
        case Kind.PRODUCT:
            np.testing.assert_array_equal(plus[2], plus[0] * plus[1])
        case Kind.SQUARE:
            np.testing.assert_array_equal(plus[1], plus[0] * plus[0])
        case Kind.DOT:
            np.testing.assert_array_equal(plus[2], (plus[0] * plus[1]).sum(axis=-1))
        case Kind.MATRIX:
            np.testing.assert_array_equal(plus[2], plus[0] @ plus[1])
        case Kind.AND:
            np.testing.assert_array_equal(xor[2], xor[0] & xor[1])
        case Kind.MASK:
            np.testing.assert_array_equal(plus[0], xor[1])
        case Kind.BIT:
            np.testing.assert_array_equal(plus[1], spread(xor[0], request.shape[0]))


def making(me: int, recipe: Recipe) -> Protocol[list[Any]]:
    source = yield from transferred(me, (1, 2), recipe, stream("triples", me))
    return [source.take(request) for request in recipe]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda r: r.kind.name)
def test_transferred_randomness_is_correlated_as_it_should_be(request_: Request) -> None:
    recipe = (request_, request_)
    result = run_local({me: making(me, recipe) for me in (1, 2)}, raise_errors=True)
    for one, two in zip(result.results[1], result.results[2], strict=True):
        check(request_, one, two)
    first, second = result.results[1]
    assert not np.any(first[0] == second[0])
    assert result.costs[1].triples == 2 * request_.size


WITHOUT_A_DEALER: dict[str, tuple[Callable[[Engine], Protocol[Any]], Any]] = {
    "inner product": (
        lambda e: inner_product(e, {e.me: np.array([e.me, -5, 2**20])}, {1: 3, 2: 3}),
        2 + 25 + 2**40,
    ),
    "matrix product": (
        lambda e: matrix_product(e, {e.me: np.full((2, 2), e.me)}, {1: (2, 2), 2: (2, 2)}),
        [[4, 4], [4, 4]],
    ),
    "squared norm": (lambda e: squared_norm(e, [3, -4] if e.me == 1 else None, 1, 2), 25),
    "less than": (
        lambda e: reveal_less_than(e, [e.me, 3 - e.me, 5], (1, 2), 3, bits=8),
        [True, False, False],
    ),
    "median": (
        lambda e: median(e, [e.public(np.array([v], dtype=np.uint64)) for v in (4, 9, 1)], bits=6),
        [4],
    ),
}


@pytest.mark.parametrize("name", WITHOUT_A_DEALER)
def test_two_parties_need_no_dealer(name: str) -> None:
    body, want = WITHOUT_A_DEALER[name]
    recorders = {1: Recorder(), 2: Recorder()}
    run_local({i: body(Additive(i, (1, 2), recorders[i], stream("dry"))) for i in (1, 2)}, raise_errors=True)
    assert recorders[1].recipe == recorders[2].recipe

    def party(me: int) -> Protocol[Any]:
        source = yield from transferred(me, (1, 2), recorders[me].recipe, stream("source", me))
        return (yield from body(Additive(me, (1, 2), source, stream("party", me))))

    result = run_local({me: party(me) for me in (1, 2)}, raise_errors=True)
    np.testing.assert_array_equal(result.results[1], want)
    np.testing.assert_array_equal(result.results[2], want)


@pytest.mark.parametrize("fault", [None, b"\0" * 7])
def test_a_malformed_message_while_making_triples_is_blamed(fault: bytes | None) -> None:
    recipe = (REQUESTS[0],)
    rounds = run_local({me: making(me, recipe) for me in (1, 2)}).rounds
    for liar in (1, 2):
        for number in range(1, rounds + 1):
            run = {me: making(me, recipe) for me in (1, 2)}
            run[liar] = corrupted(run[liar], number, fault)
            result = run_local(run)
            error = result.errors.get(3 - liar)
            assert error is None or (isinstance(error, FaultyParty) and error.party == liar)
            if result.results.get(3 - liar) is not None:
                assert number in silent_rounds(liar, recipe)


def corrupted(honest: Protocol[Any], at: int, fault: bytes | None) -> Protocol[Any]:
    outbox, number = next(honest), 1
    while True:
        if number == at:
            outbox = {} if fault is None else dict.fromkeys(outbox, fault)
        inbox = yield outbox
        try:
            outbox, number = honest.send(inbox), number + 1
        except StopIteration as stop:
            return stop.value


def silent_rounds(party: int, recipe: Recipe) -> set[int]:
    result = run_local({me: making(me, recipe) for me in (1, 2)}, record=True)
    spoken = {m.round for m in result.messages if m.sender == party}
    return set(range(1, result.rounds + 1)) - spoken
