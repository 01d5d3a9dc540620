"""Proofs of bounded updates as `zk` makes them, disputed on the embedded ledger: bad ones convict, good ones never."""

from dataclasses import replace

import numpy as np
import pytest

from chain_adapter import Chain, LocalSigner, Member, MerkleTree, Update, cid_of, sign_update
from chain_adapter.deployment import Deployment, members_tree
from chain_adapter.disputes import Disputes, SignedUpdate
from chain_adapter.events import ChallengeFailed, CoordinatorConvicted, MemberConvicted
from chain_adapter.groth16_calldata import KeyBlob, challenge
from chain_adapter.hashing import keccak256
from chain_adapter.merkle import update_digest, update_leaf
from chain_adapter.staking import Staking
from chain_adapter.update_key import update_key
from fl.update import context
from mpc.errors import ProofRejected
from mpc.prg import Stream
from zk.commit_prove import Keys
from zk.statements import NormBound, UpdateProof, norm_bound

PLAN = bytes([7]) * 32
COORDINATOR, CHALLENGER = LocalSigner(bytes([1]) * 32), LocalSigner(bytes([9]) * 32)
CLIENTS = [LocalSigner(bytes([i + 2]) * 32) for i in range(3)]
SAMPLES = [10, 20, 40]
MEMBERS = [Member(c.address, bytes(32), s) for c, s in zip(CLIENTS, SAMPLES, strict=True)]
BOUND, SLACK, MAX_WEIGHT = 120, 2, 40
ETHER, STAKE, BOND = 10**18, 10**16, 10**15
DAY = 86_400


