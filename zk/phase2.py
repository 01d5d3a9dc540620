"""The second phase of a setup: a circuit's keys from powers of tau, then re-randomised by one party after another.

    new          the circuit's polynomials at tau, as sums of the powers; gamma = delta = eta = sigma = 1
    re-randomise delta *= d, and C, H divided by d;  for each commitment  eta *= e,  sigma *= s
    consistent   the final key is the new one re-randomised by the delta, eta and sigma it shows, and nothing else

Gamma stays 1: with delta unknown, the parts over gamma and over delta stay independent.

Source: Bowe, Gabizon, Miers 2017 (ePrint 2017/1050), section 6; sigma as in gnark's setup for its commitments.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpc.errors import ProofRejected
from mpc.prg import Stream
from zk import backends
from zk.backends.base import Backend, Limbs
from zk.curve import G1, G1_GENERATOR, G2, G2_GENERATOR
from zk.field import R, inverse
from zk.keys import ProvingKey
from zk.limbs import g1_array, g1_points, g2_array, to_limbs
from zk.linear import Linear
from zk.powers import Powers
from zk.r1cs import R1CS
from zk.setup import GroupKeys, with_consistency_rows

__all__ = ["Factors", "check_consistent", "new_keys", "rerandomise"]

SetupKeys = tuple[ProvingKey, tuple[GroupKeys, ...]]


@dataclass(frozen=True, slots=True)
class Factors:
    """What one contributor multiplies the secrets by; to be forgotten."""

    delta: int = field(repr=False)
    eta: tuple[int, ...] = field(repr=False)
    sigma: tuple[int, ...] = field(repr=False)

    @classmethod
    def draw(cls, stream: Stream, n_groups: int) -> "Factors":
        """Fresh non-zero factors."""

        def nonzero(n: int) -> tuple[int, ...]:
            return tuple(1 + stream.below(R - 1) for _ in range(n))

        return cls(nonzero(1)[0], nonzero(n_groups), nonzero(n_groups))


def _columns(matrices: Sequence[Linear], n_wires: int) -> list[tuple[int, NDArray[np.int64], list[int]]]:
    """For each wire that occurs: rows (those of matrix k shifted by k times the domain) and coefficients."""
    shifts = np.cumsum([0, *(m.n for m in matrices)])
    rows = np.concatenate([m.rows + shift for m, shift in zip(matrices, shifts, strict=False)])
    wires = np.concatenate([m.wires for m in matrices])
    values = np.concatenate([m.coefficients.astype(object) for m in matrices])
    order = np.argsort(wires, kind="stable")
    rows, wires, values = rows[order], wires[order], values[order]
    bounds = np.searchsorted(wires, np.arange(n_wires + 1)).tolist()
    spans = zip(range(n_wires), bounds[:-1], bounds[1:], strict=True)
    return [
        (wire, rows[start:stop], values[start:stop].tolist()) for wire, start, stop in spans if stop > start
    ]


def _evaluate_g1(lib: Backend, matrices: Sequence[Linear], basis: Limbs, n_wires: int) -> Limbs:
    out = np.zeros((n_wires, 8), dtype=np.uint64)
    for wire, rows, values in _columns(matrices, n_wires):
        out[wire] = (
            basis[rows[0]]
            if values == [1]
            else g1_array([lib.msm_g1(basis[rows], to_limbs(values), threads=1)])
        )
    return out


def _evaluate_g2(lib: Backend, matrix: Linear, basis: Limbs, n_wires: int) -> Limbs:
    out = np.zeros((n_wires, 16), dtype=np.uint64)
    for wire, rows, values in _columns([matrix], n_wires):
        out[wire] = (
            basis[rows[0]]
            if values == [1]
            else g2_array([lib.msm_g2(basis[rows], to_limbs(values), threads=1)])
        )
    return out


def new_keys(r1cs: R1CS, powers: Powers, *, backend: Backend | None = None) -> SetupKeys:
    """Keys before the first contribution: with delta = gamma they verify nothing, and their check refuses them.

    Raises: ParameterError when the powers do not reach the circuit's size.
    """
    lib = backend or backends.get()
    domain, public = r1cs.domain, r1cs.n_public + 1
    given = powers.truncated(domain.bit_length() - 1)
    matrix_a = with_consistency_rows(r1cs.a, domain, public)
    matrix_b = Linear(domain, r1cs.b.rows, r1cs.b.wires, r1cs.b.coefficients)
    matrix_c = Linear(domain, r1cs.c.rows, r1cs.c.wires, r1cs.c.coefficients)
    lagrange = given.lagrange(backend=lib)
    basis = lagrange.tau_g1
    mixed = np.concatenate([lagrange.beta_tau_g1, lagrange.alpha_tau_g1, basis])
    k = _evaluate_g1(lib, (matrix_a, matrix_b, matrix_c), mixed, r1cs.n_wires)
    first_private = r1cs.groups[-1].stop if r1cs.groups else public
    key = ProvingKey(
        n_public=r1cs.n_public,
        n_wires=r1cs.n_wires,
        domain=domain,
        alpha_g1=g1_points(given.alpha_tau_g1[:1])[0],
        beta_g1=g1_points(given.beta_tau_g1[:1])[0],
        beta_g2=given.beta_g2,
        gamma_g2=G2_GENERATOR,
        delta_g1=G1_GENERATOR,
        delta_g2=G2_GENERATOR,
        ic=tuple(g1_points(k[:public])),
        matrix_a=matrix_a,
        matrix_b=matrix_b,
        a=_evaluate_g1(lib, (matrix_a,), basis, r1cs.n_wires),
        b1=_evaluate_g1(lib, (matrix_b,), basis, r1cs.n_wires),
        b2=_evaluate_g2(lib, matrix_b, lagrange.tau_g2, r1cs.n_wires),
        c=k[first_private:],
        h=lagrange.double_g1[1::2],
    )
    one = G1_GENERATOR
    groups = [
        GroupKeys(g.name, k[g.start : g.stop], one, one, k[g.start : g.stop], one, G2_GENERATOR)
        for g in r1cs.groups
    ]
    return key, tuple(groups)


def _scaled(lib: Backend, array: Limbs, factor: int) -> Limbs:
    out = np.zeros_like(array)
    present = np.flatnonzero(array.any(axis=1))
    if len(present):
        out[present] = g1_array([lib.g1_mul(point, factor) for point in g1_points(array[present])])
    return out


def rerandomise(keys: SetupKeys, factors: Factors, *, backend: Backend | None = None) -> SetupKeys:
    """The keys with their secrets multiplied by `factors`."""
    lib = backend or backends.get()
    key, groups = keys
    d, over = factors.delta, inverse(factors.delta)
    changed = replace(
        key,
        delta_g1=lib.g1_mul(key.delta_g1, d),
        delta_g2=lib.g2_mul(key.delta_g2, d),
        c=_scaled(lib, key.c, over),
        h=_scaled(lib, key.h, over),
    )
    moved = [
        replace(
            group,
            eta=lib.g1_mul(group.eta, e),
            eta_delta=lib.g1_mul(group.eta_delta, e * over % R),
            pok_bases=_scaled(lib, group.pok_bases, s),
            pok_eta=lib.g1_mul(group.pok_eta, e * s % R),
            sigma_g2=lib.g2_mul(group.sigma_g2, s),
        )
        for group, e, s in zip(groups, factors.eta, factors.sigma, strict=True)
    ]
    return changed, tuple(moved)


def check_consistent(initial: SetupKeys, final: SetupKeys, *, backend: Backend | None = None) -> None:
    """Check that `final` is `initial` with delta, eta and sigma replaced by what `final` shows, and nothing else.

    Rows of points are folded with random 128-bit coefficients, so a wrong point passes with 2^-128.

    Raises: ProofRejected naming the first part that is not.
    """
    lib = backend or backends.get()
    stream = Stream.from_os(b"zk phase 2 check")
    (old, old_groups), (new, new_groups) = initial, final

    def require(holds: bool, part: str) -> None:
        if not holds:
            raise ProofRejected(f"the key is not what its ceremony makes of the circuit: {part}")

    def same(part: str, before: Any, after: Any) -> None:
        require(bool(np.array_equal(before, after)), part)

    def ratio(part: str, before: Limbs, after: Limbs, g2_before: G2, g2_after: G2) -> None:
        """after * g2_before == before * g2_after, entry by entry."""
        require(before.shape == after.shape, part)
        if not len(before):
            return
        rho = to_limbs([stream.below(1 << 128) for _ in range(len(before))])
        left, right = lib.msm_g1(after, rho), lib.msm_g1(before, rho)
        require(lib.pairing_product_is_one([(left, g2_before), (-right, g2_after)]), part)

    def one(point: G1) -> Limbs:
        return g1_array([point])

    for name in ("n_public", "n_wires", "domain", "alpha_g1", "beta_g1", "beta_g2", "gamma_g2", "ic"):
        require(getattr(old, name) == getattr(new, name), name)
    for name in ("a", "b1", "b2"):
        same(name, getattr(old, name), getattr(new, name))
    ratio("delta", one(G1_GENERATOR), one(new.delta_g1), G2_GENERATOR, new.delta_g2)
    # division by delta: after * delta == before
    ratio("C", new.c, old.c, G2_GENERATOR, new.delta_g2)
    ratio("H", new.h, old.h, G2_GENERATOR, new.delta_g2)
    require([g.name for g in old_groups] == [g.name for g in new_groups], "commitments")
    for before, after in zip(old_groups, new_groups, strict=True):
        label = f"commitment {after.name!r}"
        same(f"{label}: bases", before.bases, after.bases)
        ratio(f"{label}: blinding", one(after.eta_delta), one(after.eta), G2_GENERATOR, new.delta_g2)
        ratio(f"{label}: proof bases", after.bases, after.pok_bases, G2_GENERATOR, after.sigma_g2)
        ratio(f"{label}: proof blinding", one(after.eta), one(after.pok_eta), G2_GENERATOR, after.sigma_g2)
