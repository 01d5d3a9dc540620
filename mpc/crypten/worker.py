"""One party's process on this machine: joins the others over TLS, runs its side, reports to who started it."""

import asyncio
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from mpc.crypten.patches import install
from mpc.crypten.protocol import on_tensors
from mpc.crypten.providers.base import Setup, Source
from mpc.crypten.providers.dealer import deal_on_demand
from mpc.errors import EppmlError
from mpc.prg import Stream
from mpc.runtime.certificates import Identity
from mpc.runtime.meter import Cost
from mpc.runtime.rounds import TlsResult
from mpc.runtime.tls import Peer, TlsParty
from mpc.runtime.types import Protocol

__all__ = ["Failure", "Job", "Report", "work"]

MAX_MESSAGE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Job:
    """What one process is started with; `function` is None for the dealer."""

    me: int
    parties: tuple[int, ...]
    dealer: int | None
    identity: Identity
    certificates: dict[int, bytes]
    function: Callable[..., Any] | None
    arguments: tuple[Any, ...] = field(repr=False)
    provider: Setup | None
    session: bytes
    deadline: float
    join_deadline: float
    threads: int
    log: Path
    allow_insecure: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """How a party's run ended badly: the exception's name, words, and whom it blames."""

    kind: str
    text: str
    party: int | None
    details: str


@dataclass(frozen=True, slots=True)
class Report:
    """A party's last word: its value and bill, or its failure."""

    value: Any = field(default=None, repr=False)
    cost: Cost | None = None
    trust: str = ""
    failure: Failure | None = None


def work(job: Job, parent: Connection) -> None:
    """Run a job: tell the parent our port, hear those of the parties before us, and report how it ended."""
    log = os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(log, stream.fileno())
    torch.set_num_threads(job.threads)
    try:
        trust: list[str] = []
        result = asyncio.run(_take_part(job, parent, trust))
        report = Report(result.value, result.cost, "".join(trust))
    except BaseException as error:  # whatever it was, the parent says so in one sentence
        traceback.print_exc()
        report = Report(failure=_failure(error))
    sys.stdout.flush()
    try:
        parent.send(report)
    except Exception as error:  # a value that cannot be pickled
        parent.send(Report(failure=_failure(error)))


async def _take_part(job: Job, parent: Connection, trust: list[str]) -> TlsResult[Any]:
    ports: dict[int, int] = await asyncio.to_thread(parent.recv)
    peers = {
        index: Peer(certificate, "127.0.0.1", ports.get(index, 0))
        for index, certificate in job.certificates.items()
        if index != job.me
    }
    async with TlsParty(job.me, job.identity, peers, max_message=MAX_MESSAGE - 1) as party:
        parent.send(party.port)
        return await party.run(
            _protocol(job, trust),
            session=job.session,
            deadline=job.deadline,
            join_deadline=job.join_deadline,
            max_rounds=2**31,
        )


def _protocol(job: Job, trust: list[str]) -> Protocol[Any]:
    """The job's side of the run; `trust` gets the provider's sentence."""

    def setup(me: int, parties: tuple[int, ...], stream: Stream) -> Protocol[Source]:
        assert job.provider is not None
        source = yield from job.provider(me, parties, stream)
        trust.append(source.trust)
        return source

    install(allow_insecure=job.allow_insecure)
    randomness = Stream.from_os(b"mpc.crypten")
    if job.function is None:
        return deal_on_demand(job.me, job.parties, randomness)
    function, rank = job.function, job.parties.index(job.me)
    return on_tensors(
        job.me,
        job.parties,
        lambda: function(rank, *job.arguments),
        randomness,
        dealer=job.dealer,
        provider=None if job.provider is None else setup,
    )


def _failure(error: BaseException) -> Failure:
    text = getattr(error, "reason", None) or str(error) or "no further words"
    party = getattr(error, "party", None)
    known = isinstance(error, EppmlError)
    return Failure(
        type(error).__name__ if known else "",
        text if known else f"{type(error).__name__}: {text}",
        party if isinstance(party, int) else None,
        "".join(traceback.format_exception(error)),
    )
