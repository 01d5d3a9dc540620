"""A model by the name a plan gives it."""

from collections.abc import Callable, Mapping

from fl.models.base import Model
from fl.models.cnn import ConvNet
from fl.models.least_squares import LeastSquares
from fl.models.lenet import LeNet
from fl.models.mlp import Perceptron
from fl.models.softmax import SoftmaxRegression
from mpc.errors import ParameterError

__all__ = ["MODELS", "model_for"]

MODELS: Mapping[str, Callable[[int, int], Model]] = {
    "cnn": ConvNet,
    "cnn-bf16": lambda inputs, classes: ConvNet(inputs, classes, bfloat16=True),
    "least-squares": LeastSquares,
    "lenet": LeNet,
    "mlp": Perceptron,
    "softmax": SoftmaxRegression,
}


def model_for(name: str, inputs: int, classes: int) -> Model:
    """The model `name` for records of `inputs` features.

    Raises: ParameterError for an unknown name, or a model that cannot read such records.

    >>> model_for("softmax", 64, 10).size
    650
    """
    if name not in MODELS:
        raise ParameterError(f"unknown model {name!r}: there are {', '.join(sorted(MODELS))}")
    if inputs < 1 or classes < 2:
        raise ParameterError(f"a model needs features and at least two classes, got {inputs} and {classes}")
    return MODELS[name](inputs, classes)
