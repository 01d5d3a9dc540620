"""A budget in whole units, shared out exactly."""

from collections.abc import Mapping
from fractions import Fraction
from math import isfinite

from mpc.errors import ParameterError

__all__ = ["split"]


def split(budget: int, worth: Mapping[int, float]) -> dict[int, int]:
    """Shares in proportion to `worth`; what is negative counts as nothing. All of the budget is paid, or none of it.

    Each share is rounded down, then the units that are left go to the largest remainders, the smaller number first among
    equals. Nothing is paid when nobody was worth anything: the sponsor keeps the round's budget. Arithmetic is exact, so
    an auditor gets the same shares from the same worths.

    Units: wei, or units of the plan's token.
    Raises: ParameterError for a negative budget or a worth that is not finite.

    >>> split(100, {1: 1.0, 2: 1.0, 3: 1.0, 4: -5.0})
    {1: 34, 2: 33, 3: 33, 4: 0}
    """
    if budget < 0:
        raise ParameterError(f"a budget cannot be negative, got {budget}")
    if not all(isfinite(value) for value in worth.values()):
        raise ParameterError("a client's worth must be a finite number")
    exact = {client: max(Fraction(value), Fraction(0)) for client, value in worth.items()}
    total = sum(exact.values())
    if not total:
        return dict.fromkeys(worth, 0)
    due = {client: budget * value / total for client, value in exact.items()}
    shares = {client: int(value) for client, value in due.items()}
    left = budget - sum(shares.values())
    for client in sorted(due, key=lambda client: (shares[client] - due[client], client))[:left]:
        shares[client] += 1
    return shares
