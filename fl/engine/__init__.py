"""Training clients: cohorts as batched computations, spread over processes.

augment   random flips and crops
cohort    clients side by side, padded; their minibatches
local     minibatch SGD on a cohort
work      who trains on what; one group trained
pool      the local engine: groups in one process or several
"""

from fl.engine.cohort import Batch, Cohort, gather
from fl.engine.local import LocalSGD, full_gradient, local_sgd
from fl.engine.pool import LocalEngine
from fl.engine.work import Trained, Work

__all__ = [
    "Batch",
    "Cohort",
    "LocalEngine",
    "LocalSGD",
    "Trained",
    "Work",
    "full_gradient",
    "gather",
    "local_sgd",
]
