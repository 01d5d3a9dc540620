"""Prove with the files circom and snarkjs leave behind: a `.zkey` and a `.wtns`."""

from collections.abc import Sequence

import numpy as np

from mpc.errors import ParameterError
from mpc.prg import Stream
from zk.backends.base import Backend
from zk.groth16 import Proof, VerifyingKey, is_valid
from zk.keys import ProvingKey
from zk.prover import prove_points
from zk.r1cs import R1CS, WitnessError

__all__ = ["prove"]


def prove(
    key: ProvingKey,
    witness: Sequence[int],
    randomness: Stream,
    *,
    circuit: R1CS | None = None,
    backend: Backend | None = None,
    threads: int | None = None,
) -> tuple[Proof, list[int]]:
    """A proof and its public inputs.

    A `.zkey` does not hold the third matrix of its circuit: without `circuit` (from the `.r1cs`) a wrong witness shows
    only when the finished proof is verified. That happens always, before it is handed out: a key with points outside
    the subgroup would otherwise carry the witness, modulo small primes, in B.

    Raises: WitnessError for a witness of another length, one that does not satisfy the circuit, or a key that cannot prove.
    Leakage: nothing about the witness but that it exists, if `randomness` is fresh and the key is from an honest setup.
    """
    if circuit is not None and (circuit.n_wires, circuit.n_public) != (key.n_wires, key.n_public):
        raise ParameterError("the circuit is not the one of this key")
    if len(witness) != key.n_wires or witness[0] != 1:
        raise WitnessError(f"a witness of this key has {key.n_wires} wires, the first of them one")
    values = np.array(witness, dtype=object)
    if circuit is not None:
        circuit.check(values)
    proof = Proof(*prove_points(key, values, randomness, backend=backend, threads=threads))
    publics = [int(value) for value in values[1 : key.n_public + 1]]
    checker = VerifyingKey(key.alpha_g1, key.beta_g2, key.gamma_g2, key.delta_g2, key.ic)
    if not is_valid(checker, publics, proof, backend=backend):
        raise WitnessError(
            "no valid proof: the witness does not satisfy the key's circuit, or the key is damaged"
        )
    return proof, publics
