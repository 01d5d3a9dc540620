"""The same aggregation over mutually authenticated TLS: clients know the server only, and one of them breaks
off."""

import asyncio
import contextlib
from collections.abc import Generator
from typing import Any

from secagg_cases import Case

from mpc.errors import PartyTimeout
from mpc.runtime import Identity, Peer, TlsParty, TlsResult
from mpc.secagg import server

NAMES = [Identity.generate(f"party {i}") for i in range(7)]


def breaks_off(honest: Generator[Any, Any, Any], after: int) -> Generator[Any, Any, Any]:
    """A client whose machine dies after some rounds."""
    outbox = next(honest)
    for _ in range(after):
        inbox = yield outbox
        outbox = honest.send(inbox)
    raise RuntimeError("the machine dies")


async def star(case: Case, protocols: dict[int, Any]) -> dict[int, Any]:
    """Everyone connected to the server, and nobody else."""
    async with contextlib.AsyncExitStack() as stack:
        clients = {i: Peer(NAMES[i].certificate, "127.0.0.1", 0) for i in case.keys}
        hub = await stack.enter_async_context(TlsParty(0, NAMES[0], clients))
        parties = {0: hub}
        for i in case.keys:
            peers = {0: Peer(NAMES[0].certificate, "127.0.0.1", hub.port)}
            parties[i] = await stack.enter_async_context(TlsParty(i, NAMES[i], peers))
        options = {"session": case.session, "deadline": 20.0, "join_deadline": 20.0, "tolerate": True}
        runs = (parties[i].run(protocols[i], **options) for i in parties)
        return dict(zip(parties, await asyncio.gather(*runs, return_exceptions=True), strict=True))


def test_an_aggregation_over_tls_is_the_one_in_memory() -> None:
    case = Case(n=5)
    protocols = {i: case.client(i) for i in case.keys} | {0: server(case.params, case.identities)}
    outcomes = asyncio.run(star(case, protocols))
    assert all(isinstance(o, TlsResult) for o in outcomes.values()), outcomes
    case.check(outcomes[0].value, case.keys)
    local = case.run()
    for i in case.keys:
        assert outcomes[i].value == local.results[i]
        assert outcomes[i].cost.bytes_sent == local.costs[i].bytes_sent


def test_a_client_that_breaks_off_is_left_out() -> None:
    case = Case(n=6)
    protocols = {i: case.client(i) for i in case.keys} | {0: server(case.params, case.identities)}
    protocols[4] = breaks_off(case.client(4), after=3)
    outcomes = asyncio.run(star(case, protocols))
    case.check(outcomes[0].value, set(case.keys) - {4})
    assert outcomes[0].value.dropped == {4: "silent at step 'mask'"}
    assert isinstance(outcomes[4], RuntimeError) and not isinstance(outcomes[1], PartyTimeout)
