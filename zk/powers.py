"""Powers of tau: the first phase of a setup, the same for all circuits of a size, usually from a public ceremony.

    tau_g1        tau^0 .. tau^(2n-2) in G1, or more      alpha_tau_g1   alpha tau^0 .. alpha tau^(n-1)
    tau_g2        tau^0 .. tau^(n-1) in G2          beta_tau_g1    beta tau^0 .. beta tau^(n-1)       beta_g2

Nobody must know tau, alpha or beta; a circuit's keys are linear combinations of these points, so nobody need to.

Source: Bowe, Gabizon, Miers 2017 (ePrint 2017/1050), section 4.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from mpc.errors import DecodeError, InsecureError, ParameterError
from mpc.prg import Stream
from zk import backends
from zk.backends.base import Backend, Limbs
from zk.curve import G1, G1_GENERATOR, G1_INFINITY, G2, G2_GENERATOR
from zk.fft import inverse_fft, powers
from zk.field import R, inverse, root_of_unity
from zk.limbs import g1_array, g1_points, g2_array, g2_points, to_limbs

__all__ = ["Powers", "Prepared"]

Point = TypeVar("Point")


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Lagrange bases at tau that came with the powers; `Powers.check` compares them with the powers.

    Shapes: tau_g1, alpha_tau_g1, beta_tau_g1 (n, 8), tau_g2 (n, 16), double_g1 (2n, 8).
    """

    tau_g1: Limbs
    tau_g2: Limbs
    alpha_tau_g1: Limbs
    beta_tau_g1: Limbs
    double_g1: Limbs


