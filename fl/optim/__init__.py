"""Federated algorithms: what clients send, and what the coordinator does with the mean.

base      what an algorithm offers
checks    ranges of hyperparameters
fedavg    the mean of what clients learned
fedprox   ... each held back by its distance from the start
fedavgm   ... with momentum at the coordinator
fedadam   ... with an Adam step at the coordinator
scaffold  control variates against the drift of clients
feddyn    dynamic regularisation against it
fedsgd    gradients instead of weights
fsvrg     Federated SVRG: a round of gradients, then one of corrected steps
dane      DANE: a round of gradients, then one of local problems
conjugate ridge regression by conjugate gradients: products with a direction are sums
dp_fedsgd sums of clipped gradients, record by record: what record-level privacy adds noise to
registry  an algorithm by its name
"""

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
from fl.optim.registry import ALGORITHMS, algorithm_for, algorithm_settings
from fl.optim.scaffold import Scaffold

__all__ = [
    "ALGORITHMS",
    "DANE",
    "FSVRG",
    "Algorithm",
    "ConjugateGradients",
    "DPFedSGD",
    "FedAdam",
    "FedAvg",
    "FedAvgM",
    "FedDyn",
    "FedProx",
    "FedSGD",
    "Scaffold",
    "algorithm_for",
    "algorithm_settings",
]
