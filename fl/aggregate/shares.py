"""Updates shared among two or three servers, which can look at one without seeing it (`fl.shared`).

    client      its parts to the servers                              servers   who is there, the plan's rule, their sums
    coordinator the servers' signed shares of the sum, added up       audit     the same again, from what they signed

What is bound: the sum to the commitments of exactly the clients it counts, as in every mode, so a client that shares
something else than it committed to makes the sum differ and is searched for by groups. Each server's statement is
signed: all must name the same clients, and their shares must add up to what was opened.
What is not: that the servers judged as the rule says. With three servers that compute on two parts each (every rule but
`none`), one server that adds a wrong share contradicts its neighbour's digest and the sum is given up; otherwise a
server's lie looks like a client's, and the search for liars then blames the innocent: the mode assumes that servers
follow the protocol.

Leakage: to the servers what `screening.LEAKAGE` says; to coordinator and public the sum, and who was left out.
Assumes: not all servers collude, under a rule with three servers no two of them; they follow the protocol.
"""

from collections.abc import Generator, Mapping

from fl.aggregate.contribution import Contribution
from fl.member import MemberSecrets
from fl.setting import COORDINATOR, RoundSetting
from fl.shared.form import Form, Part, digest, split
from fl.shared.screening import form_of
from fl.shared.servers import FAILED, servers_of
from fl.shared.statement import Statement
from fl.sums import Sum, SumCall
from mpc.errors import DecodeError, FaultyParty, PartyTimeout, ProofRejected, ProtocolError
from mpc.runtime import Inbox, Outbox, Protocol
from mpc.runtime.bundles import bundle, unbundle
from zk.field import R

__all__ = ["SharesAggregation", "audit_statements"]

_MOST_ROUNDS = 5_000
"""No rule takes as many: a server that has not answered by then never will."""

_STRAGGLE = 16
"""Rounds in which the others notice that a server has failed, and say so."""


class SharesAggregation:
    """Keeps the servers' signed statements as evidence."""

    clients_judge = False

    def client(
        self,
        setting: RoundSetting,
        index: int,
        secrets: MemberSecrets,
        call: SumCall,
        contribution: Contribution,
    ) -> Protocol[None]:
        session = call.session(setting.plan_hash, setting.number)
        randomness = secrets.sum_randomness(session, contribution.values.tobytes())
        form, servers = form_of(setting, call), servers_of(setting)
        yield split(form, contribution.values, contribution.blinding, servers, randomness)

    def coordinator(self, setting: RoundSetting, call: SumCall) -> Protocol[Sum]:
        said = yield from _collect(servers_of(setting))
        return _add_up(setting, call, said)


def audit_statements(setting: RoundSetting, call: SumCall, evidence: bytes) -> Sum:
    """The sum that the servers' statements add up to, for an auditor, who compares it with what was opened.

    Raises: DecodeError, ProofRejected or ProtocolError when they are malformed, not theirs, or contradict each other.
    """
    return _add_up(setting, call, unbundle(evidence))


def _collect(servers: tuple[int, ...]) -> Generator[Outbox, Inbox, dict[int, bytes]]:
    """What every server says. Raises: PartyTimeout for one that says nothing; ProtocolError when one has failed."""
    said: dict[int, bytes] = {}
    last = _MOST_ROUNDS
    number = 0
    while len(said) < len(servers) and number < last:
        inbox = yield {}
        number += 1
        fresh = {server: inbox[server] for server in servers if server in inbox and server not in said}
        if fresh and not said:
            last = number + _STRAGGLE
        said |= fresh
    for server in servers:
        if said.get(server, b"").startswith(FAILED):
            raise ProtocolError(f"server {server}: {said[server][len(FAILED) :].decode(errors='replace')}")
    for server in servers:
        if server not in said:
            raise PartyTimeout(server, "sent no share of the sum")
    return said


def _add_up(setting: RoundSetting, call: SumCall, said: Mapping[int, bytes]) -> Sum:
    servers, form = servers_of(setting), form_of(setting, call)
    session, statement = call.session(setting.plan_hash, setting.number), setting.statement
    if tuple(said) != servers:
        raise DecodeError("these are not the statements of the plan's servers")
    statements = []
    for server in servers:
        try:
            statements.append(
                Statement.read(
                    said[server], form, statement.dim, statement.chunks, session, setting.identities[server]
                )
            )
        except (DecodeError, ProofRejected) as error:
            raise FaultyParty(server, str(error)) from error
    first = statements[0]
    for server, other in zip(servers, statements, strict=True):
        if (other.included, other.refused) != (first.included, first.refused):
            raise FaultyParty(server, f"names other clients than server {servers[0]}")
    if not set(first.included) <= set(call.group):
        raise FaultyParty(COORDINATOR, "the servers added clients that were not called")
    if form is Form.REPLICATED:
        _compare_copies(servers, statements)
    words = form.total([said.words for said in statements])
    blinding = [sum(column) % R for column in zip(*(said.scalars for said in statements), strict=True)]
    return Sum(form.signed(words), blinding, first.included, bundle(dict(said)), first.refused)


def _compare_copies(servers: tuple[int, ...], statements: list[Statement]) -> None:
    """Raises: ProtocolError where two holders of one part disagree about its sum: one of them lies."""
    for place, server in enumerate(servers):
        after = (place + 1) % 3
        if digest(Part(statements[after].words, statements[after].scalars)) != statements[place].second:
            raise ProtocolError(
                f"servers {server} and {servers[after]} disagree about a sum: one of them lies"
            )
