"""What a plan's terms say about learning: the algorithm, and everything wrapped around it."""

from fl.engine import LocalSGD
from fl.optim import Algorithm, algorithm_for, algorithm_settings
from fl.plan import Terms

__all__ = ["algorithm_of"]


def algorithm_of(terms: Terms) -> Algorithm:
    """The algorithm with the plan's hyperparameters; those it does not have must be left at their defaults.

    Raises: ParameterError naming a field that the algorithm has no use for.
    """
    training, server = terms.training, terms.server
    augment = "" if training.augment == "none" else training.augment
    sgd = LocalSGD(training.epochs, training.batch, training.learning_rate, training.momentum, augment)
    known = algorithm_settings(training.algorithm)
    return algorithm_for(training.algorithm, sgd)
