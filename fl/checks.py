"""What an update message must satisfy; the coordinator applies it when messages arrive, an auditor any time later."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chain_adapter.eip712 import recover_update
from fl.setting import RoundSetting
from fl.update import SignedUpdate, context
from mpc.errors import DecodeError
from zk.groth16 import BatchRejected
from zk.statements import UpdateProof

__all__ = ["Reason", "Rejection", "check_update", "check_updates", "failing_proofs"]


class Reason(enum.IntEnum):
    """Why a client's update is not in the sum; the number goes onto the ledger."""

    MALFORMED = 1
    SIGNATURE = 2
    PROOF = 3
    MISMATCH = 4
    OUTLIER = 5

    @property
    def in_tree(self) -> bool:
        """Whether the update itself passed every check, so that the round's Merkle tree holds it."""
        return self in (Reason.MISMATCH, Reason.OUTLIER)


@dataclass(frozen=True, slots=True)
class Rejection:
    """A named offender.

    `certain` is False for a suspect that a group test could not separate from another, and for a message without the
    member's valid signature for this round: anybody, the coordinator above all, could have made it or sent it again.
    """

    reason: Reason
    detail: str
    certain: bool = True


def check_update(
    setting: RoundSetting, index: int, data: bytes
) -> tuple[SignedUpdate | None, Rejection | None]:
    """Everything about one message but its proof: form, membership, plan, round, weight, signature."""
    member = setting.members[index]
    try:
        update = SignedUpdate.from_bytes(data)
        typed = update.typed
    except DecodeError as error:
        return None, Rejection(Reason.MALFORMED, str(error), certain=False)
    expected = (setting.plan_hash, setting.number, member.address, member.samples)
    if (update.plan, update.round, update.address, update.samples) != expected:
        what = "the message is for another plan, round, client or weight"
        return update, Rejection(Reason.MALFORMED, what, certain=False)
    try:
        signer = recover_update(setting.domain, typed, update.signature)
    except DecodeError as error:
        return update, Rejection(Reason.SIGNATURE, str(error), certain=False)
    if signer != member.address:
        what = f"signed by {signer}, not by {member.address}"
        return update, Rejection(Reason.SIGNATURE, what, certain=False)
    if not setting.plan.proves(setting.number, index):
        alone = UpdateProof.from_bytes(update.proof)
        if alone.proof:
            return update, Rejection(Reason.MALFORMED, "a proof where the plan asks for the commitment alone")
        try:
            setting.statement.combine([alone.commitment])
        except DecodeError as error:
            return update, Rejection(Reason.MALFORMED, str(error))
    return update, None


def check_updates(
    setting: RoundSetting, inbox: Mapping[int, bytes]
) -> tuple[dict[int, SignedUpdate], dict[int, Rejection]]:
    """The messages of members that can be read, and who is rejected: each one checked, then all proofs as one batch."""
    updates: dict[int, SignedUpdate] = {}
    rejected: dict[int, Rejection] = {}
    proofs: list[tuple[int, UpdateProof]] = []
    for index in sorted(set(inbox) & set(setting.members)):
        update, fault = check_update(setting, index, inbox[index])
        if update is not None:
            updates[index] = update
        if fault is not None:
            rejected[index] = fault
        elif update is not None:
            proofs.append((index, UpdateProof.from_bytes(update.proof)))
    rejected |= {i: Rejection(Reason.PROOF, detail) for i, detail in failing_proofs(setting, proofs).items()}
    return updates, rejected


def failing_proofs(setting: RoundSetting, proofs: Sequence[tuple[int, UpdateProof]]) -> dict[int, str]:
    """The members whose proofs do not hold for the plan's bound in this round, with the reason.

    Those of whom the plan asks no proof this time are left out: see `fl.plan.Proofs` for what that gives up.
    """
    proofs = [(index, proof) for index, proof in proofs if setting.plan.proves(setting.number, index)]
    batch = [
        (
            proof,
            setting.l2_bound_sq(setting.members[index]),
            context(setting.plan_hash, setting.number, setting.members[index].address),
        )
        for index, proof in proofs
    ]
    try:
        setting.statement.verify_batch(setting.key, batch)
    except BatchRejected as error:
        return {proofs[place][0]: reason for place, reason in zip(error.failed, error.reasons, strict=True)}
    return {}
