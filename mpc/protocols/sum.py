"""The sum of everybody's number, and nothing else: the smallest protocol there is.

    everyone splits its number into random parts, one a party --> everyone adds the parts it got
    --> the partial sums are exchanged and added

Leakage: the sum; to n - 1 colluding parties nothing more than their own numbers and the sum tell anyway.
Assumes: parties follow the protocol; a party that lies changes the sum by as much, unnoticed.
"""

from collections.abc import Generator

from mpc.errors import FaultyParty, ParameterError
from mpc.prg import Stream
from mpc.runtime.types import Inbox, Outbox
from mpc.wire import receive

__all__ = ["private_sum"]


def private_sum(
    me: int, parties: tuple[int, ...], value: int, randomness: Stream, modulus: int = 2**64
) -> Generator[Outbox, Inbox, int]:
    """The sum of all parties' values, as a signed number. Two rounds.

    Units: integers; exact while the sum lies in [-modulus / 2, modulus / 2).
    Raises: ParameterError for a value that cannot be represented; FaultyParty for a malformed message.
    """
    if not -modulus // 2 <= value < modulus // 2:
        raise ParameterError(f"{value} does not lie in [-{modulus // 2}, {modulus // 2})")
    size = ((modulus - 1).bit_length() + 7) // 8
    others = [party for party in parties if party != me]
    parts = dict(zip(others, randomness.integers_below(modulus, len(others)), strict=True))
    partial = (value - sum(parts.values())) % modulus

    inbox = yield {party: part.to_bytes(size, "big") for party, part in parts.items()}
    partial = (partial + sum(_residue(inbox, party, size, modulus) for party in others)) % modulus

    inbox = yield dict.fromkeys(others, partial.to_bytes(size, "big"))
    total = (partial + sum(_residue(inbox, party, size, modulus) for party in others)) % modulus
    return total - modulus if total >= modulus // 2 else total


def _residue(inbox: Inbox, party: int, size: int, modulus: int) -> int:
    data = receive(inbox, party)
    if len(data) != size or (residue := int.from_bytes(data, "big")) >= modulus:
        raise FaultyParty(party, f"sent {len(data)} bytes that are no number below the modulus")
    return residue
