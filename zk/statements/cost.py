"""What a proof will cost, known before it runs."""

from dataclasses import dataclass

from zk.curve import G1_BYTES, G2_BYTES
from zk.r1cs import R1CS

__all__ = ["Cost", "estimate"]

# seconds, from benchmarks/bench_zk.py on two cores with mcl; a laptop is within a factor of two
_PROVE_PER_SLOT = 16e-6
_PROVE_FIXED = 0.01
_VERIFY = 1.5e-3


@dataclass(frozen=True, slots=True)
class Cost:
    """The size of a statement's circuit, key and proof, and how long proving and verifying will take.

    Units: bytes; seconds on two cores with the fastest backend. `rows` counts all chunks, `key_bytes` is for one key.
    """

    rows: int
    rows_per_value: float
    key_bytes: int
    proof_bytes: int
    est_prove_s: float
    est_verify_s: float


def estimate(r1cs: R1CS, *, chunks: int, proof_bytes: int, values: int) -> Cost:
    """The cost of `chunks` proofs of one circuit."""
    committed = sum(g.stop - g.start for g in r1cs.groups)
    private = r1cs.n_wires - 1 - r1cs.n_public - committed
    g1 = 2 * r1cs.n_wires + private + r1cs.domain + 2 * committed
    return Cost(
        rows=chunks * r1cs.n_rows,
        rows_per_value=chunks * r1cs.n_rows / values,
        key_bytes=g1 * G1_BYTES + r1cs.n_wires * G2_BYTES,
        proof_bytes=proof_bytes,
        est_prove_s=chunks * (_PROVE_FIXED + _PROVE_PER_SLOT * r1cs.domain),
        est_verify_s=chunks * _VERIFY,
    )
