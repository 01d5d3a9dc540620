"""Records read off the gradient of a dense first layer, without any search.

For one record x the weight gradient of unit j is (dL/db_j) x, and dL/db_j is in the gradient as well: dividing gives x
itself. In a batch the quotient is a mean over the records that made the unit active, weighted by how much each mattered:
a record that is alone in some unit is exposed exactly, in whatever sum it stands.

An attacker that chooses the weights, as a coordinator that lies about the model could, makes records be alone on purpose:
all units measure brightness and differ only in the threshold, so the difference of two neighbouring units is the gradient of
the records whose brightness lies between their thresholds.

Source: Phong, Aono, Hayashi, Wang, Moriai 2018, section 3; for batches the observation of Geiping et al. 2020, section 4.
Chosen weights: Fowl, Geiping, Czaja, Goldblum, Goldstein, "Robbing the Fed" (2022), section 3.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fl.models.mlp import Perceptron
from fl.seeds import generator
from mpc.errors import ParameterError

__all__ = ["FirstLayer", "between_thresholds", "candidates", "trap"]

# a unit no record has activated has a zero bias gradient, up to rounding: its quotient would be noise over noise
_LEAST = 1e-9


@dataclass(frozen=True, slots=True)
class FirstLayer:
    """Where the first layer lies in the flat vector: inputs x units weights from 0, units biases from `biases_at`."""

    inputs: int
    units: int
    biases_at: int


def candidates(seen: NDArray[np.float64], layer: FirstLayer) -> NDArray[np.float64]:
    """One picture a unit whose bias gradient is not zero, cut to the range [0, 1].

    Shapes: seen [size], any multiple of a gradient or of a sum of gradients; the result [at most units, inputs].
    Raises: ParameterError when the vector is too short for such a layer.

    >>> record, slope = np.array([0.25, 1.0]), np.array([2.0, -4.0])
    >>> candidates(np.concatenate([np.outer(record, slope).ravel(), slope]), FirstLayer(2, 2, 4)).tolist()
    [[0.25, 1.0], [0.25, 1.0]]
    """
    return _quotients(*_parts(seen, layer))


def trap(model: Perceptron, brightness: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Weights under which every unit sees brightness, with thresholds at the quantiles of what the attacker expects.

    All units feed the output layer alike, so that a record's slope is the same in every unit it activates.

    Shapes: brightness [any number], means of pictures the attacker has; the result [size].
    """
    thresholds = np.quantile(brightness, np.arange(model.hidden) / model.hidden)
    outward = generator(seed, "leakage", "trap").normal(0.0, 1.0, model.classes) / model.hidden
    return np.concatenate(
        [
            np.full(model.inputs * model.hidden, 1 / model.inputs),
            -thresholds,
            np.tile(outward, model.hidden),
            np.zeros(model.classes),
        ]
    ).astype(np.float32)


def between_thresholds(seen: NDArray[np.float64], layer: FirstLayer) -> NDArray[np.float64]:
    """`candidates` for weights set by `trap`: one picture a pair of neighbouring thresholds, and one above the last.

    Shapes: seen [size]; the result [at most units, inputs].
    """
    weights, biases = _parts(seen, layer)
    return _quotients(-np.diff(weights, axis=1, append=0.0), -np.diff(biases, append=0.0))


def _parts(seen: NDArray[np.float64], layer: FirstLayer) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if len(seen) < layer.biases_at + layer.units:
        raise ParameterError(
            f"{len(seen)} parameters are too few for {layer.units} biases at {layer.biases_at}"
        )
    weights = seen[: layer.inputs * layer.units].reshape(layer.inputs, layer.units)
    return weights, seen[layer.biases_at : layer.biases_at + layer.units]


def _quotients(weights: NDArray[np.float64], biases: NDArray[np.float64]) -> NDArray[np.float64]:
    active = np.abs(biases) > _LEAST * np.abs(biases).max()
    quotients: NDArray[np.float64] = np.clip(weights[:, active] / biases[active], 0.0, 1.0).T
    return quotients
