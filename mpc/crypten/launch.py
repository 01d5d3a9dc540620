"""All parties of a computation on this machine: a process each, TLS between them, and a bill.

    def job(rank, numbers):
        x = crypten.cryptensor(numbers, src=0)
        return x.square().sum().get_plain_text().item()

    run_parties(2, job, torch.tensor([1.0, 2.0])).values           [5.0, 5.0]

The processes are started by a server that has loaded torch and CrypTen once, so the function is found by its
name: it belongs at the top of a module, and a script calls `run_parties` under `if __name__ == "__main__":`.
"""

import multiprocessing
import os
import pickle
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from mpc import errors
from mpc.errors import EppmlError, FaultyParty, InsecureError, ParameterError, PartyTimeout, ProtocolError
from mpc.runtime.certificates import Identity
from mpc.runtime.link import StoppedByPeer
from mpc.runtime.meter import Cost

if TYPE_CHECKING:
    from mpc.crypten.providers.base import Setup
    from mpc.crypten.worker import Failure, Report

__all__ = ["PROVIDERS", "PartiesResult", "PartyFailed", "run_parties"]

T = TypeVar("T")

PROVIDERS = {
    "transfer": "mpc.crypten.providers.transfer:transfer",
    "paillier": "he.crypten_provider:paillier",
}
"""Providers by name, beside `dealer`; any other is named `module:function`."""

_LAST_WORDS_S = 3.0
"""How long the others may take to notice a failure, beyond the deadline, before they are stopped."""


class PartyFailed(ProtocolError):
    """The function that `party` ran raised an exception of its own; `details` is the traceback."""

    def __init__(self, party: int, reason: str, details: str) -> None:
        super().__init__(f"party {party}: {reason}")
        self.party = party
        self.details = details


@dataclass(frozen=True, slots=True)
class PartiesResult(Generic[T]):
    """What each rank's function returned, each party's bill, and whom the provider makes you trust.

    Parties are numbered from 1, so rank r is party r + 1; a dealer comes last.
    """

    values: list[T] = field(repr=False)
    costs: dict[int, Cost]
    trust: str
    seconds: float
    logs: Path


def run_parties(
    parties: int,
    function: Callable[..., T],
    *arguments: Any,
    inputs: Sequence[Any] | None = None,
    provider: "str | Setup" = "dealer",
    deadline: float = 60.0,
    join_deadline: float = 120.0,
    logs: Path | None = None,
    threads: int = 1,
    allow_insecure: bool = False,
) -> PartiesResult[T]:
    """Run `function(rank, *arguments)` as every party at once, CrypTen initialised.

    With `inputs`, each party gets its own first: `function(rank, inputs[rank], *arguments)`. What a party
    prints goes to `party-N.log` in `logs` (a temporary directory otherwise). The provider is the default
    dealer, a process of its own; `transfer` or `paillier` between two parties; or a `Setup`.
    `first-party` is CrypTen's own, which shows party 1 every input.

    Units: seconds; `deadline` is how long a party may take for its part of one round.
    Raises: ParameterError for a setting or a function that cannot work, InsecureError for an unsafe provider
        without `allow_insecure`; FaultyParty naming a party that died or sent garbage, PartyTimeout one that
        stalled, PartyFailed one whose function raised; other errors of this project as they are.
    Assumes: as `mpc.crypten.protocol` and the provider; whoever starts the processes sees everything anyway.
    """
    if parties < 2 or (inputs is not None and len(inputs) != parties):
        raise ParameterError("at least two parties compute, each with one input if there are inputs")
    setup, has_dealer = _setup(provider, allow_insecure)
    directory = Path(tempfile.mkdtemp(prefix="crypten-")) if logs is None else logs
    directory.mkdir(parents=True, exist_ok=True)
    numbers = tuple(range(1, parties + 1))
    everybody = (*numbers, parties + 1) if has_dealer else numbers
    identities = {number: Identity.generate(f"party {number}", days=1) for number in everybody}
    begin = time.perf_counter()

    from mpc.crypten.worker import Job, work

    session = os.urandom(32)
    jobs = {
        number: Job(
            me=number,
            parties=numbers,
            dealer=parties + 1 if has_dealer else None,
            identity=identities[number],
            certificates={index: identity.certificate for index, identity in identities.items()},
            function=function if number <= parties else None,
            arguments=arguments if inputs is None or number > parties else (inputs[number - 1], *arguments),
            provider=setup,
            session=session,
            deadline=deadline,
            join_deadline=join_deadline,
            threads=threads,
            log=directory / f"party-{number}.log",
            allow_insecure=allow_insecure,
        )
        for number in everybody
    }
    crew = _Crew(jobs, work, deadline)
    try:
        reports = crew.reports()
    finally:
        crew.dismiss()
    return PartiesResult(
        [reports[number].value for number in numbers],
        {number: report.cost for number, report in reports.items() if report.cost is not None},
        reports[1].trust or _trust(provider, parties),
        time.perf_counter() - begin,
        directory,
    )


