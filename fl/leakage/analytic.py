"""Records read off the gradient of a dense first layer, without any search.

For one record x the weight gradient of unit j is (dL/db_j) x, and dL/db_j is in the gradient as well: dividing gives x
itself. In a batch the quotient is a mean over the records that made the unit active, weighted by how much each mattered:
a record that is alone in some unit is exposed exactly, in whatever sum it stands.

Source: Phong, Aono, Hayashi, Wang, Moriai 2018, section 3; for batches the observation of Geiping et al. 2020, section 4.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mpc.errors import ParameterError

__all__ = ["FirstLayer", "candidates"]

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
    if len(seen) < layer.biases_at + layer.units:
        raise ParameterError(
            f"{len(seen)} parameters are too few for {layer.units} biases at {layer.biases_at}"
        )
    weights = seen[: layer.inputs * layer.units].reshape(layer.inputs, layer.units)
    biases = seen[layer.biases_at : layer.biases_at + layer.units]
    active = np.abs(biases) > _LEAST * np.abs(biases).max()
    quotients: NDArray[np.float64] = np.clip(weights[:, active] / biases[active], 0.0, 1.0).T
    return quotients
