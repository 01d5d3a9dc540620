"""The server's side of secure aggregation: it forwards, counts, and takes the masks off the sum.

Clients may vanish at every step. One that deviates is named in `Aggregate.faulty`; the run goes on without it
as long as the masks of everyone in the sum can be taken off.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mpc.errors import DecodeError, FaultyParty, NotEnoughParties, ParameterError
from mpc.secagg.client import run_view, survivors_body
from mpc.secagg.graph import mask_sign, masking_pairs
from mpc.secagg.identity import SIGNATURE_BYTES, PublicIdentity
from mpc.secagg.keys import AgreementKey, is_seed, is_share, own_mask_key, pair_mask_key
from mpc.secagg.masks import Accumulator
from mpc.secagg.messages import Advert, Agreement, Dealing, Delivery, Masked, Reveal, Roster, Survivors
from mpc.secagg.parameters import Parameters
from mpc.secagg.unmask import add_masks
from mpc.shamir import reconstruct_secret

if TYPE_CHECKING:
    from mpc.runtime.types import Inbox, Outbox, Protocol

__all__ = ["Aggregate", "server"]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The sum over the clients in `included`, and what became of the others.

    `dropped` says at which step each missing client was last heard of; `faulty` names clients that deviated,
    some of which may be in the sum. A fault that two clients can blame on each other names both and says so.
    """

    total: npt.NDArray[np.int64] = field(repr=False)
    field_total: list[int] = field(repr=False)
    included: tuple[int, ...]
    dropped: dict[int, str]
    faulty: dict[int, str]
    disputed: tuple[tuple[int, int], ...] = ()