@dataclass(frozen=True, slots=True, eq=False)
class Powers:
    """Points for circuits of a domain up to n = 2^log_size.

    Shapes: tau_g1 (2n - 1, 8) or (2n, 8), tau_g2 (n, 16), alpha_tau_g1 and beta_tau_g1 (n, 8).
    """

    log_size: int
    tau_g1: Limbs
    tau_g2: Limbs
    alpha_tau_g1: Limbs
    beta_tau_g1: Limbs
    beta_g2: G2
    prepared: Prepared | None = None

    @classmethod
    def generate(
        cls, log_size: int, stream: Stream, *, unsafe_single_party: bool, backend: Backend | None = None
    ) -> "Powers":
        """Powers of secrets that this process knows for a moment: for tests and demonstrations.

        Raises: InsecureError unless the caller says that a single party is to know them.
        """
        if not unsafe_single_party:
            raise InsecureError("powers made by one party must be asked for with unsafe_single_party=True")
        lib, size = backend or backends.get(), 1 << log_size
        tau, alpha, beta = (1 + stream.below(R - 1) for _ in range(3))

        def g1(start: int, count: int) -> Limbs:
            return lib.multiples_g1(G1_GENERATOR, to_limbs(powers(tau, count, start).tolist()))

        tau_g2 = lib.multiples_g2(G2_GENERATOR, to_limbs(powers(tau, size).tolist()))
        beta_g2 = lib.g2_mul(G2_GENERATOR, beta)
        return cls(log_size, g1(1, 2 * size - 1), tau_g2, g1(alpha, size), g1(beta, size), beta_g2)

    def truncated(self, log_size: int) -> "Powers":
        """The first powers only, for smaller circuits.

        Raises: ParameterError when there are not as many.
        """
        if log_size == self.log_size:
            return self
        if log_size > self.log_size:
            raise ParameterError(f"these powers reach 2^{self.log_size} rows, the circuit needs 2^{log_size}")
        n = 1 << log_size
        return Powers(
            log_size,
            self.tau_g1[: 2 * n],
            self.tau_g2[:n],
            self.alpha_tau_g1[:n],
            self.beta_tau_g1[:n],
            self.beta_g2,
        )

    def check(self, *, backend: Backend | None = None) -> None:
        """Check that all points are what their names say, for some tau, alpha and beta but zero and one.

        Each row of points is folded with random 128-bit coefficients, so a wrong point passes with 2^-128.

        Raises: DecodeError if one is not.
        """
        lib, n = backend or backends.get(), 1 << self.log_size
        stream = Stream.from_os(b"zk powers check")
        tau, tau_g2 = g1_points(self.tau_g1[1:2])[0], g2_points(self.tau_g2[1:2])[0]
        alpha, beta = g1_points(self.alpha_tau_g1[:1])[0], g1_points(self.beta_tau_g1[:1])[0]
        if g1_points(self.tau_g1[:1])[0] != G1_GENERATOR or g2_points(self.tau_g2[:1])[0] != G2_GENERATOR:
            raise DecodeError("powers of tau do not start with the generators")
        if any(point in (G1_INFINITY, G1_GENERATOR) for point in (tau, alpha, beta)) or tau_g2.is_infinity:
            raise DecodeError("powers of tau to which nobody contributed: a secret is zero or one")
        if not all(lib.g2_in_subgroup(point) for point in (*g2_points(self.tau_g2), self.beta_g2)):
            raise DecodeError("powers of tau with a point outside the subgroup")

        def random(count: int) -> Limbs:
            return to_limbs([stream.below(1 << 128) for _ in range(count)])

        def steps(row: Limbs, name: str) -> None:
            rho = random(len(row) - 1)
            upper, lower = lib.msm_g1(row[1:], rho), lib.msm_g1(row[:-1], rho)
            if not lib.pairing_product_is_one([(upper, G2_GENERATOR), (-lower, tau_g2)]):
                raise DecodeError(f"{name}: the points are not successive powers of tau")

        steps(self.tau_g1, "tau in G1")
        steps(self.alpha_tau_g1, "alpha tau")
        steps(self.beta_tau_g1, "beta tau")
        rho = random(n - 1)
        upper2, lower2 = lib.msm_g2(self.tau_g2[1:], rho), lib.msm_g2(self.tau_g2[:-1], rho)
        if not lib.pairing_product_is_one([(-G1_GENERATOR, upper2), (tau, lower2)]):
            raise DecodeError("tau in G2: the points are not successive powers of tau")
        if not lib.pairing_product_is_one([(beta, G2_GENERATOR), (-G1_GENERATOR, self.beta_g2)]):
            raise DecodeError("beta differs between the groups")

        if self.prepared is not None:
            self._check_prepared(self.prepared, lib, stream)

    def _check_prepared(self, given: Prepared, lib: Backend, stream: Stream) -> None:
        """sum rho_j L_j(tau) is the polynomial with the values rho_j, evaluated with the powers."""

        def compare(basis: Limbs, row: Limbs, name: str, *, twisted: bool = False) -> None:
            rho = [stream.below(1 << 128) for _ in range(len(basis))]
            coefficients = inverse_fft(np.array(rho, dtype=object))[: len(row)].tolist()
            msm: Callable[[Limbs, Limbs], G1 | G2] = lib.msm_g2 if twisted else lib.msm_g1
            if msm(basis, to_limbs(rho)) != msm(row, to_limbs(coefficients)):
                raise DecodeError(f"the prepared points of {name} do not belong to the powers")

        n = 1 << self.log_size
        compare(given.tau_g1, self.tau_g1[:n], "tau in G1")
        compare(given.alpha_tau_g1, self.alpha_tau_g1, "alpha tau")
        compare(given.beta_tau_g1, self.beta_tau_g1, "beta tau")
        compare(given.double_g1, self.tau_g1, "tau in G1, double size")
        compare(given.tau_g2, self.tau_g2, "tau in G2", twisted=True)

    def lagrange(self, *, backend: Backend | None = None) -> Prepared:
        """The Lagrange bases of the domain, and of the double domain: as prepared, or computed from the powers.

        Where tau^(2n-1) is not among the powers, nothing stands for it in the double one: no quotient has that degree.
        """
        if self.prepared is not None:
            return self.prepared
        lib, n = backend or backends.get(), 1 << self.log_size

        def g1(row: Limbs) -> Limbs:
            return g1_array(
                _interpolate(g1_points(row), lambda a, b: lib.g1_sum([a, b]), lib.g1_mul, G1.__neg__)
            )

        def g2(row: Limbs) -> Limbs:
            return g2_array(
                _interpolate(g2_points(row), lambda a, b: lib.g2_sum([a, b]), lib.g2_mul, G2.__neg__)
            )

        padded = np.concatenate([self.tau_g1, g1_array([G1_INFINITY] * (2 * n - len(self.tau_g1)))])
        return Prepared(
            g1(self.tau_g1[:n]), g2(self.tau_g2), g1(self.alpha_tau_g1), g1(self.beta_tau_g1), g1(padded)
        )


def _interpolate(
    points: Sequence[Point],
    add: Callable[[Point, Point], Point],
    multiply: Callable[[Point, int], Point],
    minus: Callable[[Point], Point],
) -> list[Point]:
    """The inverse discrete Fourier transform of group elements (Cooley and Tukey 1965, decimation in time)."""
    size = len(points)
    log_size = size.bit_length() - 1
    order = [int(f"{i:0{log_size}b}"[::-1], 2) if log_size else 0 for i in range(size)]
    data = [points[i] for i in order]
    for level in range(log_size):
        half = 1 << level
        roots = powers(inverse(root_of_unity(level + 1)), half).tolist()
        for start in range(0, size, 2 * half):
            for i, root in enumerate(roots):
                a, b = data[start + i], data[start + half + i]
                turned = b if root == 1 else multiply(b, root)
                data[start + i], data[start + half + i] = add(a, turned), add(a, minus(turned))
    scale = inverse(size)
    return [multiply(point, scale) for point in data]
