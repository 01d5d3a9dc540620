"""Keys: generation, refusal of bad ones, proofs, files."""

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import gmpy2
import pytest
from gmpy2 import mpz

from he import (
    InvalidKey,
    KeyShare,
    PrivateKey,
    PublicKey,
    ThresholdKey,
    WrongPassphrase,
    is_valid_public_key,
    keygen,
    load_key_share,
    load_private_key,
    private_key_from_json,
    private_key_to_json,
    prove_public_key,
    public_key_from_json,
    public_key_to_json,
    save_private_key,
    verify_public_key,
)
from he.key_proof import BLUM_ROUNDS, PERMUTATION_ROUNDS, KeyProof, _challenges
from he.keys import PUBLIC_MAGIC
from he.primes import blum_prime
from he.wire import Writer
from mpc.errors import DecodeError, InsecureError, ParameterError, ProofRejected
from mpc.prg import Stream

Pair = tuple[PublicKey, PrivateKey]


def test_keys_have_the_form_that_the_paper_asks_for(pair: Pair) -> None:
    public, private = pair
    p, q = private.p, private.q
    assert p % 4 == q % 4 == 3 and gmpy2.gcd(p - 1, q - 1) == 2 and public.n == p * q
    assert public.bits == 1024 and public.exponent_bits == 512
    assert gmpy2.jacobi(public.h, public.n) == 1
    # h is the negative of a square, and h_s an n-th residue: its order divides the totient
    assert gmpy2.legendre(-public.h % p, p) == gmpy2.legendre(-public.h % q, q) == 1
    assert gmpy2.powmod(public.h_s, private.totient, public.n_squared) == 1


@pytest.mark.parametrize(("exponent", "bits"), [("half", 1024), ("textbook", 0), (512, 512)])
def test_exponent_is_recorded_in_the_key(exponent: str | int, bits: int) -> None:
    public, private = keygen(2048, exponent=exponent, stream=Stream(bytes(32)))
    assert public.exponent_bits == bits and not public.insecure
    assert PublicKey.from_bytes(public.to_bytes()).exponent_bits == bits
    assert (public.h != 0) == (bits != 0)
    assert repr(private.p)[4:20] not in repr(private)


def test_same_stream_same_key_other_stream_other_key() -> None:
    make = lambda seed: keygen(512, stream=Stream(bytes([seed] * 32)), allow_insecure=True)[0]  # noqa: E731
    assert make(1) == make(1) and make(1).fingerprint != make(2).fingerprint


def test_short_moduli_are_refused_unless_allowed(pair: Pair) -> None:
    with pytest.raises(InsecureError, match="2048"):
        keygen(1024)
    with pytest.raises(InsecureError, match="2048"):
        PublicKey(pair[0].n, pair[0].h, 512)
    with pytest.raises(InsecureError):
        PublicKey.from_bytes(pair[0].to_bytes())
    with pytest.raises(InsecureError):
        PrivateKey.from_bytes(pair[1].to_bytes())
    assert pair[0].insecure


@pytest.mark.parametrize("exponent", [0, -1, True, "full", 2.5, 100, 513])
def test_bad_exponents_are_refused(exponent: object) -> None:
    with pytest.raises(ParameterError):
        keygen(1024, exponent=exponent, allow_insecure=True)  # type: ignore[arg-type]


@pytest.mark.parametrize("bits", [0, 127, 1025, 10**6])
def test_bad_sizes_are_refused(bits: int) -> None:
    with pytest.raises(ParameterError):
        keygen(bits, allow_insecure=True)


def test_bad_moduli_are_refused(stream: Stream, pair: Pair) -> None:
    p, q = blum_prime(128, stream), blum_prime(128, stream)
    cases = {
        "primes are equal": p * p,
        "3 divides": 3 * p * q,
        "65521 divides": 65521 * p,
        "is a prime": p,
        "2 divides": 2 * p * q,
    }
    for reason, n in cases.items():
        with pytest.raises(InvalidKey, match=reason):
            PublicKey(mpz(n), allow_insecure=True)
    n = pair[0].n
    with pytest.raises(InvalidKey, match="between 64"):
        PublicKey(mpz(2) ** 10001 + 1)
    for h in (0, 1, n - 1, n, n + 5):
        with pytest.raises(InvalidKey, match="h is"):
            PublicKey(n, mpz(h), 512, True)
    nonresidue = next(mpz(h) for h in range(2, 100) if gmpy2.jacobi(h, n) == -1)
    with pytest.raises(InvalidKey, match="Jacobi"):
        PublicKey(n, nonresidue, 512, True)
    with pytest.raises(InvalidKey, match="no h"):
        PublicKey(n, mpz(4), 0, True)


