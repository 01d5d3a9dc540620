"""Secret sharing against mpyc, shamirs and Flower: vectors over 2^61 - 1, and one 32-byte key.

`track_` benchmarks with "x" as their unit are how many times longer the other library takes, both timed in
turns.
"""

import math
from types import ModuleType

import numpy as np

from mpc import additive, field61, packed, replicated, robust, shamir, vss
from mpc.field import FIELD61
from mpc.prg import Stream
from mpc.ring import RING64
from mpc.threshold import Threshold

from .side_by_side import comparison, ratio

M, PARTIES, NEEDED = 65_536, 10, 6
THRESHOLD = Threshold(NEEDED, PARTIES)
KEY_THRESHOLD = Threshold(51, 100)


class Vector:
    """65,536 secrets over 2^61 - 1 among 10 parties, 6 needed."""

    params = ["numpy", "numba"]
    param_names = ["backend"]

    def setup(self, backend: str) -> None:
        if backend == "numba" and not field61.has_numba():
            raise NotImplementedError("numba (extra `fast`) is not installed")
        self.context = field61.using(backend)
        self.context.__enter__()
        self.stream = Stream(bytes(32), b"bench")
        self.secret = FIELD61.elements(self.stream.field61(M))
        self.shares = shamir.share(self.secret, THRESHOLD, self.stream)
        self.packed = packed.share(self.secret, Threshold(6, PARTIES), 4, self.stream)

    def teardown(self, backend: str) -> None:
        self.context.__exit__(None, None, None)

    def share(self) -> None:
        shamir.share(self.secret, THRESHOLD, self.stream)

    def reconstruct(self) -> None:
        shamir.reconstruct(self.shares)

    def time_share(self, backend: str) -> None:
        self.share()

    def time_reconstruct(self, backend: str) -> None:
        self.reconstruct()

    def time_share_packed_by_4(self, backend: str) -> None:
        packed.share(self.secret, Threshold(6, PARTIES), 4, self.stream)

    def time_reconstruct_packed_by_4(self, backend: str) -> None:
        packed.reconstruct(self.packed)

    def time_reconstruct_with_two_wrong_shares(self, backend: str) -> None:
        wrong = [s * 2 if s.index < 3 else s for s in self.shares]
        if robust.reconstruct(wrong, self.stream).faulty != (1, 2):
            raise AssertionError("the wrong shares were not found")

    def track_bytes_per_secret(self, backend: str) -> float:
        return sum(len(s.to_bytes()) for s in self.shares) / M

    def track_bytes_per_secret_packed_by_4(self, backend: str) -> float:
        return sum(len(s.to_bytes()) for s in self.packed) / M

    track_bytes_per_secret.unit = "bytes"  # type: ignore[attr-defined]
    track_bytes_per_secret_packed_by_4.unit = "bytes"  # type: ignore[attr-defined]


class _Key:
    """One 32-byte key, any 51 of 100."""

    def setup(self) -> None:
        self.stream = Stream(bytes(32), b"bench")
        self.key = self.stream.below(shamir.KEY_FIELD)
        self.shares = self.split()
        self.few = {x: self.shares[x] for x in range(40, 91)}

    def split(self) -> dict[int, int]:
        return shamir.share_secret(self.key, KEY_THRESHOLD.needed, range(1, 101), self.stream)

    def combine(self) -> int:
        # without this, only the first reconstruction by these holders would be timed as one
        shamir.weights_at.cache_clear()
        return shamir.reconstruct_secret(self.few, KEY_THRESHOLD.needed)


class Key(_Key):
    """Splitting and combining it."""

    def time_split(self) -> None:
        self.split()

    def time_combine(self) -> None:
        self.combine()

    def time_combine_again_by_the_same_holders(self) -> None:
        shamir.reconstruct_secret(self.few, KEY_THRESHOLD.needed)

    def time_combine_with_ten_wrong(self) -> None:
        wrong = {x: s ^ (x <= 10) for x, s in self.shares.items()}
        robust.reconstruct_secret(wrong, KEY_THRESHOLD.needed)

    def time_deal_verifiably_by_pedersen(self) -> None:
        vss.deal(self.key % vss.ORDER, Threshold(11, 20), self.stream)


class Rings:
    """Additive and replicated sharing of a million 64-bit words."""

    def setup(self) -> None:
        self.stream = Stream(bytes(32), b"bench")
        self.secret = RING64.elements(np.arange(1_000_000))
        self.additive = additive.share(self.secret, 3, self.stream)
        self.replicated = replicated.share(self.secret, self.stream)

    def time_share_additively(self) -> None:
        additive.share(self.secret, 3, self.stream)

    def time_reconstruct_additive(self) -> None:
        additive.reconstruct(self.additive)

    def time_share_replicated(self) -> None:
        replicated.share(self.secret, self.stream)

    def time_reconstruct_replicated(self) -> None:
        replicated.reconstruct(self.replicated[:2])


