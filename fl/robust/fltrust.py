"""FLTrust: weigh each update by its cosine with the coordinator's own, and give all of them its length.

Source: Cao et al., "FLTrust: Byzantine-robust federated learning via trust bootstrapping", NDSS 2021, equations 1-3.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fl.robust.base import Context, Floats, Memory, Tolerance, Verdict, as_matrix
from mpc.errors import ParameterError

__all__ = ["FLTrust"]


@dataclass(frozen=True, slots=True)
class FLTrust(Tolerance):
    """Accepted are the clients whose cosine with the root update is positive.

    Assumes: the coordinator is honest, and its root set is clean and resembles the clients' data.
    """

    name: ClassVar[str] = "fltrust"
    judges: ClassVar[bool] = True
    under: ClassVar[Mapping[str, str]] = {
        "secagg": "no: masks hide each client's inner product, and the weights come after the sum",
        "paillier": "no: inner products with a public vector are linear, but weights need one decryption a client",
        "shares": "yes: an inner product with a public vector and a length a client (`mpc.protocols.trusted_sum`)",
        "plain": "yes",
    }

    def most_malicious(self, clients: int) -> int:
        """All but one: trust comes from the root set and not from a majority."""
        return clients - 1

    def accept(self, updates: NDArray[Any], context: Context, memory: Memory) -> Verdict:
        matrix = as_matrix(updates)
        if context.root_update is None:
            raise ParameterError("FLTrust needs the coordinator's update on its root set")
        root: Floats = np.asarray(context.root_update, dtype=np.float64)
        norms: Floats = np.linalg.norm(matrix, axis=1)
        length = float(np.linalg.norm(root))
        lengths = norms * length
        cosines = np.divide(matrix @ root, lengths, out=np.zeros_like(norms), where=lengths > 0)
        trust = np.maximum(cosines, 0.0)
        weights = np.divide(trust * length, norms, out=np.zeros_like(norms), where=norms > 0)
        total = float(trust.sum())
        weights = weights / total if total > 0 else weights
        return Verdict(trust > 0, weights, weights @ matrix, memory, cosines)
