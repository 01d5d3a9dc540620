"""Models that are trained on shares, with gradients written by hand: one step of each, on any engine.

    linear   one layer; the error of a class is clamp(logit + 1/2, 0, 1) - label (piecewise linear logistic regression,
             one class against the rest), or softmax(logits) - label by a differential equation
    square   a hidden layer with x^2 as activation, which costs one square; clamp behind it

Leakage: nothing. Assumptions are the engine's; `fl.shared.fixed` says how exact it is.
Source: Mohassel and Zhang, "SecureML", IEEE S&P 2017, section 5.3 (the clamp); Zheng et al., "Secure softmax/sigmoid for
    machine-learning computation", ACSAC 2023, section 4 (softmax as the solution of dy/dt = (x - <x, y>) y); Gilad-Bachrach
    et al., "CryptoNets", ICML 2016 (the square).
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol as Interface

import numpy as np
from numpy.typing import NDArray

from fl.seeds import generator
from fl.shared.fixed import ERRORS, FEATURES, LOGIT_BITS, WEIGHTS, encode
from mpc.engine import Engine, Share
from mpc.errors import ParameterError
from mpc.protocols.levels import not_negative
from mpc.protocols.truncation import truncate
from mpc.runtime import Inbox, Outbox, Protocol
from mpc.wire import Words

__all__ = ["Data", "SharedModel"]

_SOFTMAX_STEPS = 32
LOSSES = ("clamp", "softmax")


class Data(Interface):
    """Products with the shared data; one round each."""

    engine: Engine

    def product(self, batch: int, factor: Share) -> Protocol[Share]: ...
    def gradient(self, batch: int, factor: Share) -> Protocol[Share]: ...


@dataclass(frozen=True, slots=True)
class SharedModel:
    """Sizes and how it learns: the rate is 2^-`rate` for a sum over a batch, not a mean.

    Raises: ParameterError for sizes that are not positive, a loss it does not know, or a rate it has no room for.
    """

    inputs: int
    classes: int
    hidden: int = 0
    loss: str = "clamp"
    rate: int = 11

    def __post_init__(self) -> None:
        if self.inputs < 1 or self.classes < 2 or self.hidden < 0 or self.loss not in LOSSES:
            raise ParameterError(
                f"a model needs inputs, two classes or more, and a loss of {', '.join(LOSSES)}"
            )
        if not 0 <= self.rate <= 40:
            raise ParameterError(f"the learning rate is 2^-0 to 2^-40, not 2^-{self.rate}")

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """The weight matrices; the last input is a one, which makes biases weights."""
        if self.hidden:
            return (self.inputs, self.hidden), (self.hidden, self.classes)
        return ((self.inputs, self.classes),)

    def initial(self, seed: int) -> list[Words]:
        """Public starting weights: zeros for one layer, small random ones for two."""
        if not self.hidden:
            return [np.zeros(self.shapes[0], dtype=np.uint64)]
        rng = generator(seed, "shared weights")
        scales = (0.7 / self.inputs**0.5, 0.7 / self.hidden**0.5)
        return [
            encode(rng.normal(size=s) * k, WEIGHTS, 64.0) for s, k in zip(self.shapes, scales, strict=True)
        ]

    def logits(self, data: Data, batch: int, weights: list[Share]) -> Generator[Outbox, Inbox, Share]:
        """The logits of a batch, with FEATURES + WEIGHTS bits behind the point. Shapes: -> [rows, classes]."""
        logits, _, _ = yield from self._forward(data, batch, weights)
        return logits

    def step(
        self, data: Data, batch: int, labels: Share, weights: list[Share]
    ) -> Generator[Outbox, Inbox, list[Share]]:
        """The weights after one step of gradient descent. Shapes: labels [rows, classes], ones and zeros."""
        engine = data.engine
        logits, activity, slope = yield from self._forward(data, batch, weights)
        errors = yield from self._errors(engine, logits, labels)
        if not self.hidden:
            gradient = yield from data.gradient(batch, errors)
            return [weights[0] - (yield from self._scaled(engine, gradient, FEATURES + ERRORS))]
        outer = yield from engine.matmul(_transposed(activity), errors)
        back = yield from engine.matmul(errors, _transposed(weights[1]))
        back = yield from truncate(engine, back, WEIGHTS)
        shape = engine.shape(back)
        # the derivative of x^2 is 2x
        inner = yield from engine.multiply(back, slope)
        inner = yield from truncate(engine, engine.reshape(inner, shape), ERRORS - 1)
        gradient = yield from data.gradient(batch, inner)
        return [
            weights[0] - (yield from self._scaled(engine, gradient, FEATURES + ERRORS)),
            weights[1] - (yield from self._scaled(engine, outer, 2 * ERRORS)),
        ]

    def correct(
        self, data: Data, batch: int, labels: Share, weights: list[Share]
    ) -> Generator[Outbox, Inbox, Share]:
        """Shared 1 for each row whose largest logit is its label's. Shapes: -> [rows]."""
        engine = data.engine
        logits = yield from self.logits(data, batch, weights)
        rows, classes = engine.shape(logits)
        chosen = yield from engine.dot(logits, labels)
        gaps = engine.reshape(chosen, (rows, 1)) - logits
        best = yield from not_negative(engine, engine.reshape(gaps, (rows * classes,)), LOGIT_BITS + 1)
        counts: Share = engine.reshape(best, (rows, classes)).sum(axis=-1, dtype=np.uint64)
        everywhere = counts - engine.public(np.full(rows, classes, dtype=np.uint64))
        return (yield from not_negative(engine, everywhere, classes.bit_length() + 2))

    def _forward(
        self, data: Data, batch: int, weights: list[Share]
    ) -> Generator[Outbox, Inbox, tuple[Share, Share, Share]]:
        """Logits, and for two layers the activity of the hidden one and what it is the square of."""
        engine = data.engine
        first = yield from data.product(batch, weights[0])
        if not self.hidden:
            return first, first, first
        slope = yield from truncate(engine, first, FEATURES + WEIGHTS - ERRORS)
        squares = yield from engine.square(slope)
        activity = yield from truncate(engine, squares, ERRORS)
        second = yield from engine.matmul(activity, weights[1])
        # as many bits behind the point as one layer has
        return (yield from truncate(engine, second, ERRORS - FEATURES)), activity, slope

    def _errors(self, engine: Engine, logits: Share, labels: Share) -> Generator[Outbox, Inbox, Share]:
        """What the loss says to the logits, with ERRORS bits behind the point."""
        if self.loss == "clamp":
            likely = yield from _clamp(engine, logits)
            return (yield from truncate(engine, likely - (labels << _POINT), FEATURES + WEIGHTS - ERRORS))
        short = yield from truncate(engine, logits, FEATURES + WEIGHTS - ERRORS)
        likely = yield from _softmax(engine, short)
        return likely - (labels << np.uint64(ERRORS))

    def _scaled(self, engine: Engine, gradient: Share, point: int) -> Generator[Outbox, Inbox, Share]:
        return (yield from truncate(engine, gradient, point - WEIGHTS + self.rate))


