"""The proving key of Groth16, in the arrays a `.zkey` file holds.

    wires     0 is the constant one, then the public inputs, then the rest
    a, b1     [A_i(tau)]_1 and [B_i(tau)]_1 of every wire                        (n_wires, 8)
    b2        [B_i(tau)]_2 of every wire                                         (n_wires, 16)
    c         [(beta A_i + alpha B_i + C_i)(tau) / delta]_1 of the last wires    (n_private, 8)
    h         [L_{2i+1}(tau) / delta]_1: the odd half of the Lagrange basis
              of the domain of twice the size                                    (domain, 8)

Points are affine, Montgomery form, little-endian limbs (see `zk.backends.base`).
"""

from dataclasses import dataclass

from zk.backends.base import Limbs
from zk.curve import G1, G2
from zk.linear import Linear

__all__ = ["ProvingKey"]


@dataclass(frozen=True, slots=True)
class ProvingKey:
    """What a prover needs beside the witness.

    `matrix_a` and `matrix_b` have `domain` rows: those of the circuit, then in `matrix_a` one row for the constant and for
    each public input (w_i * 0 = 0, so that every input counts in the proof), then empty ones. `c` covers the last
    `len(c)` wires: all but the public ones, and but the committed ones where there are commitments.
    """

    n_public: int
    n_wires: int
    domain: int
    alpha_g1: G1
    beta_g1: G1
    beta_g2: G2
    gamma_g2: G2
    delta_g1: G1
    delta_g2: G2
    ic: tuple[G1, ...]
    matrix_a: Linear
    matrix_b: Linear
    a: Limbs
    b1: Limbs
    b2: Limbs
    c: Limbs
    h: Limbs
