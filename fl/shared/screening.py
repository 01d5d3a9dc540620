"""What servers check about updates before they add them, and what that tells them.

    none   nothing: they add
    norm   |update|^2 within the plan's bound for its weight
    cone   the cone test of `fl.robust`, with the directions of the public root set: score and length against those of
           the others

Every rule leaves whole updates in or out, so that the sum is still the sum of what clients committed to.

Under `cone` scores are averaged over a client's rounds, and nobody sees them: each server keeps its shares of every
round's scores (`fl.scores`), and the average is their sum with weights that follow from who was judged when, which all
servers know. That is local and exact up to the weights' last bit: nothing is truncated, no message is added. Who sent
nothing this round stands in the medians with its average so far.

Leakage: see `LEAKAGE`. Under `cone` still one bit an update, but one that depends on the client's earlier updates too.
    Shares of scores, unlike shares of updates, lie with the servers between rounds: who takes them from so many servers
    as `TRUST` names, even one after the other, learns every client's scores, and from them nothing else about updates.
Assumes: servers follow the protocol; under `cone` with two servers also that the dealer colludes with neither. Under
    `cone` the score of an update beyond its proven bound is arbitrary, within [-1, 1], and that client's alone; the sum
    shows it. A server that lies about its old shares spoils verdicts, as one that lies about its new ones does.
"""

from collections.abc import Callable, Generator, Mapping
from functools import lru_cache, partial
from math import ceil, isqrt

import numpy as np
from numpy.typing import NDArray

from fl.robust.cone import ConeTest
from fl.scores import Scored
from fl.setting import RoundSetting
from fl.shared.dry import echo
from fl.shared.form import Form, Part
from fl.sums import SumCall
from mpc.engine import Additive, Engine, Replicated, Share
from mpc.errors import ParameterError
from mpc.prg import Stream
from mpc.protocols.aided_norms import verified_norms
from mpc.protocols.cone import Cone, cone_scores
from mpc.protocols.screening import rows_within
from mpc.protocols.verdict import conforming
from mpc.runtime import Inbox, Outbox
from mpc.triples import Recipe, Recorder, Source

__all__ = ["LEAKAGE", "TRUST", "form_of", "has_dealer", "recipe_of_call", "screen"]

LEVELS = 256
"""Steps of a cosine: scores are compared to within 1 / 256."""

FRACTION = 16
"""Bits behind the point of the weights with which rounds enter a smoothed score."""

LEAKAGE = {
    ("none", 2): "nothing about a single update",
    ("none", 3): "nothing about a single update",
    ("norm", 2): "each update's squared norm",
    ("norm", 3): "whether each update is within the bound",
    ("cone", 2): "whether each update passed the test",
    ("cone", 3): "whether each update passed the test",
}
"""What the servers learn, by rule and number of servers; `fl.shared` says that the coordinator learns who was left out."""


TRUST = {
    ("none", 2): "Both servers together could see every update.",
    ("none", 3): "All three servers together could see every update.",
    ("norm", 2): "Both servers together could see every update.",
    ("norm", 3): "Any two servers together could see every update.",
    ("cone", 2): "Both servers together, or one of them and the dealer, could see every update.",
    ("cone", 3): "Any two servers together could see every update.",
}
"""Who together could see an update."""


def form_of(setting: RoundSetting, call: SumCall) -> Form:
    """How clients share for this sum: lines of a search are sums of all their clients, without a check."""
    rule = _rule(setting, call)
    if rule == "none":
        return Form.NARROW
    if setting.plan.terms.aggregation.servers == 3:
        return Form.REPLICATED
    return Form.AIDED if rule == "norm" else Form.WIDE


def has_dealer(rule: str, servers: int) -> bool:
    """Whether the committee has one member more, who deals triples and sees no share."""
    return rule == "cone" and servers == 2


def screen(
    setting: RoundSetting,
    call: SumCall,
    party: int,
    servers: tuple[int, ...],
    held: Mapping[int, tuple[Part, ...]],
    source: Source | None,
    randomness: Stream,
) -> Generator[Outbox, Inbox, tuple[dict[int, str], Scored | None]]:
    """Who of the clients in `held` is left out, and why; and what this server has to remember (`setting.past` next time).

    Assumes: all servers hold shares of the same rounds in `setting.past`.
    """
    rule = _rule(setting, call)
    if rule == "none":
        return {}, None
    if rule == "norm" and len(servers) == 2:
        return (yield from _aided_norms(setting, party, servers, held, randomness)), None
    dim, copies = setting.statement.dim, form_of(setting, call).copies
    nobody = np.zeros((copies, dim), dtype=np.uint64)
    # A client that is missing is a row of zeros, so that the servers' messages depend on the call alone.
    each = [np.stack([p.words for p in held[c]]) if c in held else nobody for c in call.group]
    rows = np.stack(each, axis=1)
    engine: Engine
    if len(servers) == 3:
        engine = yield from Replicated.setup(party, servers, randomness.derive("engine"))
    else:
        if source is None:
            raise ParameterError("two servers need a dealer for this rule")
        engine, rows = Additive(party, servers, source, randomness.derive("engine")), rows[0]
    scored = None
    if rule == "norm":
        limit = setting.plan.codec().limit
        bounds = [setting.l2_bound_sq(setting.members[client]) for client in call.group]
        passed = yield from rows_within(engine, rows, limit, bounds)
    else:
        cone = Cone.of(_directions(setting))
        smooth = partial(_smooth, setting, call.group, tuple(held))
        passed, fresh = yield from _cone(engine, rows, cone, _longest(setting), smooth)
        scored = Scored(tuple(held), fresh[..., np.isin(call.group, tuple(held))])
    why = {"norm": "its update is longer than the plan allows", "cone": "its update points out of the cone"}
    refused = {c: why[rule] for c, fine in zip(call.group, passed, strict=True) if c in held and not fine}
    return refused, scored


