"""The same sums over mutually authenticated TLS: what runs in one process runs between machines."""

import asyncio
import contextlib
from typing import Any

import numpy as np
import pytest
from test_fl_shares import EVERYBODY, everyone, honest, play, setting_of, the_sum

from fl.setting import COORDINATOR
from mpc.runtime import Identity, Peer, Protocol, TlsParty, TlsResult

NAMES = {party: Identity.generate(f"party {party}") for party in range(12)}


async def between_machines(parties: dict[int, Protocol[Any]], clients: tuple[int, ...]) -> dict[int, Any]:
    """Clients are connected to coordinator and servers, not to each other; the higher number dials."""
    async with contextlib.AsyncExitStack() as stack:
        running: dict[int, TlsParty] = {}
        for me in sorted(parties):
            others = [p for p in parties if p != me and not (p in clients and me in clients)]
            peers = {
                p: Peer(NAMES[p].certificate, "127.0.0.1", running[p].port if p < me else 0) for p in others
            }
            running[me] = await stack.enter_async_context(TlsParty(me, NAMES[me], peers))
        options: dict[str, Any] = {
            "session": b"shares",
            "deadline": 20.0,
            "join_deadline": 20.0,
            "tolerate": True,
        }
        runs = [running[me].run(parties[me], **options) for me in running]
        return dict(zip(running, await asyncio.gather(*runs, return_exceptions=True), strict=True))


@pytest.mark.parametrize(("rule", "servers"), [("none", 2), ("norm", 2), ("norm", 3)])
def test_a_sum_over_tls_is_the_one_in_memory(rule: str, servers: int) -> None:
    setting, updates = setting_of(rule, servers), honest()
    outcomes = asyncio.run(between_machines(everyone(setting, updates), EVERYBODY))
    assert all(isinstance(outcome, TlsResult) for outcome in outcomes.values()), outcomes
    (far,), near = outcomes[COORDINATOR].value, the_sum(play(setting, updates))
    assert far.included == near.included and far.evidence == near.evidence
    np.testing.assert_array_equal(far.total, near.total)


def test_a_server_whose_machine_dies_is_named_over_tls_too() -> None:
    setting, updates = setting_of("norm", 3), honest()
    parties = everyone(setting, updates)
    dead = setting.committee_parties[1]

    def dies() -> Protocol[None]:
        yield {}
        yield {}
        raise RuntimeError("the machine dies")

    parties[dead].close()
    outcomes = asyncio.run(between_machines(parties | {dead: dies()}, EVERYBODY))
    (error,) = outcomes[COORDINATOR].value
    assert str(dead) in str(error)
