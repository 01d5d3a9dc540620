"""Sigma proofs about Paillier ciphertexts, made non-interactive over `mpc.transcript`.

openings        r^n and h_s^e under one interface: masks, images, responses
plaintext       knowledge of the plaintexts of a whole vector, constant size
range           a plaintext lies in [low, low + 2^bits), exactly
multiplication  d holds k times what c holds, for a hidden k
groups          prime-order groups for Pedersen commitments
pedersen        a ciphertext and a commitment hold the same number

Each `prove_*` takes the opening that `Encryptor.encrypt_opened` returned; each `verify_*` raises
ProofRejected. Pass a `context` that names the session and the prover: a proof verifies under no other.
"""

from he.proofs.groups import Bn254Group, ModpGroup, PedersenGroup
from he.proofs.multiplication import (
    MultiplicationProof,
    multiply_hidden,
    prove_multiplication,
    verify_multiplication,
)
from he.proofs.pedersen import EqualityProof, prove_equality, soundness_bits, verify_equality
from he.proofs.plaintext import PlaintextProof, prove_plaintexts, verify_plaintexts
from he.proofs.range import RangeProof, prove_range, verify_range

__all__ = [
    "Bn254Group",
    "EqualityProof",
    "ModpGroup",
    "MultiplicationProof",
    "PedersenGroup",
    "PlaintextProof",
    "RangeProof",
    "multiply_hidden",
    "prove_equality",
    "prove_multiplication",
    "prove_plaintexts",
    "prove_range",
    "soundness_bits",
    "verify_equality",
    "verify_multiplication",
    "verify_plaintexts",
    "verify_range",
]
