"""Clients that cheat, for trying the defences on: each kind makes a message a real attacker could make.

oversize   an update far above the norm bound, with a valid proof for a bound of the cheater's own
forged     the commitment of one update with the proof of another
swap       an honest message, but something else goes into the sum
replay     last round's commitment and proof under a fresh signature (honest in its first round)
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fl.client import Prepared, encode_update, prepare, sign
from fl.member import MemberSecrets
from fl.seeds import generator
from fl.setting import RoundSetting
from fl.update import SignedUpdate, context
from mpc.errors import ParameterError
from zk.commit_prove import ProverKey
from zk.statements import UpdateProof

__all__ = ["KINDS", "assign", "misbehave"]

KINDS = ("oversize", "forged", "swap", "replay")


def assign(wanted: Mapping[str, int], clients: int, seed: int) -> dict[int, str]:
    """Which clients (from 1) cheat how: drawn from the training seed, so a resumed run has the same cheaters.

    Raises: ParameterError for an unknown kind or more cheaters than clients.
    """
    for kind, count in wanted.items():
        if kind not in KINDS:
            raise ParameterError(f"unknown way to cheat {kind!r}: there are {', '.join(KINDS)}")
        if count < 0:
            raise ParameterError(f"a number of cheaters cannot be negative, got {kind}={count}")
    kinds = [kind for kind in KINDS for _ in range(wanted.get(kind, 0))]
    if len(kinds) > clients:
        raise ParameterError(f"{len(kinds)} cheaters are more than the {clients} clients")
    chosen = generator(seed, "cheaters").permutation(clients)[: len(kinds)]
    return {int(client) + 1: kind for client, kind in zip(chosen, kinds, strict=True)}


def misbehave(
    kind: str,
    setting: RoundSetting,
    index: int,
    secrets: MemberSecrets,
    update: NDArray[np.float32],
    proving_key: ProverKey,
    previous: SignedUpdate | None,
) -> Prepared:
    """The cheater's message and what it adds to the sum; `previous` is its message of the round before."""
    if kind == "oversize":
        return _oversize(setting, index, secrets, update, proving_key)
    honest = prepare(setting, index, secrets, update, proving_key)
    if kind == "swap":
        return dataclasses.replace(honest, values=-3 * honest.values)
    if kind == "forged":
        other = prepare(setting, index, secrets, -update, proving_key)
        proof = dataclasses.replace(
            UpdateProof.from_bytes(other.signed.proof),
            commitment=UpdateProof.from_bytes(honest.signed.proof).commitment,
        )
        return dataclasses.replace(honest, signed=sign(setting, index, secrets, proof.to_bytes()))
    if previous is None:
        return honest
    return dataclasses.replace(honest, signed=sign(setting, index, secrets, previous.proof))


def _oversize(
    setting: RoundSetting,
    index: int,
    secrets: MemberSecrets,
    update: NDArray[np.float32],
    proving_key: ProverKey,
) -> Prepared:
    """Every coordinate at nine tenths of the clip, as in a model-replacement attack; the proof is for its own norm."""
    honest, _ = encode_update(setting, index, secrets, update)
    values = np.where(honest < 0, -1, 1).astype(np.int64) * (setting.plan.codec().limit * 9 // 10)
    member = setting.members[index]
    proof, blinding = setting.statement.prove(
        proving_key,
        values,
        l2_bound_sq=int(np.sum(values * values)),
        context=context(setting.plan_hash, setting.number, member.address),
        randomness=secrets.update_randomness(setting.plan_hash, setting.number, values.tobytes()),
    )
    return Prepared(sign(setting, index, secrets, proof.to_bytes()), values, blinding)
