"""Run one party of a protocol over mutually authenticated TLS 1.3, between processes or machines.

Every party holds its peers' certificates and talks to exactly those peers. Of two parties the one with the
higher number dials. Rounds need no clock: in each one a party sends every peer one frame, with or without a
message, and goes on when it has heard from all of them. Whoever stalls, disconnects or sends garbage is named
within the deadline; strangers cannot make a party do anything but close their connection.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias, TypeVar

from mpc.errors import DecodeError, ParameterError, PartyTimeout
from mpc.runtime.certificates import Identity, fingerprint, tls_context
from mpc.runtime.framing import Frame, Hello, Kind, Stop, read_frame, session_digest
from mpc.runtime.link import Link, close_quietly
from mpc.runtime.rounds import Rounds, TlsResult, public_reason
from mpc.runtime.types import Protocol, close_protocol

__all__ = ["Peer", "TlsParty", "run_tls"]

T = TypeVar("T")

GREETING_S = 10.0
"""A connection that has not finished TLS and its greeting by then is closed."""

GOODBYE_S = 5.0
"""How long a party that gives up waits for its peers to have read why."""

_WAITING_ROOM = 4
"""Runs one peer may have asked to join that this party has not begun."""

_Stream: TypeAlias = "tuple[asyncio.StreamReader, asyncio.StreamWriter]"


@dataclass(frozen=True, slots=True)
class Peer:
    """Another party: its certificate (PEM), and its address if its number is below ours, so that we dial."""

    certificate: bytes = field(repr=False)
    host: str = ""
    port: int = 0


class TlsParty:
    """One party's place on the network: it listens, and takes part in one run after the other.

    Use it as an asynchronous context manager; `port` is the one it listens on.

    Assumes: `peers` certificates were exchanged over a channel that nobody could change them on.
    Raises: ParameterError for an identity, certificate or numbering that cannot work.
    """

    def __init__(
        self,
        me: int,
        identity: Identity,
        peers: Mapping[int, Peer],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        max_message: int = 2**26,
    ) -> None:
        if me in peers or not peers:
            raise ParameterError("a party needs peers, and is none of its own")
        if any(not 0 <= index < 2**32 - 1 for index in (me, *peers)):
            raise ParameterError("party numbers are from 0 to 2**32 - 2")
        if not 0 < max_message < 2**31:
            raise ParameterError(f"messages are bounded by 1 to 2**31 - 1 bytes, not {max_message}")
        self.me = me
        self.port = port
        self.rejected: Counter[str] = Counter()
        """Authenticated connections that were closed before they joined a run, by reason."""
        self._peers = dict(sorted(peers.items()))
        self._by_fingerprint = {fingerprint(peer.certificate): index for index, peer in peers.items()}
        if (
            len(self._by_fingerprint) != len(peers)
            or fingerprint(identity.certificate) in self._by_fingerprint
        ):
            raise ParameterError("two parties cannot have the same certificate")
        certificates = [peer.certificate for peer in peers.values()]
        self._server_tls = tls_context(identity, certificates, server=True)
        self._client_tls = tls_context(identity, certificates, server=False)
        self._host = host
        self._max_message = max_message
        self._server: asyncio.Server | None = None
        self._lobby: dict[tuple[int, bytes], _Stream] = {}
        self._arrived = asyncio.Condition()

    async def __aenter__(self) -> Self:
        if any(index > self.me for index in self._peers):
            self._server = await asyncio.start_server(
                self._greet, self._host, self.port, ssl=self._server_tls, ssl_handshake_timeout=GREETING_S
            )
            self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._server is not None:
            self._server.close()
        for _, writer in self._lobby.values():
            close_quietly(writer)
        self._lobby.clear()

    async def run(
        self,
        protocol: Protocol[T],
        *,
        session: bytes,
        deadline: float = 30.0,
        join_deadline: float = 60.0,
        tolerate: bool = False,
        max_rounds: int = 100_000,
    ) -> TlsResult[T]:
        """Take part in the run named `session`.

        `tolerate` treats a failing peer as absent, as `run_local` does, and reports it in `failed`; otherwise
        the first failure ends the run here, and the peers are told why.

        Units: seconds; `deadline` is how long a peer may take for its part of one round, and once more as
            long when it says that it is itself waiting for somebody.
        Raises: FaultyParty for garbage or a lost connection, PartyTimeout for silence, StoppedByPeer when a
            peer gave up, and whatever the protocol itself raises.
        """
        if not (deadline > 0 and join_deadline > 0):
            raise ParameterError("deadlines must be positive")
        linger = min(deadline, GOODBYE_S)
        run = Rounds(self.me, protocol, deadline, tolerate, max_rounds, self._max_message)
        try:
            await self._join(run, session_digest(session), join_deadline)
            result = await run.to_the_end(join_deadline)
            # A peer may take its whole deadline to read our last message.
            linger = deadline
            return result
        except asyncio.CancelledError:
            await run.stop(Stop("it was interrupted"))
            raise
        except Exception as error:
            await run.stop(Stop(public_reason(error), getattr(error, "party", None)))
            raise
        finally:
            close_protocol(protocol)
            await run.leave(linger)

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A connection came in and finished TLS: let it wait for its run, or close it."""
        try:
            async with asyncio.timeout(GREETING_S):
                peer = self._who_is(writer)
                frame = await read_frame(reader.readexactly, 0)
                hello = Hello.decode(frame.body)
                if frame.kind is not Kind.HELLO or (hello.sender, hello.receiver) != (peer, self.me):
                    raise DecodeError("greets as somebody else")
        except (OSError, EOFError, DecodeError) as error:
            self.rejected[str(error) or type(error).__name__] += 1
            close_quietly(writer)
            return
        waiting = [key for key in self._lobby if key[0] == peer and key[1] != hello.session]
        replaced = [(peer, hello.session), *waiting[: max(0, len(waiting) - _WAITING_ROOM + 1)]]
        for key in replaced:
            if key in self._lobby:
                close_quietly(self._lobby.pop(key)[1])
        async with self._arrived:
            self._lobby[peer, hello.session] = (reader, writer)
            self._arrived.notify_all()

    def _who_is(self, writer: asyncio.StreamWriter) -> int:
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        pem = ssl.DER_cert_to_PEM_cert(certificate).encode()
        try:
            return self._by_fingerprint[fingerprint(pem)]
        except KeyError:
            raise DecodeError("a certificate of nobody in this group") from None

    async def _join(self, run: Rounds[Any], session: bytes, join_deadline: float) -> None:
        """Get a connection to every peer; those that do not come are named."""
        last_error: dict[int, str] = {}

        async def join(index: int) -> None:
            try:
                async with asyncio.timeout(join_deadline):
                    if index > self.me:
                        reader, writer = await self._welcome(index, session)
                    else:
                        reader, writer = await self._dial(index, session, last_error)
            except TimeoutError:
                why = last_error.get(index, "")
                others = [key for key in self._lobby if key[0] == index]
                why = why or ("it asked to join another run" if others else "it did not connect")
                run.failed[index] = PartyTimeout(index, f"did not join within {join_deadline:g} s: {why}")
            else:
                run.add(Link(index, reader, writer, self._max_message))

        joining = asyncio.gather(*(join(index) for index in self._peers))
        try:
            while not joining.done():
                await asyncio.wait([joining], timeout=run.heartbeat)
                await run.send_all(Frame(Kind.WAITING, 0))
            await joining
        finally:
            joining.cancel()
        run.raise_first_failure()

    async def _welcome(self, index: int, session: bytes) -> _Stream:
        hello = Hello(session, self.me, index)
        async with self._arrived:
            await self._arrived.wait_for(lambda: (index, session) in self._lobby)
            reader, writer = self._lobby.pop((index, session))
        writer.write(Frame(Kind.WELCOME, 0, hello.encode()).encode())
        return reader, writer

    async def _dial(self, index: int, session: bytes, last_error: dict[int, str]) -> _Stream:
        """Dial until the peer is up and joins; its answer must come from the certificate we hold for it."""
        peer = self._peers[index]
        pause = 0.05
        while True:
            writer = None
            try:
                reader, writer = await asyncio.open_connection(peer.host, peer.port, ssl=self._client_tls)
                if self._who_is(writer) != index:
                    raise DecodeError("somebody else answers at its address")
                writer.write(Frame(Kind.HELLO, 0, Hello(session, self.me, index).encode()).encode())
                frame = await read_frame(reader.readexactly, 0)
                answer = Hello(session, index, self.me).encode()
                if frame.kind is not Kind.WELCOME or frame.body != answer:
                    raise DecodeError("its answer to the greeting is no welcome")
                return reader, writer
            except (OSError, EOFError, ssl.SSLError, DecodeError) as error:
                last_error[index] = str(error) or "it closed the connection"
                if writer is not None:
                    close_quietly(writer)
            except asyncio.CancelledError:
                if writer is not None:
                    close_quietly(writer)
                raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, 1.0)


def run_tls(
    protocol: Protocol[T],
    *,
    me: int,
    identity: Identity,
    peers: Mapping[int, Peer],
    session: bytes,
    host: str = "127.0.0.1",
    port: int = 0,
    deadline: float = 30.0,
    join_deadline: float = 60.0,
    tolerate: bool = False,
    max_message: int = 2**26,
) -> TlsResult[T]:
    """Run one party of one protocol over TLS and return: `TlsParty` for a single run, without asyncio.

    Raises: as `TlsParty` and `TlsParty.run`.
    """

    async def once() -> TlsResult[T]:
        party = TlsParty(me, identity, peers, host=host, port=port, max_message=max_message)
        async with party:
            return await party.run(
                protocol, session=session, deadline=deadline, join_deadline=join_deadline, tolerate=tolerate
            )

    return asyncio.run(once())
