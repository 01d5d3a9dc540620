"""The federated-learning plan: what everybody agrees on before the first round.

    tables   the parts of the terms, each checked by itself
    absences who is away when, as one line of a table
    terms    what a person writes (a TOML file or a bundled preset), checked as a whole
    plan     the terms with members, keys and starting model; its hash goes onto the ledger

A plan's canonical bytes go into block storage and their SHA-256 onto the ledger; a plan that decodes encodes to the same
bytes again, or `DecodeError` is raised.
"""

from fl.plan.plan import Contracts, Plan, update_codec, update_noise
from fl.plan.tables import (
    AGGREGATIONS,
    Aggregation,
    CommitteeTerms,
    Compression,
    Participation,
    Partition,
    Proofs,
    Rewards,
    Robustness,
    Server,
    Training,
    UpdateBounds,
)
from fl.plan.terms import Terms, load_terms, preset_names, terms_from_dict

__all__ = [
    "AGGREGATIONS",
    "Aggregation",
    "CommitteeTerms",
    "Compression",
    "Contracts",
    "Participation",
    "Partition",
    "Plan",
    "Proofs",
    "Rewards",
    "Robustness",
    "Server",
    "Terms",
    "Training",
    "UpdateBounds",
    "load_terms",
    "preset_names",
    "terms_from_dict",
    "update_codec",
    "update_noise",
]
