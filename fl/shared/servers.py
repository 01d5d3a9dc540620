"""A server's side of a round, and the dealer's: help with each sum that may be opened, each session once.

    1  client       -> servers      its parts
    2  servers      -> servers      which call, which clients, which earlier rounds, and under `replicated` whether copies
                                    agree
    3  server       -> dealer       a digest of what it holds, where two servers compute; the dealer answers with triples
    4  servers      -> servers      the rule's rounds (see `screening`)
    5  server       -> coordinator  its share of the sum over those who are left, signed

Everything random is derived from a party's secrets, so that a round that is repeated repeats its messages, and from
what it holds: masks that were used on one set of updates and old scores are never used on another.

What a server remembers of a round (`fl.scores`) is its protocol's result. One that failed in a round remembers nothing of
it, and then the others leave that round out as well: shares of a score are of use to all servers together or to none.

A server that fails says so to the coordinator, which then gives the sum up; whoever only falls silent is noticed by
those who wait for it.
"""

import hashlib
from collections.abc import Generator, Mapping
from dataclasses import replace

import numpy as np

from fl.member import MemberSecrets
from fl.scores import Scored
from fl.setting import COORDINATOR, RoundSetting
from fl.shared.form import Form, Part, digest, read_parts
from fl.shared.screening import form_of, has_dealer, recipe_of_call, screen
from fl.shared.statement import Statement
from fl.sums import CallJudge, SumCall
from mpc.errors import DecodeError, FaultyParty, NotEnoughParties, ParameterError, ProtocolError
from mpc.runtime import Inbox, Outbox
from mpc.triples import Allotment, DealtSource, Source, deal
from mpc.wire import receive
from zk.field import R

__all__ = ["FAILED", "dealer_of", "server_round", "servers_of"]

FAILED = b"EPSF"
"""How a server's message begins when it could not help with a sum; the reason follows."""

_DIGEST = 32
_PATIENCE = 16
"""Rounds after which servers that have not asked for triples never will."""


def servers_of(setting: RoundSetting) -> tuple[int, ...]:
    """The servers' party numbers."""
    return setting.committee_parties[: setting.plan.terms.aggregation.servers]


def dealer_of(setting: RoundSetting) -> int | None:
    """The dealer's party number, where the rule needs one."""
    terms = setting.plan.terms
    if not has_dealer(terms.robustness.rule, terms.aggregation.servers):
        return None
    return setting.committee_parties[terms.aggregation.servers]


def server_round(
    setting: RoundSetting, party: int, secrets: MemberSecrets
) -> Generator[Outbox, Inbox, Scored | None]:
    """One round of a server, or of the dealer; what it has to remember, if the rule remembers anything.

    Leakage: what the rule reveals (see `screening.LEAKAGE`), and who was in the sums; to the dealer, the calls alone.
    """
    judge = CallJudge(setting.plan.terms.aggregation.min_clients)
    outbox: Outbox = {}
    scored: Scored | None = None
    while True:
        inbox = yield outbox
        outbox = {}
        if COORDINATOR not in inbox:
            continue
        try:
            call = SumCall.from_bytes(inbox[COORDINATOR])
            if not call.group:
                return scored
            judge.admit(call)
            if not set(call.group) <= set(setting.members):
                raise FaultyParty(COORDINATOR, "called for a sum over clients that do not take part")
            if party == dealer_of(setting):
                outbox = yield from _deal(setting, call, secrets)
                continue
            said, notes = yield from _serve(setting, call, party, secrets)
            session = call.session(setting.plan_hash, setting.number)
            outbox = {COORDINATOR: said.sign(form_of(setting, call), session, secrets.identity)}
            if call.stage == 0:
                judge.settle(said.included)
                scored = notes
        except (ProtocolError, ParameterError, DecodeError) as error:
            # this sum failed, others of the round may not; the coordinator says what comes next
            outbox = {COORDINATOR: FAILED + str(error).encode()[:200]}


def _deal(setting: RoundSetting, call: SumCall, secrets: MemberSecrets) -> Generator[Outbox, Inbox, Outbox]:
    """Triples for a call that needs them, once both servers have said what they will use them on."""
    if call.stage:
        return {}
    servers = servers_of(setting)
    digests: dict[int, bytes] = {}
    for _ in range(_PATIENCE):
        inbox = yield {}
        digests |= {server: inbox[server] for server in servers if server in inbox}
        if len(digests) == len(servers):
            break
    else:
        raise NotEnoughParties("not all servers asked for triples")
    for server in servers:
        if len(digests[server]) != _DIGEST:
            raise FaultyParty(server, "asks for triples with no digest")
    session = call.session(setting.plan_hash, setting.number)
    randomness = secrets.sum_randomness(session, b"dealer" + b"".join(digests[server] for server in servers))
    allotments = deal(recipe_of_call(setting, call, servers), servers, randomness)
    return {server: allotment.to_bytes() for server, allotment in allotments.items()}


