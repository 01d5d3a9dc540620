"""Zero-knowledge proofs about model updates: strict Groth16 over alt_bn128, circuits, commitments, ceremonies.

    what clients prove
        statements                          bounds on an update; a training step; their cost before they run
        commit_prove  commitment_keys       proofs over additive commitments, and their keys
        key_bytes  keycache                 these keys as bytes, and kept on disk
    Groth16
        groth16  keys                       setup, prove, verify, batches; the proving key's arrays
        setup  prover  quotient  pairing_check      what these are made of
        phase2  powers  contribution  ceremony      keys that no single party made
        formats  corpus                     snarkjs, ZoKrates, gnark, arkworks, EVM; a corpus of attacks for any verifier
    circuits
        circuit  r1cs  linear  merge        write rows on whole vectors, print and check them
        gadgets                             bits, ranges, lookups, norms, matrix products, selection, hashes, Merkle paths
    curve and field
        curve  field                        the one strict parser every point comes through; scalars
        backends  kernels  limbs  fft       mcl, zksnake, gmpy2 or py_ecc behind one interface; compiled loops
    beside circuits
        sigma                               Pedersen commitments, Schnorr, equality and opening proofs
        babyjubjub  eddsa  pedersen_hash    signatures and hashes that circuits can check
        poseidon  mimc  merkle  keccak  blake

>>> import zk
>>> zk.statements.NormBound(dim=650, bits=16).cost().proof_bytes
448
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zk import (
        babyjubjub,
        backends,
        ceremony,
        circuit,
        commit_prove,
        curve,
        eddsa,
        field,
        formats,
        gadgets,
        groth16,
        keycache,
        linear,
        merkle,
        r1cs,
        sigma,
        statements,
    )
    from zk.field import R

__all__ = [
    "R",
    "babyjubjub",
    "backends",
    "ceremony",
    "circuit",
    "commit_prove",
    "curve",
    "eddsa",
    "field",
    "formats",
    "gadgets",
    "groth16",
    "keycache",
    "linear",
    "merkle",
    "r1cs",
    "sigma",
    "statements",
]


def __getattr__(name: str) -> Any:
    """Submodules load when first named."""
    if name == "R":
        return import_module("zk.field").R
    if name in __all__:
        return import_module(f"zk.{name}")
    raise AttributeError(f"module 'zk' has no attribute {name!r}")
