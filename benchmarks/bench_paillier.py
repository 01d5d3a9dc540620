"""Paillier for vectors, alone and beside its peers.

`Vectors` times this project's own work. `Ratios` runs a peer and this project in one process, one after the
other, and tracks the quotient of their CPU seconds, so that other load on the machine cancels. Peers work
value by value, and all values cost the same, so a few of them are measured and extrapolated to 100,000.
`python -m benchmarks paillier` prints the table. Peers (extra `bench`) are imported where they are
used; a missing one gives nan.
"""

import time
from collections.abc import Callable
from functools import cache
from statistics import median
from typing import Any

import gmpy2
import numpy as np

import he
from benchmarks.side_by_side import comparison
from he.multi_exponent import multi_exponent
from he.paillier import encryptor
from mpc.codec import Codec
from mpc.prg import Stream

VALUES = 100_000
CLIENTS = 100
CODEC = Codec(clip=1.0, bits=16, max_clients=CLIENTS)


@cache
def keys(bits: int, exponent: str | int) -> tuple[Any, Any]:
    """A key pair with its tables built."""
    public, private = he.keygen(bits, exponent=exponent, stream=Stream(bytes(32), b"bench"))
    for key in (public, private):
        encryptor(key).encrypt([0])
    return public, private


@cache
def update() -> Any:
    """100,000 float32 values, as a model update has them."""
    return np.random.default_rng(1).normal(0, 0.3, VALUES).astype(np.float32)


def cpu_seconds(work: Callable[[], object], repeat: int = 3) -> float:
    """The median CPU time of `work`, all its threads counted."""
    spent = []
    for _ in range(repeat):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return median(spent)


def wall_seconds(work: Callable[[], object], repeat: int = 3) -> float:
    """The median wall time of `work`."""
    spent = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        spent.append(time.perf_counter() - start)
    return median(spent)


class Vectors:
    """100,000 floats of 16 bits at 3,072 bits, in slots for 100 clients."""

    params = (["half", 512],)
    param_names = ["exponent"]
    timeout = 300
    repeat = 3
    number = 1
    warmup_time = 0.0

    def setup(self, exponent: str | int) -> None:
        self.public, self.private = keys(3072, exponent)
        self.vector = he.encrypt(self.private, CODEC, update())
        self.data = self.vector.to_bytes()
        self.single = he.encrypt_integers(
            self.private, np.arange(-392, 392), bound=400, slots=1, headroom_bits=27
        )
        self.weights = np.random.default_rng(2).integers(-32768, 32768, 784)

    def time_encrypt(self, exponent: str | int) -> None:
        he.encrypt(self.public, CODEC, update())

    def time_encrypt_by_owner(self, exponent: str | int) -> None:
        he.encrypt(self.private, CODEC, update())

    def time_add_100_clients(self, exponent: str | int) -> None:
        he.sum_vectors([self.vector] * CLIENTS)

    def time_decrypt(self, exponent: str | int) -> None:
        self.vector.decrypt(self.private)

    def time_receive(self, exponent: str | int) -> None:
        he.EncryptedVector.from_bytes(self.data, self.public, codec=CODEC)

    def time_dot_784(self, exponent: str | int) -> None:
        self.single @ self.weights

    def peakmem_encrypt(self, exponent: str | int) -> None:
        he.encrypt(self.public, CODEC, update())

    def track_bytes_per_value(self, exponent: str | int) -> float:
        return len(self.vector.to_bytes()) / VALUES

    def track_table_bytes(self, exponent: str | int) -> int:
        return max(encryptor(self.public).table_bytes, encryptor(self.private).table_bytes)


Vectors.track_bytes_per_value.unit = "bytes"  # type: ignore[attr-defined]
Vectors.track_table_bytes.unit = "bytes"  # type: ignore[attr-defined]


class Threshold:
    """A 3-of-5 committee at 2,048 bits: one member's work for 62 ciphertexts (7,850 values), and the
    combination."""

    timeout = 300
    repeat = 3
    number = 1
    warmup_time = 0.0

    def setup(self) -> None:
        self.key, self.shares = he.deal(
            3, 5, min_contributions=3, bits=2048, stream=Stream(bytes(32), b"bench")
        )
        self.vector = he.encrypt(self.key.public, CODEC, update()[:7850])
        self.parts = [
            he.partial_decrypt(share, self.vector.ciphertexts, contributions=3) for share in self.shares[:3]
        ]

    def time_partial_decryption(self) -> None:
        he.partial_decrypt(self.shares[0], self.vector.ciphertexts, contributions=3)

    def time_combine(self) -> None:
        he.combine(self.key, self.vector.ciphertexts, self.parts)