def _setup(provider: "str | Setup", allow_insecure: bool) -> "tuple[Setup | None, bool]":
    """The provider's setup, and whether a dealer is needed."""
    if not isinstance(provider, str):
        return provider, False
    if provider == "dealer":
        return None, True
    if provider == "first-party":
        if not allow_insecure:
            raise InsecureError(
                "with CrypTen's trusted first party, party 1 can read every input: use 'dealer' or 'transfer', "
                "or say allow_insecure=True"
            )
        return None, False
    module, colon, name = PROVIDERS.get(provider, provider).partition(":")
    if not colon:
        raise ParameterError(f"no provider {provider!r}: there are dealer, {', '.join(PROVIDERS)}")
    try:
        setup: Setup = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ParameterError(f"the provider {provider!r} cannot be loaded: {error}") from None
    return setup, False


def _trust(provider: "str | Setup", parties: int) -> str:
    if provider == "dealer":
        return f"party {parties + 1}, the dealer, knows every mask and must collude with no other party"
    return "party 1 knows every mask, and can read every input"


class _Crew:
    """The processes of one run."""

    def __init__(self, jobs: "dict[int, Any]", work: Callable[..., None], deadline: float) -> None:
        self._deadline = deadline
        self._jobs = jobs
        self._pipes: dict[int, Connection] = {}
        self._processes: dict[int, BaseProcess] = {}
        context: Any = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
        if os.name == "posix":
            context.set_forkserver_preload(["mpc.crypten.worker"])
        try:
            for number, job in jobs.items():
                ours, theirs = context.Pipe()
                process = context.Process(target=work, args=(job, theirs), daemon=True)
                self._pipes[number], self._processes[number] = ours, process
                process.start()
                theirs.close()
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            self.dismiss()
            raise ParameterError(f"a party's function and arguments have to be importable: {error}") from None

    def reports(self) -> "dict[int, Report]":
        """Tell each party the ports of those before it, then wait for what all of them report.

        Raises: the failure that says most.
        """
        ports: dict[int, int] = {}
        reports: dict[int, Report] = {}
        failures: dict[int, Exception] = {}
        give_up: float | None = None
        for number, pipe in self._pipes.items():
            try:
                pipe.send(dict(ports))
                answer = pipe.recv()
            except (EOFError, OSError):
                answer = None
            if isinstance(answer, int):
                ports[number] = answer
            else:
                self._note(number, answer, reports, failures)
                break
        pending = {number for number in self._pipes if number not in reports and number not in failures}
        while pending:
            if failures and give_up is None:
                give_up = (
                    time.monotonic()
                    + (self._deadline if len(ports) == len(self._pipes) else 0)
                    + _LAST_WORDS_S
                )
            patience = None if give_up is None else max(0.0, give_up - time.monotonic())
            ready = wait([self._pipes[number] for number in pending], patience)
            if not ready:
                break
            for number in list(pending):
                if self._pipes[number] in ready:
                    try:
                        answer = self._pipes[number].recv()
                    except (EOFError, OSError):
                        answer = None
                    self._note(number, answer, reports, failures)
                    pending.discard(number)
        if failures:
            raise min(failures.values(), key=_rank)
        return reports

    def _note(
        self, number: int, answer: Any, reports: "dict[int, Report]", failures: dict[int, Exception]
    ) -> None:
        log = self._jobs[number].log
        if answer is None:
            process = self._processes[number]
            process.join(timeout=_LAST_WORDS_S)
            failures[number] = FaultyParty(
                number, f"its process ended with exit code {process.exitcode}; its log is {log}"
            )
        elif answer.failure is not None:
            failures[number] = _exception(number, answer.failure, log)
        else:
            reports[number] = answer

    def dismiss(self) -> None:
        """End what is still running."""
        for process in self._processes.values():
            if process.pid is not None:
                process.join(timeout=0.0 if process.is_alive() and process.exitcode is None else 0.1)
        for process in self._processes.values():
            if process.pid is not None and process.is_alive():
                process.join(timeout=0.5)
                process.kill()
                process.join()
        for pipe in self._pipes.values():
            pipe.close()


def _exception(number: int, failure: "Failure", log: Path) -> Exception:
    if failure.kind == "StoppedByPeer" and failure.party is not None:
        return StoppedByPeer(failure.party, failure.text, None)
    if failure.kind in ("FaultyParty", "PartyTimeout") and failure.party is not None:
        text = failure.text.removeprefix(f"party {failure.party}: ")
        kind = FaultyParty if failure.kind == "FaultyParty" else PartyTimeout
        return kind(failure.party, text)
    known = getattr(errors, failure.kind, None) if failure.kind else None
    if known is not None and issubclass(known, EppmlError):
        raised: Exception = known(failure.text)
        return raised
    return PartyFailed(number, f"{failure.text}; its log is {log}", failure.details)


def _rank(failure: Exception) -> int:
    """What a party's own code raised says most; that a peer stopped says least."""
    if isinstance(failure, StoppedByPeer):
        return 3
    if isinstance(failure, (FaultyParty, PartyTimeout)):
        return 1 if "its process ended" not in str(failure) else 0
    return 0 if not isinstance(failure, ProtocolError) or isinstance(failure, PartyFailed) else 2
