"""Over TLS: the same protocols and bills as in one process, and whoever misbehaves is named in time."""

import asyncio
import contextlib
import os
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Self

import pytest

from mpc.errors import FaultyParty, ParameterError, PartyTimeout, ProtocolError
from mpc.prg import Stream
from mpc.runtime import (
    Identity,
    Peer,
    Protocol,
    StoppedByPeer,
    TlsParty,
    TlsResult,
    fingerprint,
    run_local,
    run_tls,
)
from mpc.runtime.certificates import tls_context
from mpc.runtime.framing import Frame, Hello, Kind, Stop, session_digest

IDENTITIES = [Identity.generate(f"party {i}") for i in range(5)]
SESSION = b"test run 1"


def exchange(me: int, parties: list[int], rounds: int = 2, size: int = 8) -> Protocol[list[dict[int, bytes]]]:
    seen = []
    for number in range(rounds):
        seen.append((yield {i: bytes([me, number]) * (size // 2) for i in parties if i != me}))
    return seen


@contextlib.asynccontextmanager
async def mesh(n: int, **options: Any) -> AsyncIterator[dict[int, TlsParty]]:
    """Parties 1 to n, all connected to all."""
    async with contextlib.AsyncExitStack() as stack:
        parties: dict[int, TlsParty] = {}
        for me in range(1, n + 1):
            peers = {
                i: Peer(IDENTITIES[i].certificate, "127.0.0.1", parties[i].port if i < me else 0)
                for i in range(1, n + 1)
                if i != me
            }
            parties[me] = await stack.enter_async_context(TlsParty(me, IDENTITIES[me], peers, **options))
        yield parties


Outcome = TlsResult[Any] | BaseException


async def run_all(
    parties: dict[int, TlsParty], protocols: dict[int, Protocol[Any]], **options: Any
) -> dict[int, Outcome]:
    settings = {"session": SESSION, "deadline": 20.0, "join_deadline": 20.0, **options}
    runs = (parties[i].run(protocol, **settings) for i, protocol in protocols.items())
    return dict(zip(protocols, await asyncio.gather(*runs, return_exceptions=True), strict=True))


def value(outcome: Outcome) -> Any:
    assert isinstance(outcome, TlsResult), outcome
    return outcome.value


def test_a_run_over_tls_equals_the_local_one_in_results_and_bill() -> None:
    async def over_tls() -> dict[int, Outcome]:
        async with mesh(3) as parties:
            return await run_all(parties, {i: exchange(i, [1, 2, 3]) for i in (1, 2, 3)})

    local = run_local({i: exchange(i, [1, 2, 3]) for i in (1, 2, 3)})
    outcomes = asyncio.run(over_tls())
    assert {i: value(outcome) for i, outcome in outcomes.items()} == local.results
    for i, outcome in outcomes.items():
        assert isinstance(outcome, TlsResult)
        ours, theirs = outcome.cost, local.costs[i]
        assert (ours.rounds, ours.messages, ours.bytes_sent, ours.bytes_received) == (
            theirs.rounds,
            theirs.messages,
            theirs.bytes_sent,
            theirs.bytes_received,
        )
        assert outcome.failed == {}


def test_parties_may_finish_in_different_rounds() -> None:
    async def scenario() -> dict[int, Outcome]:
        async with mesh(3) as parties:
            return await run_all(parties, {i: exchange(i, [1, 2, 3], rounds=i) for i in (1, 2, 3)})

    outcomes = asyncio.run(scenario())
    assert [set(inbox) for inbox in value(outcomes[3])] == [{1, 2}, {2}, set()]


def test_messages_of_megabytes_cross_each_other_without_deadlock() -> None:
    async def scenario() -> dict[int, Outcome]:
        async with mesh(2) as parties:
            return await run_all(parties, {i: exchange(i, [1, 2], size=8_000_000) for i in (1, 2)})

    outcomes = asyncio.run(scenario())
    assert value(outcomes[1])[0][2] == b"\x02\x00" * 4_000_000


def test_one_party_serves_run_after_run() -> None:
    async def scenario() -> list[dict[int, Outcome]]:
        async with mesh(2) as parties:
            return [
                await run_all(parties, {i: exchange(i, [1, 2]) for i in (1, 2)}, session=b"run %d" % number)
                for number in range(3)
            ]

    for outcomes in asyncio.run(scenario()):
        assert value(outcomes[1])[1] == {2: b"\x02\x01" * 4}


def test_a_partys_own_error_is_its_own_and_stops_the_others_with_the_reason() -> None:
    def accuser() -> Protocol[None]:
        yield {}
        raise FaultyParty(3, "sent a share off the curve")

    async def scenario() -> dict[int, Outcome]:
        async with mesh(3) as parties:
            return await run_all(
                parties, {1: exchange(1, [1, 2, 3]), 2: accuser(), 3: exchange(3, [1, 2, 3])}
            )

    outcomes = asyncio.run(scenario())
    assert isinstance(outcomes[2], FaultyParty)
    for i in (1, 3):
        stopped = outcomes[i]
        assert isinstance(stopped, StoppedByPeer)
        assert (stopped.party, stopped.blames) == (2, 3)
        assert "off the curve" in str(stopped)


def test_errors_that_are_not_meant_for_others_do_not_travel() -> None:
    def broken() -> Protocol[None]:
        yield {}
        raise KeyError("a secret value")

    async def scenario() -> dict[int, Outcome]:
        async with mesh(2) as parties:
            return await run_all(parties, {1: exchange(1, [1, 2]), 2: broken()})

    outcomes = asyncio.run(scenario())
    assert isinstance(outcomes[2], KeyError)
    assert str(outcomes[1]) == "party 2 stopped the run: its own KeyError"


def stall(released: threading.Event) -> Protocol[None]:
    yield {}
    released.wait(60)
    yield {}


async def run_with_staller(
    parties: dict[int, TlsParty], honest: dict[int, Protocol[Any]], staller: int, **options: Any
) -> dict[int, Outcome]:
    """Run the honest parties to their end while `staller` says nothing more after the first round."""
    released = threading.Event()
    late = asyncio.create_task(run_all(parties, {staller: stall(released)}, **options))
    outcomes = await run_all(parties, honest, **options)
    released.set()
    await late
    return outcomes


@pytest.mark.parametrize("n", [2, 3, 4])
def test_a_stalling_party_is_named_by_everybody_within_the_deadline(n: int) -> None:
    async def scenario() -> dict[int, Outcome]:
        async with mesh(n) as parties:
            honest = {i: exchange(i, list(range(1, n + 1)), rounds=4) for i in range(1, n)}
            async with asyncio.timeout(15.0):
                return await run_with_staller(parties, honest, n, deadline=0.5)

    outcomes = asyncio.run(scenario())
    assert len(outcomes) == n - 1
    for outcome in outcomes.values():
        assert isinstance(outcome, PartyTimeout), outcome
        assert outcome.party == n


def test_in_a_star_the_clients_hear_from_the_server_who_stalled() -> None:
    async def scenario() -> dict[int, Outcome]:
        certificates = [identity.certificate for identity in IDENTITIES]
        server = TlsParty(0, IDENTITIES[0], {i: Peer(certificates[i]) for i in (1, 2, 3)})
        async with server:
            at_server = {0: Peer(certificates[0], "127.0.0.1", server.port)}
            parties = {0: server, **{i: TlsParty(i, IDENTITIES[i], at_server) for i in (1, 2, 3)}}
            honest: dict[int, Protocol[Any]] = {
                0: exchange(0, [1, 2, 3], rounds=4),
                1: exchange(1, [0], rounds=4),
                2: exchange(2, [0], rounds=4),
            }
            return await run_with_staller(parties, honest, 3, deadline=0.4)

    outcomes = asyncio.run(scenario())
    named = outcomes[0]
    assert isinstance(named, PartyTimeout) and named.party == 3
    for i in (1, 2):
        stopped = outcomes[i]
        assert isinstance(stopped, StoppedByPeer) and stopped.blames == 3


def test_a_tolerant_run_goes_on_without_the_party_that_stalled() -> None:
    async def scenario() -> dict[int, Outcome]:
        async with mesh(3) as parties:
            honest = {i: exchange(i, [1, 2, 3], 4) for i in (1, 2)}
            return await run_with_staller(parties, honest, 3, deadline=0.5, tolerate=True)

    outcomes = asyncio.run(scenario())
    for me, other in ((1, 2), (2, 1)):
        outcome = outcomes[me]
        assert isinstance(outcome, TlsResult)
        assert [set(inbox) for inbox in outcome.value] == [{other}] * 4
        assert isinstance(outcome.failed[3], PartyTimeout)


def test_a_party_that_joins_and_never_speaks_is_named_after_one_deadline_not_after_the_join_deadline() -> (
    None
):
    async def attack(impostor: Impostor) -> None:
        await impostor.join()
        await asyncio.Event().wait()

    begin = time.monotonic()
    outcome = against(attack, deadline=0.5, join_deadline=30.0)
    assert isinstance(outcome, PartyTimeout) and outcome.party == 2
    assert time.monotonic() - begin < 5.0


def test_peers_wait_for_one_that_is_still_waiting_for_a_latecomer_to_join() -> None:
    """Party 2 talks to 1 and 3; party 1 has joined and waits for it beyond its deadline."""

    async def scenario() -> list[Outcome]:
        certificates = [identity.certificate for identity in IDENTITIES]
        one = TlsParty(1, IDENTITIES[1], {2: Peer(certificates[2])})
        async with one:
            at_one = Peer(certificates[1], "127.0.0.1", one.port)
            two = TlsParty(2, IDENTITIES[2], {1: at_one, 3: Peer(certificates[3])})
            async with two:
                three = TlsParty(3, IDENTITIES[3], {2: Peer(certificates[2], "127.0.0.1", two.port)})
                options: dict[str, Any] = {"session": SESSION, "deadline": 0.3, "join_deadline": 10.0}
                early = [
                    asyncio.create_task(one.run(exchange(1, [1, 2]), **options)),
                    asyncio.create_task(two.run(exchange(2, [1, 2, 3]), **options)),
                ]
                await asyncio.wait(early, timeout=1.2)
                late = three.run(exchange(3, [2, 3]), **options)
                return await asyncio.gather(*early, late, return_exceptions=True)

    for outcome in asyncio.run(scenario()):
        assert isinstance(outcome, TlsResult), outcome


def test_an_absent_party_is_named_at_the_join_deadline() -> None:
    async def scenario() -> dict[int, Outcome]:
        async with mesh(3) as parties:
            protocols = {1: exchange(1, [1, 2, 3]), 2: exchange(2, [1, 2, 3])}
            return await run_all(parties, protocols, join_deadline=0.6)

    outcomes = asyncio.run(scenario())
    named = [outcome for outcome in outcomes.values() if isinstance(outcome, PartyTimeout)]
    assert named and all(outcome.party == 3 for outcome in named)
    assert "did not join within 0.6 s" in str(named[0])


def test_parties_that_were_told_different_sessions_do_not_meet() -> None:
    async def scenario() -> list[Outcome]:
        async with mesh(2) as parties:
            runs = [
                parties[i].run(exchange(i, [1, 2]), session=b"run %d" % i, join_deadline=0.5) for i in (1, 2)
            ]
            return await asyncio.gather(*runs, return_exceptions=True)

    outcome = asyncio.run(scenario())[0]
    assert isinstance(outcome, PartyTimeout)
    assert "another run" in str(outcome)


class Impostor:
    """A hand-driven peer: party 2 of a mesh of two, with party 2's real certificate unless told otherwise."""

    def __init__(self, port: int, identity: Identity = IDENTITIES[2]) -> None:
        self.port = port
        self.context = tls_context(identity, [IDENTITIES[1].certificate], server=False)
        self.writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        for writer in self.writers:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.context)
        self.writers.append(writer)
        return reader, writer

    async def join(self, session: bytes = SESSION) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await self.connect()
        writer.write(Frame(Kind.HELLO, 0, Hello(session_digest(session), 2, 1).encode()).encode())
        length = int.from_bytes(await reader.readexactly(4), "big")
        assert Frame.decode(await reader.readexactly(length)).kind is Kind.WELCOME
        return reader, writer


Attack = Callable[[Impostor], Coroutine[Any, Any, None]]


def against(
    attack: Attack,
    deadline: float = 0.6,
    join_deadline: float | None = None,
    size: int = 8,
    bound: int = 1000,
) -> Outcome:
    """What party 1 ends with when its only peer is `attack`."""

    async def scenario() -> Outcome:
        peers = {2: Peer(IDENTITIES[2].certificate)}
        async with TlsParty(1, IDENTITIES[1], peers, max_message=bound) as party:
            run = party.run(
                exchange(1, [1, 2], size=size),
                session=SESSION,
                deadline=deadline,
                join_deadline=deadline if join_deadline is None else join_deadline,
            )
            async with Impostor(party.port) as impostor:
                attacker = asyncio.create_task(attack(impostor))
                (outcome,) = await asyncio.gather(run, return_exceptions=True)
                attacker.cancel()
                await asyncio.gather(attacker, return_exceptions=True)
            return outcome

    begin = time.monotonic()
    outcome = asyncio.run(scenario())
    assert time.monotonic() - begin < 3 * deadline + 10.0
    return outcome


FIRST = Frame(Kind.MESSAGE, 1, b"hello").encode()
GARBAGE = {
    "length below a header": bytes(4),
    "length of 4 GiB": b"\xff" * 4,
    "one byte over the bound": (5 + 1001).to_bytes(4, "big") + b"\x03\0\0\0\1" + bytes(1001),
    "unknown kind": b"\0\0\0\5\x63\0\0\0\1",
    "a body on SILENT": b"\0\0\0\6\4\0\0\0\1x",
    "round 0": Frame(Kind.MESSAGE, 0, b"x").encode(),
    "round 2 first": Frame(Kind.MESSAGE, 2, b"x").encode(),
    "the same round twice": FIRST + FIRST,
    "three rounds ahead": b"".join(Frame(Kind.SILENT, i).encode() for i in (1, 2, 3, 4)),
    "a second greeting": Frame(Kind.HELLO, 0, bytes(48)).encode(),
    "waiting in a round it did not send": Frame(Kind.WAITING, 1).encode(),
    "a reason with terminal escapes": Frame(Kind.STOP, 1, b"\0\0\0\1\x1b[2J").encode(),
    "random bytes": os.urandom(64),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_in_a_run_is_named(name: str) -> None:
    async def attack(impostor: Impostor) -> None:
        reader, writer = await impostor.join()
        writer.write(GARBAGE[name])
        await reader.read()
        writer.close()

    outcome = against(attack)
    # Sixty-four random bytes may announce a plausible length and then never send so much.
    assert isinstance(outcome, FaultyParty | PartyTimeout), outcome
    assert outcome.party == 2
    if name != "random bytes":
        assert "sent garbage" in str(outcome)


def test_a_disconnecting_party_is_named_at_once() -> None:
    async def attack(impostor: Impostor) -> None:
        _, writer = await impostor.join()
        writer.write(FIRST)
        writer.close()

    begin = time.monotonic()
    outcome = against(attack, deadline=20.0)
    assert isinstance(outcome, FaultyParty)
    assert outcome.party == 2 and "disconnected" in str(outcome)
    assert time.monotonic() - begin < 5.0


def test_trickling_a_message_byte_by_byte_does_not_stretch_the_deadline() -> None:
    async def attack(impostor: Impostor) -> None:
        _, writer = await impostor.join()
        for byte in Frame(Kind.MESSAGE, 1, bytes(500)).encode():
            writer.write(bytes([byte]))
            await asyncio.sleep(0.02)

    outcome = against(attack)
    assert isinstance(outcome, PartyTimeout) and outcome.party == 2


def test_saying_for_ever_that_it_waits_buys_a_party_one_more_deadline_only() -> None:
    async def attack(impostor: Impostor) -> None:
        _, writer = await impostor.join()
        while True:
            writer.write(Frame(Kind.WAITING, 0).encode())
            await asyncio.sleep(0.05)

    outcome = against(attack)
    assert isinstance(outcome, PartyTimeout) and outcome.party == 2


def test_not_reading_does_not_hang_the_sender() -> None:
    async def attack(impostor: Impostor) -> None:
        _, writer = await impostor.join()
        transport: Any = writer.transport
        transport.pause_reading()
        await asyncio.Event().wait()

    outcome = against(attack, size=40_000_000, bound=40_000_000)
    assert isinstance(outcome, PartyTimeout) and outcome.party == 2


def test_a_message_over_the_bound_is_refused_before_it_is_sent() -> None:
    async def attack(impostor: Impostor) -> None:
        reader, _ = await impostor.join()
        told.append(await reader.readuntil(b"ParameterError"))

    told: list[bytes] = []
    assert isinstance(against(attack, size=1002), ParameterError)
    assert len(told) == 1


@pytest.mark.parametrize("identity", [IDENTITIES[3], IDENTITIES[4]])
def test_a_certificate_from_outside_the_group_cannot_join(identity: Identity) -> None:
    async def attack(member: Impostor) -> None:
        async with Impostor(member.port, identity) as stranger:
            try:
                await stranger.join()
            except (OSError, EOFError) as error:
                refused.append(error)

    refused: list[Exception] = []
    outcome = against(attack)
    assert isinstance(outcome, PartyTimeout) and outcome.party == 2
    assert len(refused) == 1


def test_a_peer_cannot_greet_as_another_peer() -> None:
    async def scenario() -> tuple[bytes, TlsParty]:
        peers = {i: Peer(IDENTITIES[i].certificate) for i in (2, 3)}
        async with TlsParty(1, IDENTITIES[1], peers) as party, Impostor(party.port) as impostor:
            reader, writer = await impostor.connect()
            writer.write(Frame(Kind.HELLO, 0, Hello(session_digest(SESSION), 3, 1).encode()).encode())
            return await reader.read(), party

    answer, party = asyncio.run(scenario())
    assert answer == b""
    assert party.rejected == {"greets as somebody else": 1}


def test_a_dialler_does_not_talk_to_another_certificate_at_the_right_address() -> None:
    async def scenario() -> Outcome:
        # Party 3 is in the group, but sits where party 1 should be.
        peers = {i: Peer(IDENTITIES[i].certificate) for i in (2, 4)}
        async with TlsParty(1, IDENTITIES[3], peers) as wrong:
            two = TlsParty(2, IDENTITIES[2], {1: Peer(IDENTITIES[1].certificate, "127.0.0.1", wrong.port)})
            run = two.run(exchange(2, [1, 2]), session=SESSION, deadline=0.4, join_deadline=0.4)
            (outcome,) = await asyncio.gather(run, return_exceptions=True)
            return outcome

    outcome = asyncio.run(scenario())
    assert isinstance(outcome, PartyTimeout) and outcome.party == 1
    assert "certificate" in str(outcome)


def test_nothing_older_than_tls_13_is_spoken() -> None:
    context = tls_context(IDENTITIES[1], [IDENTITIES[2].certificate], server=True)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    assert context.verify_mode is ssl.CERT_REQUIRED

    async def scenario() -> None:
        async with TlsParty(1, IDENTITIES[1], {2: Peer(IDENTITIES[2].certificate)}) as party:
            old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
            old.maximum_version = ssl.TLSVersion.TLSv1_2
            with pytest.raises((ssl.SSLError, OSError)):
                await asyncio.open_connection("127.0.0.1", party.port, ssl=old)

    asyncio.run(scenario())


def test_the_waiting_room_is_bounded() -> None:
    async def scenario() -> int:
        peers = {2: Peer(IDENTITIES[2].certificate)}
        async with TlsParty(1, IDENTITIES[1], peers) as party, Impostor(party.port) as impostor:
            readers = []
            for number in range(20):
                reader, writer = await impostor.connect()
                hello = Hello(session_digest(b"%d" % number), 2, 1)
                writer.write(Frame(Kind.HELLO, 0, hello.encode()).encode())
                readers.append(asyncio.create_task(reader.read()))
            # The oldest are closed as newer ones come in; the last four stay open.
            closed = 0
            async for _ in some_closed(readers, 16):
                closed += 1
            assert sum(task.done() for task in readers) == closed == 16
            waiting = len(party._lobby)
            for task in readers:
                task.cancel()
            return waiting

    async def some_closed(tasks: list[asyncio.Task[bytes]], count: int) -> AsyncIterator[None]:
        for _, ended in zip(range(count), asyncio.as_completed(tasks, timeout=5), strict=False):
            await ended
            yield

    assert asyncio.run(scenario()) == 4


def test_run_tls_is_the_same_without_asyncio() -> None:
    def talk(me: int) -> Protocol[Any]:
        return exchange(me, [1, 2])

    with pytest.raises(PartyTimeout, match="party 1: did not join"):
        run_tls(
            talk(2),
            me=2,
            identity=IDENTITIES[2],
            peers={1: Peer(IDENTITIES[1].certificate, "127.0.0.1", 9)},
            session=SESSION,
            join_deadline=0.3,
        )


def test_a_party_that_yields_nonsense_fails_alone_and_tells_the_others() -> None:
    def corrupt() -> Protocol[None]:
        nonsense: Any = {1: "text"}
        yield nonsense

    async def scenario() -> dict[int, Outcome]:
        async with mesh(2) as parties:
            return await run_all(parties, {1: exchange(1, [1, 2]), 2: corrupt()})

    outcomes = asyncio.run(scenario())
    assert isinstance(outcomes[2], ParameterError)
    assert isinstance(outcomes[1], StoppedByPeer)


def test_an_endless_protocol_ends() -> None:
    def forever() -> Protocol[None]:
        while True:
            yield {}

    async def scenario() -> dict[int, Outcome]:
        async with mesh(2) as parties:
            return await run_all(parties, {1: forever(), 2: forever()}, max_rounds=20)

    for outcome in asyncio.run(scenario()).values():
        assert isinstance(outcome, ProtocolError)


@pytest.mark.parametrize(
    "settings",
    [
        {"me": 2},
        {"peers": {}},
        {"me": -1},
        {"me": 2**32 - 1},
        {"max_message": 0},
        {"max_message": 2**31},
        {"identity": IDENTITIES[2]},
        {"peers": {2: Peer(IDENTITIES[2].certificate), 3: Peer(IDENTITIES[2].certificate)}},
        {"identity": Identity(IDENTITIES[1].certificate, IDENTITIES[3].key)},
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any]) -> None:
    good: dict[str, Any] = {"me": 1, "identity": IDENTITIES[1], "peers": {2: Peer(IDENTITIES[2].certificate)}}
    with pytest.raises(ParameterError):
        TlsParty(**{**good, **settings})


def test_an_identity_survives_the_disk_and_its_key_is_private(tmp_path: Any) -> None:
    identity = IDENTITIES[0]
    identity.save(tmp_path / "me")
    assert Identity.load(tmp_path / "me") == identity
    assert (tmp_path / "me" / "key.pem").stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in repr(identity)
    assert len(fingerprint(identity.certificate)) == 32
    again = [Identity.generate("x", randomness=Stream(bytes(32))).key for _ in range(2)]
    assert again[0] == again[1] != Identity.generate("x").key
    with pytest.raises(ParameterError, match="already holds"):
        IDENTITIES[1].save(tmp_path / "me")


def test_stop_reasons_are_cut_to_what_a_frame_holds() -> None:
    long = Stop("é" * 1000, 7)
    assert len(long.encode()) <= 512
    assert Stop.decode(long.encode()).blames == 7
