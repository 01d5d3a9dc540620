"""Protocols on shared data, each on any engine of `mpc.engine`.

    sum          private_sum: the smallest protocol there is, without an engine
    product      a * b * c, one factor a party
    linear       inner_product, matrix_product, squared_norm
    comparison   less_than, signs
    order        median, trimmed_mean, coordinate by coordinate
    screening    rows_within: which rows are bounded, one bit a row
    three_servers  share_update, aggregate_shares: clients outside, servers that screen and add
    dealer       dealer, receive_allotment: triples from a party of their own
    relay        through_relay: any of them by way of a relay that learns nothing
    named        protocols by name, for parties started from a file

Each is a generator; its docstring says what it reveals.
"""

from mpc.protocols.comparison import less_than, reveal_less_than, signs
from mpc.protocols.dealer import dealer, receive_allotment
from mpc.protocols.linear import inner_product, matrix_product, squared_norm
from mpc.protocols.order import median, ranked_sum, trimmed_mean
from mpc.protocols.product import product
from mpc.protocols.relay import SealingKey, relay, sealing_public, through_relay
from mpc.protocols.screening import rows_within
from mpc.protocols.sum import private_sum
from mpc.protocols.three_servers import Screened, aggregate_shares, share_update

__all__ = [
    "Screened",
    "SealingKey",
    "aggregate_shares",
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
    "rows_within",
    "sealing_public",
    "share_update",
    "signs",
    "squared_norm",
    "through_relay",
    "trimmed_mean",
]
