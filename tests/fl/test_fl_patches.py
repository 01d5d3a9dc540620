"""Patch features: what the fast path computes, that the map is public alone, and that a linear head learns on it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fl import data
from fl.data.patched import RECIPES, patched
from fl.models.patches import PatchFeatures, draw_root
from mpc.errors import ParameterError

DIGITS = data.load("digits")
ROOT = draw_root(DIGITS.train_y, 10, 1)


def fit(**settings: float) -> PatchFeatures:
    torch.set_num_threads(1)
    chosen = {"patches": 7, "side": 3, "grid": 2, **settings}
    return PatchFeatures.fit(DIGITS.train_x[ROOT], DIGITS.shape, 1, **chosen)  # type: ignore[arg-type]


def plain_features(features: PatchFeatures, image: np.ndarray) -> np.ndarray:
    """The definition, place by place: normalize, compare, cut off, average."""
    height, width, channels = features.shape
    side, grid = features.side, features.grid
    pixels = image.reshape(features.shape).astype(np.float64)
    places = height - side + 1, width - side + 1
    above = np.zeros((*places, 2, len(features.filters)))
    for row in range(places[0]):
        for column in range(places[1]):
            patch = pixels[row : row + side, column : column + side].ravel()
            patch = (patch - patch.mean()) / np.sqrt(patch.var() + (10 / 255) ** 2)
            response = features.filters @ patch - features.offsets
            above[row, column, 0] = np.maximum(response - features.threshold, 0)
            above[row, column, 1] = np.maximum(-response - features.threshold, 0)
    averages = []
    for down in range(grid):
        for across in range(grid):
            rows = slice(down * places[0] // grid, -(-(down + 1) * places[0] // grid))
            columns = slice(across * places[1] // grid, -(-(across + 1) * places[1] // grid))
            averages.append(above[rows, columns].mean(axis=(0, 1)))
    centred = np.concatenate(averages).ravel() ** features.power - features.centre
    projected = (
        centred @ features.projection if features.projection.ndim == 2 else centred * features.projection
    )
    for axis, stretch in zip(features.axes, features.stretch, strict=True):
        projected = projected + (stretch - 1) * (projected @ axis) * axis
    return projected


@pytest.mark.parametrize(
    "settings", [{}, {"components": 20}, {"grid": 3}, {"threshold": 0.2}, {"power": 0.5}, {"sphering": 1e-3}]
)
def test_the_fast_path_is_the_definition(settings: dict[str, float]) -> None:
    features = fit(**settings)
    images = DIGITS.test_x[:9]
    expected = np.array([plain_features(features, image) for image in images])
    assert np.allclose(features.transform(images), expected, atol=2e-5)


def test_channels_are_taken_as_the_loader_lays_them_out() -> None:
    rng = np.random.default_rng(2)
    images = rng.random((12, 6 * 7 * 3)).astype(np.float32)
    features = PatchFeatures.fit(images, (6, 7, 3), 1, patches=4, side=3, grid=2)
    expected = np.array([plain_features(features, image) for image in images])
    assert np.allclose(features.transform(images), expected, atol=2e-5)


def test_mirrored_features_cannot_tell_an_image_from_its_mirror_image() -> None:
    features = fit(patches=8, mirrored=True)
    images = DIGITS.test_x[:20]
    mirror = images.reshape(-1, 8, 8)[:, :, ::-1].reshape(20, 64)
    assert features.outputs == 4 * 2 * 4
    assert np.allclose(
        features.transform(images), features.transform(np.ascontiguousarray(mirror)), atol=1e-5
    )
    # and they are the mean of what the image and its mirror image give with half the patches
    half = replace(features, mirrored=False, filters=features.filters[:4], offsets=features.offsets[:4])
    mean = (half.transform(images) + half.transform(np.ascontiguousarray(mirror))) / 2
    assert np.allclose(features.transform(images), mean, atol=1e-5)


def test_low_precision_is_near() -> None:
    exact = fit()
    near = replace(exact, low_precision=True).transform(DIGITS.test_x)
    difference = near - exact.transform(DIGITS.test_x)
    assert 0 < np.abs(difference).std() < 0.03 * near.std()


def test_the_map_comes_from_the_root_set_and_the_seed_alone() -> None:
    once, again = fit(), fit()
    assert once.sha256 == again.sha256
    other = PatchFeatures.fit(DIGITS.train_x[ROOT], DIGITS.shape, 2, patches=7, side=3, grid=2)
    assert other.sha256 != once.sha256
    assert np.array_equal(once.transform(DIGITS.test_x[:5]), once.transform(DIGITS.test_x)[:5])


def test_records_have_norms_near_one() -> None:
    for components in (0, 40):
        norms = np.linalg.norm(fit(components=components).transform(DIGITS.test_x), axis=1)
        assert 0.8 < norms.mean() < 1.2


def test_sphered_features_vary_alike_along_the_axes_of_the_root_set() -> None:
    def spread(features: PatchFeatures) -> float:
        shown = features.transform(DIGITS.train_x[ROOT]).astype(np.float64)
        variances = np.linalg.eigvalsh(np.cov(shown.T))
        return float(variances[-1] / np.median(variances))

    flat, sphered = fit(patches=5), fit(patches=5, sphering=1e-6)
    assert sphered.outputs == flat.outputs
    assert spread(sphered) < 1.5 < 20 < spread(flat)
    norms = np.linalg.norm(sphered.transform(DIGITS.test_x), axis=1)
    assert 0.8 < norms.mean() < 1.5
    with pytest.raises(ParameterError, match="not both"):
        fit(components=20, sphering=1e-4)


def test_a_root_set_has_every_class_and_leaves_the_training_data() -> None:
    assert np.bincount(DIGITS.train_y[ROOT]).tolist() == [10] * 10
    applied = fit().apply(DIGITS, ROOT)
    assert len(applied.train_y) == len(DIGITS.train_y) - 100
    assert applied.shape == (applied.inputs,) == (56,)
    with pytest.raises(ParameterError, match="fewer than the 500"):
        draw_root(DIGITS.train_y, 500, 1)


def test_a_linear_head_on_the_features_beats_one_on_the_pixels() -> None:
    def accuracy(dataset: data.Dataset) -> float:
        x = np.hstack([dataset.train_x, np.ones((len(dataset.train_x), 1))])
        head = np.linalg.solve(x.T @ x + 1e-3 * np.eye(x.shape[1]), x.T @ np.eye(10)[dataset.train_y])
        scores = np.hstack([dataset.test_x, np.ones((len(dataset.test_x), 1))]) @ head
        return float((scores.argmax(axis=1) == dataset.test_y).mean())

    features = accuracy(fit(patches=24, side=4, components=60).apply(DIGITS, ROOT))
    assert features > 0.96 > accuracy(DIGITS)


def test_loaded_features_are_cached_and_a_damaged_cache_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EPPML_CACHE", str(tmp_path))
    first = data.load("digits-patches")
    assert (first.name, first.inputs) == ("digits-patches", RECIPES["digits"].components)
    (file,) = (tmp_path / "features").iterdir()
    written = file.stat().st_mtime_ns
    assert data.load("digits-patches").sha256 == first.sha256
    assert file.stat().st_mtime_ns == written
    file.write_bytes(file.read_bytes()[:-100])
    assert data.load("digits-patches").sha256 == first.sha256
    assert file.stat().st_mtime_ns != written


def test_images_too_small_or_without_a_recipe_are_refused() -> None:
    with pytest.raises(ParameterError, match="patches of side 9"):
        fit(side=9)
    with pytest.raises(ParameterError, match="no patch features of adult"):
        patched(replace(DIGITS, name="adult"))
    with pytest.raises(ParameterError, match="records of shape"):
        fit().apply(replace(DIGITS, shape=(64,)), ROOT)
