"""Where CrypTen's correlated randomness comes from: each provider names whom it makes you trust.

    base          Source: what every provider implements; Stock: element-wise items made many at a time;
                  CorrelatedProvider: how CrypTen asks
    dealer        a party of its own, that takes no other part              (`dealer`, the default)
    transfer      two parties make it themselves by oblivious transfer      (`transfer`)
    client_aided  squares that clients hand in with their vectors, checked before they are used

`he.crypten_provider` adds products by packed Paillier.
"""

from mpc.crypten.providers.base import CorrelatedProvider, Setup, Source
from mpc.crypten.providers.client_aided import ClientAided, contribute_squares, squares_of
from mpc.crypten.providers.dealer import DealerSource, deal_on_demand
from mpc.crypten.providers.transfer import TransferSource, transfer

__all__ = [
    "ClientAided",
    "CorrelatedProvider",
    "DealerSource",
    "Setup",
    "Source",
    "TransferSource",
    "contribute_squares",
    "deal_on_demand",
    "squares_of",
    "transfer",
]
