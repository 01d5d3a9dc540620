"""An algorithm by the name a plan gives it."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast

from fl.engine.local import LocalSGD
from fl.optim.base import Algorithm
from fl.optim.conjugate import ConjugateGradients
from fl.optim.dane import DANE
from fl.optim.dp_fedsgd import DPFedSGD
from fl.optim.fedadam import FedAdam
from fl.optim.fedavg import FedAvg
from fl.optim.fedavgm import FedAvgM
from fl.optim.feddyn import FedDyn
from fl.optim.fedprox import FedProx
from fl.optim.fedsgd import FedSGD
from fl.optim.fsvrg import FSVRG
from fl.optim.scaffold import Scaffold
from mpc.errors import ParameterError

__all__ = ["ALGORITHMS", "algorithm_for", "algorithm_settings"]

ALGORITHMS: Mapping[str, type[Any]] = {
    kind.name: kind
    for kind in (
        DANE,
        FSVRG,
        ConjugateGradients,
        DPFedSGD,
        FedAdam,
        FedAvg,
        FedAvgM,
        FedDyn,
        FedProx,
        FedSGD,
        Scaffold,
    )
}


def algorithm_settings(name: str) -> dict[str, float]:
    """The hyperparameters that `name` has of its own, besides those of local SGD, with their defaults.

    Raises: ParameterError for an unknown name.
    """
    if name not in ALGORITHMS:
        raise ParameterError(f"unknown algorithm {name!r}: there are {', '.join(sorted(ALGORITHMS))}")
    own = (field for field in fields(ALGORITHMS[name]) if field.name != "sgd")
    return {field.name: cast(float, field.default) for field in own}


def algorithm_for(name: str, sgd: LocalSGD, **settings: float) -> Algorithm:
    """The algorithm `name`; `settings` are hyperparameters of its own, by name.

    Raises: ParameterError for an unknown name or setting, or a setting out of range.

    >>> algorithm_for("fedavg", LocalSGD(epochs=2)).payload_size(650)
    650
    """
    known = algorithm_settings(name)
    for setting in settings:
        if setting not in known:
            raise ParameterError(f"{name} has no setting {setting!r}; it has {', '.join(known) or 'none'}")
    algorithm: Algorithm = ALGORITHMS[name](sgd=sgd, **settings)
    return algorithm
