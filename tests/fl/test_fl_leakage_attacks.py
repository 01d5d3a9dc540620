"""Attacks on gradients and sums: they find what is there, and fail where there is noise."""

import numpy as np
import pytest
import torch

from fl.data import load_digits
from fl.leakage.analytic import FirstLayer, candidates, trap
from fl.leakage.inversion import Search, dlg, idlg, label_of
from fl.leakage.metrics import psnr
from fl.leakage.roc import area
from fl.leakage.scenes import Scene, Secrets, first_layer, reconstruct
from fl.leakage.seen import Release
from fl.leakage.victims import SigmoidLeNet, gradients
from fl.leakage.worlds import Clients, Worlds, infer, worlds
from fl.models import SoftmaxRegression
from fl.models.mlp import Perceptron
from fl.privacy.discrete_gaussian import discrete_gaussian
from fl.seeds import generator
from fl.suite.leakage import SMOKE, leakage
from mpc.errors import ParameterError
from mpc.prg import Stream

DIGITS = load_digits()
SECRETS = Secrets(DIGITS.train_x, DIGITS.train_y, DIGITS.classes)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


def noise(n: int, std: float) -> np.ndarray:
    return discrete_gaussian(Stream(bytes(32), b"leakage tests"), round(std * std), n)


def test_the_lenet_is_that_of_torch_for_every_client() -> None:
    model = SigmoidLeNet(64, 10)
    rng = generator(1, "lenet")
    parameters = torch.from_numpy(rng.normal(size=(3, model.size)))
    features = torch.from_numpy(rng.random((3, 5, 64)))
    batched = model.logits(parameters, features)
    for client in range(3):
        parts = iter(torch.split(parameters[client], [int(np.prod(s)) for s in model.shapes]))
        shaped = [part.view(shape) for part, shape in zip(parts, model.shapes, strict=True)]
        maps = features[client].view(5, 1, 8, 8)
        for layer, stride in enumerate((2, 2, 1)):
            weight, bias = shaped[2 * layer : 2 * layer + 2]
            maps = torch.nn.functional.conv2d(maps, weight, bias, stride, padding=2).sigmoid()
        expected = torch.nn.functional.linear(maps.flatten(1), *shaped[-2:])
        assert torch.allclose(batched[client], expected)
    assert SigmoidLeNet(784, 10).size == 13_426
    with pytest.raises(ParameterError, match="square pictures"):
        _ = SigmoidLeNet(65, 10).size


def test_gradients_are_those_of_the_models() -> None:
    model = Perceptron(64, 10)
    weights = torch.from_numpy(model.initial(1))
    x = torch.from_numpy(DIGITS.train_x[:12]).view(3, 4, 64)
    y = torch.from_numpy(DIGITS.train_y[:12]).view(3, 4)
    ours = gradients(model, weights, x, y)
    theirs = model.gradient(weights.expand(3, -1), x, y, torch.full((3, 4), 0.25))
    assert torch.allclose(ours, theirs, atol=1e-6)
    soft = torch.nn.functional.one_hot(y, 10).float()
    assert torch.allclose(ours, gradients(model, weights, x, soft), atol=1e-6)


@pytest.mark.parametrize("model", [Perceptron(64, 10), SoftmaxRegression(64, 10)])
def test_one_record_is_read_off_exactly(model: Perceptron | SoftmaxRegression) -> None:
    result = reconstruct("analytic", model, model.initial(1), SECRETS, Scene(1, 1), sums=20, steps=0, seed=1)
    assert result.success == 1.0 and result.ssim > 0.999


def test_the_first_layer_is_where_the_model_has_it() -> None:
    model = Perceptron(64, 10, hidden=7)
    layer = first_layer(model)
    x = DIGITS.train_x[:1]
    gradient = gradients(
        model,
        torch.from_numpy(model.initial(3)),
        torch.from_numpy(x)[None],
        torch.from_numpy(DIGITS.train_y[:1])[None],
    )[0].numpy()
    found = candidates(gradient.astype(np.float64), layer)
    assert 1 <= len(found) <= 7 and psnr(x, found).min() > 60
    with pytest.raises(ParameterError, match="no dense first layer"):
        first_layer(SigmoidLeNet(64, 10))
    with pytest.raises(ParameterError, match="too few"):
        candidates(np.zeros(10), FirstLayer(3, 3, 9))


def test_sums_leak_less_with_more_clients_and_little_with_noise() -> None:
    model = Perceptron(64, 10)
    success = {
        scene: reconstruct(
            "analytic",
            model,
            model.initial(1),
            SECRETS,
            scene,
            sums=200 // scene.together,
            steps=0,
            seed=1,
            noise=noise,
        ).success
        for scene in (Scene(1, 1), Scene(10, 1), Scene(100, 1), Scene(1, 1, noise_multiplier=0.1))
    }
    raw, ten, hundred, noisy = success.values()
    assert raw == 1.0 and 0.4 < ten < 0.9 and hundred < 0.1 and noisy == 0.0


def test_an_attacker_who_chooses_the_weights_gets_records_out_of_large_sums() -> None:
    model = Perceptron(64, 10)
    weights = trap(model, DIGITS.test_x.mean(axis=1), seed=1)
    chosen = [
        reconstruct(
            "chosen weights", model, weights, SECRETS, Scene(n, 1), sums=200 // n, steps=0, seed=1
        ).success
        for n in (10, 100)
    ]
    # alone between two of 64 thresholds: (63/64)^9 = 87 % of 10 records, (63/64)^99 = 21 % of 100
    assert chosen == pytest.approx([0.87, 0.21], abs=0.12)


