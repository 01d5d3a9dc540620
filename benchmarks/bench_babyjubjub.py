"""BabyJubJub signatures and hashes, and the steps of a ceremony.

`Signatures` and `Ceremony` time this project's own work. `Ratios` runs zokrates-pycrypto and this project on the same
inputs in one process and tracks the quotient of their CPU seconds. The peer (extra `dev`) is imported where it is used;
a missing one gives nan.
"""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

from mpc.prg import Stream
from zk import eddsa, eddsa_zokrates
from zk.circuit import Circuit
from zk.gadgets.poseidon import poseidon as poseidon_gadget
from zk.pedersen_hash import circom_pedersen, zokrates_pedersen
from zk.phase2 import Factors, check_consistent, new_keys, rerandomise
from zk.poseidon import poseidon
from zk.powers import Powers

MESSAGE = bytes(range(64))


def cpu_seconds(work: Callable[[], object], repeat: int = 5) -> float:
    """The median CPU time of `work`."""
    spent = []
    for _ in range(repeat):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return median(spent)


class Signatures:
    """One signature, one hash, on one core."""

    warmup_time = 0.2

    def setup(self) -> None:
        self.key = eddsa.SigningKey(bytes(32))
        self.signature = self.key.sign(1)
        circom_pedersen(MESSAGE)

    def time_sign_poseidon(self) -> None:
        self.key.sign(1)

    def time_verify_poseidon(self) -> None:
        eddsa.verify(self.key.public, 1, self.signature)

    def time_pedersen_64_bytes(self) -> None:
        circom_pedersen(MESSAGE)

    def time_poseidon_of_two(self) -> None:
        poseidon([1, 2])


class Ceremony:
    """A circuit of 2^8 rows: keys from powers of tau, one contribution, and the check of the result."""

    timeout = 300
    number = 1
    repeat = 3
    warmup_time = 0.0

    def setup(self) -> None:
        circuit = Circuit()
        digest = circuit.public("digest")
        circuit.equal(poseidon_gadget(circuit, [circuit.public("x")], "h"), digest, "result")
        self.r1cs, _ = circuit.finish()
        log_size = self.r1cs.domain.bit_length() - 1
        stream = Stream(bytes(32), b"bench")
        self.powers = Powers.generate(log_size, stream, unsafe_single_party=True)
        self.initial = new_keys(self.r1cs, self.powers)
        self.factors = Factors.draw(stream, 0)
        self.final = rerandomise(self.initial, self.factors)

    def time_new(self) -> None:
        new_keys(self.r1cs, self.powers)

    def time_contribute(self) -> None:
        rerandomise(self.initial, self.factors)

    def time_check(self) -> None:
        check_consistent(self.initial, self.final)

    def track_rows(self) -> int:
        return self.r1cs.n_rows


class Ratios:
    """How many times faster than zokrates-pycrypto 0.3."""

    timeout = 300
    number = 1
    repeat = 1

    def _ratio(self, theirs: Callable[[Any], Callable[[], object]], ours: Callable[[], object]) -> float:
        try:
            import zokrates_pycrypto
        except ImportError:
            return float("nan")
        ours()
        return cpu_seconds(theirs(zokrates_pycrypto)) / cpu_seconds(ours, repeat=25)

    def track_eddsa_sign(self) -> float:
        key = eddsa_zokrates.SigningKey(123456789)

        def theirs(peer: Any) -> Callable[[], object]:
            from zokrates_pycrypto.eddsa import PrivateKey
            from zokrates_pycrypto.field import FQ

            secret = PrivateKey(FQ(123456789))
            return lambda: secret.sign(MESSAGE)

        return self._ratio(theirs, lambda: key.sign(MESSAGE))

    def track_eddsa_verify(self) -> float:
        key = eddsa_zokrates.SigningKey(123456789)
        signature = key.sign(MESSAGE)

        def theirs(peer: Any) -> Callable[[], object]:
            from zokrates_pycrypto.eddsa import PrivateKey, PublicKey
            from zokrates_pycrypto.field import FQ

            secret = PrivateKey(FQ(123456789))
            public, made = PublicKey.from_private(secret), secret.sign(MESSAGE)
            return lambda: public.verify(made, MESSAGE)

        return self._ratio(theirs, lambda: eddsa_zokrates.verify(key.public, MESSAGE, signature))

    def track_pedersen_hash(self) -> float:
        def theirs(peer: Any) -> Callable[[], object]:
            from zokrates_pycrypto.gadgets.pedersenHasher import PedersenHasher

            return lambda: PedersenHasher("test").hash_bytes(MESSAGE)

        return self._ratio(theirs, lambda: zokrates_pedersen(MESSAGE, "test"))


if __name__ == "__main__":
    for name in ("track_eddsa_sign", "track_eddsa_verify", "track_pedersen_hash"):
        print(f"{name.removeprefix('track_')}: {getattr(Ratios(), name)():,.0f} times")
