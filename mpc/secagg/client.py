"""The client's side of secure aggregation.

It trusts the server with nothing but forwarding: keys are signed by the clients' identities, a list of
survivors counts only once a quorum signed it, and for each peer one kind of share leaves this machine.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from mpc.errors import DecodeError, FaultyParty, NotEnoughParties, ParameterError, PartyTimeout
from mpc.prg import Stream
from mpc.secagg.graph import draw_neighbours, mask_sign
from mpc.secagg.identity import IdentityKey, PublicIdentity
from mpc.secagg.keys import (
    AgreementKey,
    RunKeys,
    commit_seed,
    open_sealed,
    own_mask_key,
    pair_mask_key,
    seal,
)
from mpc.secagg.masks import Accumulator, check_vector
from mpc.secagg.messages import (
    Advert,
    Agreement,
    Dealing,
    Delivery,
    Masked,
    Reveal,
    Roster,
    Sealed,
    Survivors,
    encode_indices,
)
from mpc.secagg.parameters import Parameters
from mpc.shamir import share_secret

if TYPE_CHECKING:
    from mpc.runtime.types import Inbox, Outbox, Protocol

__all__ = ["SERVER", "ClientReport", "client", "run_view"]

SERVER = 0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ClientReport:
    """What one client saw: who was in the sum, with whom it masked, whose shares did not open."""

    included: tuple[int, ...]
    masked_with: tuple[int, ...]
    accused: dict[int, str]


@dataclass(slots=True)
class _Client:
    me: int
    params: Parameters
    identity: IdentityKey = field(repr=False)
    identities: Mapping[int, PublicIdentity]
    randomness: Stream
    keys: RunKeys = field(init=False, repr=False)
    channel: AgreementKey = field(init=False)
    masking: AgreementKey = field(init=False)
    channels: dict[int, bytes] = field(default_factory=dict, repr=False)
    advert: Advert = field(init=False)
    roster: Mapping[int, Advert] = field(init=False)
    view: bytes = field(init=False)
    drawn: tuple[int, ...] = field(init=False)
    verified: set[int] = field(default_factory=set)
    dealers: tuple[int, ...] = field(init=False)
    held: dict[int, tuple[int, int]] = field(default_factory=dict, repr=False)
    accused: dict[int, str] = field(default_factory=dict)
    masked_with: tuple[int, ...] = ()

    def advertise(self) -> bytes:
        self.keys = keys = RunKeys.generate(self.randomness.derive("keys", self.params.context))
        self.channel, self.masking = AgreementKey(keys.channel), AgreementKey(keys.mask)
        seed = commit_seed(self.params.context, self.me, keys.seed)
        unsigned = Advert(self.channel.public, self.masking.public, seed, b"")
        signature = self.identity.sign(Advert.PURPOSE, self.params.context, unsigned.body(self.me))
        self.advert = replace(unsigned, signature=signature)
        return self.advert.to_bytes()

    def deal(self, data: bytes) -> bytes:
        """Check the roster, draw neighbours and share both secrets among them."""
        self.roster = Roster.from_bytes(data, self.params).adverts
        if not set(self.roster) <= set(self.params.clients) or self.roster.get(self.me) != self.advert:
            raise FaultyParty(SERVER, "its roster names strangers, or other keys of mine")
        self.view = run_view(self.params, data)
        self.drawn = draw_neighbours(
            self.me, self.roster, self.params, self.randomness.derive("neighbours", self.view)
        )
        stream = self.randomness.derive("shares", self.view)
        seed_shares, key_shares = (
            share_secret(int.from_bytes(secret, "big"), self.params.threshold, self.drawn, stream)
            for secret in (self.keys.seed, self.keys.mask)
        )
        shares = {}
        for j in self.drawn:
            self._verify(j)
            shares[j] = seal(self._channel_to(j), self.view, self.me, j, seed_shares[j], key_shares[j])
        dealing = Dealing(shares, b"")
        return Dealing(shares, self.identity.sign(Dealing.PURPOSE, self.view, dealing.body())).to_bytes()

    def _verify(self, j: int) -> None:
        if j in self.verified:
            return
        if not self.identities[j].is_valid(
            self.roster[j].signature, Advert.PURPOSE, self.params.context, self.roster[j].body(j)
        ):
            raise FaultyParty(SERVER, f"it passed on keys for client {j} that client {j} did not sign")
        self.verified.add(j)

    def _channel_to(self, j: int) -> bytes:
        if j not in self.channels:
            self.channels[j] = self._agree(j, self.channel, self.roster[j].channel)
        return self.channels[j]

    def _agree(self, j: int, mine: AgreementKey, public: bytes) -> bytes:
        try:
            return mine.agree(public)
        except DecodeError as error:
            raise FaultyParty(j, f"signed a key that is {error}") from None

    def mask(self, data: bytes, values: npt.NDArray[np.int64], field_values: Sequence[int]) -> bytes:
        """Open the shares meant for this client, and mask the vector."""
        delivery = Delivery.from_bytes(data, self.params)
        self.dealers = delivery.dealers
        dealers = set(self.dealers)
        if self.me not in dealers or not dealers <= set(self.roster) or not set(delivery.shares) <= dealers:
            raise FaultyParty(SERVER, "its list of dealers leaves me out, or names strangers")
        if self.me in delivery.shares:
            raise FaultyParty(SERVER, "it sent me a share of my own secrets")
        if sum(j in dealers for j in self.drawn) < self.params.threshold:
            raise NotEnoughParties("too few of my neighbours are left to recover my masks")
        self._enough(dealers)
        for j, sealed in delivery.shares.items():
            self._verify(j)
            self._receive(j, sealed)
        self.masked_with = tuple(sorted((set(self.drawn) & dealers) | set(delivery.shares)))
        total = Accumulator(self.params)
        total.add_vector(values, field_values)
        context = self.params.context
        masks = [(own_mask_key(context, self.me, self.keys.seed), 1)]
        for j in self.masked_with:
            shared = self._agree(j, self.masking, self.roster[j].mask)
            masks.append((pair_mask_key(context, self.me, j, shared), mask_sign(self.me, j)))
        total.add_masks(masks)
        return Masked(tuple(sorted(self.accused)), total.reduced(), total.field).to_bytes(self.params)

    def _receive(self, j: int, sealed: Sealed) -> None:
        try:
            self.held[j] = open_sealed(self._channel_to(j), self.view, j, self.me, sealed)
        except DecodeError as error:
            # the dealer's fault, or the server's: either way the others may still recover the dealer's
            # secrets
            self.accused[j] = str(error)

    def _enough(self, clients: Iterable[int]) -> None:
        count, needed = len(set(clients)), max(self.params.min_clients, self.params.quorum)
        if count < needed:
            raise NotEnoughParties(f"{count} clients are left, I want my vector hidden among {needed}")

    def confirm(self, data: bytes) -> tuple[Survivors, bytes]:
        """Check the list of survivors, and sign it."""
        survivors = Survivors.from_bytes(data, self.params)
        alive = set(survivors.clients)
        if self.me not in alive or not alive <= set(self.dealers):
            raise FaultyParty(SERVER, "its list of survivors leaves me out, or names strangers")
        self._enough(alive)
        return survivors, self.identity.sign(
            Survivors.PURPOSE, self.view, survivors_body(self.dealers, survivors)
        )

    def reveal(self, data: bytes, survivors: Survivors) -> bytes:
        """Check that a quorum signed the same survivors; only then give out one share for each dealer."""
        signatures = Agreement.from_bytes(data, self.params).signatures
        alive = set(survivors.clients)
        body = survivors_body(self.dealers, survivors)
        if not set(signatures) <= alive:
            raise FaultyParty(SERVER, "it passed on signatures of clients that are not on the list")
        if len(signatures) < self.params.quorum:
            raise NotEnoughParties(f"{len(signatures)} confirmed the survivors, {self.params.quorum} must")
        # any quorum will do: one more signature would prove nothing new
        for j in sorted(signatures)[: self.params.quorum]:
            if not self.identities[j].is_valid(signatures[j], Survivors.PURPOSE, self.view, body):
                raise FaultyParty(SERVER, f"client {j} did not sign the survivors I was shown")
        seeds = {j: seed for j, (seed, _) in self.held.items() if j in alive}
        keys = {j: key for j, (_, key) in self.held.items() if j not in alive}
        return Reveal(seeds, keys).to_bytes()


def client(
    me: int,
    params: Parameters,
    identity: IdentityKey,
    identities: Mapping[int, PublicIdentity],
    values: npt.NDArray[np.int64],
    field_values: Sequence[int] = (),
    *,
    randomness: Stream | None = None,
) -> "Protocol[ClientReport]":
    """Add `values` (mod the ring) and `field_values` (mod the field) to the sum, and learn who was in it.

    Keys follow from `randomness` and the parameters, so the same stream may serve many sessions but never one
    session twice: two runs of one session with different values would use the same masks. None asks the
    operating system.

    Shapes: values [dim] integers, field_values [field_dim].
    Raises: ParameterError for inputs that do not fit; FaultyParty when server or peer provably deviated;
        PartyTimeout when the server says nothing; NotEnoughParties rather than being part of too small a sum.
    Leakage: to the server, the sum over the survivors, and who they are; nothing else, unless `threshold` or
        more neighbours' shares of both of this client's secrets are in its hands.
    Assumes: X25519, ChaCha20-Poly1305, Ed25519; identities belong to whom they are said to; the fraction of
        corrupt clients that `parameters` was given.
    Source: Bonawitz et al. 2017, figure 4; Bell et al. 2020, section 4.
    """
    if me not in params.clients or set(params.clients) - set(identities):
        raise ParameterError(f"client {me} or some identity is not part of this aggregation")
    if identities[me].raw != identity.public().raw:
        raise ParameterError(f"the identity key is not client {me}'s")
    check_vector(params, values, field_values)
    state = _Client(me, params, identity, identities, randomness or Stream.from_os())
    return _run(state, values, field_values)


def _run(
    state: _Client, values: npt.NDArray[np.int64], field_values: Sequence[int]
) -> Generator["Outbox", "Inbox", ClientReport]:
    roster = yield from _ask(state.advertise())
    delivery = yield from _ask(_decoded(state.deal, roster))
    survivors_data = yield from _ask(_decoded(lambda data: state.mask(data, values, field_values), delivery))
    survivors, signature = _decoded(state.confirm, survivors_data)
    agreement = yield from _ask(signature)
    yield {SERVER: _decoded(lambda data: state.reveal(data, survivors), agreement)}
    return ClientReport(survivors.clients, state.masked_with, state.accused)


def _ask(data: bytes) -> Generator["Outbox", "Inbox", bytes]:
    """Send one message to the server, and wait a round for its answer."""
    yield {SERVER: data}
    inbox = yield {}
    if SERVER not in inbox:
        raise PartyTimeout(SERVER, "the server went silent, or no longer counts me in")
    return inbox[SERVER]


def _decoded(step: Callable[[bytes], T], data: bytes) -> T:
    try:
        return step(data)
    except DecodeError as error:
        raise FaultyParty(SERVER, f"sent garbage: {error}") from None


def run_view(params: Parameters, roster: bytes) -> bytes:
    """What a run is bound to once the roster is known: clients with different rosters share nothing."""
    return sha256(b"EPPML secagg view" + params.context + roster).digest()


def survivors_body(dealers: Iterable[int], survivors: Survivors) -> bytes:
    """What a confirmation signs."""
    return encode_indices(dealers) + survivors.to_bytes()
