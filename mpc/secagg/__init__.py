"""Secure aggregation: a server learns the sum of its clients' vectors, and nothing else about any of them.

    parameters  how many neighbours, how many needed, and why that is enough
    bounds      the exact tail bounds behind it
    graph       who shares with whom
    identity    Ed25519 identities
    keys        one run's secrets
    masks       keystreams over ring and field
    messages    every message as canonical bytes
    client      one client's side, a generator
    server      party 0's side, a generator
    unmask      taking the masks off, in parallel
    simulation  many parties in one process: a signature is checked once

Bonawitz et al. 2017 against a malicious server, with the random neighbours of Bell et al. 2020.
"""

from mpc.secagg.client import SERVER, ClientReport, client
from mpc.secagg.identity import IdentityKey, PublicIdentity
from mpc.secagg.parameters import BN254_SCALAR_FIELD, Parameters, parameters
from mpc.secagg.server import Aggregate, server
from mpc.secagg.simulation import shared_checks

__all__ = [
    "BN254_SCALAR_FIELD",
    "SERVER",
    "Aggregate",
    "ClientReport",
    "IdentityKey",
    "Parameters",
    "PublicIdentity",
    "client",
    "parameters",
    "server",
    "shared_checks",
]
