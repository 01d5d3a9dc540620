"""A plan from registration to the last claim, and every act once however often it is asked for."""

from pathlib import Path

import pytest
from chain_support import CLIENTS, COORDINATOR, LEAVES, MEMBERS, PLAN, UPDATES, run_round

from chain_adapter import Chain, MerkleTree, TransactionReverted, Update, cid_of, update_leaf
from chain_adapter.eip712 import sign_update, update_hash, verify_update
from chain_adapter.errors import NotDeployed, WrongChain
from chain_adapter.events import (
    AggregateRecorded,
    ClientRejected,
    PlanRegistered,
    RewardClaimed,
    RoundCommitted,
    SelfCommitted,
)
from chain_adapter.merkle import update_digest, verify_path
from mpc.errors import ParameterError, ProofRejected


@pytest.fixture
def chain() -> Chain:
    chain = Chain.embedded(None)
    chain.fund(COORDINATOR.address, 10**18)
    return chain


def test_a_round_pays_each_included_client_its_share(chain: Chain) -> None:
    deployment = chain.deploy(COORDINATOR)
    run_round(deployment)
    total = sum(u.samples for u in UPDATES[:4])
    assert [chain.balance(u.client) for u in UPDATES] == [1000 * u.samples // total for u in UPDATES[:4]] + [
        0
    ]
    kinds = [type(e) for e in deployment.events()]
    assert kinds.count(RewardClaimed) == 4
    for kind in (PlanRegistered, RoundCommitted, AggregateRecorded, ClientRejected):
        assert kinds.count(kind) == 1


def test_everything_asked_twice_is_sent_once(chain: Chain) -> None:
    deployment = chain.deploy(COORDINATOR)
    first = run_round(deployment)
    head = chain.head()
    assert run_round(deployment) == first
    assert chain.deploy(COORDINATOR) == deployment
    assert chain.head() == head


def test_everything_asked_again_by_a_process_without_the_outbox_is_found_on_the_chain(tmp_path: Path) -> None:
    with Chain.embedded(tmp_path / "ledger.sqlite") as chain:
        chain.fund(COORDINATOR.address, 10**18)
        deployment = chain.deploy(COORDINATOR)
        manifest, first, head = deployment.manifest(), run_round(deployment), chain.head()
    (tmp_path / "ledger.outbox.sqlite").unlink()
    with Chain.embedded(tmp_path / "ledger.sqlite") as chain:
        assert chain.head() == head
        assert run_round(chain.attach(manifest, COORDINATOR)) == first
        assert chain.head() == head


def test_a_second_root_for_a_round_is_refused(chain: Chain) -> None:
    deployment = chain.deploy(COORDINATOR)
    run_round(deployment)
    with pytest.raises(TransactionReverted, match="AlreadyCommitted"):
        deployment.commit_round(PLAN, 0, bytes([5]) * 32, LEAVES, 5)


def test_a_plan_is_not_registered_again_with_other_terms(chain: Chain) -> None:
    deployment = chain.deploy(COORDINATOR)
    run_round(deployment)
    with pytest.raises(ParameterError, match="other terms"):
        deployment.register_plan(
            PLAN, plan_cid=cid_of(b"plan"), key_hash=bytes(32), members=MEMBERS, rounds=2, min_clients=2
        )


def test_the_contract_and_the_client_hash_the_same_update(chain: Chain) -> None:
    deployment = chain.deploy(COORDINATOR)
    u = UPDATES[1]
    (on_chain,) = deployment.ask("Rounds", "updateHash", u.plan, u.round, u.client, u.samples, u.digest)
    assert on_chain == update_hash(deployment.domain, u)
    assert deployment.ask("Rounds", "domainSeparator")[0] == deployment.domain.separator()


def test_a_signature_for_one_deployment_is_worthless_in_another(chain: Chain) -> None:
    here, there = chain.deploy(COORDINATOR, "here"), chain.deploy(COORDINATOR, "there")
    signature = sign_update(CLIENTS[0], here.domain, UPDATES[0])
    verify_update(here.domain, UPDATES[0], signature)
    with pytest.raises(ProofRejected):
        verify_update(there.domain, UPDATES[0], signature)


def test_a_client_sees_that_a_root_leaves_it_out_or_names_another_update(chain: Chain) -> None:
    """A wrong root is public: the client holds its own update against it, and can put it on the chain itself before."""
    deployment = chain.deploy(COORDINATOR)
    forged = Update(PLAN, 0, UPDATES[0].client, UPDATES[0].samples, update_digest(b"another", b"proof"))
    wrong = MerkleTree([update_leaf(u) for u in (forged, *UPDATES[1:4])])
    deployment.register_plan(
        PLAN, plan_cid=cid_of(b"plan"), key_hash=bytes(32), members=MEMBERS, rounds=1, min_clients=2
    )
    deployment.acting_as(CLIENTS[4]).commit_self(UPDATES[4], cid_of(b"update"))
    deployment.commit_round(PLAN, 0, wrong.root, LEAVES, 4)
    root = deployment.root(PLAN, 0)
    verify_path(root, update_leaf(UPDATES[1]), wrong.path(1))
    for victim, position in ((0, 0), (4, 3)):
        with pytest.raises(ProofRejected):
            verify_path(root, update_leaf(UPDATES[victim]), wrong.path(position))
    (shown,) = (e for e in deployment.events() if isinstance(e, SelfCommitted))
    assert (shown.client, shown.digest) == (UPDATES[4].client, UPDATES[4].digest)
    with pytest.raises(TransactionReverted, match="WrongPhase|AlreadyCommitted"):
        deployment.acting_as(CLIENTS[3]).commit_self(UPDATES[3], cid_of(b"too late"))


def test_attach_checks_chain_code_and_suite(chain: Chain) -> None:
    manifest = chain.deploy(COORDINATOR).manifest()
    assert chain.attach(manifest).addresses["Rounds"] == manifest["contracts"]["Rounds"]["address"]
    with pytest.raises(WrongChain):
        Chain.embedded(None, chain_id=5).attach(manifest)
    with pytest.raises(WrongChain, match="first blocks differ"):
        chain.attach({**manifest, "genesis": "0x" + "11" * 32})
    swapped = {**manifest["contracts"], "Rounds": manifest["contracts"]["Rewards"]}
    with pytest.raises(NotDeployed, match="not this version's Rounds"):
        chain.attach({**manifest, "contracts": swapped})
    nowhere = {"address": CLIENTS[0].address, "code_hash": "0x" + "00" * 32}
    with pytest.raises(NotDeployed, match="no contract at"):
        chain.attach({**manifest, "contracts": {**manifest["contracts"], "Rounds": nowhere}})
    other = chain.deploy(COORDINATOR, "other").manifest()
    with pytest.raises(NotDeployed):
        chain.attach({**manifest, "suite": other["suite"]})
