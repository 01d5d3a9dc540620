"""Write a circuit: named wires, rows over linear combinations, and hints that compute the witness.

    circuit = Circuit()
    x = circuit.committed("x", 3)
    squares = circuit.multiply(x, x, "square")
    circuit.equal(squares.sum(), circuit.public("norm"), "norm")
    r1cs, program = circuit.finish()

Every operation works on a vector of combinations at once. A hint is a function from the values of some combinations
(arrays of Python integers in [0, R)) to the values of new wires; it is advice to the prover and constrains nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mpc.errors import ParameterError
from zk.field import R
from zk.linear import Linear, concatenate
from zk.r1cs import R1CS, Group, Named, WitnessError

__all__ = ["Circuit", "Hint", "Program", "Values"]

Values: TypeAlias = NDArray[Any]
Hint: TypeAlias = Callable[..., Values]


@dataclass(frozen=True, slots=True)
class _Step:
    """Fill wires [start, stop) from the inputs' values, or from the caller when there is no hint."""

    name: str
    start: int
    stop: int
    hint: Hint | None
    inputs: tuple[Linear, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """How a witness is computed: first what is committed, then, given the challenge, the rest."""

    n_wires: int
    order: NDArray[np.int64]
    steps: tuple[_Step, ...]
    challenge_at: int | None

    def commit_phase(self, inputs: Mapping[str, Sequence[int] | Values]) -> Values:
        """Wires that do not depend on the challenge, in final order (the others are zero).

        Raises: WitnessError for a missing, superfluous or misshapen input.
        """
        values = np.zeros(self.n_wires, dtype=object)
        values[0] = 1
        names = {s.name for s in self.steps[: self.challenge_at] if s.hint is None}
        if set(inputs) != names:
            raise WitnessError(f"inputs are {sorted(names)}, got {sorted(inputs)}")
        for step in self.steps[: self.challenge_at]:
            given = (
                inputs[step.name]
                if step.hint is None
                else step.hint(*(v.evaluate(values) for v in step.inputs))
            )
            self._fill(values, step, given)
        return values[self.order]

    @property
    def challenges(self) -> int:
        """How many challenges the circuit draws."""
        if self.challenge_at is None:
            return 0
        step = self.steps[self.challenge_at]
        return step.stop - step.start

    def challenge_phase(self, committed: Values, challenges: Sequence[int]) -> Values:
        """The full witness in final order."""
        if self.challenge_at is None:
            raise ParameterError("this circuit has no challenge")
        values = np.zeros(self.n_wires, dtype=object)
        values[self.order] = committed
        self._fill(values, self.steps[self.challenge_at], challenges)
        for step in self.steps[self.challenge_at + 1 :]:
            assert step.hint is not None
            self._fill(values, step, step.hint(*(v.evaluate(values) for v in step.inputs)))
        return values[self.order]

    @staticmethod
    def _fill(values: Values, step: _Step, given: Sequence[int] | Values) -> None:
        if len(given) != step.stop - step.start:
            raise WitnessError(f"{step.name} has {step.stop - step.start} values, got {len(given)}")
        array = np.empty(len(given), dtype=object)
        try:
            array[:] = [index(v) for v in given]
        except TypeError as error:
            raise WitnessError(f"{step.name} holds a value that is not an integer") from error
        values[step.start : step.stop] = array % R


class Circuit:
    """A circuit under construction."""

    def __init__(self) -> None:
        self._n = 1
        self._public: list[Named] = []
        self._groups: dict[str, list[Named]] = {}
        self._private: list[Named] = []
        self._steps: list[_Step] = []
        self._challenge_at: int | None = None
        self._rows: tuple[list[Linear], list[Linear], list[Linear]] = ([], [], [])
        self._row_names: list[Named] = []
        self._n_rows = 0

    @property
    def n_rows(self) -> int:
        """Rows so far."""
        return self._n_rows

    def _allocate(
        self, name: str, n: int, hint: Hint | None, inputs: tuple[Linear, ...]
    ) -> tuple[Named, Linear]:
        if n < 1:
            raise ParameterError(f"{name} needs at least one wire")
        run = Named(name, self._n, self._n + n)
        self._n += n
        self._steps.append(_Step(name, run.start, run.stop, hint, inputs))
        return run, Linear.of_wires(np.arange(run.start, run.stop))

    def public(self, name: str, n: int = 1) -> Linear:
        """Public inputs; their values come from the caller."""
        self._before_challenge(name)
        run, wires = self._allocate(name, n, None, ())
        self._public.append(run)
        return wires

    def committed(
        self, name: str, n: int, hint: Hint | None = None, *inputs: Linear, group: str = ""
    ) -> Linear:
        """Wires held by the commitment of `group`; without a hint their values come from the caller.

        Give each a row of its own, as the independence of the commitment's bases rests on it.
        """
        self._before_challenge(name)
        run, wires = self._allocate(name, n, hint, inputs)
        self._groups.setdefault(group, []).append(run)
        return wires

    def private(self, name: str, n: int, hint: Hint, *inputs: Linear) -> Linear:
        """Wires only the prover knows."""
        run, wires = self._allocate(name, n, hint, inputs)
        self._private.append(run)
        return wires

    def challenge(self, n: int = 1) -> Linear:
        """Public inputs the verifier derives from the key, the other public inputs and all commitments."""
        self._before_challenge("challenge")
        self._challenge_at = len(self._steps)
        run, wires = self._allocate("challenge", n, None, ())
        self._public.append(run)
        return wires

    def _before_challenge(self, name: str) -> None:
        if self._challenge_at is not None:
            raise ParameterError(
                f"{name}: the challenge must come after all public inputs and committed wires"
            )

    def enforce(self, a: Linear, b: Linear, c: Linear, name: str) -> None:
        """Rows a * b = c; a vector of one combination is repeated to the length of the others."""
        n = max(a.n, b.n, c.n)
        sides = [side.repeat(n) if side.n == 1 and n > 1 else side for side in (a, b, c)]
        if any(side.n != n for side in sides):
            raise ParameterError(f"{name}: sides of lengths {a.n}, {b.n} and {c.n}")
        for column, side in zip(self._rows, sides, strict=True):
            column.append(side)
        self._row_names.append(Named(name, self._n_rows, self._n_rows + n))
        self._n_rows += n

    def equal(self, a: Linear, b: Linear, name: str) -> None:
        """Rows a = b."""
        self.enforce(a, Linear.constant(1), b, name)

    def multiply(self, a: Linear, b: Linear, name: str) -> Linear:
        """New private wires a * b."""
        n = max(a.n, b.n)
        product = self.private(name, n, lambda x, y: x * y % R, a, b)
        self.enforce(a, b, product, name)
        return product

    def finish(self) -> tuple[R1CS, Program]:
        """The rows in final wire order, and the program that computes witnesses for them.

        Raises: ParameterError for wires, public ones apart, that no row mentions.
        """
        runs = [*self._public, *(r for g in self._groups.values() for r in g), *self._private]
        order = np.concatenate([[0], *(np.arange(r.start, r.stop) for r in runs)])
        place = np.empty(self._n, dtype=np.int64)
        place[order] = np.arange(self._n)
        named = tuple(Named(r.name, int(place[r.start]), int(place[r.stop - 1]) + 1) for r in runs)
        groups, at = [], 1 + sum(r.stop - r.start for r in self._public)
        for name, members in self._groups.items():
            size = sum(r.stop - r.start for r in members)
            groups.append(Group(name, at, at + size))
            at += size
        a, b, c = (m.renumber(place) for m in map(concatenate, self._rows))
        n_public = sum(r.stop - r.start for r in self._public)
        one = (Named("1", 0, 1),)
        r1cs = R1CS(n_public, self._n, tuple(groups), a, b, c, one + named, tuple(self._row_names))
        if loose := r1cs.unused_wires():
            raise ParameterError(f"no row mentions {', '.join(loose[:8])}")
        return r1cs, Program(self._n, order, tuple(self._steps), self._challenge_at)
