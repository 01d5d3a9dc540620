"""Protocols on shared data, each on any engine of `mpc.engine`.

product      a * b * c, one factor a party
linear       inner_product, matrix_product, squared_norm
comparison   less_than
order        median, trimmed_mean, coordinate by coordinate
"""

from mpc.protocols.comparison import less_than, reveal_less_than
from mpc.protocols.dealer import dealer, receive_allotment
from mpc.protocols.linear import inner_product, matrix_product, squared_norm
from mpc.protocols.order import median, ranked_sum, trimmed_mean
from mpc.protocols.product import product
from mpc.protocols.relay import SealingKey, relay, through_relay
from mpc.protocols.sum import private_sum

__all__ = [
    "SealingKey",
    "dealer",
    "inner_product",
    "less_than",
    "matrix_product",
    "median",
    "private_sum",
    "product",
    "ranked_sum",
    "receive_allotment",
    "relay",
    "reveal_less_than",
    "squared_norm",
    "through_relay",
    "trimmed_mean",
]
