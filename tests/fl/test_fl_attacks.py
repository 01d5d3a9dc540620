"""Attacks do what their papers say."""

from itertools import combinations
from statistics import NormalDist

import numpy as np
import pytest

from fl.attacks import (
    ATTACKS,
    ALittleIsEnough,
    Backdoor,
    FreeRider,
    Gaussian,
    InnerProduct,
    InsideCone,
    LabelFlip,
    MinMax,
    Scaling,
    Shard,
    SignFlip,
    View,
    attack_for,
    stamp,
)
from fl.attacks.colluding import PERTURBATIONS, alie_deviations
from fl.robust import cone_scores
from fl.seeds import generator
from mpc.errors import ParameterError

HONEST, BAD, DIM = 16, 4, 40


@pytest.fixture
def view() -> View:
    rng = np.random.default_rng(3)
    return View(
        honest=rng.normal(size=(HONEST, DIM)) + 0.3,
        previous=rng.normal(size=DIM),
        clients=HONEST + BAD,
        directions=rng.normal(size=(3, DIM)),
    )


OWN = np.random.default_rng(5).normal(size=(BAD, DIM))
SHARD = Shard(np.random.default_rng(6).random((30, 64), dtype=np.float32), np.arange(30) % 10, 10)


def test_simple_attacks(view: View) -> None:
    rng = generator(1, "test")
    assert np.array_equal(SignFlip(2.0).update(OWN, view, rng), -2 * OWN)
    assert np.array_equal(Scaling(-10.0).update(OWN, view, rng), -10 * OWN)
    noise = Gaussian(3.0).update(OWN, view, rng)
    assert np.linalg.norm(noise, axis=1) == pytest.approx(3 * np.linalg.norm(OWN, axis=1))
    assert abs(np.corrcoef(noise[0], OWN[0])[0, 1]) < 0.5
    flipped = LabelFlip().data(SHARD, rng)
    assert np.array_equal(flipped.labels, 9 - SHARD.labels) and flipped.features is SHARD.features


