"""Proof-of-learning: honest proofs pass, clumsy lies fail, and the published spoof passes for a fraction of the cost."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from chain_adapter import Chain, LocalSigner, Member, MerkleTree, Update, cid_of
from chain_adapter.events import RoundAttested, RoundDoubted
from chain_adapter.merkle import update_digest, update_leaf
from chain_adapter.validators import Validators
from fl.baselines.proof_of_learning import Proof, Recipe, opinion, replay, train, verify
from fl.baselines.spoof import spoof
from fl.data import load_digits
from fl.models.mlp import Perceptron
from mpc.errors import ParameterError, ProofRejected

DIGITS = load_digits()
MODEL = Perceptron(64, 10)
RECIPE = Recipe(MODEL, batch=20, learning_rate=0.1, interval=10)
START = MODEL.initial(1)
INTERVALS = 200


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def honest() -> Proof:
    return train(RECIPE, START, DIGITS.train_x, DIGITS.train_y, intervals=INTERVALS, seed=1)


@pytest.fixture(scope="module")
def reference_distance(honest: Proof) -> float:
    """How far apart two trainings from different seeds end: the scale of tolerances in the source."""
    other = train(RECIPE, MODEL.initial(2), DIGITS.train_x, DIGITS.train_y, intervals=INTERVALS, seed=2)
    return float(np.linalg.norm(other.checkpoints[-1] - honest.checkpoints[-1]))


def accept(proof: Proof, claimed: np.ndarray, tolerance: float = 0.0, replays: int = 5) -> None:
    verify(proof, head=proof.head, start=START, claimed=claimed, replays=replays, tolerance=tolerance)


def test_an_honest_proof_repeats_exactly_where_it_was_made(honest: Proof) -> None:
    accept(honest, honest.checkpoints[-1], replays=INTERVALS)
    assert MODEL.evaluate(honest.checkpoints[-1], DIGITS.test_x, DIGITS.test_y).accuracy > 0.94


def test_the_intervals_that_move_most_are_replayed(honest: Proof) -> None:
    found = verify(
        honest, head=honest.head, start=START, claimed=honest.checkpoints[-1], replays=3, tolerance=0.0
    )
    moves = np.linalg.norm(np.diff(honest.checkpoints, axis=0), axis=1)
    assert [r.moved for r in found] == pytest.approx(sorted(moves, reverse=True)[:3])


def test_a_straight_line_with_real_records_is_found_out(honest: Proof) -> None:
    along = np.linspace(0, 1, INTERVALS + 1)[:, None]
    line = (START + along * (honest.checkpoints[-1] - START)).astype(np.float32)
    line[-1] = honest.checkpoints[-1]
    lie = replace(honest, checkpoints=line)
    with pytest.raises(ProofRejected, match="repeats .* away"):
        accept(lie, line[-1], tolerance=0.02)


def test_what_does_not_fit_is_rejected_with_the_reason(honest: Proof) -> None:
    claimed = honest.checkpoints[-1]
    with pytest.raises(ProofRejected, match="not the one that was published"):
        verify(honest, head=bytes(32), start=START, claimed=claimed, replays=1, tolerance=1.0)
    with pytest.raises(ProofRejected, match="does not begin"):
        verify(honest, head=honest.head, start=claimed, claimed=claimed, replays=1, tolerance=1.0)
    with pytest.raises(ProofRejected, match="does not end"):
        accept(honest, START)
    with pytest.raises(ProofRejected, match="no records of this task"):
        accept(replace(honest, features=honest.features * 2), claimed)
    with pytest.raises(ProofRejected, match="do not exist"):
        accept(replace(honest, order=honest.order + len(DIGITS.train_y)), claimed)
    with pytest.raises(ProofRejected, match="does not fit the recipe"):
        accept(replace(honest, order=honest.order[:, :5]), claimed)
    with pytest.raises(ProofRejected, match="do not fit the model"):
        accept(replace(honest, features=honest.features[:, :60]), claimed)
    wrong = honest.checkpoints.copy()
    wrong[5] = np.nan
    with pytest.raises(ProofRejected, match="do not exist"):
        accept(replace(honest, checkpoints=wrong), claimed)


def test_every_part_of_a_proof_is_in_its_head(honest: Proof) -> None:
    small = replace(
        honest, checkpoints=honest.checkpoints[:3], order=honest.order[:2], features=honest.features.copy()
    )
    heads = {small.head}
    for changed in (
        replace(small, recipe=replace(RECIPE, learning_rate=0.2)),
        replace(small, checkpoints=small.checkpoints + np.float32(1e-3)),
        replace(small, features=small.features[::-1].copy()),
        replace(small, labels=small.labels[::-1].copy()),
        replace(small, order=small.order[::-1].copy()),
    ):
        heads.add(changed.head)
    assert len(heads) == 6


@pytest.mark.parametrize(("share", "cheaper"), [(0.05, 15), (0.02, 5)])
def test_the_published_spoof_passes_for_a_fraction_of_the_cost(
    honest: Proof, reference_distance: float, share: float, cheaper: int
) -> None:
    """A copier that never trained claims the whole training; every interval is replayed, and all of them pass."""
    copied, tolerance = honest.checkpoints[-1], share * reference_distance
    batch = np.concatenate([np.flatnonzero(DIGITS.train_y == label)[:2] for label in range(10)])
    made = spoof(
        RECIPE,
        START,
        copied,
        DIGITS.train_x[batch],
        DIGITS.train_y[batch],
        tolerance=tolerance,
        intervals=INTERVALS,
    )
    assert len(made.proof.order) == INTERVALS
    accept(made.proof, copied, tolerance, replays=INTERVALS)
    assert made.gradients * cheaper < INTERVALS * RECIPE.interval
    # the tolerance is not absurd: honest training moves further than the smaller one in some interval
    furthest = np.linalg.norm(np.diff(honest.checkpoints, axis=0), axis=1).max()
    assert share > 0.02 or tolerance < furthest


def test_the_spoof_has_limits_and_says_so(honest: Proof, reference_distance: float) -> None:
    batch = np.concatenate([np.flatnonzero(DIGITS.train_y == label)[:2] for label in range(10)])
    x, y, copied = DIGITS.train_x[batch], DIGITS.train_y[batch], honest.checkpoints[-1]
    with pytest.raises(ParameterError, match="too small to spoof"):
        spoof(RECIPE, START, copied, x, y, tolerance=1e-4 * reference_distance, intervals=20, most_steps=20)
    with pytest.raises(ParameterError, match="one batch of 20"):
        spoof(RECIPE, START, copied, x[:5], y[:5], tolerance=1.0)


def test_bad_recipes_are_refused() -> None:
    with pytest.raises(ParameterError, match="above 0"):
        Recipe(MODEL, batch=20, learning_rate=float("nan"), interval=10)
    with pytest.raises(ParameterError, match="do not fill a batch"):
        train(RECIPE, START, DIGITS.train_x[:5], DIGITS.train_y[:5], intervals=1, seed=1)


ETHER = 10**18
PLAN = bytes([7]) * 32
COORDINATOR = LocalSigner(bytes([1]) * 32)
VALIDATORS = [LocalSigner(bytes([i + 2]) * 32) for i in range(3)]


def test_validators_with_a_stake_doubt_a_lie_and_attest_a_spoof(
    honest: Proof, reference_distance: float
) -> None:
    """What the votes are worth: the contract counts opinions, and an opinion is as good as the check behind it."""
    copied, tolerance = honest.checkpoints[-1], 0.05 * reference_distance
    batch = np.concatenate([np.flatnonzero(DIGITS.train_y == label)[:2] for label in range(10)])
    made = spoof(RECIPE, START, copied, DIGITS.train_x[batch], DIGITS.train_y[batch], tolerance=tolerance)
    clumsy = replace(made.proof, labels=(made.proof.labels + 1) % 10)
    chain = Chain.embedded(None)
    for signer in (COORDINATOR, *VALIDATORS):
        chain.fund(signer.address, ETHER)
    deployment = chain.deploy(COORDINATOR)
    members = [Member(v.address, bytes([i]) * 32, 10) for i, v in enumerate(VALIDATORS)]
    deployment.register_plan(
        PLAN, plan_cid=cid_of(b"plan"), key_hash=bytes(32), members=members, rounds=2, min_clients=2, reward_per_round=0
    )  # fmt: skip
    voters = [Validators(deployment.acting_as(v)) for v in VALIDATORS]
    for voter in voters:
        voter.join(PLAN, 10**16)
    chain.rpc.request("evm_increaseTime", 60)
    chain.rpc.request("evm_mine")
    for number, proof in enumerate((clumsy, made.proof)):
        digest = update_digest(proof.head, b"")
        leaves = [update_leaf(Update(PLAN, number, v.address, 10, digest)) for v in VALIDATORS]
        deployment.commit_round(PLAN, number, MerkleTree(leaves).root, cid_of(b"leaves"), 3)
        deployment.record_aggregate(
            PLAN, number, cid_of(b"model"), bytes([9]) * 32, bytes([2]) * 64, 30, cid_of(b"record")
        )
        accepted = [replay(proof, interval).distance <= tolerance for interval in range(len(proof.order))]
        for voter in voters:
            voter.attest(opinion(PLAN, number, voter.record(PLAN, number), accepted))
    events = list(deployment.events())
    assert [e.round for e in events if isinstance(e, RoundDoubted)] == [0]
    assert [e.round for e in events if isinstance(e, RoundAttested)] == [1]
