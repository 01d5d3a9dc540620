"""Reconstruction that corrects wrong shares and names who sent them.

n shares of a polynomial of degree below `needed` form a Reed-Solomon codeword: up to (n - needed) / 2 wrong
ones are found. For arrays, one random linear combination of all elements finds the culprits (a wrong share
escapes with probability 1 / p), and the rest is a plain, vectorised reconstruction.

Source: McEliece and Sarwate, CACM 24(9), 1981.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mpc import packed, shamir
from mpc.domain import Elements
from mpc.errors import NotEnoughParties, ParameterError, ProtocolError
from mpc.prg import Stream
from mpc.reed_solomon import decode
from mpc.shares import Scheme, Share, check_together, stacked

__all__ = ["Recovered", "reconstruct", "reconstruct_secret"]


@dataclass(frozen=True, slots=True)
class Recovered:
    """A secret, and the parties whose shares were wrong."""

    secret: Elements = field(repr=False)
    faulty: tuple[int, ...]


def reconstruct_secret(
    shares: Mapping[int, int], needed: int, modulus: int = shamir.KEY_FIELD
) -> tuple[int, tuple[int, ...]]:
    """One integer behind shares by point, and the points whose shares were wrong: `shamir`'s, made robust."""
    message, wrong = decode(shares, needed, modulus)
    return message[0], wrong


def reconstruct(shares: Sequence[Share], randomness: Stream, rounds: int = 2) -> Recovered:
    """The secret behind Shamir or packed shares, and the parties whose shares are wrong.

    A share whose header differs from most is wrong too. `randomness` must not be known when the shares are
    sent: it picks the linear combinations, `rounds` of them, and a wrong share escapes all with probability
    p^-rounds.

    Raises: NotEnoughParties below the threshold; ProtocolError when more than (n - needed) / 2 shares are
        wrong; ParameterError for another scheme.
    """
    kin, strangers = _majority(shares)
    scheme = kin[0].scheme
    if scheme not in (Scheme.SHAMIR, Scheme.PACKED):
        raise ParameterError(f"{scheme.name.lower()} shares carry no redundancy to correct errors with")
    ordered = check_together(kin, scheme)
    needed = ordered[0].threshold.needed
    prime = shamir.prime_field(ordered[0].values)
    rows = stacked(ordered)
    faulty = {s.index for s in strangers}
    if rows.shape[1]:
        factors = prime.random((rows.shape[1], rounds), randomness)
        for column in prime.matmul(rows, factors).T:
            combined = {s.index: int(v) for s, v in zip(ordered, column, strict=True)}
            faulty |= set(decode(combined, needed, prime.modulus)[1])
    good = [s for s in ordered if s.index not in faulty]
    if len(good) < needed:
        raise ProtocolError(f"only {len(good)} right shares are left, {needed} are needed")
    secret = (shamir if scheme is Scheme.SHAMIR else packed).reconstruct(good)
    return Recovered(secret, tuple(sorted(faulty)))


def _majority(shares: Sequence[Share]) -> tuple[list[Share], list[Share]]:
    """The largest group of shares that belong together, and the others."""
    if not shares:
        raise NotEnoughParties("there are no shares")
    groups: list[list[Share]] = []
    for s in shares:
        for group in groups:
            if group[0].is_kin(s):
                group.append(s)
                break
        else:
            groups.append([s])
    largest = max(groups, key=len)
    return largest, [s for s in shares if not any(s is kin for kin in largest)]
