"""What the report shows, collected from a run directory's JSON files.

`run.json` must be there. Rounds are read from 0 while their files are consecutive; plan, receipt and ledger may not
be written yet when the run is still going on.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fl.report.fields import Fields, ReportError, load

__all__ = [
    "STATUSES",
    "ClientPart",
    "Event",
    "Ledger",
    "OpenedSum",
    "PlanIdentity",
    "Receipt",
    "ReportError",
    "Round",
    "Run",
    "gas_of",
    "read_run",
]

STATUSES = ("included", "unsummed", "rejected", "missing", "absent", "excluded")


@dataclass(frozen=True, slots=True)
class ClientPart:
    """One client's part in one round; a rejection that is not `certain` is a suspicion."""

    client: int
    address: str
    status: str
    reason: str
    detail: str
    reward: int
    certain: bool

    @property
    def standing(self) -> str:
        """The status, with a suspect told from a rejected client."""
        return "suspect" if self.status == "rejected" and not self.certain else self.status


@dataclass(frozen=True, slots=True)
class OpenedSum:
    """A sum that was opened: asked of `group`, over `included`, and whether it matched their commitments."""

    stage: int
    group: tuple[int, ...]
    included: tuple[int, ...]
    matches: bool


@dataclass(frozen=True, slots=True)
class Round:
    """One round: its public record, and what it cost.

    Units: `seconds` by stage for all simulated clients together; `traffic` in bytes, a client's being the most that
    any client sent or received; `gas` by entry point.
    """

    number: int
    record_cid: str
    clients: tuple[ClientPart, ...]
    opened: tuple[OpenedSum, ...]
    root: str
    total: str
    total_samples: int
    model: str
    accuracy: float
    loss: float
    seconds: Mapping[str, float]
    traffic: Mapping[str, float]
    message_rounds: int
    gas: Mapping[str, float]
    saturated: int

    @property
    def summed(self) -> bool:
        return bool(self.total)


@dataclass(frozen=True, slots=True)
class Event:
    """One event on the ledger; `round` and `client` are empty where it has none."""

    block: int
    time: float
    transaction: str
    name: str
    round: str
    client: str
    gas: float
    summary: str


def gas_of(events: Iterable[Event]) -> float:
    """The gas of the events' transactions: several events of one transaction spend it once."""
    events = tuple(events)
    named = {event.transaction: event.gas for event in events if event.transaction}
    return sum(named.values()) + sum(event.gas for event in events if not event.transaction)


@dataclass(frozen=True, slots=True)
class Ledger:
    chain_id: int
    kind: str
    contracts: Mapping[str, Any]
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """The privacy receipt; what is `Any` is shown as it comes."""

    setup_kind: str
    setup_warning: str
    mode: str
    parameters: Any
    justification: str
    proven: str
    keys: Any
    who_saw_what: tuple[tuple[str, str], ...]
    epsilon: float | None
    privacy: str
    backends: Any
    data: Any
    randomness: Any
    versions: Any
    insecure: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlanIdentity:
    """What the registered plan fixes beside its terms; `samples` by client, from 1."""

    dataset_sha256: str
    verifying_key: str
    initial_model: str
    samples: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Run:
    """A run as far as it has come."""

    name: str
    source: str
    terms: Mapping[str, Any]
    clients: int
    planned_rounds: int
    min_clients: int
    cheats: Mapping[int, str]
    drop: float
    chain: str
    started: str
    plan_hash: str
    rounds: tuple[Round, ...]
    plan: PlanIdentity | None
    receipt: Receipt | None
    ledger: Ledger | None

    @property
    def finished(self) -> bool:
        return len(self.rounds) >= self.planned_rounds

    @property
    def rejections(self) -> tuple[tuple[Round, ClientPart], ...]:
        return tuple((r, c) for r in self.rounds for c in r.clients if c.status == "rejected")

    @property
    def smallest_sum(self) -> int | None:
        """How many updates the smallest opened sum held."""
        return min((len(o.included) for r in self.rounds for o in r.opened), default=None)


def read_run(directory: Path) -> Run:
    """Raises: ReportError naming the file, and the field where one is wrong."""
    run = load(directory / "run.json")
    terms = run.object("terms")
    rounds: list[Round] = []
    while (path := directory / "rounds" / f"{len(rounds):04d}.json").is_file():
        rounds.append(_round(load(path), len(rounds)))
    receipt = _present(directory / "receipt.json")
    plan = _present(directory / "plan.json")
    ledger = _present(directory / "ledger.json")
    plan_hash = receipt.text("plan_hash", "") if receipt else ""
    return Run(
        name=run.text("name"),
        source=run.text("source", ""),
        terms=terms.values,
        clients=terms.whole("clients"),
        planned_rounds=terms.whole("rounds"),
        min_clients=terms.object("aggregation").whole("min_clients", 0),
        cheats=_cheats(run.object("cheats").values),
        drop=run.number("drop", 0.0),
        chain=run.text("chain", ""),
        started=run.text("started", ""),
        plan_hash=plan_hash or _plan_of(directory, rounds),
        rounds=tuple(rounds),
        plan=_plan(plan) if plan else None,
        receipt=_receipt(receipt) if receipt else None,
        ledger=_ledger(ledger) if ledger else None,
    )


