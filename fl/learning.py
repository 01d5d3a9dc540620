"""What a plan's terms say about learning: the algorithm, and what is wrapped around it."""

from typing import Any

from fl.compression import compress, quantize
from fl.engine import LocalSGD
from fl.optim import Algorithm, algorithm_for, algorithm_settings
from fl.plan import Server, Terms, Training, update_codec
from mpc.errors import ParameterError

__all__ = ["algorithm_of"]

# the plan's field behind each hyperparameter that an algorithm has of its own
_FIELDS = {
    "server_rate": "server.learning_rate",
    "server_momentum": "server.momentum",
    "beta1": "server.momentum",
    "beta2": "server.second_momentum",
    "adaptivity": "server.tau",
    "proximal": "training.prox",
    "strength": "training.prox",
    "prox": "training.prox",
    "ridge": "training.ridge",
    "clip": "privacy.l2_clip",
}


def algorithm_of(terms: Terms) -> Algorithm:
    """The algorithm with the plan's hyperparameters, compressed if the plan says so.

    Raises: ParameterError for values out of range, or naming a field that the algorithm has no use for; CodecError
        where a grid is asked for and sums of codes could wrap.
    """
    training, compression = terms.training, terms.compression
    augment = "" if training.augment == "none" else training.augment
    sgd = LocalSGD(training.epochs, training.batch, training.learning_rate, training.momentum, augment)
    own = [name for name in algorithm_settings(training.algorithm) if name in _FIELDS]
    used = {_FIELDS[name] for name in own}
    for table, defaults in (("training", Training()), ("server", Server())):
        for path in sorted(set(_FIELDS.values()) - used):
            name = path.partition(".")[2]
            if path.startswith(table) and _at(terms, path) != getattr(defaults, name):
                raise ParameterError(f"{path} has no use in {training.algorithm}: leave it away")
    inner = algorithm_for(training.algorithm, sgd, **{name: _at(terms, _FIELDS[name]) for name in own})
    if compression.kind == "quantized":
        return quantize(inner, update_codec(terms, max_weight=1), compression.bits)
    return compress(inner, compression.kind, compression.keep, compression.momentum, terms.seed)


def _at(terms: Terms, path: str) -> Any:
    table, _, name = path.partition(".")
    return getattr(getattr(terms, table), name)
