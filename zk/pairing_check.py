"""The two products of pairings that all proofs here come down to, for one proof and for many.

Many proofs under one key are checked by a random linear combination: one Miller loop for each B, and for everything
else one for the whole batch. Coefficients have 128 bits and come from the operating system after the proofs are
fixed, so a batch with a bad proof passes with probability 2^-128.

Source: Groth 2016; small exponents test: Bellare, Garay, Rabin 1998.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mpc.prg import Stream
from zk.backends.base import Backend, PreparedPairs
from zk.curve import G1, G1_INFINITY, G2, G2_GENERATOR, parse_g1, parse_g2
from zk.field import R
from zk.limbs import g1_array, to_limbs

__all__ = ["Claim", "PairingChecker", "failing"]

_COEFFICIENT_BITS = 128


@dataclass(frozen=True, slots=True)
class Claim:
    """e(a, b) == e(alpha, beta) e(IC(inputs) + sum commitments, gamma) e(c, delta), and pok knows the commitments.

    Raises: DecodeError unless the points are on their curves and none is infinity.
    """

    a: G1
    b: G2
    c: G1
    inputs: tuple[int, ...]
    commitments: tuple[G1, ...] = ()
    pok: G1 = G1_INFINITY

    def __post_init__(self) -> None:
        for point in (self.a, self.c, *self.commitments):
            parse_g1(*point)
        if self.commitments:
            parse_g1(*self.pok)
        parse_g2(*self.b, subgroup=False)


class PairingChecker:
    """Fixed points of a verifying key, prepared."""

    def __init__(
        self,
        backend: Backend,
        alpha: G1,
        beta: G2,
        gamma: G2,
        delta: G2,
        ic: Sequence[G1],
        sigmas: Sequence[G2] = (),
    ) -> None:
        self._lib = backend
        self._alpha, self._ic = alpha, tuple(ic)
        self._alpha_beta = backend.pairing(alpha, beta)
        self._main: PreparedPairs = backend.prepare([gamma, delta, beta])
        self._knowledge = backend.prepare([*sigmas, G2_GENERATOR]) if sigmas else None
        self._ic_array = g1_array(self._ic)

    def in_subgroup(self, claim: Claim) -> bool:
        """Whether B has order R; the other points live on a curve of that order."""
        return self._lib.g2_in_subgroup(claim.b)

    def holds(self, claim: Claim) -> bool:
        """Whether the equation holds (B has been found in the subgroup)."""
        lib = self._lib
        terms = [lib.g1_mul(p, x) for p, x in zip(self._ic[1:], claim.inputs, strict=True)]
        point = lib.g1_sum([self._ic[0], *terms, *claim.commitments])
        return self._main.product_is_one([-point, -claim.c], [(claim.a, claim.b)], self._alpha_beta)

    def knows(self, claim: Claim) -> bool:
        """Whether the proof of knowledge fits the commitments."""
        if self._knowledge is None:
            return not claim.commitments
        return self._knowledge.product_is_one([*claim.commitments, -claim.pok])

    def all_hold(self, claims: Sequence[Claim], coefficients: Stream) -> bool:
        """Whether all claims hold and all proofs of knowledge fit, up to a chance of 2^-128."""
        lib = self._lib
        rho = [coefficients.below(1 << _COEFFICIENT_BITS) for _ in claims]
        total = sum(rho)
        publics = [
            sum(r * x for r, x in zip(rho, column, strict=True))
            for column in zip(*(c.inputs for c in claims), strict=True)
        ]
        factors = to_limbs(rho)

        def combine(points: Sequence[G1]) -> G1:
            return lib.msm_g1(g1_array(points), factors, threads=1)

        commitments = [combine(column) for column in zip(*(c.commitments for c in claims), strict=True)]
        inputs = lib.msm_g1(self._ic_array, to_limbs([total, *publics]), threads=1)
        fixed = [
            -lib.g1_sum([inputs, *commitments]),
            -combine([c.c for c in claims]),
            -lib.g1_mul(self._alpha, total % R),
        ]
        free = [(lib.g1_mul(c.a, r), c.b) for c, r in zip(claims, rho, strict=True)]
        if not self._main.product_is_one(fixed, free):
            return False
        if self._knowledge is None:
            return True
        return self._knowledge.product_is_one([*commitments, -combine([c.pok for c in claims])])


def failing(n: int, good: Callable[[range], bool]) -> list[int]:
    """Positions below n that make `good` false, by bisection: few bad ones cost little more than none."""
    if n == 0:
        return []
    found: list[int] = []
    pending = [range(n)]
    while pending:
        part = pending.pop()
        if good(part):
            continue
        if len(part) == 1:
            found.append(part[0])
        else:
            middle = len(part) // 2
            pending += [part[middle:], part[:middle]]
    return found