class VectorRatios:
    """The vector of 65,536 secrets; the compiled kernels where numba is installed, and numpy alone."""

    timeout = 600

    def setup(self) -> None:
        self.stream = Stream(bytes(32), b"bench")
        self.secret = FIELD61.elements(self.stream.field61(M))
        self.shares = shamir.share(self.secret, THRESHOLD, self.stream)

    def _share(self, thresha: ModuleType, finfields: ModuleType, backend: str) -> float:
        if backend == "numba" and not field61.has_numba():
            return math.nan
        field = finfields.GF(field61.P61)
        secret = field.array(self.secret.values.astype(object))
        with field61.using(backend):
            return ratio(
                lambda: shamir.share(self.secret, THRESHOLD, self.stream),
                lambda: thresha.np_random_split(field, secret, NEEDED - 1, PARTIES),
                turns=3,
                ours_a_turn=5,
            )

    def _reconstruct(self, thresha: ModuleType, finfields: ModuleType, backend: str) -> float:
        if backend == "numba" and not field61.has_numba():
            return math.nan
        field = finfields.GF(field61.P61)
        points = [(s.index, s.values.values.astype(object)) for s in self.shares[:NEEDED]]
        if thresha.np_recombine(field, points).value.tolist() != self.secret.values.tolist():
            raise AssertionError("the libraries disagree")
        with field61.using(backend):
            return ratio(
                lambda: shamir.reconstruct(self.shares),
                lambda: thresha.np_recombine(field, points),
                ours_a_turn=5,
            )

    @comparison("mpyc.thresha", "mpyc.finfields", target=40)
    def track_share_over_mpyc(self, thresha: ModuleType, finfields: ModuleType) -> float:
        return self._share(thresha, finfields, "numba")

    @comparison("mpyc.thresha", "mpyc.finfields", target=50)
    def track_reconstruct_over_mpyc(self, thresha: ModuleType, finfields: ModuleType) -> float:
        return self._reconstruct(thresha, finfields, "numba")

    @comparison("mpyc.thresha", "mpyc.finfields", target=15)
    def track_share_over_mpyc_with_numpy_alone(self, thresha: ModuleType, finfields: ModuleType) -> float:
        return self._share(thresha, finfields, "numpy")

    @comparison("mpyc.thresha", "mpyc.finfields", target=15)
    def track_reconstruct_over_mpyc_with_numpy_alone(
        self, thresha: ModuleType, finfields: ModuleType
    ) -> float:
        return self._reconstruct(thresha, finfields, "numpy")

    @comparison("shamirs", target=40)
    def track_share_over_shamirs(self, shamirs: ModuleType) -> float:
        few = [int(v) for v in self.secret.values[:256]]

        def theirs() -> None:
            for v in few:
                shamirs.shares(v, quantity=PARTIES, modulus=field61.P61, threshold=NEEDED)

        ours = lambda: shamir.share(self.secret, THRESHOLD, self.stream)  # noqa: E731
        return M / len(few) * ratio(ours, theirs, turns=3, ours_a_turn=5)

    @comparison("shamirs", target=50)
    def track_reconstruct_over_shamirs(self, shamirs: ModuleType) -> float:
        few = [
            shamirs.shares(int(v), quantity=PARTIES, modulus=field61.P61, threshold=NEEDED)[:NEEDED]
            for v in self.secret.values[:64]
        ]

        def theirs() -> None:
            for shares in few:
                shamirs.interpolate(shares)

        return M / len(few) * ratio(lambda: shamir.reconstruct(self.shares), theirs, turns=3, ours_a_turn=5)


class KeyRatios(_Key):
    """The 32-byte key, against Flower's functions for it."""

    timeout = 600

    @comparison("flwr.common.secure_aggregation.crypto.shamir", target=150)
    def track_split_over_flwr(self, flower: ModuleType) -> float:
        key = self.key.to_bytes(32, "big")
        return ratio(self.split, lambda: flower.create_shares(key, 51, 100), turns=3, ours_a_turn=20)

    @comparison("flwr.common.secure_aggregation.crypto.shamir", target=250)
    def track_combine_over_flwr(self, flower: ModuleType) -> float:
        shares = flower.create_shares(self.key.to_bytes(32, "big"), 51, 100)[:51]
        return ratio(self.combine, lambda: flower.combine_shares(shares), turns=3, ours_a_turn=20)