def _serve(
    setting: RoundSetting, call: SumCall, party: int, secrets: MemberSecrets
) -> Generator[Outbox, Inbox, tuple[Statement, Scored | None]]:
    servers, form, statement = servers_of(setting), form_of(setting, call), setting.statement
    place = servers.index(party)
    inbox = yield {}
    held: dict[int, tuple[Part, ...]] = {}
    for client in call.group:
        data = inbox.get(client, b"")
        parts = read_parts(form, client, data, place, len(servers), statement.dim, statement.chunks)
        if parts is not None:
            held[client] = parts
    present, rounds = yield from _agree(setting, call, party, servers, form, held)
    held = {client: held[client] for client in present}
    setting = replace(setting, past={number: setting.past[number] for number in rounds})
    holding = _holding(held, setting.past)
    source = yield from _source(setting, call, party, servers, holding)
    session = call.session(setting.plan_hash, setting.number)
    randomness = secrets.sum_randomness(session, b"server" + holding)
    refused, scored = yield from screen(setting, call, party, servers, held, source, randomness)
    included = tuple(client for client in present if client not in refused)
    fewest = call.fewest(setting.plan.terms.aggregation.min_clients)
    if len(included) < fewest:
        raise NotEnoughParties(f"{len(included)} clients' updates are left, {fewest} are needed")
    return _add(form, included, refused, held), scored


def _add(
    form: Form, included: tuple[int, ...], refused: dict[int, str], held: Mapping[int, tuple[Part, ...]]
) -> Statement:
    sums = []
    for copy in range(form.copies):
        parts = [held[client][copy] for client in included]
        scalars = [sum(column) % R for column in zip(*(part.scalars for part in parts), strict=True)]
        sums.append(Part(form.total([part.words for part in parts]), scalars))
    second = digest(sums[1]) if form.copies == 2 else bytes(_DIGEST)
    return Statement(included, refused, sums[0].words, sums[0].scalars, second)


def _holding(held: Mapping[int, tuple[Part, ...]], past: Mapping[int, Scored]) -> bytes:
    """A digest of all parts that a server holds, and of whom, and of its shares of old scores."""
    hashed = hashlib.sha256(b"eppml/holding/2" + len(held).to_bytes(4, "big"))
    for client, parts in sorted(held.items()):
        hashed.update(client.to_bytes(4, "big") + b"".join(digest(part) for part in parts))
    for number, scored in sorted(past.items()):
        clients = np.array(scored.clients, dtype=">u4").tobytes()
        head = number.to_bytes(4, "big") + len(scored.clients).to_bytes(4, "big")
        hashed.update(head + clients + scored.values.astype("<u8").tobytes())
    return hashed.digest()


def _source(
    setting: RoundSetting, call: SumCall, party: int, servers: tuple[int, ...], holding: bytes
) -> Generator[Outbox, Inbox, Source | None]:
    """Ask the dealer, where there is one. Raises: FaultyParty naming it for nothing, or something else."""
    dealer = dealer_of(setting)
    if dealer is None or call.stage:
        return None
    recipe = recipe_of_call(setting, call, servers)
    yield {dealer: holding}
    inbox = yield {}
    try:
        return DealtSource(Allotment.from_bytes(receive(inbox, dealer), recipe, last=party == servers[-1]))
    except DecodeError as error:
        raise FaultyParty(dealer, str(error)) from None


def _agree(
    setting: RoundSetting,
    call: SumCall,
    party: int,
    servers: tuple[int, ...],
    form: Form,
    held: Mapping[int, tuple[Part, ...]],
) -> Generator[Outbox, Inbox, tuple[tuple[int, ...], tuple[int, ...]]]:
    """The clients whose parts every server holds, and equal copies of; and the earlier rounds that every server remembers.

    One round, with copies two.

    Raises: FaultyParty for the coordinator when it called servers for different sums, or a server that sends nonsense.
    """
    others = [server for server in servers if server != party]
    session = call.session(setting.plan_hash, setting.number)
    fine = [client in held for client in call.group]
    if form.copies == 2:
        place = servers.index(party)
        after, before = servers[(place + 1) % 3], servers[place - 1]
        nothing = bytes(_DIGEST)
        second = [digest(held[c][1]) if c in held else nothing for c in call.group]
        inbox = yield {after: b"".join(second)}
        theirs = receive(inbox, before)
        if len(theirs) != _DIGEST * len(call.group):
            raise FaultyParty(before, f"sent {len(theirs)} bytes of digests")
        first = [digest(held[c][0]) if c in held else b"" for c in call.group]
        fine = [mine == theirs[_DIGEST * i : _DIGEST * (i + 1)] for i, mine in enumerate(first)]
    fine = [number in setting.past for number in range(setting.number)] + fine
    inbox = yield dict.fromkeys(others, session + bytes(fine))
    votes = [fine]
    for server in others:
        data = receive(inbox, server)
        if len(data) > _DIGEST and data[:_DIGEST] != session:
            raise FaultyParty(COORDINATOR, f"called servers {party} and {server} for different sums")
        vote = data[_DIGEST:]
        if len(vote) != len(fine) or vote.strip(b"\0\1"):
            raise FaultyParty(server, "its verdicts about the clients are none")
        votes.append([bool(bit) for bit in vote])
    everybody = np.logical_and.reduce(votes)
    rounds = tuple(np.flatnonzero(everybody[: setting.number]).tolist())
    there = everybody[setting.number :]
    return tuple(client for client, both in zip(call.group, there, strict=True) if both), rounds