def recipe_of_call(setting: RoundSetting, call: SumCall, servers: tuple[int, ...]) -> Recipe:
    """What the servers of this call will ask of their dealer: a dry run on zeros."""
    return _recipe(len(call.group), setting.statement.dim, _longest(setting), _directions(setting), servers)


def _cone(
    engine: Engine, rows: Share, cone: Cone, longest: int, smooth: Callable[[Share], Share]
) -> Generator[Outbox, Inbox, tuple[NDArray[np.bool_], Share]]:
    """Which rows pass, and the shares of this round's own scores, in levels."""
    rule = ConeTest()
    lengths = yield from engine.squared_lengths(rows)
    fresh = yield from cone_scores(engine, rows, lengths, cone, longest, LEVELS)
    passed = yield from conforming(
        engine,
        smooth(fresh),
        lengths,
        bits=LEVELS.bit_length() + 2 + FRACTION,
        length_bits=2 * longest.bit_length(),
        floor=ceil(rule.floor * (LEVELS << FRACTION)),
        ratio=rule.ratio,
        spread=rule.spread,
        longest=rule.longest,
    )
    return passed, fresh


def _smooth(setting: RoundSetting, group: tuple[int, ...], present: tuple[int, ...], fresh: Share) -> Share:
    """Shares of the averages over each client's rounds, in units of 2^-FRACTION levels.

    Shapes: fresh [.., group] -> [.., group].
    """
    rounds = [scored for _, scored in sorted(setting.past.items())]
    judged = np.stack([np.isin(group, clients) for clients in [*(s.clients for s in rounds), present]])
    # products and quotients of float64 are the same on every machine, so all servers have the same integers
    exact = ConeTest(keep=setting.plan.terms.robustness.keep).weights(judged)
    weights = np.rint(exact * (1 << FRACTION)).astype(np.uint64)
    total: Share = fresh * weights[-1]
    for scored, weight in zip(rounds, weights[:-1], strict=True):
        again = np.isin(scored.clients, group)
        places = np.searchsorted(group, np.array(scored.clients)[again])
        total[..., places] += scored.values[..., again] * weight[places]
    return total


def _aided_norms(
    setting: RoundSetting,
    party: int,
    servers: tuple[int, ...],
    held: Mapping[int, tuple[Part, ...]],
    randomness: Stream,
) -> Generator[Outbox, Inbox, dict[int, str]]:
    """The clients' own squares, checked by sacrifice: a false pair names its client and costs nobody else."""
    aids = [part.aid for _, (part,) in sorted(held.items()) if part.aid is not None]
    norms = yield from verified_norms(party, servers, aids, randomness.derive("norms"))
    refused = {}
    for client, norm in norms.items():
        if norm is None:
            refused[client] = "its squares are not the squares of its masks"
        elif norm > setting.l2_bound_sq(setting.members[client]):
            refused[client] = "its update is longer than the plan allows"
    return refused


def _rule(setting: RoundSetting, call: SumCall) -> str:
    return "none" if call.stage else setting.plan.terms.robustness.rule


def _longest(setting: RoundSetting) -> int:
    """No update that is proven is longer, whatever its weight."""
    bounds = [setting.l2_bound_sq(member) for member in setting.members.values()]
    return isqrt(max(bounds)) + 1


def _directions(setting: RoundSetting) -> NDArray[np.int64]:
    if setting.directions is None:
        raise ParameterError("the cone test needs the directions of a public root set")
    return setting.directions


def _recipe(
    clients: int, dim: int, longest: int, directions: NDArray[np.int64], servers: tuple[int, ...]
) -> Recipe:
    return _dry_run(clients, dim, longest, directions.tobytes(), len(directions), servers)


@lru_cache(maxsize=16)
def _dry_run(
    clients: int, dim: int, longest: int, directions: bytes, count: int, servers: tuple[int, ...]
) -> Recipe:
    recorder = Recorder()
    engine = Additive(servers[0], servers, recorder, Stream(bytes(32), b"dry run"))
    cone = Cone.of(np.frombuffer(directions, dtype=np.int64).reshape(count, dim))
    # smoothing asks for no triples, so any of the right shape will do
    echo(_cone(engine, np.zeros((clients, dim), dtype=np.uint64), cone, longest, np.copy), servers[1:])
    return recorder.recipe