_POINT = np.uint64(FEATURES + WEIGHTS)


def _clamp(engine: Engine, logits: Share) -> Generator[Outbox, Inbox, Share]:
    """min(max(x + 1/2, 0), 1): where x + 1/2 is not below 0 and below 1 it is itself, and 1 where it is not below 1."""
    shape = engine.shape(logits)
    size = shape[0] * shape[1]
    flat = engine.reshape(logits, (size,))
    half = engine.public(np.full(size, 1 << (FEATURES + WEIGHTS - 1), dtype=np.uint64))
    lifted, lowered = flat + half, flat - half
    reached = yield from not_negative(engine, np.concatenate([lifted, lowered], axis=-1), LOGIT_BITS)
    above_zero, above_one = reached[..., :size], reached[..., size:]
    middle = yield from engine.multiply(above_zero - above_one, lifted)
    return engine.reshape(middle + (above_one << _POINT), shape)


def _softmax(engine: Engine, x: Share) -> Generator[Outbox, Inbox, Share]:
    """Euler's steps from the uniform distribution; they converge for logits up to about the number of steps."""
    rows, classes = engine.shape(x)
    y = engine.public(np.full((rows, classes), round(2**ERRORS / classes), dtype=np.uint64))
    for _ in range(_SOFTMAX_STEPS):
        mean = yield from truncate(engine, (yield from engine.dot(x, y)), ERRORS)
        moved = yield from engine.multiply(x - engine.reshape(mean, (rows, 1)), y)
        y = y + (yield from truncate(engine, moved, ERRORS + _SOFTMAX_STEPS.bit_length() - 1))
    return y


def _transposed(x: Share) -> Share:
    return np.ascontiguousarray(np.swapaxes(x, -1, -2))


def plain_step(
    model: SharedModel,
    features: NDArray[np.float64],
    labels: NDArray[np.float64],
    weights: list[NDArray[np.float64]],
) -> list[NDArray[np.float64]]:
    """The same step in floating point: the twin that tests compare with. Shapes: features [rows, inputs]."""
    first = features @ weights[0]
    logits = first**2 @ weights[1] if model.hidden else first
    if model.loss == "clamp":
        errors = np.clip(logits + 0.5, 0, 1) - labels
    else:
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        errors = powers / powers.sum(axis=1, keepdims=True) - labels
    scale = 2.0**-model.rate
    if not model.hidden:
        return [weights[0] - scale * features.T @ errors]
    inner = 2 * first * (errors @ weights[1].T)
    return [weights[0] - scale * features.T @ inner, weights[1] - scale * (first**2).T @ errors]
