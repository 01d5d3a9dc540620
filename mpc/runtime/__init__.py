"""Run protocols: one generator per party, any network.

types   Outbox, Inbox, Protocol: what a protocol is; RunResult, Delivery: how a run ended
meter   Cost: rounds, bytes, messages, triples and seconds of each party
local   run_local: every party in this process, over a simulated Network
"""

from mpc.runtime.local import DropRule, Network, run_local
from mpc.runtime.meter import Cost, Meter, count_triples
from mpc.runtime.types import Delivery, Inbox, Outbox, Protocol, RunResult

__all__ = [
    "Cost",
    "Delivery",
    "DropRule",
    "Inbox",
    "Meter",
    "Network",
    "Outbox",
    "Protocol",
    "RunResult",
    "count_triples",
    "run_local",
]
