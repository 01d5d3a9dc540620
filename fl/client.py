"""A client's part of a round: make a well-formed update, commit to it, prove it, and add it to the sums."""

from collections.abc import Generator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from chain_adapter.eip712 import sign_update
from fl.aggregate import mode_of
from fl.member import MemberSecrets
from fl.setting import COORDINATOR, RoundSetting
from fl.sums import CallJudge, SumCall, receive_from
from fl.update import SignedUpdate, context
from mpc.errors import DecodeError, FaultyParty, ProtocolError
from mpc.runtime import Inbox, Outbox
from zk.commit_prove import ProverKey
from zk.field import R
from zk.statements import UpdateProof

__all__ = ["Prepared", "client_round", "encode_update", "prepare", "sign"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A client's message of the round, and the secrets it adds to the sums: encoded update and blindings."""

    signed: SignedUpdate
    values: NDArray[np.int64] = field(repr=False)
    blinding: list[int] = field(repr=False)
    saturated: int = 0


def encode_update(
    setting: RoundSetting, index: int, secrets: MemberSecrets, update: NDArray[np.float32]
) -> tuple[NDArray[np.int64], int]:
    """Clip `update` to the plan's L2 norm, weigh it, encode it, and add this member's share of the plan's noise.

    Shapes: update [dim] in model units; the result [dim], and how many coordinates had to be cut to the codec's clip,
        or to the room that noise leaves.
    Raises: NoiseOverflow, which hardly ever happens: the client then sits the round out.
    """
    exact = update.astype(np.float64)
    norm = float(np.linalg.norm(exact))
    clip = setting.plan.terms.update.l2_clip
    if norm > clip:
        exact *= clip / norm
    encoded = setting.plan.codec().encode(exact, weight=setting.members[index].samples)
    noise = setting.plan.noise(setting.statement.dim)
    if noise is None:
        return encoded.values, encoded.saturated
    stream = secrets.noise_randomness(setting.plan_hash, setting.number, encoded.values.tobytes())
    values, cut = noise.add(encoded.values, stream)
    return values, encoded.saturated + cut


def prepare(
    setting: RoundSetting,
    index: int,
    secrets: MemberSecrets,
    update: NDArray[np.float32],
    proving_key: ProverKey,
) -> Prepared:
    """Encode, commit, prove and sign one update; the proof is checked before it leaves, as any fault would look like fraud.

    In a round in which the plan does not ask this member for a proof the message holds the commitment alone.
    Leakage: the message hides the update (blinded commitment, zero-knowledge proof); samples and membership are public.
    """
    values, saturated = encode_update(setting, index, secrets, update)
    member, statement = setting.members[index], setting.statement
    bound, place = setting.l2_bound_sq(member), context(setting.plan_hash, setting.number, member.address)
    randomness = secrets.update_randomness(setting.plan_hash, setting.number, values.tobytes())
    if setting.plan.proves(setting.number, index):
        proof, blinding = statement.prove(
            proving_key, values, l2_bound_sq=bound, context=place, randomness=randomness
        )
        statement.verify(setting.key, proof, l2_bound_sq=bound, context=place)
    else:
        blinding = randomness.derive("commitment alone").integers_below(R, statement.chunks)
        proof = UpdateProof(statement.commit(setting.key, values, blinding, threads=1), b"")
    return Prepared(sign(setting, index, secrets, proof.to_bytes()), values, blinding, saturated)


def sign(setting: RoundSetting, index: int, secrets: MemberSecrets, proof: bytes) -> SignedUpdate:
    """Put the member's EIP-712 signature under commitment and proof."""
    member = setting.members[index]
    unsigned = SignedUpdate(
        setting.plan_hash, setting.number, member.address, member.samples, proof, bytes(65)
    )
    signature = sign_update(secrets.signer, setting.domain, unsigned.typed)
    return SignedUpdate(setting.plan_hash, setting.number, member.address, member.samples, proof, signature)


def client_round(
    setting: RoundSetting, index: int, secrets: MemberSecrets, prepared: Prepared
) -> Generator[Outbox, Inbox, None]:
    """The client's side of one round, for any network that carries protocols.

    Leakage: whatever the aggregation mode of the plan leaks; under `secagg`, sums of at least `min_clients` updates.
    Assumes: the coordinator may lie about anything; `CallJudge` and secure aggregation bound what it can learn.
    """
    judge = CallJudge(setting.plan.terms.aggregation.min_clients)
    mode = mode_of(setting.plan)
    yield {COORDINATOR: prepared.signed.to_bytes()}
    while True:
        try:
            call = SumCall.from_bytes((yield from receive_from(COORDINATOR)))
        except DecodeError as error:
            raise FaultyParty(COORDINATOR, str(error)) from error
        if not call.group:
            return
        if mode.clients_judge:
            judge.admit(call)
        if index not in call.group:
            continue
        try:
            included = yield from mode.client(setting, index, secrets, call, prepared)
        except ProtocolError:
            # this sum failed, others of the round may not; the coordinator says what comes next
            continue
        if call.stage == 0 and included is not None:
            judge.settle(included)
