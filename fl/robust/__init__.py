"""Robust rules: which clients' updates enter the sum, when some clients are malicious.

    base          Rule, Verdict, Memory, Context; a plan with more malicious than a rule tolerates is refused
    mean          everybody: what the others are measured against
    norms         reject by length, or shorten
    coordinates   median and trimmed mean of every coordinate
    krum          Krum and multi-Krum: the updates with close neighbours
    fltrust       cosine with the coordinator's own update
    cone          non-negative combinations of class directions (`nnls`), smoothed over rounds
    directions    the public directions, from the coordinator's root set

Every rule states under which aggregation modes it works (`Rule.under`). Importing this package imports no torch.
"""

from fl.robust.base import MODES, Context, Memory, Rule, Verdict, require_tolerated
from fl.robust.cone import ConeTest, cone_scores, encode_directions
from fl.robust.coordinates import Median, TrimmedMean
from fl.robust.fltrust import FLTrust
from fl.robust.krum import Krum, MultiKrum
from fl.robust.mean import Mean
from fl.robust.norms import Clipping, NormBound
from mpc.errors import ParameterError

__all__ = [
    "MODES",
    "RULES",
    "Clipping",
    "ConeTest",
    "Context",
    "FLTrust",
    "Krum",
    "Mean",
    "Median",
    "Memory",
    "MultiKrum",
    "NormBound",
    "Rule",
    "TrimmedMean",
    "Verdict",
    "cone_scores",
    "encode_directions",
    "require_tolerated",
    "rule_for",
]

RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Mean(),
        NormBound(),
        Clipping(),
        Median(),
        TrimmedMean(),
        Krum(),
        MultiKrum(),
        FLTrust(),
        ConeTest(),
    )
}
"""Every rule with its default thresholds, by name."""


def rule_for(name: str) -> Rule:
    """The rule of that name. Raises: ParameterError when there is none.

    >>> rule_for("cone").tolerates(clients=100, malicious=50)
    False
    """
    if name not in RULES:
        raise ParameterError(f"unknown rule {name!r}: there are {', '.join(RULES)}")
    return RULES[name]
