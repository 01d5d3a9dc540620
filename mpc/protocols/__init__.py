"""Protocols on shared data, each on any engine of `mpc.engine`.

product      a * b * c, one factor a party
linear       inner_product, matrix_product, squared_norm
comparison   less_than
order        median, trimmed_mean, coordinate by coordinate
"""

from mpc.protocols.comparison import less_than, reveal_less_than
from mpc.protocols.linear import inner_product, matrix_product, squared_norm
from mpc.protocols.order import median, ranked_sum, trimmed_mean
from mpc.protocols.product import product

__all__ = [
    "inner_product",
    "less_than",
    "matrix_product",
    "median",
    "product",
    "ranked_sum",
    "reveal_less_than",
    "squared_norm",
    "trimmed_mean",
]