def test_bad_private_keys_are_refused(stream: Stream) -> None:
    p, q = blum_prime(128, stream), blum_prime(128, stream)
    public = PublicKey(p * q, allow_insecure=True)
    with pytest.raises(InvalidKey, match="equal"):
        PrivateKey(public, p, p)
    with pytest.raises(InvalidKey, match="do not give"):
        PrivateKey(public, p, q + 4)
    small = blum_prime(64, stream)
    with pytest.raises(InvalidKey, match="much smaller"):
        PrivateKey(PublicKey(p * small, allow_insecure=True), small, p)
    a, b, c = (blum_prime(64, stream) for _ in range(3))
    with pytest.raises(InvalidKey, match="not a prime"):
        PrivateKey(PublicKey(a * b * p, allow_insecure=True), a * b, p)
    # 1 mod 4: fine for a textbook key, useless for h
    while (r := blum_prime(128, stream) + 2) % 4 != 1 or not gmpy2.is_prime(r):
        pass
    textbook = PublicKey(p * r, allow_insecure=True)
    PrivateKey(textbook, p, r)
    h = next(mpz(h) for h in range(2, 100) if gmpy2.jacobi(h, p * r) == 1)
    with pytest.raises(InvalidKey, match="3 mod 4"):
        PrivateKey(PublicKey(p * r, h, 128, True), p, r)
    assert c


def test_primes_that_fermat_finds_are_refused(stream: Stream) -> None:
    p = blum_prime(1024, stream)
    q = gmpy2.next_prime(p)
    root = gmpy2.isqrt(p * q) + 1
    assert gmpy2.is_square(root * root - p * q)  # the attack: one step of Fermat's method factors n
    with pytest.raises(InvalidKey, match="too close"):
        PrivateKey(PublicKey(p * q), p, q)


def test_keys_survive_bytes_and_json(pair: Pair, textbook_pair: Pair) -> None:
    for public, private in (pair, textbook_pair):
        assert PublicKey.from_bytes(public.to_bytes(), allow_insecure=True) == public
        assert PrivateKey.from_bytes(private.to_bytes(), allow_insecure=True) == private
        assert public_key_from_json(public_key_to_json(public), allow_insecure=True) == public
        assert private_key_from_json(private_key_to_json(private), allow_insecure=True) == private
        assert hash(public) == hash(PublicKey.from_bytes(public.to_bytes(), allow_insecure=True))


def test_json_has_one_spelling(pair: Pair) -> None:
    text = public_key_to_json(pair[0])
    fields = json.loads(text)
    others = [
        text.replace(",", ", "),
        text.replace("{", "{ ", 1),
        json.dumps(fields | {"n": "0" + fields["n"]}, sort_keys=True, separators=(",", ":")),
        json.dumps(fields | {"n": fields["n"].upper()}, sort_keys=True, separators=(",", ":")),
        json.dumps(fields | {"extra": 1}, sort_keys=True, separators=(",", ":")),
        json.dumps(fields | {"exponent_bits": True}),
        json.dumps(fields | {"exponent_bits": "512"}),
        json.dumps(fields | {"n": 15}),
        "[]",
        "not json",
        "[" * 100_000,
        "x" * 10**6,
    ]
    for other in others:
        with pytest.raises(DecodeError):
            public_key_from_json(other, allow_insecure=True)
    with pytest.raises(DecodeError):
        private_key_from_json(text, allow_insecure=True)


def test_key_files_open_with_their_passphrase_only(pair: Pair, tmp_path: Path) -> None:
    path = tmp_path / "key"
    save_private_key(path, pair[1], "correct horse", work_factor=14)
    assert load_private_key(path, "correct horse", allow_insecure=True) == pair[1]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert os.listdir(tmp_path) == ["key"]
    with pytest.raises(WrongPassphrase):
        load_private_key(path, "wrong horse")
    data = path.read_bytes()
    assert int(pair[1].p).to_bytes(64, "big") not in data
    for position in (len(data) - 1, 45, 60):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        with pytest.raises(WrongPassphrase):
            load_private_key(path, "correct horse")
    for bad in (
        b"",
        data[:20],
        b"\0" * 100,
        data[:26] + bytes([30]) + data[27:],
        data[:26] + b"\2" + data[27:],
    ):
        path.write_bytes(bad)
        with pytest.raises(DecodeError):
            load_private_key(path, "correct horse")
    path.write_bytes(data[:50])
    with pytest.raises((DecodeError, WrongPassphrase)):
        load_private_key(path, "correct horse")
    with pytest.raises(ParameterError):
        save_private_key(path, pair[1], "")
    with pytest.raises(ParameterError):
        save_private_key(path, pair[1], "x", work_factor=2)


