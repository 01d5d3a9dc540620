"""The coordinator's part of a round: check every update, take the sum, and find out who lied about it.

updates in -> signatures and proofs checked -> sum over the accepted -> does it match the commitments?
                    |                                                     | yes: done
                    v                                                     | no: rows and columns of a grid
                rejected, named                                           v
                                                        suspects named, best set of matching groups is the sum
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from fl.aggregate import mode_of
from fl.checks import Reason, Rejection, check_updates
from fl.record import OpenedRecord
from fl.scores import Scored
from fl.setting import RoundSetting
from fl.sums import CallJudge, Sum, SumCall
from fl.update import SignedUpdate
from mpc.errors import ProofRejected, ProtocolError
from mpc.runtime import Inbox, Outbox
from zk.field import R
from zk.statements import UpdateProof

__all__ = ["Opened", "RoundOutcome", "coordinator_round", "judge_sums"]


@dataclass(frozen=True, slots=True)
class Opened:
    """One sum that was opened: over whom, and whether it matched the commitments of those it included."""

    stage: int
    group: tuple[int, ...]
    included: tuple[int, ...]
    matches: bool
    place: int = 0
    evidence: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class RoundOutcome:
    """What a round came to. `total` and `blinding` are None when no sum could be trusted.

    `scored` is for the coordinator's own later rounds, where it judges; there is none without a sum.
    """

    updates: dict[int, SignedUpdate]
    rejected: dict[int, Rejection]
    included: tuple[int, ...]
    total: NDArray[np.int64] | None
    blinding: list[int] | None
    opened: tuple[Opened, ...]
    beacon: bytes
    seconds: dict[str, float] = field(default_factory=dict)
    scored: Scored | None = field(default=None, repr=False)


def coordinator_round(setting: RoundSetting, beacon: bytes) -> Generator[Outbox, Inbox, RoundOutcome]:
    """The coordinator's side of one round, for any network that carries protocols.

    `beacon` (32 bytes) places the clients in the grids of a search. Between machines draw it after the updates are in,
    so that nobody can choose where to stand; a simulation takes it from its seed, so that runs repeat.

    Leakage: see the aggregation mode; when a sum does not match, also the sums of the rows and columns in `opened`.
    Assumes: for blame by groups, see `fl.groups`.
    """
    inbox = yield {}
    clock = perf_counter()
    updates, rejected = check_updates(setting, inbox)
    seconds = {"verify": perf_counter() - clock}
    accepted = tuple(index for index in sorted(updates) if index not in rejected)
    clock = perf_counter()
    sums = _Sums(setting, updates)
    yield from sums.take(SumCall(0, 0, accepted, beacon))
    suspects: dict[int, Rejection] = {}
    if sums.opened and not sums.opened[0].matches:
        suspects = yield from _find_liars(sums, beacon)
    yield from sums.finish()
    seconds["aggregate"] = perf_counter() - clock
    included, total, blinding = sums.best()
    if total is not None and int(np.abs(total).max(initial=0)) > setting.plan.codec().max_sum:
        # possible only where updates are not proven: somebody committed to more than the codec has room for
        included, total, blinding = (), None, None
    return RoundOutcome(
        updates=updates,
        rejected=rejected | sums.refused | suspects,
        included=included,
        total=total,
        blinding=blinding,
        opened=tuple(sums.opened),
        beacon=beacon,
        seconds=seconds,
        scored=sums.scored,
    )


class _Sums:
    """The sums of one round: calls them and keeps what was opened; bound by the same judge as the clients."""

    def __init__(self, setting: RoundSetting, updates: Mapping[int, SignedUpdate]) -> None:
        self._setting = setting
        self._commitments = {
            index: UpdateProof.from_bytes(update.proof).commitment for index, update in updates.items()
        }
        self.judge = CallJudge(setting.plan.terms.aggregation.min_clients)
        self._results: list[tuple[Opened, Sum]] = []
        self.refused: dict[int, Rejection] = {}
        self.scored: Scored | None = None

    @property
    def opened(self) -> list[Opened]:
        return [opened for opened, _ in self._results]

    def take(self, call: SumCall) -> Generator[Outbox, Inbox, None]:
        """Open one sum; a group that is or falls below its threshold opens nothing."""
        setting, mode = self._setting, mode_of(self._setting.plan)
        fewest = call.fewest(setting.plan.terms.aggregation.min_clients)
        if len(call.group) < fewest:
            return
        self.judge.admit(call)
        yield dict.fromkeys([*call.group, *setting.committee_parties], call.to_bytes())
        try:
            outcome = yield from mode.coordinator(setting, call)
        except ProtocolError:
            return
        if call.stage == 0:
            self.judge.settle(outcome.included)
            # no conviction: an unusual update is not a forged one, and its client may come back
            self.refused = {
                c: Rejection(Reason.OUTLIER, why, certain=False) for c, why in outcome.refused.items()
            }
        if len(outcome.included) >= fewest:
            self.scored = self.scored or outcome.scored
            opened = Opened(
                call.stage, call.group, outcome.included, self._matches(outcome), call.place, outcome.evidence
            )
            self._results.append((opened, outcome))

    def _matches(self, outcome: Sum) -> bool:
        statement, key = self._setting.statement, self._setting.key
        combined = statement.combine([self._commitments[index] for index in outcome.included])
        try:
            statement.open_sum(key, combined, outcome.total, outcome.blinding)
        except ProofRejected:
            return False
        return True

    def finish(self) -> Generator[Outbox, Inbox, None]:
        """Tell everybody that the round is over."""
        yield dict.fromkeys([*self._setting.members, *self._setting.committee_parties], SumCall(0).to_bytes())

    def best(self) -> tuple[tuple[int, ...], NDArray[np.int64] | None, list[int] | None]:
        """The matching sums of the stage that includes most clients, added up."""
        stages: dict[int, list[Sum]] = {}
        for opened, outcome in self._results:
            if opened.matches:
                stages.setdefault(opened.stage, []).append(outcome)
        if not stages:
            return (), None, None
        chosen = max(stages.values(), key=lambda sums: sum(len(s.included) for s in sums))
        included = tuple(sorted(index for s in chosen for index in s.included))
        blinding = [sum(scalars) % R for scalars in zip(*(s.blinding for s in chosen), strict=True)]
        total: NDArray[np.int64] = np.sum([s.total for s in chosen], axis=0, dtype=np.int64)
        return included, total, blinding


def _find_liars(sums: _Sums, beacon: bytes) -> Generator[Outbox, Inbox, dict[int, Rejection]]:
    """Sums over rows and columns of grids; who is left without a matching sum in a failing line is suspect."""
    number = 0
    while (lines := sums.judge.lines(number)) is not None:
        for way, line in enumerate(lines):
            for place, group in enumerate(line):
                yield from sums.take(SumCall(1 + 2 * number + way, place, group, beacon))
        suspects, convicted = judge_sums(sums.opened)
        if suspects == convicted:
            break
        number += 1
    suspects, convicted = judge_sums(sums.opened)
    certain = "what it added to the sums is not what it committed to"
    unsure = "in no group whose sum matched, and not told apart from another suspect"
    return {
        index: Rejection(
            Reason.MISMATCH, certain if index in convicted else unsure, certain=index in convicted
        )
        for index in sorted(suspects)
    }


def judge_sums(opened: "Sequence[Opened | OpenedRecord]") -> tuple[set[int], set[int]]:
    """Suspects, and those of them who stand alone among cleared clients in some sum that did not match.

    A client that dropped out of its row and its column is neither cleared nor suspect.
    """
    cleared = {client for o in opened if o.matches for client in o.included}
    left = [(o.stage, set(o.included) - cleared) for o in opened if not o.matches]
    suspects = {client for stage, clients in left if stage for client in clients}
    return suspects, {
        client for _, clients in left if len(clients) == 1 for client in clients if client in suspects
    }
