"""Clients of a run that follow the protocol with a harmful update (`fl.attacks`), for trying the robust rules on.

    data set, shards --dataset--> the same with the attackers' records changed
    trained updates  --payloads--> the same with the attackers' updates changed

They are drawn from the training seed after those who break the protocol (`fl.cheats`), so a resumed run has the same.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fl.attacks import Shard, View, attack_for
from fl.data import Dataset
from fl.engine import Trained
from fl.seeds import generator
from mpc.errors import ParameterError

__all__ = ["draw_attackers", "poisoned_data", "poisoned_payloads"]

Indices = NDArray[np.int64]


def draw_attackers(
    wanted: Mapping[str, int], clients: int, taken: Collection[int], seed: int
) -> dict[int, str]:
    """Which clients (from 1) attack how; `taken` are cheaters already.

    Raises: ParameterError for an unknown attack or more attackers than clients.
    """
    kinds = [attack_for(name).name for name in sorted(wanted) for _ in range(wanted[name])]
    free = [client for client in range(1, clients + 1) if client not in taken]
    if len(kinds) > len(free):
        raise ParameterError(
            f"{len(kinds)} attackers are more than the {len(free)} clients that do not cheat"
        )
    chosen = generator(seed, "attackers").permutation(len(free))[: len(kinds)]
    return {free[place]: kind for place, kind in zip(chosen, kinds, strict=True)}


def poisoned_data(
    dataset: Dataset, shards: Sequence[Indices], attackers: Mapping[int, str], seed: int
) -> tuple[NDArray[np.float32], Indices, list[Indices]]:
    """Training features, labels and shards, with what attackers train on appended to the records of the others."""
    features, labels, mine = [dataset.train_x], [dataset.train_y], list(shards)
    size = len(dataset.train_y)
    for client, kind in sorted(attackers.items()):
        attack = attack_for(kind)
        if not attack.poisons:
            continue
        rows = shards[client - 1]
        clean = Shard(dataset.train_x[rows], dataset.train_y[rows], dataset.classes)
        changed = attack.data(clean, generator(seed, "poison", client))
        features.append(changed.features)
        labels.append(changed.labels)
        mine[client - 1] = np.arange(size, size + len(changed.labels))
        size += len(changed.labels)
    return np.concatenate(features), np.concatenate(labels), mine


def poisoned_payloads(
    trained: Mapping[int, Trained],
    attackers: Mapping[int, str],
    previous: NDArray[np.float32],
    directions: NDArray[np.int64] | None,
    clients: int,
    seed: int,
    round: int,
) -> dict[int, Trained]:
    """What is sent: attackers of one kind choose together, knowing every honest payload of the round.

    Shapes: previous [payload_size], the last change of the model.
    """
    out = dict(trained)
    sent = {c: made.payload for c, made in trained.items() if made.payload is not None}
    honest = [payload for c, payload in sent.items() if c not in attackers]
    if not honest:
        return out
    view = View(
        honest=np.stack(honest).astype(np.float64),
        previous=previous.astype(np.float64),
        clients=clients,
        directions=directions,
    )
    for kind in sorted(set(attackers.values())):
        group = [c for c in sorted(sent) if attackers.get(c) == kind]
        if not group:
            continue
        own = np.stack([sent[c] for c in group]).astype(np.float64)
        chosen = attack_for(kind).update(own, view, generator(seed, "attack", kind, round))
        for client, payload in zip(group, chosen, strict=True):
            out[client] = replace(trained[client], payload=payload.astype(np.float32))
    return out
