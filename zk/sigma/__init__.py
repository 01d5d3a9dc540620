"""Commitments and sigma protocols over one transcript (`mpc.transcript`).

groups    the prime-order groups they run in: G1 of alt_bn128, and BabyJubJub (whose points circuits can read)
pedersen  commitments to numbers and vectors, hiding, binding and additive
linear    knowledge of a preimage of a linear map, the one protocol behind all of the following
proofs    Schnorr, equality of discrete logarithms, knowledge of an opening, equality of opened values
"""

from zk.sigma.groups import BABYJUBJUB, BN254_G1, PrimeGroup
from zk.sigma.linear import LinearProof, LinearStatement
from zk.sigma.pedersen import PedersenKey
from zk.sigma.proofs import discrete_log, equal_discrete_logs, knowledge_of_opening, same_values

__all__ = [
    "BABYJUBJUB",
    "BN254_G1",
    "LinearProof",
    "LinearStatement",
    "PedersenKey",
    "PrimeGroup",
    "discrete_log",
    "equal_discrete_logs",
    "knowledge_of_opening",
    "same_values",
]
