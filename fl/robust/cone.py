"""The cone test: is an update a sum of genuine class directions, with non-negative weights?

    root set (public) --> a few descent directions g_1 .. g_k, from class-wise subsets
    update u          --> b = (<u, g_1>, .. <u, g_k>)  and  |u|^2         linear in u, and one squared length
                      --> score = cosine between u and the nearest point of the cone {sum c_j g_j, c >= 0}
                                  less the same for -u
    scores of rounds  --> smoothed --> rejected when far below the others, or longer than `longest` medians

A client with any mixture of classes stays inside the cone, however unlike the others it is; that is what distance- and
majority-based rules get wrong on non-IID data. Everything after b and |u|^2 is a public function of k + 1 numbers a
client, and b is linear in u: on shared updates it costs no multiplication (`cone_scores` and `ConeTest.judge` are
what a protocol evaluates on its opened or shared results).

Leakage: whoever sees b learns roughly which classes a client holds; whoever sees the verdict, one bit a client.
Assumes: the root set is clean and has every class; fewer than half of the clients are malicious. It says nothing
about an attacker who stays inside the cone, which an honest client of one class does too.
Source: this project, `docs/decisions/0071-cone-test.md`; related to FLTrust (Cao et al., NDSS 2021).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fl.robust.base import Context, Floats, Memory, Tolerance, Verdict, as_matrix, weighted_mean
from fl.robust.nnls import nonnegative_least_squares
from fl.robust.norms import shortening
from mpc.errors import ParameterError

__all__ = ["ConeTest", "Judgement", "cone_scores", "encode_directions"]


def cone_scores(inner: Floats, gram: Floats, norms_sq: Floats) -> Floats:
    """How far each update points into the cone rather than out of it, in [-1, 1].

    The cosine between u and its projection on the cone, minus the cosine between -u and its projection: an honest
    update and its negative then differ by twice their distance from zero. Zero updates score zero.

    Shapes: inner [clients, k], row i holding <u_i, g_j>; gram [k, k]; norms_sq [clients] -> [clients].
    Units: any, as long as inner, gram and norms_sq belong together; integers of the codec are fine.

    >>> cone_scores(np.array([[3.0, 0.0], [-3.0, 0.0]]), np.eye(2), np.array([25.0, 25.0])).round(6).tolist()
    [0.6, -0.6]
    """
    inner = np.asarray(inner, dtype=np.float64)
    gram = np.asarray(gram, dtype=np.float64)
    norms_sq = np.asarray(norms_sq, dtype=np.float64)
    return _cosine(inner, gram, norms_sq) - _cosine(-inner, gram, norms_sq)


def _cosine(inner: Floats, gram: Floats, norms_sq: Floats) -> Floats:
    """At the minimum c'Gc = c'b, so the projection's squared length is c'b, and so is its product with u."""
    projected = np.maximum((nonnegative_least_squares(gram, inner) * inner).sum(axis=1), 0.0)
    shares = np.divide(projected, norms_sq, out=np.zeros_like(projected), where=norms_sq > 0)
    cosines: Floats = np.sqrt(np.minimum(shares, 1.0))
    return cosines


def encode_directions(directions: NDArray[Any], bits: int = 16) -> NDArray[np.int64]:
    """Directions as integer vectors of length about 2^bits, so that inner products with encoded updates are integers.

    A direction is public and only its ray matters, so rounding it changes the cone a little and nothing else.

    Shapes: [k, dim] -> [k, dim]. A zero direction stays zero.
    """
    given = np.asarray(directions, dtype=np.float64)
    lengths = np.linalg.norm(given, axis=1, keepdims=True)
    unit = np.divide(given, lengths, out=np.zeros_like(given), where=lengths > 0)
    codes: NDArray[np.int64] = np.rint(unit * 2.0**bits).astype(np.int64)
    return codes


@dataclass(frozen=True, slots=True)
class Judgement:
    """Shapes: accepted, scores (smoothed) and factors (1, or what shortens to the median length) [rows]."""

    accepted: NDArray[np.bool_]
    scores: Floats
    factors: Floats
    threshold: float
    memory: Memory


@dataclass(frozen=True, slots=True)
class ConeTest(Tolerance):
    """Which scores are too low, and which updates too long.

    A client's scores are averaged over its rounds until the past has weight `keep`, which it has from then on. A client
    is rejected below max(floor, min(ratio * median, median - spread * MAD)) of the smoothed scores of the round: where
    honest scores lie close together, being a few deviations off is no crime yet. Nobody is rejected by score in its
    first `patience` - 1 rounds. Survivors are shortened to the median length, so that a client inside the cone has no
    more than one voice.

    The defaults were chosen on other seeds than the published tables'; see `docs/explain/robustness.md`.
    """

    keep: float = 0.9
    floor: float = 0.02
    ratio: float = 0.4
    spread: float = 3.0
    longest: float = 6.0
    patience: int = 1
    name: ClassVar[str] = "cone"
    judges: ClassVar[bool] = True
    under: ClassVar[Mapping[str, str]] = {
        "secagg": "no: masks hide each client's inner products; its norm bound alone works, proven by the client",
        "paillier": "no: inner products with public directions are linear, but scores need one decryption a client",
        "shares": "yes: inner products with public directions are local, and so is smoothing (`mpc.protocols.cone_scores`)",
        "plain": "yes",
    }

    def __post_init__(self) -> None:
        if not (0 <= self.keep < 1):
            raise ParameterError(f"the weight of the past must be in [0, 1), got {self.keep}")
        if not all(isfinite(value) for value in (self.floor, self.ratio, self.spread, self.longest)):
            raise ParameterError("the cone test's thresholds must be finite numbers")
        if min(self.ratio, self.spread) < 0 or self.longest < 1 or self.patience < 1:
            raise ParameterError("the cone test needs ratio, spread >= 0 and longest, patience >= 1")

    def most_malicious(self, clients: int) -> int:
        """Fewer than half: the median and its deviation must be those of honest scores."""
        return (clients - 1) // 2

    def judge(
        self,
        inner: Floats,
        gram: Floats,
        norms_sq: Floats,
        memory: Memory,
        members: NDArray[np.int64] | None = None,
    ) -> Judgement:
        """From inner products and squared norms to the accepted clients; all there is to know about an update.

        Shapes: inner [rows, k], gram [k, k], norms_sq [rows], members [rows].
        """
        rows = np.arange(len(norms_sq)) if members is None else members
        fresh = cone_scores(inner, gram, norms_sq)
        seen = memory.rounds[rows]
        past = self._weight_of_the_past(seen)
        smoothed: Floats = past * memory.scores[rows] + (1 - past) * fresh
        scores, rounds = memory.scores.copy(), memory.rounds.copy()
        scores[rows], rounds[rows] = smoothed, seen + 1
        centre = float(np.median(smoothed))
        deviation = float(np.median(np.abs(smoothed - centre)))
        threshold = max(self.floor, min(self.ratio * centre, centre - self.spread * deviation))
        norms: Floats = np.sqrt(np.asarray(norms_sq, dtype=np.float64))
        median = float(np.median(norms))
        genuine = (smoothed >= threshold) | (seen + 1 < self.patience)
        accepted = genuine & (norms <= self.longest * median)
        return Judgement(accepted, smoothed, shortening(norms, median), threshold, Memory(scores, rounds))

    def weights(self, judged: NDArray[np.bool_]) -> Floats:
        """How much each round counts in a client's score after the last: what `judge` comes to, round by round.

        It depends on who was judged when and on nothing else, so scores that are shared are smoothed with public weights.

        Shapes: judged [rounds, clients] -> [rounds, clients]; the rounds of a client that was ever judged add up to 1.

        >>> ConeTest(keep=0.6).weights(np.array([[True], [True], [False], [True]])).T.round(2).tolist()
        [[0.3, 0.3, 0.0, 0.4]]
        """
        weights, seen = np.zeros(judged.shape), np.zeros(judged.shape[1])
        for number, there in enumerate(judged):
            past = np.where(there, self._weight_of_the_past(seen), 1.0)
            weights[:number] *= past
            weights[number] = 1 - past
            seen += there
        return weights

    def _weight_of_the_past(self, seen: NDArray[Any]) -> Floats:
        weight: Floats = np.minimum(seen / (seen + 1.0), self.keep)
        return weight

    def accept(self, updates: NDArray[Any], context: Context, memory: Memory) -> Verdict:
        matrix = as_matrix(updates)
        if context.directions is None:
            raise ParameterError("the cone test needs the directions of a root set")
        directions = np.asarray(context.directions, dtype=np.float64)
        found = self.judge(
            matrix @ directions.T,
            directions @ directions.T,
            np.einsum("ij,ij->i", matrix, matrix),
            memory,
            context.members,
        )
        aggregate, weights = weighted_mean(matrix, found.factors, found.accepted)
        return Verdict(found.accepted, weights, aggregate, found.memory, found.scores)
