"""Protocols side by side, a dealer on the network, and secure aggregation over TLS with a stalling client."""

import asyncio
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpc.engine import Additive, Engine, Replicated
from mpc.errors import DecodeError, FaultyParty, ParameterError, PartyTimeout
from mpc.prg import Stream
from mpc.protocols import dealer, inner_product, private_sum, product, receive_allotment
from mpc.runtime import Identity, Peer, Protocol, TlsParty, TlsResult, run_local, together
from mpc.runtime.bundles import bundle, unbundle
from mpc.secagg import IdentityKey, client, parameters, server
from mpc.triples import Kind, Recipe, Request


def stream(*labels: bytes | int | str) -> Stream:
    return Stream(bytes(range(32)), b"compose test").derive(*labels)


# --- side by side ------------------------------------------------------------------------------------------


def chain(me: int, length: int) -> Protocol[int]:
    """Passes a counter round and round; party 3 is silent, so that its absence is tested too."""
    count = 0
    for _ in range(length):
        inbox = yield {p: bytes([count]) for p in (1, 2) if p != me} if me < 3 else {}
        count += sum(data[0] + 1 for data in inbox.values())
    return count


def test_rounds_are_those_of_the_longest_and_results_are_those_of_each() -> None:
    lengths = (1, 4, 2)
    alone = [run_local({me: chain(me, n) for me in (1, 2, 3)}).results for n in lengths]
    run = run_local({me: together([chain(me, n) for n in lengths]) for me in (1, 2, 3)}, raise_errors=True)
    assert run.rounds == 4
    assert run.results == {me: [results[me] for results in alone] for me in (1, 2, 3)}


def test_a_real_protocol_a_hundred_times_takes_two_rounds() -> None:
    parties = (1, 2, 3)
    run = run_local(
        {
            me: together([private_sum(me, parties, me * k, stream("many", me, k)) for k in range(100)])
            for me in parties
        },
        raise_errors=True,
    )
    assert run.results[2] == [6 * k for k in range(100)]
    assert run.rounds == 2 and run.costs[1].messages == 4


def test_nothing_runs_together_as_well() -> None:
    assert run_local({1: together([])}).results == {1: []}


@pytest.mark.parametrize("fault", [b"x", bundle({5: b"x"}), bytes(9)])
def test_a_bundle_that_is_none_is_blamed(fault: bytes) -> None:
    def corrupt() -> Protocol[None]:
        yield {1: fault}

    error = run_local({1: together([chain(1, 2), chain(1, 2)]), 2: corrupt()}).errors[1]
    assert isinstance(error, FaultyParty) and error.party == 2


def test_one_protocols_error_closes_the_others() -> None:
    closed = []

    def watched() -> Protocol[None]:
        try:
            while True:
                yield {}
        finally:
            closed.append(True)

    def broken() -> Protocol[None]:
        yield {}
        raise FaultyParty(9, "lied")

    error = run_local({1: together([watched(), broken()])}).errors[1]
    assert isinstance(error, FaultyParty) and closed == [True]


def test_protocols_side_by_side_may_share_an_engine() -> None:
    def party(me: int) -> Protocol[list[Any]]:
        engine = yield from Replicated.setup(me, (1, 2, 3), stream("shared", me))
        vectors = {me: [me, 7]} if me < 3 else {}
        bodies: list[Protocol[Any]] = [
            inner_product(engine, vectors, {1: 2, 2: 2}),
            product(engine, me + 1),
            inner_product(engine, vectors, {1: 2, 2: 2}),
        ]
        return (yield from together(bodies))

    run = run_local({me: party(me) for me in (1, 2, 3)}, raise_errors=True)
    assert run.results == dict.fromkeys((1, 2, 3), [51, 24, 51])
    assert run.rounds == 5


@given(st.binary(max_size=100))
def test_bundles_have_one_encoding(data: bytes) -> None:
    try:
        messages = unbundle(data)
    except DecodeError:
        return
    assert bundle(messages) == data


# --- a dealer on the network -------------------------------------------------------------------------------

