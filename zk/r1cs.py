"""A finished rank-one constraint system: row by row, (A w) * (B w) = C w over the scalar field.

Wire order: the constant one, public inputs, committed wires group by group, then the private rest.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpc.errors import ParameterError
from zk.field import R, to_signed
from zk.linear import Linear

__all__ = ["R1CS", "Group", "Named", "WitnessError"]


class WitnessError(ParameterError):
    """A witness that does not satisfy the rows of its circuit."""


@dataclass(frozen=True, slots=True)
class Named:
    """A run of wires or rows that share a name."""

    name: str
    start: int
    stop: int

    def label(self, index: int) -> str:
        """The name of one member."""
        return self.name if self.stop - self.start == 1 else f"{self.name}[{index - self.start}]"


@dataclass(frozen=True, slots=True)
class Group(Named):
    """Wires that one commitment holds."""


@dataclass(frozen=True)
class R1CS:
    """Rows, and what their wires are called.

    Shapes: a, b, c hold one linear combination for each row.
    """

    n_public: int
    n_wires: int
    groups: tuple[Group, ...]
    a: Linear
    b: Linear
    c: Linear
    wire_names: tuple[Named, ...]
    row_names: tuple[Named, ...]

    @property
    def n_rows(self) -> int:
        """How many rows there are, without the consistency rows a setup adds for public inputs."""
        return self.a.n

    @property
    def domain(self) -> int:
        """The power of two a proof's polynomials live on: rows, one more for each public input and for the constant."""
        return 1 << max(1, (self.n_rows + self.n_public).bit_length())

    @cached_property
    def digest(self) -> bytes:
        """32 bytes that differ for different circuits; names do not count."""
        state = sha256(b"eppml r1cs v1")
        shape = [
            self.n_public,
            self.n_wires,
            self.n_rows,
            *(v for g in self.groups for v in (g.start, g.stop)),
        ]
        state.update(len(shape).to_bytes(8, "big") + b"".join(v.to_bytes(8, "big") for v in shape))
        for matrix in (self.a, self.b, self.c):
            state.update(len(matrix.rows).to_bytes(8, "big"))
            state.update(matrix.rows.astype("<i8").tobytes() + matrix.wires.astype("<i8").tobytes())
            if matrix.coefficients.dtype == object:
                state.update(b"".join((int(v) % R).to_bytes(32, "little") for v in matrix.coefficients))
            else:
                state.update(_residue_bytes(matrix.coefficients))
        return state.digest()

    def check(self, values: NDArray[Any]) -> None:
        """Check a full witness against every row.

        Shapes: values (n_wires,) of Python integers.
        Raises: WitnessError naming the first row that fails.
        """
        if len(values) != self.n_wires or values[0] != 1:
            raise WitnessError(f"a witness of this circuit has {self.n_wires} wires, the first of them one")
        a, b, c = (m.evaluate(values) for m in (self.a, self.b, self.c))
        bad = np.flatnonzero((a * b - c) % R != 0)
        if len(bad):
            row = int(bad[0])
            raise WitnessError(f"{len(bad)} rows are not satisfied, the first is {self.row(row)}")

    def loose_wires(self, values: NDArray[Any]) -> list[str]:
        """Wires beside public inputs that can be changed alone, to any other value, and no row notices.

        For wire w and row i a change by d alters the row by d (A_iw b_i + a_i B_iw - C_iw) + d^2 A_iw B_iw: all of
        these must vanish for w to be loose. An empty list does not prove that the witness is unique.

        Shapes: values (n_wires,), a witness that satisfies the circuit.
        """
        a, b = self.a.evaluate(values), self.b.evaluate(values)
        first, second = (np.zeros(self.n_wires, dtype=bool) for _ in range(2))
        linear: dict[tuple[int, int], int] = {}
        in_a: dict[tuple[int, int], int] = {}
        for matrix, factor in ((self.a, b), (self.b, a), (self.c, None)):
            for row, wire, k in zip(
                matrix.rows.tolist(), matrix.wires.tolist(), matrix.coefficients, strict=True
            ):
                scale = -1 if factor is None else factor[row]
                linear[row, wire] = (linear.get((row, wire), 0) + int(k) * scale) % R
                if matrix is self.a:
                    in_a[row, wire] = in_a.get((row, wire), 0) + int(k)
                elif matrix is self.b and in_a.get((row, wire)):
                    second[wire] = True
        for (_, wire), value in linear.items():
            first[wire] |= value != 0
        return [
            self.wire(w) for w in range(self.n_public + 1, self.n_wires) if not first[w] and not second[w]
        ]

    def unused_wires(self) -> list[str]:
        """Wires beside public inputs that no row mentions: nothing constrains them."""
        seen = np.zeros(self.n_wires, dtype=bool)
        for matrix in (self.a, self.b, self.c):
            seen[matrix.wires[np.asarray(matrix.coefficients != 0, dtype=bool)]] = True
        return [self.wire(w) for w in range(self.n_public + 1, self.n_wires) if not seen[w]]

    def wire(self, index: int) -> str:
        """The name of a wire."""
        return _find(self.wire_names, index)

    def row(self, index: int) -> str:
        """A row as text: its name and its equation."""
        terms = " * ".join(f"({self._side(m, index)})" for m in (self.a, self.b))
        return f"{_find(self.row_names, index)}: {terms} = {self._side(self.c, index)}"

    def rows(self) -> Iterator[str]:
        """All rows as text."""
        return (self.row(i) for i in range(self.n_rows))

    def _side(self, matrix: Linear, row: int) -> str:
        lo, hi = np.searchsorted(matrix.rows, [row, row + 1])
        parts = []
        for wire, k in zip(matrix.wires[lo:hi].tolist(), matrix.coefficients[lo:hi], strict=True):
            value = to_signed(int(k) % R)
            parts.append(
                str(value) if wire == 0 else f"{value}*{self.wire(wire)}" if value != 1 else self.wire(wire)
            )
        return " + ".join(parts) or "0"


def _find(names: tuple[Named, ...], index: int) -> str:
    for named in names:
        if named.start <= index < named.stop:
            return named.label(index)
    return f"#{index}"


def _residue_bytes(values: NDArray[np.int64]) -> bytes:
    """32 little-endian bytes of each residue, without a Python loop over the frequent small ones."""
    distinct, inverse = np.unique(values, return_inverse=True)
    table = np.frombuffer(b"".join((int(v) % R).to_bytes(32, "little") for v in distinct), dtype="V32")
    return table[inverse].tobytes()