def bound_sq(samples: int) -> int:
    return (-(-BOUND * samples // MAX_WEIGHT) + SLACK) ** 2


class Round:
    """A committed round of three clients under one statement."""

    def __init__(self, statement: NormBound, seed: int = 1) -> None:
        self.statement = statement
        self.keys: Keys = statement.setup(Stream(bytes([seed]) * 32), unsafe_single_party=True)
        self.blob: KeyBlob = update_key(statement, self.keys.vk)
        chain = Chain.embedded(None)
        for signer in (COORDINATOR, CHALLENGER, *CLIENTS):
            chain.fund(signer.address, ETHER)
        self.deployment: Deployment = chain.deploy(COORDINATOR)
        self.deployment.register_plan(
            PLAN, plan_cid=cid_of(b"plan"), key_hash=self.blob.key_hash, members=MEMBERS, rounds=1, min_clients=2,
            reward_per_round=1000, round_seconds=DAY, challenge_seconds=DAY, unbonding_seconds=2 * DAY,
            member_stake=STAKE, coordinator_stake=STAKE, bond=BOND, challenger_share=5000,
            l2_bound=BOUND, l2_slack=SLACK, max_weight=MAX_WEIGHT,
        )  # fmt: skip
        for i, client in enumerate(CLIENTS):
            Staking(self.deployment.acting_as(client)).join_listed(PLAN, MEMBERS[i], members_tree(MEMBERS), i)

    def prove(
        self, i: int, *, of: int | None = None, number: int = 0, bound: int | None = None
    ) -> UpdateProof:
        """The update of client i, proved as that of client `of`, of another round or for another bound."""
        who = i if of is None else of
        limit = bound_sq(SAMPLES[i]) if bound is None else bound
        proof, _blindings = self.statement.prove(
            self.keys.pk,
            np.arange(self.statement.dim) % 5 - 2,
            l2_bound_sq=limit,
            context=context(PLAN, number, CLIENTS[who].address),
            randomness=Stream(bytes([i + 1]) * 32),
        )
        return proof

    def commit(self, proofs: list[UpdateProof]) -> None:
        self.proofs = proofs
        self.updates = [
            Update(PLAN, 0, c.address, s, update_digest(p.commitment, p.proof))
            for c, s, p in zip(CLIENTS, SAMPLES, proofs, strict=True)
        ]
        self.tree = MerkleTree([update_leaf(u) for u in self.updates])
        self.deployment.commit_round(PLAN, 0, self.tree.root, cid_of(b"leaves"), 3)

    def challenge(self, i: int, chunk: int = 0) -> None:
        update, proof = self.updates[i], self.proofs[i]
        signed = SignedUpdate(update, sign_update(CLIENTS[i], self.deployment.domain, update))
        accuser = Disputes(self.deployment.acting_as(CHALLENGER))
        key = self.deployment.deploy_key(self.blob)
        accuser.challenge_proof(signed, self.tree.path(i), proof.commitment, proof.proof, chunk, key)

    def stake(self, i: int) -> int:
        return Staking(self.deployment).stake_of(PLAN, CLIENTS[i].address).amount

    def verdicts(self) -> list[type]:
        wanted = (ChallengeFailed, MemberConvicted, CoordinatorConvicted)
        return [type(e) for e in self.deployment.events() if isinstance(e, wanted)]


@pytest.fixture
def small() -> Round:
    return Round(NormBound(dim=8, bits=8, lookup=False))


@pytest.fixture
def chunked(monkeypatch: pytest.MonkeyPatch) -> Round:
    """Twenty-five entries in three chunks, the last one padded."""
    monkeypatch.setattr(norm_bound, "MAX_ROWS", 128)
    statement = NormBound(dim=25, bits=7, lookup=False)
    assert statement.chunks == 3 and statement.chunks * statement.chunk_dim > statement.dim
    return Round(statement)


@pytest.mark.parametrize("lookup", [False, True], ids=["bits", "lookup"])
def test_the_chain_rebuilds_the_inputs_of_a_good_proof(lookup: bool) -> None:
    # Lookups bring a second commitment and a challenge, which the chain derives as the prover did.
    made = Round(NormBound(dim=8, bits=8, lookup=lookup))
    made.commit([made.prove(i) for i in range(3)])
    for i in range(3):
        made.challenge(i)
    assert made.verdicts() == [ChallengeFailed] * 3
    assert [made.stake(i) for i in range(3)] == [STAKE] * 3


def test_a_lookup_proof_for_another_client_convicts() -> None:
    made = Round(NormBound(dim=8, bits=8, lookup=True))
    made.commit([made.prove(0, of=1), made.prove(1), made.prove(2)])
    made.challenge(0)
    assert made.verdicts() == [MemberConvicted, CoordinatorConvicted]


@pytest.mark.parametrize(
    "lie", [{"of": 1}, {"number": 1}, {"bound": bound_sq(SAMPLES[0]) + 1}], ids=["client", "round", "bound"]
)
def test_a_proof_for_something_else_convicts(small: Round, lie: dict[str, int]) -> None:
    small.commit([small.prove(0, **lie), small.prove(1), small.prove(2)])
    small.challenge(0)
    assert small.verdicts() == [MemberConvicted, CoordinatorConvicted]
    assert [small.stake(i) for i in range(3)] == [0, STAKE, STAKE]


def test_every_chunk_and_the_sum_of_the_shares_hold_for_an_honest_client(chunked: Round) -> None:
    chunked.commit([chunked.prove(i) for i in range(3)])
    for chunk in range(3):
        chunked.challenge(chunk, chunk)
    # the number of chunks stands for the sum of their shares of the bound
    chunked.deployment.chain.rpc.request("evm_mine")
    chunked.challenge(0, 3)
    assert chunked.verdicts() == [ChallengeFailed] * 4
    assert [chunked.stake(i) for i in range(3)] == [STAKE] * 3


def test_shares_of_a_larger_bound_convict(chunked: Round) -> None:
    # Every chunk's own proof is good; together they are about twice the bound the plan allows.
    cheat = chunked.prove(0, bound=2 * bound_sq(SAMPLES[0]))
    chunked.commit([cheat, chunked.prove(1), chunked.prove(2)])
    with pytest.raises(ProofRejected):
        chunked.statement.verify(
            chunked.keys.vk,
            cheat,
            l2_bound_sq=bound_sq(SAMPLES[0]),
            context=context(PLAN, 0, CLIENTS[0].address),
        )
    chunked.challenge(0, 3)
    assert chunked.verdicts() == [MemberConvicted, CoordinatorConvicted]


def test_a_share_blinding_that_is_not_reduced_convicts(chunked: Round) -> None:
    good = chunked.prove(0)
    tail = int.from_bytes(good.proof[-32:], "big") + norm_bound.R
    forged = replace(good, proof=good.proof[:-32] + tail.to_bytes(32, "big"))
    chunked.commit([forged, chunked.prove(1), chunked.prove(2)])
    chunked.challenge(0, 3)
    assert chunked.verdicts() == [MemberConvicted, CoordinatorConvicted]


def test_the_chain_reads_the_bound_as_the_plan_does(small: Round) -> None:
    for samples in (1, 7, 10, 39, 40, 41, 2**32 - 1):
        expected = bound_sq(min(samples, MAX_WEIGHT))
        assert small.deployment.ask("PlanRegistry", "l2BoundSquared", PLAN, samples)[0] == expected


def test_the_chain_and_the_library_derive_one_challenge(small: Round) -> None:
    stream = Stream(bytes(32), b"points")
    for publics, commitments in ((0, 1), (2, 2), (5, 3)):
        inputs = [stream.below(norm_bound.R) for _ in range(publics)]
        points = [stream.bytes(64) for _ in range(commitments)]
        digest = stream.bytes(32)
        found = small.deployment.ask("Groth16Verifier", "challengeOf", digest, inputs, b"".join(points))[0]
        assert found == challenge(digest, inputs, points)


def test_a_key_has_the_code_hash_its_plan_names(small: Round) -> None:
    address = small.deployment.deploy_key(small.blob)
    code = small.deployment.chain.code(address)
    assert code[0] == 0 and keccak256(code) == small.blob.key_hash
    inputs, commitments, has_challenge = small.deployment.ask("Groth16Verifier", "shapeOf", address)
    assert (inputs, commitments, has_challenge) == (2, 1, False)
