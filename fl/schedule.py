"""Who is a member, who trains, and on how old a model: functions of the terms and the round, the same for everybody.

Members leave, stay away and come back (some join only later) as the public seed says, and as the plan says of single
members. Each change of the member set
begins a new membership epoch, whose digest can be put on a ledger. Of those present a fraction trains. A client may
start from a model some rounds old, and then counts less.

Leakage: who takes part is known to all, so sampling amplifies no differential privacy.
Assumes: the seed was fixed before anybody could know what it would mean for a particular client.
Source: sampling: McMahan et al. (2017), Algorithm 1. Weights of stale updates: Xie, Koyejo, Gupta, "Asynchronous
federated optimization" (2019), section 5 (polynomial); summed with others in a buffer as by Nguyen et al., "Federated
learning with buffered asynchronous aggregation" (2022).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import floor

import numpy as np
from numpy.typing import NDArray

from fl.plan import Terms
from fl.plan.absences import parse_absences
from fl.seeds import generator
from mpc.errors import ParameterError

__all__ = ["Membership", "membership", "require_members", "stale_weight", "staleness", "taking_part"]

_RETURN = 0.5


@dataclass(frozen=True, slots=True)
class Membership:
    """Who is a member in a round; `epoch` counts the changes since the first round, clients count from 1."""

    epoch: int
    members: tuple[int, ...]

    def digest(self, plan_hash: bytes, identities: Sequence[bytes]) -> bytes:
        """What a ledger keeps of an epoch: SHA-256 over plan, epoch and the members' identities in order.

        `identities[client - 1]` are bytes of one length.
        """
        if len({len(identity) for identity in identities}) > 1:
            raise ParameterError("identities must all have the same length")
        body = self.epoch.to_bytes(8, "big") + len(self.members).to_bytes(8, "big")
        body += b"".join(identities[client - 1] for client in self.members)
        return hashlib.sha256(b"eppml/membership/1" + plan_hash + body).digest()


def membership(terms: Terms, number: int) -> Membership:
    """The members of round `number`, counted from 0.

    Between two rounds a member leaves with the chance `participation.churn`, and one that is away comes back with the
    chance of one half; in the first round as many are away as in the long run. Churn never leaves fewer members than
    `aggregation.min_clients`: those who would leave last stay. Whom `participation.absences` names is away as well,
    whatever churn says; `require_members` tells whether enough are left.
    Raises: ParameterError for a negative round.

    >>> from fl.plan import load_terms
    >>> membership(load_terms("digits", {"clients": 4}), 7)
    Membership(epoch=0, members=(1, 2, 3, 4))
    """
    if number < 0:
        raise ParameterError(f"rounds count from 0, got {number}")
    everyone = tuple(range(1, terms.clients + 1))
    churn, absences = terms.participation.churn, terms.participation.absences
    if not (churn or absences.strip()):
        return Membership(0, everyone)
    history = _history(terms.seed, terms.clients, churn, terms.aggregation.min_clients, absences)
    epoch, there = history.until(number)
    return Membership(epoch, tuple(int(client) for client in np.flatnonzero(there) + 1))


def require_members(terms: Terms) -> None:
    """Raises: ParameterError naming the first round in which absences leave too few members for a sum."""
    absences, needed = terms.participation.absences, terms.aggregation.min_clients
    for number in range(terms.rounds if absences.strip() else 0):
        there = len(membership(terms, number).members)
        if there < needed:
            churn = ", together with participation.churn," if terms.participation.churn else ""
            raise ParameterError(
                f"participation.absences{churn} leaves {there} of {terms.clients} members in round {number}, and "
                f"aggregation.min_clients asks for {needed}"
            )


def taking_part(terms: Terms, number: int) -> tuple[int, ...]:
    """The members that train in round `number`: `participation.fraction` of them, at least `aggregation.min_clients`.

    Drawn anew each round, without replacement; in ascending order.
    """
    members = membership(terms, number).members
    wanted = max(floor(terms.participation.fraction * len(members)), terms.aggregation.min_clients)
    if wanted >= len(members):
        return members
    drawn = generator(terms.seed, "sampling", number).choice(members, wanted, replace=False)
    return tuple(sorted(int(client) for client in drawn))


def staleness(terms: Terms, number: int, client: int) -> int:
    """By how many rounds the model lies behind that `client` starts from in round `number`.

    Uniform from 0 to `participation.staleness`, and never from before the first model.
    """
    most = min(terms.participation.staleness, number)
    return int(generator(terms.seed, "staleness", number, client).integers(most + 1)) if most else 0


def stale_weight(terms: Terms, age: int) -> float:
    """What an update counts that started from a model `age` rounds old: (1 + age) to the power of minus the exponent."""
    return float((1 + age) ** -terms.participation.staleness_exponent)


class _History:
    """Presence round by round, computed as far as it was asked for: a chain must be followed from its start."""

    def __init__(self, seed: int, clients: int, churn: float, needed: int, absences: str) -> None:
        self._seed, self._churn, self._needed = seed, churn, needed
        self._absences = parse_absences(absences)
        away = churn / (churn + _RETURN)
        # who has not left by chance: the link of the chain that the next round hangs on
        self._stayed = self._filled(self._draws(0, clients) >= away, self._draws(0, clients))
        self._rounds = [self._less_absent(0)]
        self._epochs = [0]

    def until(self, number: int) -> tuple[int, NDArray[np.bool_]]:
        """The epoch and who is there in round `number`."""
        while len(self._rounds) <= number:
            draws = self._draws(len(self._rounds), len(self._stayed))
            self._stayed = self._filled(np.where(self._stayed, draws >= self._churn, draws < _RETURN), draws)
            there = self._less_absent(len(self._rounds))
            self._epochs.append(self._epochs[-1] + int(not np.array_equal(there, self._rounds[-1])))
            self._rounds.append(there)
        return self._epochs[number], self._rounds[number]

    def _less_absent(self, number: int) -> NDArray[np.bool_]:
        there = self._stayed.copy()
        there[[absence.client - 1 for absence in self._absences if absence.covers(number)]] = False
        return there

    def _draws(self, number: int, clients: int) -> NDArray[np.float64]:
        return generator(self._seed, "churn", number).random(clients)

    def _filled(self, there: NDArray[np.bool_], draws: NDArray[np.float64]) -> NDArray[np.bool_]:
        missing = self._needed - int(there.sum())
        if missing > 0:
            away = np.flatnonzero(~there)
            there[away[np.argsort(-draws[away], kind="stable")[:missing]]] = True
        return there


@lru_cache(maxsize=8)
def _history(seed: int, clients: int, churn: float, needed: int, absences: str) -> _History:
    return _History(seed, clients, churn, needed, absences)
