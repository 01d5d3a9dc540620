"""Write the honest keys and proofs the corpus on commitments starts from: `python -m zk.corpus.committed_base FOLDER`.

Two small circuits, an unused public input in both: one with a single commitment, one with two and a challenge. The setup's
secrets come from a fixed stream and are public: these keys are for tests only.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mpc.prg import Stream
from zk import commit_prove
from zk.circuit import Circuit
from zk.formats import committed, snarkjs

__all__ = ["write"]

CLIENTS = {"proof": [1, 2, 3], "other": [3, 1, 2]}
CONTEXT, NORM = 5, 14


def _simple(circuit: Circuit) -> None:
    circuit.public("context")
    norm = circuit.public("norm")
    x = circuit.committed("x", 3, group="update")
    circuit.equal(circuit.multiply(x, x, "square").sum(), norm, "norm")


def _challenge(circuit: Circuit) -> None:
    circuit.public("context")
    norm = circuit.public("norm")
    x = circuit.committed("x", 3, group="update")
    y = circuit.committed("y", 3, lambda v: 2 * v, x, group="aux")
    alpha = circuit.challenge()
    circuit.equal(y, x * 2, "double")
    circuit.equal(circuit.multiply(x, x, "square").sum(), norm, "norm")
    circuit.multiply(y, alpha, "use")


def write(folder: Path) -> None:
    """Write `simple/` and `challenge/` into a folder: key, two clients' proofs, public inputs."""
    kinds: dict[str, Callable[[Circuit], None]] = {"simple": _simple, "challenge": _challenge}
    for kind, build in kinds.items():
        circuit = Circuit()
        build(circuit)
        r1cs, program = circuit.finish()
        stream = Stream(bytes(32), b"corpus " + kind.encode("ascii"))
        keys = commit_prove.setup(r1cs, stream, unsafe_single_party=True, challenges=program.challenges)
        out = folder / kind
        out.mkdir(parents=True, exist_ok=True)
        (out / "key.json").write_bytes(committed.encode_verifier_key(keys.vk))
        (out / "public.json").write_bytes(snarkjs.encode_publics([CONTEXT, NORM]))
        for name, values in CLIENTS.items():
            inputs: dict[str, Any] = {
                "context": [CONTEXT],
                "norm": [NORM],
                "x": np.array(values, dtype=object),
            }
            proof, _ = commit_prove.prove(keys.pk, r1cs, program, inputs, stream)
            commit_prove.verify(keys.vk, [CONTEXT, NORM], proof)
            (out / f"{name}.json").write_bytes(committed.encode_proof(proof))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