@dataclass(slots=True)
class _Server:
    params: Parameters
    identities: Mapping[int, PublicIdentity]
    workers: int
    view: bytes = b""
    adverts: dict[int, Advert] = field(default_factory=dict)
    dealings: dict[int, Dealing] = field(default_factory=dict)
    masked: dict[int, tuple[int, ...]] = field(default_factory=dict)
    total: Accumulator = field(init=False)
    confirmed: dict[int, bytes] = field(default_factory=dict)
    reveals: dict[int, Reveal] = field(default_factory=dict)
    accusers: dict[int, list[int]] = field(default_factory=dict)
    dropped: dict[int, str] = field(default_factory=dict)
    faulty: dict[int, str] = field(default_factory=dict)

    def blame(self, client: int, reason: str) -> None:
        """Note a deviation; the first one noticed counts."""
        self.faulty.setdefault(client, reason)

    def missing(self, before: "Inbox | Mapping[int, object]", after: Mapping[int, object], step: str) -> None:
        for i in before:
            if i not in after:
                self.dropped[i] = self.faulty.get(i, f"silent at step {step!r}")

    def enough(self, clients: Mapping[int, object], step: str) -> None:
        needed = self.params.quorum if step == "confirm" else max(self.params.min_clients, self.params.quorum)
        if len(clients) < needed:
            gone = ", ".join(f"{i} ({why})" for i, why in sorted(self.dropped.items()))
            raise NotEnoughParties(
                f"{len(clients)} clients left after {step!r}, {needed} needed; gone: {gone}"
            )

    # --- one method a step

    def take_adverts(self, inbox: "Inbox") -> bytes:
        """Keys that their clients signed make the roster."""
        any_key = AgreementKey(bytes(range(32)))
        for i in self.params.clients:
            if i not in inbox:
                continue
            try:
                advert = Advert.from_bytes(inbox[i])
                any_key.agree(advert.channel), any_key.agree(advert.mask)
            except DecodeError as error:
                self.blame(i, f"bad keys: {error}")
                continue
            if self.identities[i].is_valid(
                advert.signature, Advert.PURPOSE, self.params.context, advert.body(i)
            ):
                self.adverts[i] = advert
            else:
                self.blame(i, "keys not signed by its identity for this session")
        self.missing(dict.fromkeys(self.params.clients), self.adverts, "advertise")
        self.enough(self.adverts, "advertise")
        roster = Roster(self.adverts).to_bytes()
        self.view = run_view(self.params, roster)
        return roster

    def take_dealings(self, inbox: "Inbox") -> "Outbox":
        """Shares, sorted by whom they are for."""
        for i in self.adverts:
            if i not in inbox:
                continue
            try:
                dealing = Dealing.from_bytes(inbox[i], self.params)
            except DecodeError as error:
                self.blame(i, f"garbage shares: {error}")
                continue
            drawn = set(dealing.shares)
            if len(drawn) != min(self.params.degree, len(self.adverts) - 1) or not drawn <= set(
                self.adverts
            ) - {i}:
                self.blame(i, "shares dealt to clients it may not draw")
            elif not self.identities[i].is_valid(
                dealing.signature, Dealing.PURPOSE, self.view, dealing.body()
            ):
                self.blame(i, "shares not signed by its identity for this session")
            else:
                self.dealings[i] = dealing
        self.missing(self.adverts, self.dealings, "share")
        self.enough(self.dealings, "share")
        dealers = tuple(sorted(self.dealings))
        return {
            i: Delivery(
                dealers, {j: d.shares[i] for j, d in self.dealings.items() if i in d.shares}
            ).to_bytes()
            for i in dealers
        }

    def take_masked(self, inbox: "Inbox") -> bytes:
        """Masked vectors; whoever sent one is a survivor."""
        self.total = Accumulator(self.params)
        for i in self.dealings:
            if i not in inbox:
                continue
            try:
                masked = Masked.from_bytes(inbox[i], self.params)
            except DecodeError as error:
                self.blame(i, str(error))
                continue
            # added at once: keeping every vector would take n times the memory
            self.masked[i] = masked.accused
            self.total.add_vector(masked.ring, masked.field)
            for j in masked.accused:
                if j in self.dealings and i in self.dealings[j].shares:
                    self.accusers.setdefault(j, []).append(i)
                else:
                    self.blame(i, f"accuses client {j}, which sent it nothing")
        self.missing(self.dealings, self.masked, "mask")
        self.enough(self.masked, "mask")
        return Survivors(tuple(sorted(self.masked))).to_bytes()

    def take_confirmations(self, inbox: "Inbox") -> bytes:
        """Signatures on the survivors."""
        body = survivors_body(self.dealings, Survivors(tuple(sorted(self.masked))))
        for i in self.masked:
            if i not in inbox:
                continue
            signature = inbox[i]
            if len(signature) == SIGNATURE_BYTES and self.identities[i].is_valid(
                signature, Survivors.PURPOSE, self.view, body
            ):
                self.confirmed[i] = signature
            else:
                self.blame(i, "did not sign the survivors it was shown")
        self.enough(self.confirmed, "confirm")
        return Agreement(self.confirmed).to_bytes()

    def take_reveals(self, inbox: "Inbox") -> None:
        """Shares of the secrets; only those that open their dealer's commitment are used."""
        for i in self.confirmed:
            if i not in inbox:
                continue
            try:
                reveal = Reveal.from_bytes(inbox[i], self.params)
            except DecodeError as error:
                self.blame(i, f"garbage shares: {error}")
                continue
            seeds = {j: s for j, s in reveal.seeds.items() if self._opens(i, j, "seed", s)}
            keys = {j: s for j, s in reveal.keys.items() if self._opens(i, j, "key", s)}
            self.reveals[i] = Reveal(seeds, keys)

    def _opens(self, holder: int, dealer: int, kind: str, share: int) -> bool:
        sealed = self.dealings[dealer].shares.get(holder) if dealer in self.dealings else None
        if sealed is None or (kind == "seed") != (dealer in self.masked):
            self.blame(holder, f"revealed a share of client {dealer} that it was not asked for")
            return False
        commitment = sealed.seed_commitment if kind == "seed" else sealed.key_commitment
        if not is_share(commitment, self.view, dealer, holder, kind, share):
            self.blame(holder, f"revealed a share of client {dealer} that is not the one it was dealt")
            return False
        return True

    def _recover(self, dealer: int, kind: str) -> bytes:
        shares = {}
        for holder, reveal in self.reveals.items():
            mine = reveal.seeds if kind == "seed" else reveal.keys
            if dealer in mine:
                shares[holder] = mine[dealer]
        if len(shares) < self.params.threshold:
            accusers = self.accusers.get(dealer, [])
            # fewer than 2 threshold - degree neighbours are corrupt, so one of so many accusers is honest
            if len(accusers) >= max(1, 2 * self.params.threshold - self.params.degree):
                raise FaultyParty(dealer, f"dealt shares that clients {accusers} could not open")
            raise NotEnoughParties(
                f"{len(shares)} good shares of client {dealer}'s {kind}, {self.params.threshold} needed; "
                f"faulty so far: {self.faulty or 'none'}"
            )
        secret = reconstruct_secret(shares, self.params.threshold).to_bytes(32, "big")
        advert = self.adverts[dealer]
        good = (
            is_seed(advert.seed, self.params.context, dealer, secret)
            if kind == "seed"
            else AgreementKey(secret).public == advert.mask
        )
        if not good:
            # every share used opens a commitment that the dealer signed
            raise FaultyParty(dealer, f"dealt shares of its {kind} that do not fit together")
        return secret

    def finish(self) -> Aggregate:
        """Add everything up and take the masks off."""
        pairs = masking_pairs({i: d.shares for i, d in self.dealings.items()})
        context = self.params.context
        masks = [(own_mask_key(context, i, self._recover(i, "seed")), -1) for i in self.masked]
        for j in self.dealings:
            if j not in self.masked and (left := pairs[j] & set(self.masked)):
                key = AgreementKey(self._recover(j, "key"))
                for i in sorted(left):
                    shared = key.agree(self.adverts[i].mask)
                    masks.append((pair_mask_key(context, i, j, shared), -mask_sign(i, j)))
        add_masks(self.total, self.params, masks, self.workers)
        disputed = tuple(sorted((i, j) for j, accusers in self.accusers.items() for i in accusers))
        return Aggregate(
            self.total.signed(),
            self.total.field,
            tuple(sorted(self.masked)),
            dict(self.dropped),
            dict(self.faulty),
            disputed,
        )


def server(
    params: Parameters, identities: Mapping[int, PublicIdentity], *, workers: int = 1
) -> "Protocol[Aggregate]":
    """Run one aggregation as party 0 and return the sum.

    Raises: NotEnoughParties when too few clients are left; FaultyParty when one dealt shares that cannot be
        undone: repeat the run without it.
    Leakage: the server learns the sum over the survivors, and who they are.
    Assumes: nothing of the clients, for whether it ends; what their sum means is theirs to prove.
    """
    if set(params.clients) - set(identities):
        raise ParameterError("some client has no identity")
    if workers < 1:
        raise ParameterError(f"workers must be at least 1, got {workers}")
    return _run(_Server(params, identities, workers))


def _run(state: _Server) -> Generator["Outbox", "Inbox", Aggregate]:
    roster = state.take_adverts((yield {}))
    yield dict.fromkeys(state.adverts, roster)
    yield state.take_dealings((yield {}))
    survivors = state.take_masked((yield {}))
    yield dict.fromkeys(state.masked, survivors)
    agreement = state.take_confirmations((yield {}))
    yield dict.fromkeys(state.confirmed, agreement)
    state.take_reveals((yield {}))
    return state.finish()
