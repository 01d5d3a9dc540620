"""Protocols on shared data, each on any engine of `mpc.engine`.

    sum          private_sum: the smallest protocol there is, without an engine
    product      a * b * c, one factor a party
    linear       inner_product, matrix_product, squared_norm
    comparison   less_than, signs
    order        median, trimmed_mean, coordinate by coordinate
    sorting      sorted_sum: the same by Batcher's network, for many rows
    screening    rows_within: which rows are bounded, one bit a row
    clipping     clipped_sum: rows brought to a length that nobody sees
    directions   inner products and cosines with public directions
    cone         cone_scores: how far rows point into the cone of public directions
    trust        trusted_sum: FLTrust
    verdict      conforming: whose score stands out, by median and deviation
    aided_norms  verified_norms: squared norms with the clients' own square pairs
    levels       staircases: tables looked up by comparisons      truncation   fixed point, a share at a time
    masked_data  a large matrix masked once for many products
    three_servers  share_update, aggregate_shares: clients outside, servers that screen and add
    dealer       dealer, receive_allotment: triples from a party of their own
    relay        through_relay: any of them by way of a relay that learns nothing
    named        protocols by name, for parties started from a file

Each is a generator; its docstring says what it reveals.
"""

from mpc.protocols.aided_norms import verified_norms
from mpc.protocols.clipping import clipped_sum
from mpc.protocols.comparison import less_than, reveal_less_than, signs
from mpc.protocols.cone import Cone, cone_scores
from mpc.protocols.dealer import dealer, receive_allotment
from mpc.protocols.directions import as_directions, cosine_levels, inner_products, projections
from mpc.protocols.levels import staircase
from mpc.protocols.linear import inner_product, matrix_product, squared_norm
from mpc.protocols.masked_data import Layout, MaskDealer, MaskedData
from mpc.protocols.order import median, ranked_sum, trimmed_mean
from mpc.protocols.product import product
from mpc.protocols.relay import SealingKey, relay, sealing_public, through_relay
from mpc.protocols.screening import rows_within
from mpc.protocols.sorting import sorted_sum
from mpc.protocols.sum import private_sum
from mpc.protocols.three_servers import Screened, aggregate_shares, share_update
from mpc.protocols.truncation import truncate
from mpc.protocols.trust import Trusted, trusted_sum
from mpc.protocols.verdict import conforming

__all__ = [
    "Cone",
    "Layout",
    "MaskDealer",
    "MaskedData",
    "Screened",
    "SealingKey",
    "Trusted",
    "aggregate_shares",
    "as_directions",
    "clipped_sum",
    "cone_scores",
    "conforming",
    "cosine_levels",
    "dealer",
    "inner_product",
    "inner_products",
    "less_than",
    "matrix_product",
    "median",
    "private_sum",
    "product",
    "projections",
    "ranked_sum",
    "receive_allotment",
    "relay",
    "reveal_less_than",
    "rows_within",
    "sealing_public",
    "share_update",
    "signs",
    "sorted_sum",
    "squared_norm",
    "staircase",
    "through_relay",
    "trimmed_mean",
    "truncate",
    "trusted_sum",
    "verified_norms",
]
