"""The privacy receipt: what really ran, with which keys and parameters, and who saw what.

It is written from the objects that did the work, not from the plan alone, so that a mode that gives something up
cannot leave it out.
"""

import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from fl.aggregate.secagg import sum_parameters
from fl.divergence import label_distances, summarize
from fl.plan import Terms
from fl.record import RoundRecord
from fl.rundir import RunDirectory
from fl.shared.screening import LEAKAGE, TRUST, has_dealer
from zk import backends

if TYPE_CHECKING:
    from fl.session import Session

__all__ = ["write_receipt"]

_PACKAGES = ("eppml", "numpy", "gmpy2", "cryptography", "mclbn256", "py-ecc", "torch", "pyrevm", "web3")


def write_receipt(directory: RunDirectory, session: "Session") -> None:
    """Write receipt.json."""
    plan, statement = session.plan, session.federation.statement
    ledger = "embedded" if session.deployment.chain.is_embedded else "a chain behind a URL"
    terms = plan.terms
    insecure = [
        "The proof system's keys come from a single-party setup on this machine: whoever kept its randomness "
        "could forge proofs and open commitments to other updates. A ceremony of several parties removes that trust."
    ]
    insecure += session.caveats
    if terms.proofs.kind != "all":
        insecure.append(
            f"{_proven_share(session)} Updates without a proof are not known to be within their bounds."
        )
    aggregation = _aggregation(session)
    if any(phrase in aggregation["justification"] for phrase in ("WEAKER THAN ASKED", "LYING SERVER")):
        insecure.append(
            "So few clients cannot have the protection that the plan asks for against a coordinator that deviates, "
            "together with corrupt clients: the justification under aggregation says what holds instead."
        )
    if terms.aggregation.mode == "plain":
        insecure.append("Aggregation ran in the clear: the coordinator saw every update.")
    if terms.aggregation.mode == "paillier":
        insecure.append(
            "The committee's key was dealt by one process on this machine: whoever kept it could decrypt every update."
        )
    if terms.aggregation.mode == "shares":
        insecure.append(
            "Servers are assumed to follow the protocol: that they judged updates as the plan says is their word, and a "
            "server that lies about a sum can make an honest client look like the liar."
        )
    insecure.append(
        "One machine played every party: what is written here about who saw what holds between machines, "
        "not against whoever controls this one."
    )
    directory.write_json(
        "receipt.json",
        {
            "format": "eppml-receipt-1",
            "plan_hash": plan.hash.hex(),
            "setup": {"kind": "single-party", "warning": insecure[0]},
            "aggregation": aggregation,
            "keys": _keys(session),
            "who_saw_what": _views(terms.aggregation.mode, terms.aggregation.min_clients, session.records)
            + _server_views(terms),
            "privacy": _privacy(session),
            "opened_sums": [
                {
                    "round": record.round,
                    "stage": opened.stage,
                    "clients": len(opened.included),
                    "matches": opened.matches,
                }
                for record in session.records
                for opened in record.opened
            ],
            "participation": _participation(session),
            "data": _data(session),
            "proven": f"{_proven_share(session)} A proven update in a sum is {statement.dim} integers of "
            f"{statement.bits} bits whose Euclidean norm is within the plan's bound, and the sum is the sum of exactly the "
            "committed updates. Nothing is proven about the data an update was trained on.",
            "backends": {
                "zk": backends.get().name,
                "ledger": ledger,
            },
            "randomness": "Secrets: 32-byte roots from the operating system, expanded with AES-256-CTR per purpose. "
            "Training order and initial weights: a public seed tree.",
            "versions": {"python": platform.python_version()}
            | {p: v for p in _PACKAGES if (v := _version(p))},
            "insecure": insecure,
        },
    )


def _proven_share(session: "Session") -> str:
    """Whose updates were proven, as it happened."""
    sent = [(r.round, c.client) for r in session.records for c in r.clients if c.update]
    proven = [place for place in sent if session.plan.proves(*place)]
    if len(proven) == len(sent):
        return "Every update was proven."
    rounds = len({number for number, _ in proven})
    return (
        f"Proofs were made for a public sample: {len(proven)} of {len(sent)} updates, in {rounds} of "
        f"{len(session.records)} rounds."
    )


def _privacy(session: "Session") -> dict[str, Any]:
    """What was promised, and what the client that took part most often has spent of it."""
    noise = session.plan.noise(session.federation.statement.dim)
    if noise is None:
        return {
            "epsilon": None,
            "statement": "No differential privacy in this run: the model and every opened sum are exact, and a sum "
            "of few updates can still reveal something about one of them.",
        }
    sent = Counter(c.client for r in session.records for c in r.clients if c.update)
    found = noise.guarantee(max(sent.values(), default=0), session.plan.terms.aggregation.mode)
    return {
        "epsilon": found.epsilon,
        "delta": found.delta,
        "unit": found.unit,
        "neighbours": found.neighbours,
        "trust": found.trust,
        "promised_epsilon": session.plan.terms.privacy.epsilon,
        "noise_multiplier": noise.noise_multiplier,
        "statement": found.line,
    }