def phe_keys(bits: int, private: Any) -> tuple[Any, Any]:
    """python-paillier with the very same modulus."""
    import phe

    public = phe.PaillierPublicKey(int(private.public.n))
    return public, phe.PaillierPrivateKey(public, int(private.p), int(private.q))


def split_by_sign(bases: list[Any], weights: list[int], modulus: Any) -> Any:
    """The usual encrypted dot product: one power a term, negative weights together, one inversion."""
    over, under = gmpy2.mpz(1), gmpy2.mpz(1)
    for base, weight in zip(bases, weights, strict=True):
        if weight > 0:
            over = over * gmpy2.powmod(base, weight, modulus) % modulus
        elif weight < 0:
            under = under * gmpy2.powmod(base, -weight, modulus) % modulus
    return over * gmpy2.invert(under, modulus) % modulus


class Ratios:
    """How many times less CPU time than a peer for the same job; each method says which job."""

    timeout = 600

    @comparison("phe", target=1500)
    def track_encrypt_half_over_phe(self, _: Any) -> float:
        return self._encrypt_over_phe("half")

    @comparison("phe", target=4000)
    def track_encrypt_512_over_phe(self, _: Any) -> float:
        return self._encrypt_over_phe(512)

    def _encrypt_over_phe(self, exponent: str | int) -> float:
        public, private = keys(3072, exponent)
        theirs, _ = phe_keys(3072, private)
        some = update()[:12].tolist()
        one = cpu_seconds(lambda: [theirs.encrypt(v) for v in some]) / len(some)
        return one * VALUES / cpu_seconds(lambda: he.encrypt(public, CODEC, update()))

    @comparison("phe", target=0)
    def track_encrypt_half_over_phe_with_the_same_packing(self, _: Any) -> float:
        public, private = keys(3072, "half")
        theirs, _ = phe_keys(3072, private)
        vector = he.encrypt(private, CODEC, update()[:1330])
        plain = [int(m) for m in he.Decryptor(private).decrypt(vector.ciphertexts)]
        peer = cpu_seconds(lambda: [theirs.encrypt(m) for m in plain])
        return peer / cpu_seconds(lambda: he.encrypt(public, CODEC, update()[:1330]))

    @comparison("phe", target=0)
    def track_add_over_phe_with_the_same_packing(self, _: Any) -> float:
        _, private = keys(3072, "half")
        theirs, _ = phe_keys(3072, private)
        vector = he.encrypt(private, CODEC, update()[:13_300])
        import phe

        terms = [phe.EncryptedNumber(theirs, int(c), 0) for c in vector.ciphertexts]
        peer = cpu_seconds(lambda: [a + a for a in terms], 7)
        return peer / cpu_seconds(lambda: he.sum_vectors([vector, vector]), 7)

    @comparison("phe", target=0)
    def track_decrypt_over_phe_with_the_same_packing(self, _: Any) -> float:
        """Below one: here decryption runs in constant time, and checks itself."""
        _, private = keys(3072, "half")
        _, secret = phe_keys(3072, private)
        vector = he.encrypt(private, CODEC, update()[:13_300])
        peer = cpu_seconds(lambda: [secret.raw_decrypt(int(c)) for c in vector.ciphertexts])
        return peer / cpu_seconds(lambda: vector.decrypt(private, threads=1))

    @comparison("phe", target=200)
    def track_add_100_over_phe(self, _: Any) -> float:
        return self._add_over_phe(cpu_seconds, None)

    @comparison("phe", target=200)
    def track_add_100_by_two_processes_over_phe_in_wall_time(self, _: Any) -> float:
        with he.Workers(2) as workers:
            workers.products([[1, 2]] * 64, 5)
            return self._add_over_phe(wall_seconds, workers)

    def _add_over_phe(self, clock: Callable[[Callable[[], object]], float], workers: Any) -> float:
        _, private = keys(3072, "half")
        theirs, _ = phe_keys(3072, private)
        terms = [theirs.encrypt(v) for v in update()[:6].tolist()] * 50
        for term in terms:
            term.obfuscate = lambda: None  # both sides add without re-randomising
        one = clock(lambda: [a + b for a, b in zip(terms, terms[1:], strict=False)]) / (len(terms) - 1)
        vector = he.encrypt(private, CODEC, update())
        return (
            one * VALUES * (CLIENTS - 1) / clock(lambda: he.sum_vectors([vector] * CLIENTS, workers=workers))
        )

    @comparison("phe", target=0)
    def track_decrypt_over_phe(self, _: Any) -> float:
        return self._decrypt_over_phe(cpu_seconds, 1)

    @comparison("phe", target=160)
    def track_decrypt_by_two_threads_over_phe_in_wall_time(self, _: Any) -> float:
        return self._decrypt_over_phe(wall_seconds, 2)

    def _decrypt_over_phe(self, clock: Callable[[Callable[[], object]], float], threads: int) -> float:
        _, private = keys(3072, "half")
        theirs, secret = phe_keys(3072, private)
        some = [theirs.encrypt(v) for v in update()[:12].tolist()]
        one = clock(lambda: [secret.decrypt(v) for v in some]) / len(some)
        vector = he.encrypt(private, CODEC, update()[:26_600])
        return one * vector.size / clock(lambda: vector.decrypt(private, threads=threads))

    @comparison("paillier", target=80)
    def track_encrypt_a_value_over_pypaillier_at_2048(self, paillier: Any) -> float:
        public, _ = keys(2048, "half")
        theirs, _ = paillier.generate_keypair(2048)
        some = [float(v) for v in update()[:200]]
        paillier.encrypt_many(theirs, some)
        one = cpu_seconds(lambda: paillier.encrypt_many(theirs, some)) / len(some)
        return one * VALUES / cpu_seconds(lambda: he.encrypt(public, CODEC, update()))

    @comparison("paillier", target=80)
    def track_encrypt_512_a_value_over_pypaillier_at_2048(self, paillier: Any) -> float:
        public, _ = keys(2048, 512)
        theirs, _ = paillier.generate_keypair(2048)
        some = [float(v) for v in update()[:200]]
        paillier.encrypt_many(theirs, some)
        one = cpu_seconds(lambda: paillier.encrypt_many(theirs, some)) / len(some)
        return one * VALUES / cpu_seconds(lambda: he.encrypt(public, CODEC, update()))

    @comparison("lightphe", target=0)
    def track_encrypt_half_over_lightphe(self, lightphe: Any) -> float:
        public, private = keys(3072, "half")
        fields = {
            "public_key": {"n": int(public.n), "g": int(public.n) + 1},
            "private_key": {"phi": int(private.totient)},
        }
        theirs = lightphe.LightPHE(algorithm_name="Paillier", keys=fields)
        one = cpu_seconds(lambda: [theirs.encrypt(17), theirs.encrypt(18)]) / 2
        return one * VALUES / cpu_seconds(lambda: he.encrypt(public, CODEC, update()))

    @comparison("tenseal", target=0)
    def track_encrypt_over_ckks_of_tenseal(self, _: Any) -> float:
        """Below one: CKKS is the faster of the two."""
        from he import ckks

        key, _ = ckks.keygen()
        public, _ = keys(3072, "half")
        peer = cpu_seconds(lambda: ckks.encrypt(key, CODEC, update()))
        return peer / cpu_seconds(lambda: he.encrypt(public, CODEC, update()))

    @comparison(target=4)
    def track_dot_784_over_split_by_sign(self) -> float:
        _, private = keys(3072, "half")
        bases = encryptor(private).encrypt(list(range(784)))
        weights = np.random.default_rng(2).integers(-32768, 32768, 784).tolist()
        n_squared = private.public.n_squared
        assert split_by_sign(bases, weights, n_squared) == multi_exponent(bases, weights, n_squared)
        peer = cpu_seconds(lambda: split_by_sign(bases, weights, n_squared))
        return peer / cpu_seconds(lambda: multi_exponent(bases, weights, n_squared))

    @comparison("phe", target=0)
    def track_dot_784_over_phe_with_integer_weights(self, _: Any) -> float:
        weights = np.random.default_rng(2).integers(-32768, 32768, 784).tolist()
        return self._dot_over_phe(weights, 17)

    @comparison("phe", target=30)
    def track_dot_784_over_phe_with_float_weights(self, _: Any) -> float:
        """What users of floats pay there: 53-bit mantissas, and exponents aligned before every addition."""
        weights = np.random.default_rng(2).uniform(-1, 1, 784).tolist()
        return self._dot_over_phe(weights, 0.17)

    def _dot_over_phe(self, weights: list[Any], value: float) -> float:
        _, private = keys(3072, "half")
        theirs, _ = phe_keys(3072, private)
        term = theirs.encrypt(value)
        peer = cpu_seconds(lambda: sum((term * w for w in weights[1:98]), term * weights[0])) * 8
        vector = he.encrypt_integers(private, np.arange(784), bound=800, slots=1, headroom_bits=27)
        ours = np.random.default_rng(2).integers(-32768, 32768, 784)
        return peer / cpu_seconds(lambda: vector @ ours)

    @comparison(target=1.7)
    def track_two_processes_over_one_in_wall_time(self) -> float:
        """On an idle machine with two cores."""
        public, _ = keys(3072, "half")
        with he.Workers(2) as workers:
            he.encrypt(public, CODEC, update()[:20_000], workers=workers)
            one = wall_seconds(lambda: he.encrypt(public, CODEC, update()))
            return one / wall_seconds(lambda: he.encrypt(public, CODEC, update(), workers=workers))
