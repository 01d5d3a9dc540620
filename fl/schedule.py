"""Who is a member, who trains, and on how old a model: functions of the terms and the round, the same for everybody.

Members leave, stay away and come back (some join only later) as the public seed says. Each change of the member set
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
from fl.seeds import generator
from mpc.errors import ParameterError

__all__ = ["Membership", "membership", "staleness", "stale_weight", "taking_part"]

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
    chance of one half; in the first round as many are away as in the long run. There are never fewer members than
    `aggregation.min_clients`: those who would leave last stay.
    Raises: ParameterError for a negative round.

    >>> from fl.plan import load_terms
    >>> membership(load_terms("digits", {"clients": 4}), 7)
    Membership(epoch=0, members=(1, 2, 3, 4))
    """
    if number < 0:
        raise ParameterError(f"rounds count from 0, got {number}")
    everyone = tuple(range(1, terms.clients + 1))
    churn = terms.participation.churn
    if not churn:
        return Membership(0, everyone)
    history = _history(terms.seed, terms.clients, churn, terms.aggregation.min_clients)
    epoch, there = history.until(number)
    return Membership(epoch, tuple(int(client) for client in np.flatnonzero(there) + 1))


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

    def __init__(self, seed: int, clients: int, churn: float, needed: int) -> None:
        self._seed, self._churn, self._needed = seed, churn, needed
        away = churn / (churn + _RETURN)
        self._rounds = [self._filled(self._draws(0, clients) >= away, self._draws(0, clients))]
        self._epochs = [0]

    def until(self, number: int) -> tuple[int, NDArray[np.bool_]]:
        """The epoch and who is there in round `number`."""
        while len(self._rounds) <= number:
            before = self._rounds[-1]
            draws = self._draws(len(self._rounds), len(before))
            there = self._filled(np.where(before, draws >= self._churn, draws < _RETURN), draws)
            self._epochs.append(self._epochs[-1] + int(not np.array_equal(there, before)))
            self._rounds.append(there)
        return self._epochs[number], self._rounds[number]

    def _draws(self, number: int, clients: int) -> NDArray[np.float64]:
        return generator(self._seed, "churn", number).random(clients)

    def _filled(self, there: NDArray[np.bool_], draws: NDArray[np.float64]) -> NDArray[np.bool_]:
        missing = self._needed - int(there.sum())
        if missing > 0:
            away = np.flatnonzero(~there)
            there[away[np.argsort(-draws[away], kind="stable")[:missing]]] = True
        return there


@lru_cache(maxsize=8)
def _history(seed: int, clients: int, churn: float, needed: int) -> _History:
    return _History(seed, clients, churn, needed)
