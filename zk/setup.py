"""From rows to keys: evaluate the circuit's polynomials at a secret point and hide the results in the groups.

Whoever knows the secret (tau, alpha, beta, gamma, delta, and eta and sigma of each commitment) can prove anything and
open any commitment to anything. `unsafe_single_party=True` says that one process knew it all for a moment; a ceremony
avoids that.

Source: Groth 2016 (eprint 2016/260), section 3.2; commitments: Campanelli, Fiore, Querol 2019 (eprint 2019/142),
appendix on ccGro16, with a proof of knowledge under its own sigma for each commitment (gnark's commitment extension).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mpc.errors import InsecureError, ParameterError
from mpc.prg import Stream
from zk import backends
from zk.backends.base import Backend, Limbs
from zk.curve import G1, G1_GENERATOR, G2, G2_GENERATOR
from zk.fft import Values, powers
from zk.field import TWO_ADICITY, R, batch_inverse, inverse, root_of_unity
from zk.keys import ProvingKey
from zk.limbs import g1_points, to_limbs
from zk.linear import Linear
from zk.r1cs import R1CS

__all__ = ["GroupKeys", "Trapdoor", "keys_from_trapdoor", "with_consistency_rows"]


@dataclass(frozen=True, slots=True)
class Trapdoor:
    """The secrets of a setup ("toxic waste"); forget it."""

    tau: int = field(repr=False)
    alpha: int = field(repr=False)
    beta: int = field(repr=False)
    gamma: int = field(repr=False)
    delta: int = field(repr=False)
    eta: tuple[int, ...] = field(repr=False, default=())
    sigma: tuple[int, ...] = field(repr=False, default=())

    @classmethod
    def draw(cls, stream: Stream, n_groups: int, domain: int, *, unsafe_single_party: bool) -> "Trapdoor":
        """Fresh secrets: non-zero, tau outside the double domain.

        Raises: InsecureError unless the caller says that a single party is to know them.
        """
        if not unsafe_single_party:
            raise InsecureError("a setup by one party must be asked for with unsafe_single_party=True")
        while True:
            tau = stream.below(R)
            if pow(tau, 2 * domain, R) not in (0, 1):
                break

        def nonzero(n: int) -> list[int]:
            return [1 + stream.below(R - 1) for _ in range(n)]

        alpha, beta, gamma, delta = nonzero(4)
        return cls(tau, alpha, beta, gamma, delta, tuple(nonzero(n_groups)), tuple(nonzero(n_groups)))


@dataclass(frozen=True, slots=True)
class GroupKeys:
    """Bases of one commitment.

    Shapes: bases, pok_bases (n, 8).
    """

    name: str
    bases: Limbs
    eta: G1
    eta_delta: G1
    pok_bases: Limbs
    pok_eta: G1
    sigma_g2: G2


def with_consistency_rows(matrix: Linear, domain: int, public_wires: int) -> Linear:
    """The matrix with rows w_0, ..., w_{public_wires - 1} after its own, and empty ones up to the domain."""
    wires = np.arange(public_wires)
    return Linear(
        domain,
        np.concatenate([matrix.rows, matrix.n + wires]),
        np.concatenate([matrix.wires, wires]),
        np.concatenate([matrix.coefficients, np.ones(public_wires, dtype=np.int64)]),
    )


def _columns(matrix: Linear, lagrange: Values, n_wires: int) -> Values:
    """sum_row M[row, wire] L_row(tau) for every wire."""
    out = np.zeros(n_wires, dtype=object)
    if not len(matrix.rows):
        return out
    order = np.argsort(matrix.wires, kind="stable")
    wires = matrix.wires[order]
    terms = lagrange[matrix.rows[order]] * matrix.coefficients[order].astype(object)
    first = np.flatnonzero(np.concatenate([[True], wires[1:] != wires[:-1]]))
    out[wires[first]] = np.add.reduceat(terms, first) % R
    return out


def _lagrange(tau: int, log_size: int, *, odd: bool = False) -> Values:
    """All Lagrange polynomials of the domain at tau, or those of odd index of the domain of twice the size."""
    size = 1 << (log_size + odd)
    root = root_of_unity(log_size + odd)
    points = powers(root * root, size // 2, root) if odd else powers(root, size)
    scale = (pow(tau, size, R) - 1) * inverse(size) % R
    inverses = np.array(batch_inverse(list((tau - points) % R)), dtype=object)
    return np.asarray(points * inverses % R * scale % R)


def _limbs(values: Values | Sequence[int]) -> Limbs:
    return to_limbs(list(values))


def keys_from_trapdoor(
    r1cs: R1CS, secret: Trapdoor, *, backend: Backend | None = None, threads: int | None = None
) -> tuple[ProvingKey, tuple[GroupKeys, ...]]:
    """The keys these secrets give; the secrets are the caller's to forget.

    Raises: ParameterError if the circuit is too large for the field.
    """
    lib = backend or backends.get()
    domain, public = r1cs.domain, r1cs.n_public + 1
    log_size = domain.bit_length() - 1
    if log_size >= TWO_ADICITY:
        raise ParameterError(f"{r1cs.n_rows} rows are too many for the scalar field")
    if len(r1cs.groups) != len(secret.eta) or len(r1cs.groups) != len(secret.sigma):
        raise ParameterError("the secrets are for another number of commitments")
    matrix_a = with_consistency_rows(r1cs.a, domain, public)
    matrix_b = Linear(domain, r1cs.b.rows, r1cs.b.wires, r1cs.b.coefficients)
    lagrange = _lagrange(secret.tau, log_size)
    a, b = (_columns(m, lagrange, r1cs.n_wires) for m in (matrix_a, matrix_b))
    k = (secret.beta * a + secret.alpha * b + _columns(r1cs.c, lagrange, r1cs.n_wires)) % R
    over_gamma, over_delta = inverse(secret.gamma), inverse(secret.delta)
    first_private = r1cs.groups[-1].stop if r1cs.groups else public

    def g1(values: Values | Sequence[int]) -> Limbs:
        return lib.multiples_g1(G1_GENERATOR, _limbs(values), threads=threads)

    groups = []
    for group, eta, sigma in zip(r1cs.groups, secret.eta, secret.sigma, strict=True):
        bases = k[group.start : group.stop] * over_gamma % R
        singles = [eta * over_gamma, eta * over_delta, sigma * eta % R * over_gamma]
        eta_gamma, eta_delta, pok_eta = g1_points(g1(singles))
        sigma_g2 = lib.g2_mul(G2_GENERATOR, sigma)
        groups.append(
            GroupKeys(group.name, g1(bases), eta_gamma, eta_delta, g1(bases * sigma), pok_eta, sigma_g2)
        )
    ic = g1_points(g1(k[:public] * over_gamma))
    alpha_g1, beta_g1, delta_g1 = g1_points(g1([secret.alpha, secret.beta, secret.delta]))
    beta_g2, gamma_g2, delta_g2 = (
        lib.g2_mul(G2_GENERATOR, s) for s in (secret.beta, secret.gamma, secret.delta)
    )
    key = ProvingKey(
        n_public=r1cs.n_public,
        n_wires=r1cs.n_wires,
        domain=domain,
        alpha_g1=alpha_g1,
        beta_g1=beta_g1,
        beta_g2=beta_g2,
        gamma_g2=gamma_g2,
        delta_g1=delta_g1,
        delta_g2=delta_g2,
        ic=tuple(ic),
        matrix_a=matrix_a,
        matrix_b=matrix_b,
        a=g1(a),
        b1=g1(b),
        b2=lib.multiples_g2(G2_GENERATOR, _limbs(b), threads=threads),
        c=g1(k[first_private:] * over_delta),
        h=g1(_lagrange(secret.tau, log_size, odd=True) * over_delta),
    )
    return key, tuple(groups)
