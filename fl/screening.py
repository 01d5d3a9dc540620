"""Which robust rules a plan can name, under which aggregation; and updates in the clear judged by one.

    norm        the plan's own bound on the length of an update: what a proof would show
    cone        the cone test of `fl.robust`, its scores averaged over a client's rounds (`robustness.keep`)
    multi-krum  the updates with close neighbours

A round leaves whole updates in or out, because its sum has to open the sum of commitments; rules that shorten updates or
work coordinate by coordinate are measured in the suite and cannot be part of a plan.
"""

from collections.abc import Mapping
from math import ceil

import numpy as np
from numpy.typing import NDArray

from fl.plan import Terms
from fl.robust import ConeTest, Context, Memory, MultiKrum, NormBound, Rule, require_tolerated
from fl.scores import Scored
from fl.setting import RoundSetting
from mpc.errors import ParameterError

__all__ = ["refuse", "remembers", "require_rule", "wants_directions"]

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


def remembers(terms: Terms) -> bool:
    """Whether those who judge have to keep something for later rounds."""
    return terms.robustness.rule == "cone" and terms.robustness.keep > 0


def refuse(
    setting: RoundSetting, updates: Mapping[int, NDArray[np.int64]]
) -> tuple[dict[int, str], Scored | None]:
    """Who is left out by the plan's rule, and why; and what the cone test has to remember (`setting.past` next time).

    Who sent no update has no row: its score stays what it was, and so does the number of its rounds.

    Shapes: each update [dim].
    """
    terms = setting.plan.terms
    if terms.robustness.rule == "none" or not updates:
        return {}, None
    scored = None
    matrix = np.stack(list(updates.values())).astype(np.float64)
    if terms.robustness.rule == "norm":
        bounds = [float(setting.l2_bound_sq(setting.members[client])) for client in updates]
        fine = np.square(matrix).sum(axis=1) <= bounds
    else:
        context = Context(directions=setting.directions, members=np.array(list(updates)) - 1)
        verdict = _rule(terms).accept(matrix, context, _recall(setting))
        fine = verdict.accepted
        if terms.robustness.rule == "cone":
            scored = Scored(tuple(updates), verdict.scores)
    reason = f"the rule {terms.robustness.rule} takes its update for malicious"
    return {client: reason for client, passed in zip(updates, fine, strict=True) if not passed}, scored


def _recall(setting: RoundSetting) -> Memory:
    """A client's latest score is the smoothed one, so the rule's memory is that and how often there was one."""
    memory = Memory.fresh(len(setting.plan.members))
    for _, scored in sorted(setting.past.items()):
        rows = np.array(scored.clients, dtype=np.int64) - 1
        memory.scores[rows] = scored.values
        memory.rounds[rows] += 1
    return memory


def _rule(terms: Terms) -> Rule:
    rules: dict[str, Rule] = {
        "norm": NormBound(),
        "cone": ConeTest(keep=terms.robustness.keep),
        "multi-krum": MultiKrum(share=min(terms.robustness.malicious, 0.49)),
    }
    return rules[terms.robustness.rule]
