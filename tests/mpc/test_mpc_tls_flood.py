"""Ten thousand malformed messages into a TLS party: it stays up and answers the next good one."""

import asyncio
import contextlib
import random
import ssl
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpc.errors import DecodeError, ProtocolError
from mpc.runtime import Identity, Peer, Protocol, TlsParty
from mpc.runtime.certificates import tls_context
from mpc.runtime.framing import Frame, Hello, Kind, Stop, read_frame, session_digest

ONE, TWO = Identity.generate("party 1"), Identity.generate("party 2")
PLAIN, GREETINGS, IN_A_RUN = 8_000, 1_700, 300


def malformed(seed: int) -> Iterator[bytes]:
    """Messages of every wrong kind, for ever: noise, broken lengths, and good frames spoiled."""
    source = random.Random(seed)  # not a secret: the attack must be the same in every test run
    good = [
        Frame(Kind.HELLO, 0, Hello(session_digest(b"never"), 2, 1).encode()).encode(),
        Frame(Kind.MESSAGE, 1, b"hello").encode(),
        Frame(Kind.STOP, 1, Stop("no", 1).encode()).encode(),
    ]
    while True:
        yield source.randbytes(source.randrange(1, 200))
        yield source.randbytes(4)
        yield (2**32 - 1 - source.randrange(2**20)).to_bytes(4, "big") + source.randbytes(50)
        frame = bytearray(source.choice(good))
        # Another kind, round or magic; the length stays, so that the frame is read.
        frame[source.randrange(4, min(17, len(frame)))] ^= source.randrange(1, 256)
        yield bytes(frame)
        yield Frame(Kind.HELLO, 0, Hello(source.randbytes(32), 1, 2).encode()).encode()


async def throw(port: int, message: bytes, context: ssl.SSLContext | None = None) -> None:
    """Connect, throw one message, hear the door close (or walk off, when TLS waits for more of it)."""
    with contextlib.suppress(OSError, EOFError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        try:
            writer.write(message)
            writer.write(bytes(2**10))
            async with asyncio.timeout(0.2):
                await reader.read()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def in_bulk(
    port: int, messages: Iterator[bytes], count: int, context: ssl.SSLContext | None = None
) -> None:
    for begin in range(0, count, 50):
        await asyncio.gather(*(throw(port, next(messages), context) for _ in range(min(50, count - begin))))


def good_run(me: int) -> Protocol[bytes]:
    inbox = yield {3 - me: b"how are you, party %d?" % (3 - me)}
    return inbox[3 - me]


def test_ten_thousand_malformed_messages_and_then_a_good_one() -> None:
    async def scenario() -> tuple[bytes, int, int]:
        async with TlsParty(1, ONE, {2: Peer(TWO.certificate)}) as party:
            as_two = tls_context(TWO, [ONE.certificate], server=False)
            await in_bulk(party.port, malformed(1), PLAIN)
            await in_bulk(party.port, malformed(2), GREETINGS, as_two)
            named = 0
            messages = malformed(3)
            for number in range(IN_A_RUN):
                named += await one_spoiled_run(party, b"spoiled %d" % number, next(messages), as_two)
            two = TlsParty(2, TWO, {1: Peer(ONE.certificate, "127.0.0.1", party.port)})
            answer, _ = await asyncio.gather(
                party.run(good_run(1), session=b"good", deadline=10), two.run(good_run(2), session=b"good")
            )
            return answer.value, named, sum(party.rejected.values())

    assert PLAIN + GREETINGS + IN_A_RUN == 10_000
    answer, named, rejected = asyncio.run(scenario())
    assert answer == b"how are you, party 1?"
    assert named == IN_A_RUN
    assert rejected > GREETINGS * 9 // 10


async def one_spoiled_run(party: TlsParty, session: bytes, message: bytes, context: ssl.SSLContext) -> bool:
    """Join a run with party 2's own certificate, throw a malformed message: is party 2 named?"""

    async def spoil() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", party.port, ssl=context)
        try:
            writer.write(Frame(Kind.HELLO, 0, Hello(session_digest(session), 2, 1).encode()).encode())
            await read_frame(reader.readexactly, 0)
            writer.write(message)
            writer.write(b"\xff" * 300)
            with contextlib.suppress(OSError):
                await reader.read()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    spoiler = asyncio.create_task(spoil())
    run = party.run(good_run(1), session=session, deadline=2.0, join_deadline=2.0)
    (outcome,) = await asyncio.gather(run, return_exceptions=True)
    await spoiler
    return isinstance(outcome, ProtocolError) and getattr(outcome, "party", None) == 2


@given(st.binary(max_size=600))
def test_frames_have_one_encoding(data: bytes) -> None:
    try:
        frame = Frame.decode(data)
    except DecodeError:
        return
    assert frame.encode()[4:] == data


@given(st.binary(max_size=80) | st.binary(max_size=60).map(lambda rest: b"EPPML/1\n" + rest))
def test_greetings_have_one_encoding(data: bytes) -> None:
    try:
        hello = Hello.decode(data)
    except DecodeError:
        return
    assert hello.encode() == data


@given(st.binary(max_size=512))
def test_reasons_to_stop_have_one_encoding(data: bytes) -> None:
    try:
        stop = Stop.decode(data)
    except DecodeError:
        return
    assert stop.encode() == data


@given(st.binary(max_size=300), st.integers(0, 200))
def test_a_stream_of_anything_yields_bounded_frames_or_raises(data: bytes, bound: int) -> None:
    position = 0

    async def read_exactly(count: int) -> bytes:
        nonlocal position
        assert count <= 5 + max(bound, 512)
        if position + count > len(data):
            raise EOFError
        position += count
        return data[position - count : position]

    async def drain() -> None:
        while True:
            await read_frame(read_exactly, bound)

    with pytest.raises((DecodeError, EOFError)):
        asyncio.run(drain())