def test_searches_find_a_single_record_and_its_label() -> None:
    model = SigmoidLeNet(64, 10)
    weights = model.initial(1)
    for attack in ("DLG", "iDLG"):
        result = reconstruct(attack, model, weights, SECRETS, Scene(1, 1), sums=1, steps=60, seed=1)
        assert result.success == 1.0, attack
    cosine = reconstruct("cosine", model, weights, SECRETS, Scene(1, 1), sums=1, steps=90, seed=1)
    assert cosine.psnr > 14 and cosine.ssim > 0.7
    for x, y in zip(DIGITS.train_x[:20], DIGITS.train_y[:20], strict=True):
        seen = gradients(
            model, torch.from_numpy(weights), torch.from_numpy(x)[None, None], torch.tensor([[y]])
        )[0].numpy()
        assert label_of(seen.astype(np.float64), 10) == y


def test_clipping_alone_hides_nothing_from_a_search() -> None:
    model = SigmoidLeNet(64, 10)
    weights = model.initial(2)
    x, y = DIGITS.train_x[:1], DIGITS.train_y[:1]
    sent = gradients(
        model, torch.from_numpy(weights), torch.from_numpy(x)[None], torch.from_numpy(y)[None]
    ).numpy()
    clip = float(np.linalg.norm(sent)) / 3
    seen = Release(1, clip).mean(sent)
    start = generator(1, "clip").random((1, 1, 64))
    aware = idlg(Search(model, weights, seen, start, steps=80, l2_clip=clip), y[None])
    unaware = idlg(Search(model, weights, seen, start, steps=80), y[None])
    assert psnr(x, aware[0])[0] > 30 > psnr(x, unaware[0])[0]


def test_noise_defeats_a_search() -> None:
    model = SigmoidLeNet(64, 10)
    result = reconstruct(
        "iDLG", model, model.initial(1), SECRETS, Scene(1, 1, 0.1), sums=1, steps=30, seed=1, noise=noise
    )
    assert result.success == 0.0 and result.psnr < 15


def test_a_search_that_diverges_still_returns_a_picture() -> None:
    model = SigmoidLeNet(64, 10)
    search = Search(model, model.initial(1), np.full(model.size, 1e30), np.full((1, 1, 64), 1e200), steps=3)
    found = dlg(search, np.zeros((1, 1, 10)))
    assert np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1


def test_asking_for_what_is_not_there() -> None:
    model = Perceptron(64, 10)
    with pytest.raises(ParameterError, match="unknown attack"):
        reconstruct("guess", model, model.initial(1), SECRETS, Scene(1, 1), sums=1, steps=1, seed=1)
    with pytest.raises(ParameterError, match="want more than"):
        reconstruct("analytic", model, model.initial(1), SECRETS, Scene(100, 100), sums=1, steps=1, seed=1)


# --- membership


@pytest.fixture(scope="module")
def trained() -> Worlds:
    return worlds(
        Perceptron(64, 10, 32), DIGITS.train_x, DIGITS.train_y, Clients(60, 40, 20, 0.2),
        targets=4, shadows=12, most_clients=10, seed=1,
    )  # fmt: skip


def auc(trained: Worlds, release: Release) -> dict[str, float]:
    found = infer(trained, release, noise, seed=1)
    return {each.attack: area(each.members, each.others).auc for each in found}


def test_members_of_a_raw_update_are_found_and_noise_hides_them(trained: Worlds) -> None:
    raw = auc(trained, Release(1, trained.largest_norm))
    ten = auc(trained, Release(10, trained.largest_norm))
    private = auc(trained, Release(1, trained.typical_norm, 1.0))
    assert raw["LiRA-lite"] > 0.65 > ten["LiRA-lite"] + 0.02
    assert raw["LiRA-lite"] > raw["loss threshold"]
    assert abs(private["LiRA-lite"] - 0.5) < 0.1


def test_worlds_hold_what_they_say(trained: Worlds) -> None:
    assert trained.inside.shape == (16, 120) and (trained.inside.sum(axis=1) == 60).all()
    assert trained.real.shape[0] == 9 and trained.simulated.shape[0] == 14
    assert not np.array_equal(trained.updates[0], trained.updates[1])
    with pytest.raises(ParameterError, match="need 1800 in all"):
        worlds(
            Perceptron(64, 10), DIGITS.train_x, DIGITS.train_y, Clients(600, 1, 20, 0.1),
            targets=2, shadows=2, most_clients=1, seed=1,
        )  # fmt: skip


@pytest.mark.slow
def test_the_suite_gives_rows_words_and_a_gallery() -> None:
    rows, svg = leakage(DIGITS, SMOKE, seed=1)
    words = {row["view"]: row["verdict"] for row in rows if "verdict" in row}
    assert words["a raw update"] == words["a sum of 10"] == "high"
    assert words["a sum of 100, noise 1"] == "low"
    assert all(row["epsilon"] for row in rows if "noise" in row["view"])
    assert svg.startswith("<svg") and svg.count("<image") > 40
