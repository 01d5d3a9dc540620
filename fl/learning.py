"""What a plan's terms say about learning: the model, and the algorithm with everything wrapped around it.

    terms --> model_of      parameters as one flat vector
          --> algorithm_of  what clients send, what the coordinator makes of the mean
"""

from fl.data import classes_of, shape_of
from fl.engine import LocalSGD
from fl.models import Model, model_for
from fl.optim import Algorithm, algorithm_for, algorithm_settings
from fl.plan import Terms

__all__ = ["algorithm_of", "model_of"]


def model_of(terms: Terms) -> Model:
    """The model for the plan's data set.

    Raises: ParameterError when it cannot read such records.
    """
    return model_for(terms.model, shape_of(terms.dataset), classes_of(terms.dataset))


def algorithm_of(terms: Terms) -> Algorithm:
    """The algorithm with the plan's hyperparameters; those it does not have must be left at their defaults.

    Raises: ParameterError naming a field that the algorithm has no use for.
    """
    training, server = terms.training, terms.server
    augment = "" if training.augment == "none" else training.augment
    sgd = LocalSGD(training.epochs, training.batch, training.learning_rate, training.momentum, augment)
    known = algorithm_settings(training.algorithm)
    return algorithm_for(training.algorithm, sgd)