def _data(session: "Session") -> dict[str, Any]:
    """How unlike the clients are: total variation between a client's labels and everybody's, 0 to 1.

    Left out of private runs: it is a function of the labels that no noise covers.
    """
    federation = session.federation
    if session.private:
        return {"distances": "not written down: labels are protected in this run"}
    distances = label_distances(federation.dataset.train_y, federation.shards)
    return {
        "distances": {
            **asdict(summarize(federation.dataset.train_y, federation.shards)),
            "clients": [round(float(distance), 4) for distance in distances],
        }
    }


def _participation(session: "Session") -> dict[str, Any]:
    asked = [sum(c.status not in ("absent", "excluded") for c in r.clients) for r in session.records]
    return {
        "members": len(session.plan.members),
        "asked_per_round": asked,
        "schedule": "public: named in the plan or drawn from its seed, so that no amplification by secret sampling is "
        "claimed",
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _aggregation(session: "Session") -> dict[str, Any]:
    terms = session.plan.terms.aggregation
    if terms.mode == "plain":
        return {"mode": "plain", "parameters": [], "justification": "Nothing is hidden from the coordinator."}
    if terms.mode == "paillier":
        who = session.plan.terms.committee
        return {
            "mode": "paillier",
            "parameters": [{"members": who.members, "needed": who.needed, "bits": who.bits}],
            "justification": f"Any {who.needed} of {who.members} members decrypt, and only sums of at least "
            f"{terms.min_clients} updates that a quorum of them agreed on.",
        }
    if terms.mode == "shares":
        return _shares(session.plan.terms.robustness.rule, terms.servers)
    everyone = tuple(range(1, len(session.plan.members) + 1))
    statement = session.federation.statement
    chosen = sum_parameters(everyone, terms, statement.dim, statement.chunks, session.plan.hash)
    return {
        "mode": "secagg",
        "parameters": [
            {
                "clients": len(everyone),
                "degree": chosen.degree,
                "threshold": chosen.threshold,
                "modulus": chosen.modulus,
            }
        ],
        "justification": chosen.justification,
    }


def _server_views(terms: Terms) -> list[dict[str, str]]:
    """What servers that hold shares of updates saw, where there are any."""
    if terms.aggregation.mode != "shares":
        return []
    rule, servers = terms.robustness.rule, terms.aggregation.servers
    seen = [{"who": "each server", "what": f"{LEAKAGE[rule, servers]}; who took part, and who was left out"}]
    if has_dealer(rule, servers):
        seen.append(
            {"who": "the dealer", "what": "who was called for a sum, and every mask of the servers' products"}
        )
    return seen


def _shares(rule: str, servers: int) -> dict[str, Any]:
    dealer = " The dealer hands out triples and sees no share." if has_dealer(rule, servers) else ""
    return {
        "mode": "shares",
        "parameters": [{"servers": servers, "rule": rule}],
        "justification": f"{servers} servers hold shares of updates; they learn {LEAKAGE[rule, servers]}, and who was in "
        f"the sums. {TRUST[rule, servers]}{dealer}",
    }


def _keys(session: "Session") -> list[dict[str, Any]]:
    return [
        {"what": "update proofs", "algorithm": "commit-and-prove Groth16 over alt_bn128", "bits": 254},
        {"what": "update signatures", "algorithm": "ECDSA over secp256k1, EIP-712", "bits": 256},
        {"what": "identities", "algorithm": "Ed25519", "bits": 256},
        {"what": "pairwise keys and masks", "algorithm": "X25519, AES-256-CTR", "bits": 256},
        {"what": "circuit", "algorithm": session.federation.statement.digest().hex(), "bits": 256},
    ]


def _views(mode: str, min_clients: int, records: Sequence[RoundRecord]) -> list[dict[str, str]]:
    searched = [record.round for record in records if any(opened.stage for opened in record.opened)]
    sums = f"one sum a round, over at least {min_clients} updates"
    if searched:
        where = ", ".join(map(str, searched))
        sums += f"; in round {where} also the sums of the rows and columns of a grid, to find out who lied"
    coordinator = "every update" if mode == "plain" else sums
    return [
        {
            "who": "coordinator",
            "what": f"{coordinator}; who took part, with how many samples, and who dropped out",
        },
        {"who": "each client", "what": "its own data and update, and every round's model"},
        {
            "who": "anybody (ledger and block store)",
            "what": "the opened sums and models, blinded commitments, proofs, signatures, sample counts, rewards",
        },
        {
            "who": "nobody",
            "what": "a client's data" + ("" if mode == "plain" else ", or one client's update"),
        },
    ]
