"""Run protocols: one generator per party, any network.

    types         Outbox, Inbox, Protocol: what a protocol is; RunResult, Delivery: how a run ended
    meter         Cost: rounds, bytes, messages, triples and seconds of each party
    local         run_local: every party in this process, over a simulated Network
    compose       together: several protocols in the same rounds        (bundles: their messages as one)
    tls           run_tls, TlsParty: one party here, its peers in other processes or on other machines
    certificates  Identity: the key and self-signed certificate by which peers know a party
    framing       the bounded frames on the wire
    link  rounds  one peer's connection; waiting for everybody, and naming who does not answer
    cli           eppml party                                          (party_file: what a party's file says)

A protocol does not know which of them runs it, and its bill is the same in all.
"""

from mpc.runtime.certificates import Identity, fingerprint, load_certificate
from mpc.runtime.compose import together
from mpc.runtime.link import StoppedByPeer
from mpc.runtime.local import DropRule, Network, run_local
from mpc.runtime.meter import Cost, Meter, count_triples
from mpc.runtime.rounds import TlsResult
from mpc.runtime.tls import Peer, TlsParty, run_tls
from mpc.runtime.types import Delivery, Inbox, Outbox, Protocol, RunResult

__all__ = [
    "Cost",
    "Delivery",
    "DropRule",
    "Identity",
    "Inbox",
    "Meter",
    "Network",
    "Outbox",
    "Peer",
    "Protocol",
    "RunResult",
    "StoppedByPeer",
    "TlsParty",
    "TlsResult",
    "count_triples",
    "fingerprint",
    "load_certificate",
    "run_local",
    "run_tls",
    "together",
]