RECIPE: Recipe = (Request(Kind.DOT, (1, 3)),)


def dealt_party(me: int) -> Protocol[int]:
    source = yield from receive_allotment(me, (1, 2, 3), RECIPE, dealer=0)
    engine: Engine = Additive(me, (1, 2, 3), source, stream("dealt", me))
    return (yield from inner_product(engine, {me: [me, 5, -1]} if me < 3 else {}, {1: 3, 2: 3}))


def test_a_dealer_sends_one_message_each_and_hears_nothing() -> None:
    parties: dict[int, Protocol[Any]] = {me: dealt_party(me) for me in (1, 2, 3)}
    run = run_local(
        {0: dealer(RECIPE, (1, 2, 3), stream("dealer")), **parties}, record=True, raise_errors=True
    )
    assert [run.results[me] for me in (1, 2, 3)] == [28] * 3
    assert run.view(0) == []
    assert run.costs[0].bytes_sent == 3 * 32 + 8


@pytest.mark.parametrize("fault", [None, b"", bytes(31), bytes(41)])
def test_a_dealer_that_sends_something_else_is_named(fault: bytes | None) -> None:
    def corrupt() -> Protocol[None]:
        yield {} if fault is None else dict.fromkeys((1, 2, 3), fault)

    run = run_local({0: corrupt(), **{me: dealt_party(me) for me in (1, 2, 3)}})
    for me in (1, 2, 3):
        error = run.errors[me]
        assert isinstance(error, FaultyParty) and error.party == 0


def test_a_dealer_alone_is_refused() -> None:
    with pytest.raises(ParameterError):
        next(dealer(RECIPE, (1,), stream("alone")))


# --- secure aggregation, unchanged, over TLS ---------------------------------------------------------------


def test_secure_aggregation_over_tls_survives_a_client_that_stalls() -> None:
    n, dim = 6, 50
    params = parameters(
        range(1, n + 1), corrupt=0.2, dropout=0.2, dim=dim, session=b"over tls", security_bits=20
    )
    keys = {i: IdentityKey.generate(stream("identity", i)) for i in range(1, n + 1)}
    public = {i: key.public() for i, key in keys.items()}
    values = {i: np.arange(dim, dtype=np.int64) * i - 7 for i in keys}

    everybody_else_is_done = threading.Event()

    def stalling(honest: Protocol[Any]) -> Protocol[Any]:
        """Takes part in the first step, then in nothing until all is over."""
        yield next(honest)
        everybody_else_is_done.wait(60)
        yield {}

    async def scenario() -> list[Any]:
        tls = {i: Identity.generate(f"party {i}") for i in range(n + 1)}
        place = TlsParty(0, tls[0], {i: Peer(tls[i].certificate) for i in keys})
        async with place:
            at = {0: Peer(tls[0].certificate, "127.0.0.1", place.port)}
            places = {i: TlsParty(i, tls[i], at) for i in keys}
            protocols: dict[int, Protocol[Any]] = {
                i: client(i, params, keys[i], public, values[i], randomness=stream("c", i)) for i in keys
            }
            options: dict[str, Any] = {"session": b"over tls", "deadline": 2.5, "tolerate": True}
            late = asyncio.create_task(places[4].run(stalling(protocols.pop(4)), **options))
            aggregating: Protocol[Any] = server(params, public)
            runs = [place.run(aggregating, **options)]
            runs += [places[i].run(protocol, **options) for i, protocol in protocols.items()]
            outcomes = await asyncio.gather(*runs, return_exceptions=True)
            everybody_else_is_done.set()
            await asyncio.gather(late, return_exceptions=True)
            return outcomes

    outcome = asyncio.run(scenario())[0]
    assert isinstance(outcome, TlsResult), outcome
    assert isinstance(outcome.failed[4], PartyTimeout)
    assert set(outcome.value.included) == {1, 2, 3, 5, 6}
    np.testing.assert_array_equal(outcome.value.total, sum(values[i] for i in (1, 2, 3, 5, 6)))
