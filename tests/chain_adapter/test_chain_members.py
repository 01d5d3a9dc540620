"""Stakes, challenges, votes, paid answers and letters: what members do with the contracts from Python."""

from hashlib import sha256
from pathlib import Path

import pytest
from chain_ledgers import Backend
from chain_support import CLIENTS, COORDINATOR, LEAVES, MEMBERS, PLAN, TREE, UPDATES

from chain_adapter import Chain, LocalSigner, LocalStore, TransactionReverted, Update, cid_of, sign_update
from chain_adapter.deployment import Deployment, members_tree
from chain_adapter.disputes import Disputes, SignedUpdate
from chain_adapter.errors import BlockCorrupt
from chain_adapter.events import (
    Attested,
    CoordinatorConvicted,
    InferenceAnswered,
    MemberConvicted,
    MessagePosted,
    RoundAttested,
    StakeSlashed,
    StakeWithdrawn,
)
from chain_adapter.inference import Inference
from chain_adapter.mailbox import Mailbox
from chain_adapter.staking import Staking
from chain_adapter.storage import Cid, MailKey
from chain_adapter.validators import Validators, Vote
from mpc.errors import ParameterError
from mpc.prg import Stream

ETHER = 10**18
STAKE, BOND = 10**16, 10**15
HOUR = 3600
STRANGER = LocalSigner(bytes([0x66]) * 32)


def staked_plan(deployment: Deployment) -> Deployment:
    """A plan whose members stake; all five have joined."""
    deployment.register_plan(
        PLAN, plan_cid=cid_of(b"plan"), key_hash=bytes(32), members=MEMBERS, rounds=1, min_clients=2,
        reward_per_round=1000, round_seconds=HOUR, challenge_seconds=HOUR, unbonding_seconds=3 * HOUR,
        member_stake=STAKE, coordinator_stake=2 * STAKE, bond=BOND, challenger_share=5000,
    )  # fmt: skip
    tree = members_tree(MEMBERS)
    for position, (client, member) in enumerate(zip(CLIENTS, MEMBERS, strict=True)):
        Staking(deployment.acting_as(client)).join_listed(PLAN, member, tree, position)
    return deployment


@pytest.fixture
def deployment(backend: Backend) -> Deployment:
    for signer in (COORDINATOR, *CLIENTS):
        backend.fund(signer.address, ETHER)
    return backend.open().deploy(COORDINATOR)


@pytest.fixture
def local() -> Deployment:
    chain = Chain.embedded(None)
    for signer in (COORDINATOR, *CLIENTS):
        chain.fund(signer.address, ETHER)
    return chain.deploy(COORDINATOR)


def advance(deployment: Deployment, seconds: int) -> None:
    deployment.chain.rpc.request("evm_increaseTime", seconds)
    deployment.chain.rpc.request("evm_mine")


def record(deployment: Deployment) -> None:
    deployment.commit_round(PLAN, 0, TREE.root, LEAVES, 5)
    deployment.record_aggregate(PLAN, 0, LEAVES, bytes([9]) * 32, bytes([2]) * 64, 60, LEAVES)


def test_a_stake_comes_back_after_its_delay_and_not_before(local: Deployment) -> None:
    staked_plan(local)
    me = Staking(local.acting_as(CLIENTS[0]))
    assert me.stake_of(PLAN, CLIENTS[0].address).amount == STAKE
    assert me.join_listed(PLAN, MEMBERS[0], members_tree(MEMBERS), 0).success  # asked again: not paid again
    assert local.chain.balance(CLIENTS[0].address) == ETHER - STAKE
    leaving = me.start_leaving(PLAN)
    assert me.start_leaving(PLAN) == leaving
    with pytest.raises(TransactionReverted, match="StillBonded"):
        me.withdraw(PLAN)
    advance(local, 3 * HOUR + 1)
    me.withdraw(PLAN)
    assert local.chain.balance(CLIENTS[0].address) == ETHER
    assert me.withdraw(PLAN).success
    assert [e.amount for e in local.events() if isinstance(e, StakeWithdrawn)] == [STAKE]


def test_a_listed_place_is_its_own_members_only(local: Deployment) -> None:
    local.register_plan(
        PLAN, plan_cid=LEAVES, key_hash=bytes(32), members=MEMBERS, rounds=1, min_clients=2, member_stake=STAKE,
        round_seconds=HOUR, unbonding_seconds=3 * HOUR,
    )  # fmt: skip
    thief = Staking(local.acting_as(CLIENTS[1]))
    with pytest.raises(TransactionReverted, match="NotListed"):
        thief.join_listed(PLAN, MEMBERS[0], members_tree(MEMBERS), 0)


