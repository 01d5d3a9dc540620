"""Federated algorithms: what clients send, and what the coordinator does with the mean.

base      what an algorithm offers
fedavg    the mean of what clients learned
registry  an algorithm by its name
"""

from fl.optim.base import Algorithm
from fl.optim.fedavg import FedAvg
from fl.optim.registry import ALGORITHMS, algorithm_for, algorithm_settings

__all__ = ["ALGORITHMS", "Algorithm", "FedAvg", "algorithm_for", "algorithm_settings"]
