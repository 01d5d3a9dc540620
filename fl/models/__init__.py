"""Models whose parameters are one flat float32 vector, computed for many clients at once.

base      what a model offers; evaluation; gradients by autograd
softmax   multinomial logistic regression
file      the canonical file of a model
registry  a model by its name
"""

from fl.models.base import Evaluation, Model, Vector
from fl.models.file import from_safetensors, to_safetensors
from fl.models.registry import MODELS, model_for
from fl.models.softmax import SoftmaxRegression

__all__ = [
    "MODELS",
    "Evaluation",
    "Model",
    "SoftmaxRegression",
    "Vector",
    "from_safetensors",
    "model_for",
    "to_safetensors",
]
