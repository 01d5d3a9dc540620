"""Client-aided norms: right for honest clients, and a client that deals false squares is named."""

from typing import Any

import numpy as np
import pytest

from mpc import field61
from mpc.client_aided import Contribution, contribute, verified_squared_norm
from mpc.errors import FaultyParty, ParameterError
from mpc.field import FIELD61
from mpc.prg import Stream
from mpc.runtime import Protocol, RunResult, run_local

CLIENT = 7


def stream(*labels: bytes | int | str) -> Stream:
    return Stream(bytes(range(32)), b"client aided").derive(*labels)


def servers_run(messages: dict[int, bytes], d: int, spoil: Any = None) -> RunResult:
    names = tuple(messages)

    def server(me: int) -> Protocol[int]:
        contribution = Contribution.decode(CLIENT, messages[me], d)
        return (yield from verified_squared_norm(me, names, contribution, stream("server", me)))

    run = {me: server(me) for me in names}
    if spoil is not None:
        run[names[0]] = spoil(run[names[0]])
    return run_local(run)


@pytest.mark.parametrize("k", [2, 3])
def test_the_norm_of_an_honest_clients_vector(k: int) -> None:
    update = stream("update").uint32(300).astype(np.int64) % 65535 - 32767
    messages = contribute(FIELD61.reduce(update), range(1, k + 1), stream("client"))
    assert [len(m) for m in messages.values()] == [32] * (k - 1) + [300 * 5 * 8]
    result = servers_run(messages, 300)
    assert list(result.results.values()) == [int(update @ update)] * k
    assert result.costs[1].triples == 600


@pytest.mark.parametrize("part", [2, 4])
@pytest.mark.parametrize("by", [1, field61.P61 // 2, field61.P61 - 1])
def test_a_client_that_deals_a_false_square_is_named(part: int, by: int) -> None:
    """Attack first: with `squares` off by `by`, the norm would come out that much too small or large."""
    messages = contribute(FIELD61.reduce(np.arange(20)), (1, 2, 3), stream("client"))
    words = np.frombuffer(messages[3], dtype="<u8").astype(np.uint64).reshape(5, 20)
    words[part, 4] = (int(words[part, 4]) + by) % field61.P61
    messages[3] = words.tobytes()
    for error in servers_run(messages, 20).errors.values():
        assert isinstance(error, FaultyParty) and error.party == CLIENT


def test_errors_that_cancel_for_one_guess_of_the_coin_do_not_cancel() -> None:
    """False squares chosen so that t^2 * x - y vanishes for t = 1 and t = p - 1."""
    messages = contribute(FIELD61.reduce(np.arange(20)), (1, 2), stream("client"))
    words = np.frombuffer(messages[2], dtype="<u8").astype(np.uint64).reshape(5, 20)
    words[2] = field61.add(words[2], np.full(20, 1000, dtype=np.uint64))
    words[4] = field61.add(words[4], np.full(20, 1000, dtype=np.uint64))
    messages[2] = words.tobytes()
    for error in servers_run(messages, 20).errors.values():
        assert isinstance(error, FaultyParty) and error.party == CLIENT


@pytest.mark.parametrize(
    "message", [b"", bytes(31), bytes(33), bytes(5 * 8 * 20 - 8), b"\xff" * (5 * 8 * 20)]
)
def test_a_clients_malformed_message_is_named(message: bytes) -> None:
    with pytest.raises(FaultyParty) as caught:
        Contribution.decode(CLIENT, message, 20)
    assert caught.value.party == CLIENT


@pytest.mark.parametrize("fault", [None, b"", b"\xff" * 8, b"\xff" * 320])
@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])
def test_a_servers_malformed_message_is_named(fault: bytes | None, at: int) -> None:
    def spoil(honest: Protocol[int]) -> Protocol[None]:
        outbox, number = next(honest), 1
        while True:
            if number == at:
                outbox = {} if fault is None else dict.fromkeys(outbox, fault)
            inbox = yield outbox
            try:
                outbox, number = honest.send(inbox), number + 1
            except StopIteration:
                return

    messages = contribute(FIELD61.reduce(np.arange(20)), (1, 2, 3), stream("client"))
    result = servers_run(messages, 20, spoil)
    for me in (2, 3):
        error = result.errors[me]
        assert isinstance(error, FaultyParty) and error.party == 1


def test_what_cannot_be_shared_is_refused() -> None:
    good = np.zeros(3, dtype=np.uint64)
    for values, servers in (
        (good, (1,)),
        (good, (1, 1)),
        (good + np.uint64(2**62), (1, 2)),
        (good[None], (1, 2)),
    ):
        with pytest.raises(ParameterError):
            contribute(values, servers, stream("client"))
    assert repr(Contribution.decode(CLIENT, bytes(32), 3)) == "Contribution(client=7)"
