"""Who has spent how much: a client's own ledger, and the same sum made by a stranger from public data.

A client writes the entry down before its message leaves, so a crash never forgets a release. The same message sent again
after a restart is the same release; another message in the same round is another one.
"""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass

from fl.privacy.guarantee import Guarantee
from fl.privacy.noise import Noise
from mpc.errors import DecodeError, EppmlError, ParameterError
from mpc.json_text import read_json

__all__ = ["Budget", "BudgetExceeded", "check"]

_FORMAT = "eppml-privacy-budget-1"
_MAX_BYTES = 32 << 20


class BudgetExceeded(EppmlError):
    """One more release would cost more than the plan promises."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What one client has released under one plan; immutable, so what is on disk is what counts.

    `plan` is the plan's SHA-256, `releases` pairs of a round and the SHA-256 of the message sent in it, both
    hexadecimal, in the order of release.
    """

    plan: str
    client: int
    releases: tuple[tuple[int, str], ...] = ()

    def spend(self, noise: Noise, round: int, message: bytes, planned: int = 0) -> "Budget":
        """The budget after `message` leaves in `round`; write it to disk before sending.

        `planned` is how many releases the plan has in all: while these are within the promise so is every part of
        them, which saves pricing each part by itself.
        Raises: BudgetExceeded when the promise of the plan does not allow it: the client then sits the round out.
        """
        entry = (round, hashlib.sha256(message).hexdigest())
        if entry in self.releases:
            return self
        after = Budget(self.plan, self.client, (*self.releases, entry))
        promised = noise.terms.epsilon
        if len(after.releases) <= planned and noise.spent(planned) <= promised:
            return after
        cost = noise.spent(len(after.releases))
        if cost > promised:
            raise BudgetExceeded(
                f"client {self.client} has spent epsilon {noise.spent(len(self.releases)):.3f} of {promised:g} in "
                f"{len(self.releases)} releases; round {round} would bring it to {cost:.3f}"
            )
        return after

    def guarantee(self, noise: Noise) -> Guarantee:
        """What the releases so far promise."""
        return noise.guarantee(len(self.releases))

    def to_bytes(self) -> bytes:
        body = {
            "format": _FORMAT,
            "plan": self.plan,
            "client": self.client,
            "releases": [list(entry) for entry in self.releases],
        }
        return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Budget":
        """Raises: DecodeError unless `data` is one canonical budget."""
        try:
            body = read_json(data, max_bytes=_MAX_BYTES)
            if not isinstance(body, dict) or body.pop("format", None) != _FORMAT:
                raise DecodeError(f"not an {_FORMAT} document")
            releases = tuple((round, digest) for round, digest in body.pop("releases"))
            budget = cls(releases=releases, **body)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DecodeError(f"malformed privacy budget: {error}") from error
        well_typed = (
            type(budget.plan) is str
            and type(budget.client) is int
            and all(type(r) is int and r >= 0 and type(d) is str and len(d) == 64 for r, d in budget.releases)
        )
        if not well_typed or len(set(budget.releases)) != len(budget.releases) or budget.to_bytes() != data:
            raise DecodeError("the privacy budget's bytes are not canonical")
        return budget


def check(noise: Noise, rounds: Collection[int]) -> Guarantee:
    """What a client's part in `rounds`, as the ledger shows it, comes to; for an auditor, who needs public data only.

    Raises: BudgetExceeded when it is more than the plan promises; ParameterError for a round that is named twice,
        since one round opens one sum.
    """
    if len(set(rounds)) != len(rounds):
        raise ParameterError("a round is named twice: one round opens one sum")
    guarantee = noise.guarantee(len(rounds))
    if guarantee.epsilon > noise.terms.epsilon:
        raise BudgetExceeded(
            f"taking part in {len(rounds)} rounds costs epsilon {guarantee.epsilon:.3f}, more than the promised "
            f"{noise.terms.epsilon:g}"
        )
    return guarantee