def _present(path: Path) -> Fields | None:
    return load(path) if path.is_file() else None


def _plan_of(directory: Path, rounds: list[Round]) -> str:
    """The plan's hash as the first round's record gives it."""
    return load(directory / "rounds" / "0000.json").object("record").text("plan", "") if rounds else ""


def _cheats(values: Mapping[str, Any]) -> dict[int, str]:
    if not all(client.isdecimal() and isinstance(kind, str) for client, kind in values.items()):
        raise ReportError("run.json: cheats must give a kind for each client's number")
    return {int(client): kind for client, kind in values.items()}


def _round(fields: Fields, number: int) -> Round:
    record = fields.object("record")
    if record.whole("round") != number:
        raise ReportError(f"rounds/{number:04d}.json is the record of another round")
    opened = tuple(
        OpenedSum(o.whole("stage"), o.wholes("group"), o.wholes("included"), o.flag("matches"))
        for o in record.objects("opened")
    )
    return Round(
        number=number,
        record_cid=fields.text("record_cid", ""),
        clients=tuple(map(_client, record.objects("clients"))),
        opened=opened,
        root=record.text("root", ""),
        total=record.text("total", ""),
        total_samples=record.whole("total_samples", 0),
        model=record.text("model", ""),
        accuracy=record.fraction("accuracy"),
        loss=record.number("loss"),
        seconds=fields.amounts("seconds"),
        traffic=fields.amounts("bytes"),
        message_rounds=fields.whole("rounds_of_messages", 0),
        gas=fields.amounts("gas"),
        saturated=fields.whole("saturated", 0),
    )


def _client(fields: Fields) -> ClientPart:
    status = fields.text("status")
    if status not in STATUSES:
        raise ReportError(f"a client's status must be one of {', '.join(STATUSES)}, not {status[:40]!r}")
    return ClientPart(
        client=fields.whole("client"),
        address=fields.text("address", ""),
        status=status,
        reason=fields.text("reason", ""),
        detail=fields.text("detail", ""),
        reward=fields.whole("reward", 0),
        certain=fields.flag("certain"),
    )


def _plan(fields: Fields) -> PlanIdentity:
    members = fields.optional("members")
    if not isinstance(members, list) or not all(
        isinstance(m, list) and len(m) == 3 and type(m[2]) is int for m in members
    ):
        raise ReportError("plan.json: members must be a list of address, identity and samples")
    return PlanIdentity(
        dataset_sha256=fields.text("dataset_sha256"),
        verifying_key=fields.text("verifying_key"),
        initial_model=fields.text("initial_model"),
        samples={client: member[2] for client, member in enumerate(members, start=1)},
    )


def _receipt(fields: Fields) -> Receipt:
    setup, aggregation, privacy = (fields.object(key) for key in ("setup", "aggregation", "privacy"))
    return Receipt(
        setup_kind=setup.text("kind", ""),
        setup_warning=setup.text("warning", ""),
        mode=aggregation.text("mode", ""),
        parameters=aggregation.optional("parameters"),
        justification=aggregation.text("justification", ""),
        proven=fields.text("proven", ""),
        keys=fields.optional("keys"),
        who_saw_what=tuple((row.text("who"), row.text("what")) for row in fields.objects("who_saw_what")),
        epsilon=None if privacy.optional("epsilon") is None else privacy.number("epsilon"),
        privacy=privacy.text("statement", ""),
        backends=fields.optional("backends"),
        data=fields.optional("data"),
        randomness=fields.optional("randomness"),
        versions=fields.optional("versions"),
        insecure=fields.texts("insecure"),
    )


def _ledger(fields: Fields) -> Ledger:
    return Ledger(
        chain_id=fields.whole("chain_id", 0),
        kind=fields.text("kind", ""),
        contracts=fields.object("contracts").values,
        events=tuple(
            Event(
                block=event.whole("block"),
                time=event.number("time", 0.0),
                transaction=event.text("tx", ""),
                name=event.text("event"),
                round=_name(event.optional("round")),
                client=_name(event.optional("client")),
                gas=event.number("gas", 0.0),
                summary=event.text("summary", ""),
            )
            for event in fields.objects("events")
        ),
    )


def _name(value: Any) -> str:
    return "" if value is None else str(value)