def test_a_member_who_signs_twice_pays_whoever_shows_it(deployment: Deployment) -> None:
    staked_plan(deployment)
    other = Update(PLAN, 0, UPDATES[0].client, UPDATES[0].samples, bytes([5]) * 32)
    signed = [SignedUpdate(u, sign_update(CLIENTS[0], deployment.domain, u)) for u in (UPDATES[0], other)]
    challenger = Disputes(deployment.acting_as(CLIENTS[1]))
    receipt = challenger.challenge_signatures(*signed)
    assert challenger.challenge_signatures(*signed) == receipt
    (slashed,) = (e for e in deployment.events() if isinstance(e, StakeSlashed))
    assert (slashed.member, slashed.challenger) == (CLIENTS[0].address, CLIENTS[1].address)
    assert slashed.to_challenger == slashed.burnt == STAKE // 2
    assert Staking(deployment).stake_of(PLAN, CLIENTS[0].address).amount == 0
    with pytest.raises(TransactionReverted, match="AlreadyPunished"):
        Disputes(deployment.acting_as(CLIENTS[2])).challenge_signatures(*reversed(signed))


def test_an_honest_member_is_not_slashed(local: Deployment) -> None:
    staked_plan(local)
    update, forged = UPDATES[0], Update(PLAN, 0, UPDATES[0].client, 1, bytes([5]) * 32)
    honest = SignedUpdate(update, sign_update(CLIENTS[0], local.domain, update))
    lie = SignedUpdate(forged, sign_update(CLIENTS[1], local.domain, forged))
    challenger = Disputes(local.acting_as(CLIENTS[1]))
    for pair in ((honest, lie), (honest, honest)):
        with pytest.raises(TransactionReverted):
            challenger.challenge_signatures(*pair)
    there = Chain.embedded(None, chain_id=5).deploy(COORDINATOR)
    replayed = SignedUpdate(forged, sign_update(CLIENTS[0], there.domain, forged))
    with pytest.raises(TransactionReverted, match="NotSigned"):
        challenger.challenge_signatures(honest, replayed)
    with pytest.raises(ParameterError, match="one client in one round"):
        challenger.challenge_signatures(honest, SignedUpdate(UPDATES[1], honest.signature))
    assert Staking(local).stake_of(PLAN, CLIENTS[0].address).amount == STAKE


def test_a_challenge_without_its_bond_or_copied_from_another_gets_nowhere(local: Deployment) -> None:
    from chain_adapter.interface import artifact

    staked_plan(local)
    other = Update(PLAN, 0, UPDATES[0].client, UPDATES[0].samples, bytes([5]) * 32)
    signed = [SignedUpdate(u, sign_update(CLIENTS[0], local.domain, u)) for u in (UPDATES[0], other)]
    arguments = (signed[0].leaf, signed[0].signature, other.samples, other.digest, signed[1].signature)
    payload = artifact("Disputes").interface.encode("challengeSignatures", bytes(32), *arguments)
    with pytest.raises(TransactionReverted, match="NotSealed"):
        local.chain.sender(CLIENTS[2]).send("copied", local.addresses["Disputes"], payload)


def test_a_coordinator_who_commits_a_root_nobody_signed_for_is_convicted(local: Deployment) -> None:
    staked_plan(local)
    record(local)
    challenger = Disputes(local.acting_as(CLIENTS[2]))
    with pytest.raises(TransactionReverted):
        challenger.convict(UPDATES[0])
    challenger.question(UPDATES[0], TREE.path(0))
    signed = SignedUpdate(UPDATES[0], sign_update(CLIENTS[0], local.domain, UPDATES[0]))
    Disputes(local).justify(signed, MEMBERS[0], members_tree(MEMBERS), 0)
    challenger.question(UPDATES[1], TREE.path(1))
    advance(local, HOUR)
    challenger.convict(UPDATES[1])
    (convicted,) = (e for e in local.events() if isinstance(e, CoordinatorConvicted))
    assert convicted.challenger == CLIENTS[2].address
    assert not [e for e in local.events() if isinstance(e, MemberConvicted)]