def test_key_shares_have_files_too(
    committee: tuple[ThresholdKey, tuple[KeyShare, ...]], tmp_path: Path
) -> None:
    path, share = tmp_path / "share", committee[1][0]
    save_private_key(path, share, "x", work_factor=14)
    assert load_key_share(path, "x", allow_insecure=True) == share
    with pytest.raises(DecodeError):
        load_private_key(path, "x", allow_insecure=True)
    path.write_bytes(bytes(2**20 + 1))
    with pytest.raises(DecodeError, match="1048577 bytes"):
        load_key_share(path, "x")


def test_failed_save_leaves_the_old_file(pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"old")

    def broken(source: object, target: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(OSError, match="disk full"):
        save_private_key(path, pair[1], "x", work_factor=14)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["key"]


# --- proofs


def test_an_h_s_that_is_no_residue_would_show_messages_and_cannot_be_sent(pair: Pair) -> None:
    public, private = pair
    n, n_squared = public.n, public.n_squared
    # the attack: a key whose h_s is 1 + n. A ciphertext is then 1 + (m + e) n, and e is only half as long as m
    message, exponent = mpz(7) << 900, mpz(2) ** 511 + 12345
    c = (1 + message * n) * gmpy2.powmod(1 + n, exponent, n_squared) % n_squared
    assert ((c - 1) // n) >> 900 == 7
    # the defence: what travels is h, and whatever a stranger puts there, h_s = h^n is an n-th residue
    for h in (mpz(4), n + 1 - n // 2, mpz(2) ** 1000 + 297):
        while gmpy2.jacobi(h, n) != 1:
            h += 1
        received = PublicKey.from_bytes(
            PUBLIC_MAGIC + Writer().integer(n).integer(h).number(512).done(), allow_insecure=True
        )
        assert received.h_s == gmpy2.powmod(h, n, n_squared)
        assert gmpy2.powmod(received.h_s, private.totient, n_squared) == 1


def test_honest_key_proof_verifies_and_survives_bytes(pair: Pair, textbook_pair: Pair) -> None:
    for public, private in (pair, textbook_pair):
        proof = prove_public_key(private, context=b"alice")
        verify_public_key(public, KeyProof.from_bytes(proof.to_bytes()), context=b"alice")
        assert not is_valid_public_key(public, proof, context=b"bob")


def test_key_proof_of_another_key_is_rejected(pair: Pair, other_pair: Pair) -> None:
    proof = prove_public_key(pair[1])
    with pytest.raises(ProofRejected):
        verify_public_key(other_pair[0], proof)
    # the h is bound too: the same modulus with another h has another transcript
    swapped = PublicKey(pair[0].n, mpz(4), 512, True)
    assert not is_valid_public_key(swapped, proof)


def test_every_part_of_a_key_proof_matters(pair: Pair) -> None:
    public, private = pair
    proof = prove_public_key(private)
    n = public.n
    wrong = [
        replace(proof, w=mpz(4)),
        replace(proof, w=mpz(0)),
        replace(proof, nth_roots=(proof.nth_roots[0] + 1, *proof.nth_roots[1:])),
        replace(proof, nth_roots=(proof.nth_roots[0] + n, *proof.nth_roots[1:])),
        replace(proof, nth_roots=proof.nth_roots[:-1]),
        replace(proof, fourth_roots=(*proof.fourth_roots[:-1], proof.fourth_roots[-1] + 1)),
        replace(proof, fourth_roots=(*proof.fourth_roots[:-1], -proof.fourth_roots[-1])),
        replace(proof, fourth_roots=proof.fourth_roots[:-1]),
        replace(proof, signs=(*proof.signs[:-1], proof.signs[-1] ^ 1)),
        replace(proof, signs=(*proof.signs[:-1], proof.signs[-1] ^ 4)),
        replace(proof, signs=proof.signs[:-1]),
    ]
    for bad in wrong:
        with pytest.raises(ProofRejected):
            verify_public_key(public, bad)


def _forged(public: PublicKey, primes: list[mpz], w: mpz) -> KeyProof:
    """The best proof that the owner of a malformed modulus can make: roots where there are some."""
    n, inverse = public.n, None
    totient = mpz(1)
    for p in primes:
        totient *= p - 1
    # p^2 | n contributes p (p - 1)
    if len(set(primes)) < len(primes):
        totient *= next(p for p in primes if primes.count(p) == 2)
    if gmpy2.gcd(n, totient) == 1:
        inverse = gmpy2.invert(n, totient)
    for_nth, for_fourth = _challenges(public, w, b"")
    nth = tuple(gmpy2.powmod(y, inverse, n) if inverse else y for y in for_nth)
    signs, roots = [], []
    for y in for_fourth:
        found = (0, mpz(1))
        for sign in range(4):
            target = (-y if sign & 1 else y) * (w if sign & 2 else 1) % n
            if len(set(primes)) == len(primes) and all(_fourth_power(target, p) for p in primes):
                found = (sign, _crt_fourth_root(target, primes, n))
                break
        signs.append(found[0])
        roots.append(found[1])
    return KeyProof(w, nth, tuple(signs), tuple(roots))


def _fourth_power(y: mpz, p: mpz) -> bool:
    return bool(gmpy2.powmod(y, (p - 1) // gmpy2.gcd(4, p - 1), p) == 1)


def _crt_fourth_root(y: mpz, primes: list[mpz], n: mpz) -> mpz:
    root = mpz(0)
    for p in set(primes):
        k = gmpy2.gcd(4, p - 1)
        odd = (p - 1) // k
        while odd % 2 == 0:
            odd //= 2
        # an odd-order element has the fourth root y^(1/4 mod odd)
        local = gmpy2.powmod(y, gmpy2.invert(4, odd), p)
        rest = n // p
        root += local * rest * gmpy2.invert(rest, p)
    return root % n


def test_a_modulus_of_three_primes_cannot_be_proved(stream: Stream) -> None:
    primes = [blum_prime(96, stream) for _ in range(3)]
    public = PublicKey(primes[0] * primes[1] * primes[2], allow_insecure=True)
    w = next(mpz(w) for w in range(2, 200) if gmpy2.jacobi(w, public.n) == -1)
    proof = _forged(public, primes, w)
    with pytest.raises(ProofRejected, match="fourth root"):
        verify_public_key(public, proof)


def test_primes_of_the_wrong_form_cannot_be_proved(stream: Stream) -> None:
    p = blum_prime(96, stream)
    q = gmpy2.next_prime(mpz(stream.below(1 << 96)) | 1 << 95)
    while q % 4 != 1:
        q = gmpy2.next_prime(q)
    public = PublicKey(p * q, allow_insecure=True)
    w = next(mpz(w) for w in range(2, 200) if gmpy2.jacobi(w, public.n) == -1)
    with pytest.raises(ProofRejected, match="fourth root"):
        verify_public_key(public, _forged(public, [p, q], w))


def test_a_modulus_that_shares_a_factor_with_its_totient_cannot_be_proved(stream: Stream) -> None:
    # q = 1 mod p: then x -> x^n is not a permutation, and r^n does not hide everything
    p = blum_prime(64, stream)
    q = 4 * p + 1
    while not (gmpy2.is_prime(q) and q % 4 == 3):
        q += 2 * p
    public = PublicKey(p * q, allow_insecure=True)
    with pytest.raises(InvalidKey, match="totient|smaller"):
        PrivateKey(public, *sorted((p, q)))
    w = next(mpz(w) for w in range(2, 200) if gmpy2.jacobi(w, public.n) == -1)
    with pytest.raises(ProofRejected, match="n-th root"):
        verify_public_key(public, _forged(public, [p, q], w))


def test_a_modulus_with_a_square_cannot_be_proved(stream: Stream) -> None:
    p, q = blum_prime(96, stream), blum_prime(96, stream)
    public = PublicKey(p * p * q, allow_insecure=True)
    w = next(mpz(w) for w in range(2, 200) if gmpy2.jacobi(w, public.n) == -1)
    with pytest.raises(ProofRejected, match="n-th root"):
        verify_public_key(public, _forged(public, [p, p, q], w))


def test_proving_a_foreign_textbook_key_is_refused(stream: Stream) -> None:
    p = blum_prime(128, stream)
    q = gmpy2.next_prime(p >> 1 | mpz(1) << 127)
    while q % 4 != 1:
        q = gmpy2.next_prime(q)
    private = PrivateKey(PublicKey(p * q, allow_insecure=True), *sorted((p, q)))
    with pytest.raises(ParameterError, match="3 mod 4"):
        prove_public_key(private)


def test_soundness_rounds_are_what_the_docstring_says() -> None:
    # every n-th root convinces with 16 bits, as factors below 2^16 are divided out
    assert 16 * PERMUTATION_ROUNDS >= 128 and BLUM_ROUNDS >= 128
