"""Models whose parameters are one flat float32 vector, computed for many clients at once.

base         what a model offers; evaluation; gradients by autograd
layers       a flat vector as the tensors of its layers, and their first values
softmax      multinomial logistic regression
mlp          one hidden layer
lenet        two strided convolutions and two dense layers, over convolution
cnn          three convolutions with group normalisation, for colour images
least_squares a linear model on the squared error, for ridge regression
file         the canonical file of a model
registry     a model by its name
"""

from fl.models.base import Evaluation, Model, Vector
from fl.models.cnn import ConvNet
from fl.models.file import from_safetensors, to_safetensors
from fl.models.least_squares import LeastSquares
from fl.models.lenet import LeNet
from fl.models.mlp import Perceptron
from fl.models.registry import MODELS, model_for
from fl.models.softmax import SoftmaxRegression

__all__ = [
    "MODELS",
    "ConvNet",
    "Evaluation",
    "LeNet",
    "LeastSquares",
    "Model",
    "Perceptron",
    "SoftmaxRegression",
    "Vector",
    "from_safetensors",
    "model_for",
    "to_safetensors",
]
