"""What a plan's terms say about learning: the algorithm, what is wrapped around it, and what it asks of model and data."""

from collections.abc import Sequence
from typing import Any

from fl.compression import compress, quantize
from fl.engine import LocalSGD
from fl.models import Model
from fl.optim import FSVRG, Algorithm, algorithm_for, algorithm_settings
from fl.optim.fsvrg import largest_counts, require_linear
from fl.plan import Server, Terms, Training, update_codec
from mpc.errors import ParameterError

__all__ = ["algorithm_of", "require_fit"]

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
    "sparse": "training.sparse",
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


def require_fit(terms: Terms, algorithm: Algorithm, model: Model, samples: Sequence[int]) -> None:
    """Raises: ParameterError when `algorithm` cannot work with this model, or with clients of that many `samples`."""
    if algorithm.name == "conjugate-gradients" and model.name != "least-squares":
        raise ParameterError(
            f"conjugate-gradients solves a linear system: model must be least-squares, not {model.name}"
        )
    if not (isinstance(algorithm, FSVRG) and algorithm.sparse):
        return
    require_linear(model)
    bounds, fewest, most = terms.update, min(samples), max(samples)
    entry, norm = largest_counts(model, fewest)
    if entry > bounds.clip or norm > bounds.l2_clip:
        raise ParameterError(
            f"training.sparse wants update.clip of at least {entry:.3g} and update.l2_clip of at least {norm:.3g}: so large "
            f"are the messages in which clients count features, the smallest client having {fewest} samples"
        )
    # a client says 1 / n where it has a feature, which the codec scales by n / most
    if most * update_codec(terms, most).step > 1:
        raise ParameterError(
            f"training.sparse wants more update.bits than {bounds.bits}: a client's count of a feature is below one step "
            f"of the codec, the largest client having {most} samples"
        )


def _at(terms: Terms, path: str) -> Any:
    table, _, name = path.partition(".")
    return getattr(getattr(terms, table), name)