def test_alie_leaves_enough_honest_clients_farther_out() -> None:
    """Section 3.2: with z deviations, s clients of an n-m population are beyond, who with the m make a majority."""
    for clients, bad in ((50, 12), (100, 20), (51, 24)):
        z = alie_deviations(clients, bad)
        beyond = (clients - bad) * (1 - NormalDist().cdf(z))
        assert beyond + bad == pytest.approx(clients // 2 + 1)
    with pytest.raises(ParameterError, match="majority"):
        alie_deviations(10, 6)


def test_alie_is_the_mean_less_z_deviations(view: View) -> None:
    sent = ALittleIsEnough().update(OWN, view, generator(1))
    z = alie_deviations(HONEST + BAD, BAD)
    for j in range(DIM):
        column = [float(row[j]) for row in view.honest]
        mean = sum(column) / HONEST
        deviation = (sum((x - mean) ** 2 for x in column) / HONEST) ** 0.5
        assert sent[0, j] == pytest.approx(mean - z * deviation)
    assert (sent == sent[0]).all()


@pytest.mark.parametrize("perturbation", PERTURBATIONS)
def test_min_max_goes_exactly_as_far_as_two_honest_updates_are_apart(view: View, perturbation: str) -> None:
    """Equation 3 of the NDSS paper, at its bound: a step more would break it."""
    sent = MinMax(perturbation).update(OWN, view, generator(1))[0]
    apart = max(float(np.linalg.norm(a - b)) for a, b in combinations(view.honest, 2))

    def farthest(u: np.ndarray) -> float:
        return max(float(np.linalg.norm(u - a)) for a in view.honest)

    assert farthest(sent) == pytest.approx(apart, rel=1e-6)
    centre = view.honest.mean(axis=0)
    assert farthest(centre + 1.001 * (sent - centre)) > apart
    assert (sent - centre) @ centre < 0


def test_ipm_points_against_the_honest_mean(view: View) -> None:
    sent = InnerProduct(0.5).update(OWN, view, generator(1))
    assert np.allclose(sent, -0.5 * view.honest.mean(axis=0))
    total = (view.honest.sum(axis=0) + sent.sum(axis=0)) / view.clients
    assert 0 < total @ view.honest.mean(axis=0) < view.honest.mean(axis=0) @ view.honest.mean(axis=0)


def test_the_trigger_is_a_bright_corner_and_only_some_images_get_it() -> None:
    poisoned = Backdoor(target=7, share=0.5, side=2).data(SHARD, generator(1))
    changed = np.flatnonzero((poisoned.features != SHARD.features).any(axis=1))
    assert len(changed) == 15 and (poisoned.labels[changed] == 7).all()
    kept = np.setdiff1d(np.arange(30), changed)
    assert np.array_equal(poisoned.labels[kept], SHARD.labels[kept])
    corner = poisoned.features[changed].reshape(-1, 8, 8)[:, -2:, -2:]
    assert (corner == 1).all()
    assert SHARD.features.max() < 1  # the honest shard is left alone


def test_the_trigger_of_a_colour_image_is_white_and_in_the_corner() -> None:
    pictures = np.random.default_rng(1).random((5, 32, 32, 3)).astype(np.float32)
    marked = stamp(pictures.reshape(5, -1), 4).reshape(pictures.shape)
    assert (marked[:, 28:, 28:] == 1).all()
    marked[:, 28:, 28:] = pictures[:, 28:, 28:]
    assert np.array_equal(marked, pictures)


def test_model_replacement_survives_the_average(view: View) -> None:
    """Bagdasaryan et al., equation 3: with boost n / m and others that cancel, the mean is the attacker's update."""
    boost = view.clients / BAD
    same = np.tile(OWN[0], (BAD, 1))
    sent = Backdoor(boost=boost).update(same, view, generator(1))
    assert np.allclose(sent.sum(axis=0) / view.clients, OWN[0])


def test_free_riders_send_nothing_of_their_own(view: View) -> None:
    rng = generator(1)
    assert not FreeRider("zero").update(OWN, view, rng).any()
    assert (FreeRider("delta").update(OWN, view, rng) == view.previous).all()
    noise = FreeRider("noise").update(OWN, view, rng)
    assert np.linalg.norm(noise, axis=1) == pytest.approx(np.linalg.norm(view.previous))


def test_the_adaptive_attacker_has_the_best_score_there_is(view: View) -> None:
    sent = InsideCone(direction=1, length=2.0).update(OWN, view, generator(1))
    assert view.directions is not None
    g = view.directions
    scores = cone_scores(sent @ g.T, g @ g.T, (sent**2).sum(axis=1))
    negative = float(cone_scores(-g[1:2] @ g.T, g @ g.T, np.array([g[1] @ g[1]]))[0])
    assert scores == pytest.approx(-negative) and scores.min() > 0.7
    median = np.median(np.linalg.norm(view.honest, axis=1))
    assert np.linalg.norm(sent, axis=1) == pytest.approx(2 * median)


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_every_attack_keeps_shapes_and_does_not_touch_what_it_is_given(name: str, view: View) -> None:
    attack = attack_for(name)
    own, honest = OWN.copy(), view.honest.copy()
    sent = attack.update(own, view, generator(2, name))
    assert sent.shape == own.shape and np.isfinite(sent).all()
    assert np.array_equal(own, OWN) and np.array_equal(view.honest, honest)
    again = attack.update(own, view, generator(2, name))
    assert np.array_equal(sent, again)
    shard = attack.data(SHARD, generator(2, name))
    assert shard.features.shape == SHARD.features.shape
    unchanged = np.array_equal(shard.labels, SHARD.labels) and np.array_equal(shard.features, SHARD.features)
    assert unchanged != attack.poisons


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MinMax("down"), "perturbs along"),
        (lambda: FreeRider("late"), "free rider"),
        (lambda: Backdoor(share=0.0), "share"),
        (lambda: Backdoor(target=10).data(SHARD, generator(1)), "none of the 10"),
        (lambda: stamp(np.zeros((1, 60), dtype=np.float32)), "square"),
        (lambda: attack_for("hope"), "unknown attack"),
        (lambda: InsideCone().update(OWN, View(OWN, OWN[0], 8), generator(1)), "no cone"),
        (lambda: InnerProduct().update(OWN, View(OWN[:0], OWN[0], 4), generator(1)), "needs 1 honest"),
        (lambda: MinMax().update(OWN, View(OWN[:, :3], OWN[0], 4), generator(1)), "not of one model"),
    ],
)
def test_what_cannot_work_is_refused(make: object, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        make()  # type: ignore[operator]
