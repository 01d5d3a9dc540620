"""One step of gradient descent in fixed point: sizes, ranges, and the plain computation.

`zk.statements.sgd_circuit` proves exactly these integers; `SgdArithmetic.step` is its plain twin.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import exp, floor
from operator import index
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from mpc.errors import ParameterError
from zk.r1cs import WitnessError

__all__ = ["Integers", "SgdArithmetic"]

Integers = NDArray[Any]


@dataclass(frozen=True, slots=True)
class SgdArithmetic:
    """One step on `batch` examples of `features` features; `classes` is used for softmax only.

    Features are integers x * 2**feature_fraction of `feature_bits` bits, the model w * 2**model_fraction of `model_bits`
    bits, linear labels integers in the fixed point of the logits (feature_fraction + model_fraction). The update is
    floor(1/2 - rate * G / 2**shift) for the integer gradient G, and must fit `bits` bits; `for_learning_rate` finds rate
    and shift. The exponential comes from a table of 2**table_bits entries, 2**-table_fraction apart.

    Raises: ParameterError for sizes that make no sense or could exceed the field.
    """

    kind: Literal["linear", "logistic", "softmax"]
    features: int
    batch: int
    rate: int
    shift: int
    classes: int = 2
    bits: int = 16
    feature_bits: int = 9
    feature_fraction: int = 7
    model_bits: int = 24
    model_fraction: int = 16
    label_bits: int = 32
    table_bits: int = 10
    table_fraction: int = 6
    probability_bits: int = 16

    def __post_init__(self) -> None:
        # sizes of numpy arrays may be machine integers, which wrap
        for name in ("features", "batch", "rate", "shift", "classes", "bits"):
            object.__setattr__(self, name, index(getattr(self, name)))
        if not 2 <= self.bits <= 64:
            raise ParameterError(f"entries have 2 to 64 bits, not {self.bits}")
        if self.kind not in ("linear", "logistic", "softmax"):
            raise ParameterError(f"no regression is called {self.kind!r}")
        if min(self.features, self.batch, self.rate) < 1 or not 1 <= self.shift <= 48:
            raise ParameterError("features, batch and rate are positive, shift is 1 to 48")
        if self.kind == "softmax" and self.classes < 2 or self.kind == "logistic" and self.classes != 2:
            raise ParameterError(f"{self.kind} regression does not have {self.classes} classes")
        if self.table_shift < 1 or not 1 <= self.table_bits <= 16 or not 1 <= self.probability_bits <= 24:
            raise ParameterError("the table of exponentials does not fit the fixed point of the logits")
        widest = 2 * self.feature_bits + self.model_bits + self.label_bits + self.probability_bits
        if widest + self.rate.bit_length() + 2 * (self.features * self.batch).bit_length() > 200:
            raise ParameterError("intermediate values could exceed the scalar field")

    @classmethod
    def for_learning_rate(
        cls,
        kind: Literal["linear", "logistic", "softmax"],
        *,
        features: int,
        batch: int,
        learning_rate: float,
        clip: float,
        bits: int = 16,
        **more: Any,
    ) -> Self:
        """The statement whose update is encoded by `mpc.codec.Codec(clip, bits)`: limit / clip for each unit.

        Raises: ParameterError if the learning rate is out of reach of the fixed point.
        """
        probe = cls(kind, features, batch, rate=1, shift=1, bits=bits, **more)
        residue = probe.logit_fraction if kind == "linear" else probe.probability_bits
        factor = learning_rate / batch * probe.limit / clip / 2.0 ** (probe.feature_fraction + residue)
        shift = next((k for k in range(1, 49) if factor * 2**k >= 512), 48)
        return cls(
            kind, features, batch, rate=max(1, round(factor * 2**shift)), shift=shift, bits=bits, **more
        )

    @property
    def outputs(self) -> int:
        """Columns of the model."""
        return self.classes if self.kind == "softmax" else 1

    @property
    def dim(self) -> int:
        """Entries of the model and of an update."""
        return (self.features + 1) * self.outputs

    @property
    def limit(self) -> int:
        """The largest magnitude of an entry of the update."""
        return int((1 << (self.bits - 1)) - 1)

    @property
    def feature_limit(self) -> int:
        """The largest magnitude of a feature."""
        return int((1 << (self.feature_bits - 1)) - 1)

    @property
    def model_limit(self) -> int:
        """The largest magnitude of a parameter."""
        return int((1 << (self.model_bits - 1)) - 1)

    @property
    def label_limit(self) -> int:
        """The largest magnitude of a label of linear regression."""
        return int((1 << (self.label_bits - 1)) - 1)

    @property
    def logit_fraction(self) -> int:
        """Fractional bits of a logit."""
        return self.feature_fraction + self.model_fraction

    @property
    def table_shift(self) -> int:
        """Bits of a logit below one step of the table."""
        return self.logit_fraction - self.table_fraction

    @property
    def excess_bits(self) -> int:
        """Bits of the number of steps by which a logit may lie below the last entry of the table."""
        largest = (self.features * self.feature_limit + (1 << self.feature_fraction)) * self.model_limit
        return max(1, (2 * largest >> self.table_shift).bit_length())

    @property
    def sum_bits(self) -> int:
        """Bits of a sum of exponentials."""
        return int((self.classes << 16).bit_length())

    @property
    def exponentials(self) -> list[int]:
        """exp(-t / 2**table_fraction) in 16 fractional bits; the last entry, for everything beyond, is zero."""
        return _exponentials(self.table_bits, self.table_fraction)

    def step(self, features: Integers, labels: Integers, model: Integers) -> NDArray[np.int64]:
        """The update, computed plainly with the integers of the circuit.

        Shapes: features (batch, features), labels (batch, outputs) or (batch,), model (features + 1, outputs) or flat.
        Raises: WitnessError if an input or the update is out of range.
        """
        x, y, w = self._checked(features, labels, model)
        update = self.trace(x, y, w)["update"]
        largest = max(map(abs, update.reshape(-1).tolist()))
        if largest > self.limit:
            raise WitnessError(
                f"the update has an entry of {largest}, the largest magnitude allowed is {self.limit}"
            )
        return np.array(update.reshape(-1).tolist(), dtype=np.int64)

    def trace(self, x: Integers, y: Integers, w: Integers) -> dict[str, Integers]:
        """All intermediate values, by the names of their wires; the plain twin of `zk.statements.sgd_circuit`."""
        n = self.batch
        one = np.full((n, 1), 1 << self.feature_fraction, dtype=object)
        rows = np.hstack([x.reshape(n, self.features), one])
        logits = rows.dot(w.reshape(self.features + 1, self.outputs))
        out: dict[str, Integers] = {}
        if self.kind == "linear":
            residues = logits - y.reshape(n, 1)
            out["residues"] = residues
        else:
            if self.kind == "logistic":
                logits = np.hstack([logits, np.zeros((n, 1), dtype=object)])
            maximum = logits.max(axis=1, keepdims=True)
            steps, rest = (maximum - logits) >> self.table_shift, (maximum - logits) % (1 << self.table_shift)
            table = np.array(self.exponentials, dtype=object)
            argument = np.minimum(steps, len(table) - 1)
            power = table[argument.astype(np.int64)]
            total = power.sum(axis=1, keepdims=True)
            probability = (power << self.probability_bits) // total
            out |= {"maximum": maximum, "argument": argument, "excess": steps - argument, "rest": rest}
            out |= {"power": power, "probability": probability}
            out["left"] = (power << self.probability_bits) - probability * total
            residues = probability[:, : self.outputs] - (y.reshape(n, self.outputs) << self.probability_bits)
        scaled = (1 << (self.shift - 1)) - self.rate * rows.T.dot(residues)
        out["update"] = scaled >> self.shift
        out["remainder"] = scaled % (1 << self.shift)
        return out

    def _checked(
        self, features: Integers, labels: Integers, model: Integers
    ) -> tuple[Integers, Integers, Integers]:
        sizes = (self.batch * self.features, self.batch * self.outputs, self.dim)
        limits = (self.feature_limit, self.label_limit if self.kind == "linear" else 1, self.model_limit)
        out = []
        for name, values, size, limit in zip(
            ("features", "labels", "model"), (features, labels, model), sizes, limits, strict=True
        ):
            array = np.asarray(values)
            if array.size != size or array.dtype.kind not in "iuO":
                raise WitnessError(f"{name} must be {size} integers")
            exact = np.array([int(v) for v in array.reshape(-1)], dtype=object)
            if max(map(abs, exact)) > limit:
                raise WitnessError(f"{name} hold a value beyond {limit}")
            out.append(exact)
        return out[0], out[1], out[2]


@lru_cache(maxsize=8)
def _exponentials(bits: int, fraction: int) -> list[int]:
    return [floor(2.0**16 * exp(-t / 2.0**fraction) + 0.5) for t in range((1 << bits) - 1)] + [0]
