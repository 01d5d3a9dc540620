"""A small plan with five clients, shared by the tests of this folder."""

from collections.abc import Callable
from functools import partial

from chain_adapter import LocalSigner, Member, MerkleTree, Update, cid_of
from chain_adapter.deployment import Deployment
from chain_adapter.merkle import update_digest, update_leaf
from chain_adapter.receipts import Receipt

PLAN = bytes([7]) * 32
COORDINATOR = LocalSigner(bytes([1]) * 32)
CLIENTS = [LocalSigner(bytes([i + 2]) * 32) for i in range(5)]
MEMBERS = [Member(c.address, bytes([i]) * 32, 10 + i) for i, c in enumerate(CLIENTS)]
UPDATES = [Update(PLAN, 0, c.address, 10 + i, update_digest(b"c%d" % i, b"p")) for i, c in enumerate(CLIENTS)]
TREE = MerkleTree([update_leaf(u) for u in UPDATES])
LEAVES = cid_of(b"leaves")


def acts(deployment: Deployment) -> list[Callable[[], Receipt]]:
    """One whole plan of one round, act by act."""
    total = sum(u.samples for u in UPDATES[:4])
    return [
        lambda: deployment.register_plan(
            PLAN, plan_cid=cid_of(b"plan"), key_hash=bytes(32), members=MEMBERS, rounds=1, min_clients=2,
            reward_per_round=1000,
        ),
        lambda: deployment.commit_round(PLAN, 0, TREE.root, LEAVES, len(UPDATES)),
        lambda: deployment.reject(PLAN, 0, UPDATES[4].client, 1, cid_of(b"evidence")),
        lambda: deployment.record_aggregate(
            PLAN, 0, cid_of(b"model"), bytes([9]) * 32, bytes([2]) * 64, total, cid_of(b"record"), [0, 1, 2, 3]
        ),
        *(partial(deployment.claim, UPDATES[i], TREE.path(i)) for i in range(4)),
    ]  # fmt: skip


def run_round(deployment: Deployment) -> list[bytes]:
    """All acts of the plan; the transactions' hashes."""
    return [act().transaction for act in acts(deployment)]
