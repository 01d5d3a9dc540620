"""Run directories as `eppml run` leaves them, for the report's tests."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from chain_adapter import Member
from fl.groups import grid
from fl.plan import Contracts, Plan, Terms, load_terms
from fl.record import ClientRecord, OpenedRecord, RoundRecord

REASONS = {"oversize": "proof", "forged": "proof", "replay": "proof", "swap": "mismatch"}
DETAILS = {
    "proof": "the proof does not hold for this plan, round, client and bound",
    "mismatch": "what it added to the sums is not what it committed to",
}
ENTRY_GAS = {"commit_round": 45_747, "record_aggregate": 98_120, "claim": 51_230, "reject": 47_900}


def digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def cid(*parts: object) -> str:
    return "bafkrei" + digest(*parts)[:52]


def write_sample(
    directory: Path,
    *,
    clients: int = 14,
    rounds: int = 5,
    done: int | None = None,
    cheats: Mapping[int, str] | None = None,
    idle: frozenset[int] = frozenset(),
    drop: float = 0.1,
) -> Path:
    """A run of `rounds` of which `done` are finished; nothing could be summed in the `idle` ones."""
    done = rounds if done is None else done
    cheats = {3: "oversize", 5: "forged", 7: "swap", 11: "replay"} if cheats is None else dict(cheats)
    (directory / "rounds").mkdir(parents=True)
    terms = load_terms("digits", {"clients": clients, "rounds": rounds})
    plan = plan_of(terms)
    write(directory / "run.json", run_file(terms, cheats, drop))
    (directory / "plan.json").write_bytes(plan.to_bytes())
    for number in range(done):
        record = record_of(number, clients, cheats, idle, drop)
        write(directory / "rounds" / f"{number:04d}.json", round_file(record.as_dict()))
    if done == rounds:
        write(directory / "receipt.json", receipt_file(directory))
        write(directory / "ledger.json", ledger_file(directory))
    return directory


def write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def change(path: Path, *keys: str | int, value: Any) -> None:
    """Set one value deep in a JSON file."""
    body = json.loads(path.read_text(encoding="utf-8"))
    place = body
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    write(path, body)


def run_file(terms: Terms, cheats: Mapping[int, str], drop: float) -> dict[str, Any]:
    return {
        "format": "eppml-run-2",
        "source": "digits",
        "name": "digits",
        "terms": asdict(terms),
        "cheats": {str(client): kind for client, kind in cheats.items()},
        "attackers": {},
        "allow_unverified": False,
        "drop": drop,
        "chain": "embedded",
        "data": None,
        "started": "2026-11-21T10:00:00Z",
    }


def plan_of(terms: Terms) -> Plan:
    return Plan(
        terms=terms,
        members=tuple(
            Member(f"0x{digest('address', i)[:40]}", bytes.fromhex(digest("identity", i)), 40 + 17 * i % 180)
            for i in range(1, terms.clients + 1)
        ),
        dataset_sha256=digest("data"),
        records=120,
        verifying_key=cid("key"),
        parameters=650,
        initial_model=cid("model", -1),
        contracts=Contracts(31337, f"0x{digest('rounds')[:40]}"),
    )


def record_of(
    number: int, clients: int, cheats: Mapping[int, str], idle: frozenset[int], drop: float
) -> RoundRecord:
    """Cheaters are rejected in the first round they cheat in (replay has nothing to replay before round 1)."""
    caught = {client: 1 if kind == "replay" else 0 for client, kind in cheats.items()}
    parts = [_part(client, number, cheats, caught.get(client), drop) for client in range(1, clients + 1)]
    nothing = number in idle
    if nothing:
        parts = [replace(p, status="unsummed", reward=0) if p.status == "included" else p for p in parts]
    included = [p.client for p in parts if p.status == "included"]
    liars = [p.client for p in parts if p.reason == "mismatch"]
    trained = [n for n in range(-1, number + 1) if n not in idle]
    learnt = len(trained)
    return RoundRecord(
        plan=digest("plan"),
        round=number,
        clients=tuple(parts),
        opened=() if nothing else _opened(included, liars),
        leaves=cid("leaves", number),
        root="" if nothing else digest("root", number),
        total="" if nothing else cid("total", number),
        blinding=() if nothing else (digest("blinding", number),),
        commitment_sum="" if nothing else digest("sum", number) * 2,
        total_samples=90 * len(included),
        previous_model=cid("model", [n for n in trained if n < number][-1]),
        model=cid("model", trained[-1]),
        accuracy=0.945 - 0.85 / learnt**1.5,
        loss=2.3 / learnt**0.9,
        beacon=bytes(32).hex(),
        epoch="",
    )


def _part(
    client: int, number: int, cheats: Mapping[int, str], caught: int | None, drop: float
) -> ClientRecord:
    address = f"0x{digest('address', client)[:40]}"
    if caught is not None and number == caught:
        reason = REASONS[cheats[client]]
        return ClientRecord(
            client, address, "rejected", cid("update", client, number), reason=reason, detail=DETAILS[reason]
        )
    if caught is not None and number > caught:
        return ClientRecord(client, address, "excluded")
    chance = int(digest("drop", client, number)[:4], 16) / 65536
    if chance < drop / 2:
        return ClientRecord(client, address, "missing")
    if chance < drop:
        return ClientRecord(client, address, "unsummed", cid("update", client, number))
    return ClientRecord(client, address, "included", cid("update", client, number), reward=83_333)


def _opened(included: list[int], liars: list[int]) -> tuple[OpenedRecord, ...]:
    everybody = tuple(sorted(included + liars))
    groups = [(0, everybody)]
    if liars and (lines := grid(everybody, 3, bytes(32))):
        groups += [(stage, group) for stage, direction in enumerate(lines, start=1) for group in direction]
    return tuple(
        OpenedRecord(stage, place, group, group, not set(group) & set(liars))
        for place, (stage, group) in enumerate(groups)
    )


def round_file(record: dict[str, Any]) -> dict[str, Any]:
    statuses = [part["status"] for part in record["clients"]]
    number, active = record["round"], len(statuses) - statuses.count("excluded")
    gas = {name: amount for name, amount in ENTRY_GAS.items() if name in ("commit_round", "record_aggregate")}
    gas |= {
        "claim": ENTRY_GAS["claim"] * statuses.count("included"),
        "reject": ENTRY_GAS["reject"] * statuses.count("rejected"),
    }
    return {
        "record": record,
        "record_cid": cid("record", number),
        "seconds": {
            "train": 0.031 * active,
            "prove": 0.142 * active,
            "mask": 0.02 * active * len(record["opened"]) ** 0.5,
            "verify": 0.04,
            "aggregate": 0.05 + 0.06 * len(record["opened"]),
            "chain": 0.35,
        },
        "bytes": {
            "update_message": 612,
            "sent_per_client": 4_711 + 3_400 * (len(record["opened"]) > 1),
            "received_per_client": 2_345 + 1_900 * (len(record["opened"]) > 1),
            "coordinator_sent": 2_345 * active,
            "coordinator_received": 4_711 * active,
            "float32_update": 2_600,
        },
        "rounds_of_messages": 9 + 10 * (len(record["opened"]) > 1),
        "gas": gas,
        "saturated": 2 * (number == 0),
    }


def _records(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted((directory / "rounds").iterdir())]


def receipt_file(directory: Path) -> dict[str, Any]:
    sums = [
        {
            "round": r["record"]["round"],
            "stage": o["stage"],
            "clients": len(o["included"]),
            "matches": o["matches"],
        }
        for r in _records(directory)
        for o in r["record"]["opened"]
    ]
    warning = "Whoever made these keys could forge proofs: they come from one machine, not from a ceremony."
    return {
        "format": "eppml-receipt-1",
        "plan_hash": digest("plan"),
        "setup": {"kind": "single-party", "warning": warning},
        "aggregation": {
            "mode": "secagg",
            "parameters": [
                {"clients": 12, "degree": 11, "threshold": 8, "modulus": 2**32},
                {"clients": 4, "degree": 3, "threshold": 3, "modulus": 2**32},
            ],
            "justification": "With one client in ten corrupt and one in ten gone, fewer than 2^-40 of the choices of "
            "neighbours let the coordinator see an update, or leave a mask that cannot be removed.",
        },
        "keys": [
            {"what": "client identity", "algorithm": "Ed25519", "bits": 256},
            {"what": "mask agreement", "algorithm": "X25519", "bits": 256},
            {"what": "ledger account", "algorithm": "secp256k1", "bits": 256},
            {"what": "update proof", "algorithm": "Groth16 over alt_bn128", "bits": 254},
        ],
        "who_saw_what": [
            {
                "who": "coordinator",
                "what": "commitments, proofs, sample counts, who took part, and the opened sums",
            },
            {"who": "every client", "what": "the shared model, and who else takes part"},
            {"who": "anybody", "what": "the ledger, the block store: everything but data, updates and keys"},
        ],
        "privacy": {
            "epsilon": None,
            "statement": "no differential privacy in this run: a sum of few updates can still say something about each",
        },
        "proven": "Every update in a sum is 650 integers of 16 bits whose norm is within the plan's bound.",
        "opened_sums": sums,
        "backends": {"zk": "mcl", "signatures": "coincurve", "ledger": "pyrevm"},
        "randomness": {"secrets": "AES-256-CTR keyed by the operating system", "training": "seed 1"},
        "versions": {"eppml": "0.1.0", "python": "3.11.9", "torch": "2.13.0"},
        "insecure": [
            "The proving key comes from a single-party setup: its maker could forge proofs.",
            "All parties ran in one process on one machine.",
        ],
    }


def ledger_file(directory: Path) -> dict[str, Any]:
    events: list[dict[str, Any]] = []

    def add(event: str, round_: int | None, client: int | None, gas: int, summary: str) -> None:
        block = 2 + len(events)
        facts = {"event": event, "round": round_, "client": client, "gas": gas, "summary": summary}
        events.append(
            {"block": block, "time": 1_795_255_200 + 2 * block, "tx": f"0x{digest('tx', block)}", **facts}
        )

    add(
        "PlanRegistered",
        None,
        None,
        412_905,
        f"{len(_records(directory)[0]['record']['clients'])} members, 5 rounds, at least 3 updates in every sum",
    )
    for file in _records(directory):
        record = file["record"]
        number = record["round"]
        for part in record["clients"]:
            if part["status"] == "rejected":
                add(
                    "ClientRejected",
                    number,
                    part["client"],
                    ENTRY_GAS["reject"],
                    f"{part['reason']}: {part['detail']}",
                )
        if not record["root"]:
            continue
        included = [part for part in record["clients"] if part["status"] == "included"]
        add(
            "RoundCommitted",
            number,
            None,
            ENTRY_GAS["commit_round"],
            f"root 0x{record['root'][:8]} of {len(included)} updates",
        )
        add("AggregateRecorded", number, None, ENTRY_GAS["record_aggregate"], f"model {record['model'][:16]}")
        for part in included:
            add("RewardClaimed", number, part["client"], ENTRY_GAS["claim"], f"{part['reward']:,} wei")
    contracts = {"Rounds": f"0x{digest('rounds')[:40]}", "Verifier": f"0x{digest('verifier')[:40]}"}
    return {"chain_id": 31337, "kind": "embedded", "contracts": contracts, "events": events}
