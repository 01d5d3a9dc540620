"""Everybody that one machine plays in a run: coordinator, clients and, for Paillier, the committee, with their secrets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fl.member import MemberSecrets
from fl.plan import Terms
from fl.rundir import RunDirectory, RunDirectoryError
from fl.shared.screening import has_dealer
from he.threshold import KeyShare, ThresholdKey, deal
from mpc.errors import DecodeError
from mpc.prg import Stream

__all__ = ["CommitteeSecrets", "Parties", "gather_parties", "members_of_committee"]

_ROOTS, _SHARES = "secrets.json", "committee.json"


@dataclass(frozen=True)
class CommitteeSecrets:
    """The members of the committee and their shares of its key; servers that hold shares of updates have no key."""

    members: tuple[MemberSecrets, ...] = field(repr=False)
    shares: tuple[KeyShare, ...] = field(default=(), repr=False)

    @property
    def key(self) -> ThresholdKey:
        return self.shares[0].key


@dataclass(frozen=True)
class Parties:
    """`clients` are keyed by their party numbers, from 1."""

    coordinator: MemberSecrets
    clients: dict[int, MemberSecrets]
    committee: CommitteeSecrets | None


def gather_parties(directory: RunDirectory, terms: Terms, tell: Callable[[str], None]) -> Parties:
    """The parties of the run in `directory`: their secrets are drawn at the first start, before anything is signed.

    Raises: RunDirectoryError when the files that hold them are damaged.
    """
    members = members_of_committee(terms)
    coordinator, *others = _roots(directory, 1 + terms.clients + members)
    committee = None
    if terms.aggregation.mode == "paillier":
        committee = _committee(directory, terms, others[terms.clients :], tell)
    elif members:
        committee = CommitteeSecrets(tuple(others[terms.clients :]))
    return Parties(coordinator, dict(enumerate(others[: terms.clients], start=1)), committee)


def members_of_committee(terms: Terms) -> int:
    """How many parties there are beside coordinator and clients."""
    if terms.aggregation.mode == "paillier":
        return terms.committee.members
    if terms.aggregation.mode == "shares":
        return terms.aggregation.servers + has_dealer(terms.robustness.rule, terms.aggregation.servers)
    return 0


def _roots(directory: RunDirectory, count: int) -> list[MemberSecrets]:
    if not (directory.path / _ROOTS).is_file():
        drawn = [Stream.from_os(b"eppml/member").bytes(32).hex() for _ in range(count)]
        directory.write_json(_ROOTS, {"roots": drawn}, private=True)
    try:
        roots = [bytes.fromhex(text) for text in directory.read_json(_ROOTS)["roots"]]
    except (KeyError, TypeError, ValueError) as error:
        raise RunDirectoryError(f"{directory.path / _ROOTS} is damaged") from error
    if len(roots) != count:
        raise RunDirectoryError(f"{directory.path / _ROOTS} holds the secrets of another number of parties")
    return [MemberSecrets(root) for root in roots]


def _committee(
    directory: RunDirectory, terms: Terms, members: Sequence[MemberSecrets], tell: Callable[[str], None]
) -> CommitteeSecrets:
    """The committee and its key. This process deals it and is trusted to forget; the receipt says so."""
    if not (directory.path / _SHARES).is_file():
        tell(f"dealing the committee's {terms.committee.bits}-bit key")
        _, dealt = deal(
            terms.committee.needed,
            terms.committee.members,
            min_contributions=terms.aggregation.min_clients,
            bits=terms.committee.bits,
            stream=Stream.from_os(b"eppml/committee"),
        )
        directory.write_json(_SHARES, {"shares": [share.to_bytes().hex() for share in dealt]}, private=True)
    try:
        shares = [KeyShare.from_bytes(bytes.fromhex(text)) for text in directory.read_json(_SHARES)["shares"]]
    except (KeyError, TypeError, ValueError, DecodeError) as error:
        raise RunDirectoryError(f"{directory.path / _SHARES} is damaged") from error
    return CommitteeSecrets(tuple(members), tuple(shares))