def test_validators_vote_with_their_stakes_and_lose_them_for_two_votes(local: Deployment) -> None:
    staked_plan(local)
    votes = [Validators(local.acting_as(c)) for c in CLIENTS[:4]]
    for validator in votes[:3]:
        validator.join(PLAN, STAKE)
        assert validator.join(PLAN, STAKE).success
    advance(local, 60)
    record(local)
    advance(local, 60)
    vote = Vote(PLAN, 0, votes[0].record(PLAN, 0), True)
    (on_chain,) = local.ask("Validators", "attestationHash", vote.plan, vote.round, vote.record, vote.right)
    assert on_chain == vote.hash(votes[0].domain)
    receipt = votes[0].attest(vote)
    assert votes[0].attest(vote) == receipt
    votes[1].attest_signed(vote, CLIENTS[2].address, vote.sign(CLIENTS[2], votes[0].domain))
    assert not [
        e for e in local.events() if isinstance(e, RoundAttested)
    ]  # two thirds are not more than two thirds
    votes[1].attest(vote)
    voted = {e.validator for e in local.events() if isinstance(e, Attested)}
    assert voted == {c.address for c in CLIENTS[:3]}
    assert [e.record for e in local.events() if isinstance(e, RoundAttested)] == [vote.record]
    votes[3].join(PLAN, STAKE)
    with pytest.raises(TransactionReverted, match="JoinedTooLate"):
        votes[3].attest(vote)

    against = Vote(PLAN, 0, vote.record, False)
    signatures = (vote.sign(CLIENTS[1], votes[0].domain), against.sign(CLIENTS[1], votes[0].domain))
    votes[0].slash_two_votes((vote, against), CLIENTS[1].address, signatures)
    assert local.ask("Validators", "validatorOf", PLAN, CLIENTS[1].address)[0] == 0


def test_an_answer_earns_its_fee_and_silence_returns_it(local: Deployment) -> None:
    staked_plan(local)
    asker, provider = Inference(local.acting_as(CLIENTS[0])), Inference(local.acting_as(CLIENTS[1]))
    deadline = local.chain.timestamp() + HOUR
    question = {
        "model_digest": sha256(b"model").digest(), "input_digest": sha256(b"input").digest(),
        "input_cid": cid_of(b"input"), "fee": 500, "deadline": deadline, "provider": CLIENTS[1].address,
    }  # fmt: skip
    first = asker.request(PLAN, "first", **question)
    assert asker.request(PLAN, "first", **question) == first
    second = asker.request(PLAN, "second", **question)
    assert second == first + 1
    output = sha256(b"output").digest()
    with pytest.raises(TransactionReverted, match="NotProvider"):
        Inference(local.acting_as(CLIENTS[2])).answer(first, output, cid_of(b"output"))
    before = local.chain.balance(CLIENTS[1].address)
    provider.answer(first, output, cid_of(b"output"))
    assert provider.answer(first, output, cid_of(b"output")).success
    assert local.chain.balance(CLIENTS[1].address) == before + 500
    with pytest.raises(TransactionReverted, match="TooEarly"):
        asker.refund(second)
    advance(local, HOUR + 1)
    paid = local.chain.balance(CLIENTS[0].address)
    asker.refund(second)
    assert local.chain.balance(CLIENTS[0].address) == paid + 500
    assert [e.id for e in local.events() if isinstance(e, InferenceAnswered)] == [first]


def test_letters_between_members_are_read_by_their_addressee_only(local: Deployment, tmp_path: Path) -> None:
    staked_plan(local)
    store = LocalStore(tmp_path)
    alice, bob = (Mailbox(local.acting_as(c), store) for c in CLIENTS[:2])
    keys = [MailKey.generate(Stream(bytes([i]) * 32)) for i in (1, 2)]
    with pytest.raises(ParameterError, match="announced no key"):
        alice.send(PLAN, CLIENTS[1].address, b"hello", Stream(bytes(32)))
    for box, key in zip((alice, bob), keys, strict=True):
        assert box.publish_key(key) == box.publish_key(key)
    first = alice.send(PLAN, CLIENTS[1].address, b"hello", Stream(bytes(32)))
    assert alice.send(PLAN, CLIENTS[1].address, b"hello", Stream(bytes(32))) == first
    alice.send(PLAN, CLIENTS[1].address, b"again", Stream(bytes([1]) * 32))
    assert [(m.sender, m.data) for m in bob.receive(PLAN, keys[1])] == [
        (CLIENTS[0].address, b"hello"), (CLIENTS[0].address, b"again"),
    ]  # fmt: skip
    assert list(alice.receive(PLAN, keys[0])) == []
    (event, _) = (e for e in local.events() if isinstance(e, MessagePosted))
    assert b"hello" not in store.get(event.cid)
    with pytest.raises(TransactionReverted, match="NotMember"):
        Mailbox(local.acting_as(STRANGER), store).send(PLAN, CLIENTS[1].address, b"spam", Stream(bytes(32)))
    store._path(Cid.parse(event.cid)).write_bytes(b"swapped")
    with pytest.raises(BlockCorrupt):
        list(bob.receive(PLAN, keys[1]))
