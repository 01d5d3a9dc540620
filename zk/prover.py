"""The points A, B and C of a proof, from a proving key and a full witness.

Source: Groth 2016 (eprint 2016/260), section 3.2; the quotient is taken on the odd coset of the double domain, as snarkjs
does.
"""

from mpc.prg import Stream
from zk import backends
from zk.backends.base import Backend, Limbs
from zk.curve import G1, G2
from zk.fft import Values
from zk.field import R
from zk.keys import ProvingKey
from zk.limbs import to_limbs
from zk.quotient import quotient

__all__ = ["prove_points"]


def _support(bases: Limbs, scalars: Limbs) -> tuple[Limbs, Limbs]:
    """Bases and scalars without the pairs where either is zero."""
    keep = bases.any(axis=1) & scalars.any(axis=1)
    return (bases, scalars) if keep.all() else (bases[keep], scalars[keep])


def prove_points(
    key: ProvingKey,
    witness: Values,
    randomness: Stream,
    *,
    backend: Backend | None = None,
    threads: int | None = None,
) -> tuple[G1, G2, G1]:
    """A, B and C for a witness that has been checked.

    Shapes: witness (n_wires,) of residues.
    """
    lib = backend or backends.get()
    r, s = randomness.below(R), randomness.below(R)
    scalars = to_limbs(witness.tolist())

    def msm(bases: Limbs, factors: Limbs) -> G1:
        return lib.msm_g1(*_support(bases, factors), threads=threads)

    h = msm(key.h, quotient(key, witness, threads))
    a = lib.g1_sum([key.alpha_g1, msm(key.a, scalars), lib.g1_mul(key.delta_g1, r)])
    b1 = lib.g1_sum([key.beta_g1, msm(key.b1, scalars), lib.g1_mul(key.delta_g1, s)])
    b2_sum = lib.msm_g2(*_support(key.b2, scalars), threads=threads)
    b = lib.g2_sum([key.beta_g2, b2_sum, lib.g2_mul(key.delta_g2, s)])
    private = msm(key.c, scalars[len(scalars) - len(key.c) :])
    blinding = [lib.g1_mul(a, s), lib.g1_mul(b1, r), lib.g1_mul(key.delta_g1, R - r * s % R)]
    return a, b, lib.g1_sum([private, h, *blinding])
