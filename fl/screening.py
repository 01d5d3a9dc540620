"""Which robust rules a plan can name, under which aggregation; and updates in the clear judged by one.

    norm        the plan's own bound on the length of an update: what a proof would show
    cone        the cone test of `fl.robust`
    multi-krum  the updates with close neighbours

A round leaves whole updates in or out, because its sum has to open the sum of commitments; rules that shorten updates or
work coordinate by coordinate are measured in the suite and cannot be part of a plan. Each round judges for itself.
"""

from collections.abc import Mapping
from math import ceil

import numpy as np
from numpy.typing import NDArray

from fl.plan import Terms
from fl.robust import ConeTest, Context, Memory, MultiKrum, NormBound, Rule, require_tolerated
from fl.setting import RoundSetting
from mpc.errors import ParameterError

__all__ = ["refuse", "require_rule", "wants_directions"]

_WHERE = {"norm": ("shares", "plain"), "cone": ("shares", "plain"), "multi-krum": ("plain",)}


def require_rule(terms: Terms) -> None:
    """Raises: ParameterError when the plan's rule does not exist, cannot work under its aggregation, or for so many."""
    name, mode = terms.robustness.rule, terms.aggregation.mode
    if name == "none":
        return
    if name not in _WHERE:
        raise ParameterError(f"robustness.rule must be none, {', '.join(_WHERE)}, not {name!r}")
    rule = _rule(terms)
    if mode not in _WHERE[name]:
        raise ParameterError(
            f"robustness.rule {name} needs aggregation.mode {' or '.join(_WHERE[name])}; under {mode}: {rule.under[mode]}"
        )
    require_tolerated(rule, terms.clients, ceil(terms.robustness.malicious * terms.clients - 1e-9))


def wants_directions(terms: Terms) -> bool:
    """Whether the rule needs the public root set."""
    return terms.robustness.rule == "cone"


def refuse(setting: RoundSetting, updates: Mapping[int, NDArray[np.int64]]) -> dict[int, str]:
    """Who is left out by the plan's rule, and why. Shapes: each update [dim]."""
    terms = setting.plan.terms
    if terms.robustness.rule == "none" or not updates:
        return {}
    matrix = np.stack(list(updates.values())).astype(np.float64)
    if terms.robustness.rule == "norm":
        bounds = [float(setting.l2_bound_sq(setting.members[client])) for client in updates]
        fine = np.square(matrix).sum(axis=1) <= bounds
    else:
        context = Context(directions=setting.directions)
        fine = _rule(terms).accept(matrix, context, Memory.fresh(len(updates))).accepted
    reason = f"the rule {terms.robustness.rule} takes its update for malicious"
    return {client: reason for client, passed in zip(updates, fine, strict=True) if not passed}


def _rule(terms: Terms) -> Rule:
    rules: dict[str, Rule] = {
        "norm": NormBound(),
        "cone": ConeTest(),
        "multi-krum": MultiKrum(share=min(terms.robustness.malicious, 0.49)),
    }
    return rules[terms.robustness.rule]
