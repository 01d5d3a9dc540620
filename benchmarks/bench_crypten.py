"""CrypTen by provider: what a matrix product, squares and comparisons cost with each source of triples.

Parties run in this process over the simulated network; bytes are the most any party sends, the dealer's answers
and the transfers included, and the setup (keys, base transfers) taken off.
"""

from collections.abc import Callable
from functools import cache
from time import process_time
from typing import Any

import torch

from he.crypten_provider import paillier
from mpc.crypten import deal_on_demand, on_tensors
from mpc.crypten.compat import load
from mpc.crypten.providers import Setup, contribute_squares, squares_of, transfer
from mpc.prg import Stream
from mpc.runtime import Network, RunResult, run_local

crypten = load()
torch.set_num_threads(1)

KEY = bytes(range(32))
N = 256
ROWS, INNER, COLUMNS = 8, 32, 4
CLIENT = 9
FAR = Network(latency_s=0.02, bandwidth_bps=1e8)

Body = Callable[[int], Any]


def stream(*labels: int | str) -> Stream:
    return Stream(KEY, b"bench crypten").derive(*labels)


def nothing(rank: int) -> None:
    pass


def matmul(rank: int) -> Any:
    a = crypten.cryptensor(torch.ones(ROWS, INNER), src=0)
    b = crypten.cryptensor(torch.ones(INNER, COLUMNS), src=1)
    return a.matmul(b)


def square(rank: int) -> Any:
    return crypten.cryptensor(torch.ones(N), src=0).square()


def own_square(rank: int) -> Any:
    with squares_of(CLIENT):
        return square(rank)


def compare(rank: int) -> Any:
    return crypten.cryptensor(torch.ones(N), src=0) > 0.5


WORK: dict[str, Body] = {"matmul 8 x 32 x 4": matmul, "256 squares": square, "256 comparisons": compare}

PROVIDERS: dict[str, tuple[int, Setup | None, str]] = {
    "dealer, 2 parties": (2, None, "dealer"),
    "dealer, 3 parties": (3, None, "dealer"),
    "dealer, 3 parties, replicated": (3, None, "replicated"),
    "clients' squares, 2 parties": (2, None, "clients"),
    "transfer": (2, transfer, ""),
    "Paillier 3072": (2, paillier, ""),
}


def run(provider: str, body: Body) -> RunResult:
    count, setup, kind = PROVIDERS[provider]
    parties = tuple(range(1, count + 1))
    dealer = count + 1 if setup is None else None
    dealt = contribute_squares(N, parties, stream("client")) if kind == "clients" else {}
    if kind == "clients" and body is square:
        body = own_square

    def party(me: int) -> Any:
        def protected() -> None:
            with crypten.cfg.temp_override(
                {"mpc.protocol": "replicated" if kind == "replicated" else "beaver"}
            ):
                body(me - 1)

        squares = {CLIENT: (dealt[me], N)} if dealt else None
        return on_tensors(
            me, parties, protected, stream(me), dealer=dealer, provider=setup, client_squares=squares
        )

    protocols = {me: party(me) for me in parties}
    if dealer is not None:
        protocols[dealer] = deal_on_demand(dealer, parties, stream("dealer"))
    return run_local(protocols, raise_errors=True)


@cache
def bill(provider: str, work: str) -> tuple[int, int]:
    """Bytes and rounds of the work alone."""
    idle, busy = run(provider, nothing), run(provider, WORK[work])
    sent = [max(cost.bytes_sent for cost in each.costs.values()) for each in (idle, busy)]
    return sent[1] - sent[0], busy.rounds - idle.rounds


@cache
def seconds(provider: str, work: str) -> float:
    """Processor time of all parties together, for the work alone: the least of three runs, if they are short."""
    bill(provider, work)  # what is imported and compiled once
    spent: dict[Body, float] = {}
    for body in (nothing, WORK[work]):
        for _ in range(3):
            begin = process_time()
            run(provider, body)
            spent[body] = min(process_time() - begin, spent.get(body, float("inf")))
            if spent[body] > 2.0:
                break
    return max(spent[WORK[work]] - spent[nothing], 0.0)


def far_seconds(provider: str, work: str) -> float:
    """On a wide-area network: a latency a round, the bytes of the party that sends most, and the work."""
    sent, rounds = bill(provider, work)
    return rounds * FAR.latency_s + FAR.transfer_s(sent) + seconds(provider, work)


class Providers:
    """The table of `docs/explain/crypten.md`."""

    params = (list(PROVIDERS), list(WORK))
    param_names = ("provider", "work")
    timeout = 300.0

    def track_seconds(self, provider: str, work: str) -> float:
        return seconds(provider, work)

    def track_far_seconds(self, provider: str, work: str) -> float:
        return far_seconds(provider, work)

    def track_bytes(self, provider: str, work: str) -> int:
        return bill(provider, work)[0]

    def track_rounds(self, provider: str, work: str) -> int:
        return bill(provider, work)[1]


Providers.track_seconds.unit = "s"  # type: ignore[attr-defined]
Providers.track_far_seconds.unit = "s"  # type: ignore[attr-defined]
Providers.track_bytes.unit = "bytes"  # type: ignore[attr-defined]
Providers.track_rounds.unit = "rounds"  # type: ignore[attr-defined]
