"""Groth16 over alt_bn128: keys, proofs, and verification of one or many.

    check   e(A, B) == e(alpha, beta) * e(IC_0 + sum x_i IC_i, gamma) * e(C, delta)

Proofs can be re-randomised by anyone into other valid proofs of the same statement: never use a proof's bytes as a nullifier.

Source: Groth 2016 (eprint 2016/260), section 3.2.
"""

from dataclasses import dataclass

from zk.curve import G1, G2

__all__ = ["Proof", "VerifyingKey"]


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """What a verifier needs; `ic` holds one point for the constant and one for each public input."""

    alpha_g1: G1
    beta_g2: G2
    gamma_g2: G2
    delta_g2: G2
    ic: tuple[G1, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """The three points of a proof."""

    a: G1
    b: G2
    c: G1
