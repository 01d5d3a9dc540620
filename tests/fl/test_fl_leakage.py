"""Scores of leakage: metrics against slow or known twins, intervals against enumeration, words against thresholds."""

import itertools
import struct
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from fl.leakage import judge
from fl.leakage.membership import confidence, likelihood_ratio, losses, paired_halves
from fl.leakage.metrics import PSNR_CAP, best_match, psnr, ssim, succeeded
from fl.leakage.pictures import Strip, gallery, png
from fl.leakage.roc import area, true_positives_at
from fl.leakage.seen import Release
from fl.seeds import generator
from mpc.errors import ParameterError
from mpc.prg import Stream
from mpc.runtime import run_local
from mpc.secagg import IdentityKey, Parameters, client, server


def slow_ssim(x: np.ndarray, y: np.ndarray, window: int) -> float:
    """Equation (13) of Wang et al. 2004, one window and one pixel at a time."""
    half = window // 2
    values = []
    for row in range(half, len(x) - half):
        for column in range(half, len(x) - half):
            total = mx = my = 0.0
            pixels = []
            for i, j in itertools.product(range(-half, half + 1), repeat=2):
                weight = np.exp(-(i * i + j * j) / (2 * 1.5**2))
                pixels.append((weight, x[row + i, column + j], y[row + i, column + j]))
                total += weight
            for weight, a, b in pixels:
                mx, my = mx + weight / total * a, my + weight / total * b
            vx = sum(w / total * (a - mx) ** 2 for w, a, _ in pixels)
            vy = sum(w / total * (b - my) ** 2 for w, _, b in pixels)
            vxy = sum(w / total * (a - mx) * (b - my) for w, a, b in pixels)
            c1, c2 = 0.01**2, 0.03**2
            values.append((2 * mx * my + c1) * (2 * vxy + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2)))
    return float(np.mean(values))


@pytest.mark.parametrize(("side", "window"), [(8, 7), (11, 11), (14, 11)])
def test_ssim_is_the_published_formula(side: int, window: int) -> None:
    rng = generator(1, "ssim", side)
    x = rng.random((side, side))
    for y in (np.clip(x + 0.2 * rng.normal(size=x.shape), 0, 1), rng.random(x.shape), 1 - x):
        assert ssim(x.ravel(), y.ravel(), side) == pytest.approx(slow_ssim(x, y, window), abs=1e-12)


def test_known_values_of_ssim_and_psnr() -> None:
    flat = np.full(144, 0.4)
    other = np.full(144, 0.8)
    assert ssim(flat, flat, 12) == pytest.approx(1.0, abs=1e-12)
    # without variance only the luminance term is left
    assert ssim(flat, other, 12) == pytest.approx((2 * 0.32 + 1e-4) / (0.16 + 0.64 + 1e-4))
    assert psnr(flat, other) == pytest.approx(10 * np.log10(1 / 0.16))
    assert psnr(flat, flat) == PSNR_CAP
    assert ssim(np.stack([flat, other]), np.stack([flat, flat]), 12).shape == (2,)
    with pytest.raises(ParameterError, match="square|12 x 12"):
        ssim(flat[:100], flat[:100], 12)


def test_success_is_more_than_twenty_decibels() -> None:
    # an error of exactly a tenth of the range is 20 dB: not yet a success
    assert succeeded(np.array([19.99, 20.0, 20.01])).tolist() == [False, False, True]


def test_the_best_match_does_not_depend_on_the_order() -> None:
    truth = generator(2, "match").random((5, 16))
    found = np.concatenate([truth[::-1] * 0.9, generator(3, "match").random((4, 16))])
    assert np.array_equal(best_match(truth, found), truth * 0.9)


# --- ROC


scores = st.lists(st.integers(0, 6), min_size=2, max_size=30).map(lambda v: np.array(v, dtype=np.float64))


@given(scores, scores)
def test_auc_is_that_of_scikit_learn_ties_included(members: np.ndarray, others: np.ndarray) -> None:
    truth = np.r_[np.ones(len(members)), np.zeros(len(others))]
    found = area(members, others)
    assert found.auc == pytest.approx(roc_auc_score(truth, np.r_[members, others]), abs=1e-12)
    assert 0 <= found.low <= found.auc <= found.high <= 1


def test_delongs_variance_is_that_of_its_definition() -> None:
    rng = generator(4, "delong")
    members, others = rng.normal(0.5, 1, 40), rng.normal(0, 1, 60)
    wins = (members[:, None] > others[None]) + 0.5 * (members[:, None] == others[None])
    variance = wins.mean(1).var(ddof=1) / 40 + wins.mean(0).var(ddof=1) / 60
    found = area(members, others)
    assert found.high - found.auc == pytest.approx(1.959963984540054 * np.sqrt(variance))


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = generator(5, "coverage")
    truth = 0.6381631950841185  # P(N(0.5, 1) > N(0, 1)) = Phi(0.5 / sqrt(2))
    held = [
        found.low <= truth <= found.high
        for found in (area(rng.normal(0.5, 1, 80), rng.normal(0, 1, 80)) for _ in range(400))
    ]
    assert 0.92 <= np.mean(held) <= 0.98


def test_complete_separation_still_has_an_interval() -> None:
    found = area(np.arange(10.0) + 100, np.arange(20.0))
    assert found.auc == 1.0 and found.high == 1.0
    assert found.low == pytest.approx(0.025 ** (1 / 10))


def test_true_positives_at_few_false_ones() -> None:
    others = np.arange(100.0)
    assert true_positives_at(np.array([98.5, 97.5, 99.5, 0.0]), others, 0.01) == 0.5
    assert true_positives_at(np.array([98.5, 99.5]), others, 0.0) == 0.5
    assert true_positives_at(np.array([1.0]), others, 1.0) == 1.0


# --- membership


def test_confidence_is_the_logit_of_the_right_class() -> None:
    logits = torch.from_numpy(generator(6, "logits").normal(size=(3, 7, 4)))
    labels = torch.from_numpy(generator(7, "labels").integers(0, 4, (3, 7)))
    p = logits.softmax(-1).gather(-1, labels.unsqueeze(-1)).squeeze(-1).numpy()
    assert confidence(logits, labels) == pytest.approx(np.log(p / (1 - p)))
    assert losses(logits, labels) == pytest.approx(-np.log(p))


@given(st.integers(1, 5), st.integers(1, 20))
@settings(max_examples=20)
def test_halves_are_exact_in_both_directions(pairs: int, half: int) -> None:
    inside = paired_halves(2 * pairs, 2 * half, generator(8, pairs, half))
    assert (inside.sum(axis=1) == half).all() and (inside.sum(axis=0) == pairs).all()


def test_the_likelihood_ratio_is_that_of_two_gaussians() -> None:
    rng = generator(9, "ratio")
    inside = paired_halves(400, 40, rng)
    means = rng.normal(size=40)
    shadows = rng.normal(np.where(inside, means + 2.0, means), 0.5)
    observed = rng.normal(size=(3, 40))
    ratio = likelihood_ratio(observed, shadows, inside)
    exact = ((observed - means) ** 2 - (observed - means - 2.0) ** 2) / (2 * 0.25)
    assert ratio == pytest.approx(exact, rel=0.2, abs=2.5)
    assert np.corrcoef(ratio.ravel(), exact.ravel())[0, 1] > 0.999
    with pytest.raises(ParameterError, match="some shadow"):
        likelihood_ratio(observed, shadows, np.ones_like(inside))


# --- words


@pytest.mark.parametrize(
    ("success", "auc", "word"),
    [
        (0.51, None, "high"),
        (0.5, None, "medium"),
        (0.05, None, "medium"),
        (0.049, None, "low"),
        (None, (0.71, 0.6, 0.8), "high"),
        (None, (0.7, 0.6, 0.8), "medium"),
        (None, (0.54, 0.51, 0.57), "medium"),
        (None, (0.54, 0.49, 0.57), "low"),
        (None, (0.52, 0.3, 0.75), "medium"),
        (0.0, (0.8, 0.7, 0.9), "high"),
        (0.9, (0.5, 0.49, 0.51), "high"),
        (0.01, (0.56, 0.49, 0.6), "medium"),
    ],
)
def test_the_word_follows_from_the_numbers(
    success: float | None, auc: tuple[float, float, float] | None, word: str
) -> None:
    assert judge(success=success, auc=auc).risk == word


def test_no_measurement_no_word() -> None:
    with pytest.raises(ParameterError, match="needs a measurement"):
        judge()


# --- pictures


def test_a_png_decodes_to_the_picture() -> None:
    picture = generator(10, "png").random((5, 7))
    file = png(picture)
    assert file.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, at = {}, 8
    while at < len(file):
        (length,) = struct.unpack(">I", file[at : at + 4])
        kind, body = file[at + 4 : at + 8], file[at + 8 : at + 8 + length]
        assert struct.unpack(">I", file[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + body)
        chunks[kind] = body
        at += 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    assert struct.unpack(">IIBBBBB", chunks[b"IHDR"]) == (7, 5, 8, 0, 0, 0, 0)
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(5, 8)
    assert not lines[:, 0].any() and np.abs(lines[:, 1:] / 255 - picture).max() <= 0.5 / 255 + 1e-12


def test_a_gallery_is_one_self_contained_svg() -> None:
    from xml.etree import ElementTree

    strips = [Strip("<hidden>", "a & b", np.zeros((3, 16))), Strip("found", "", np.ones((2, 16)))]
    root = ElementTree.fromstring(gallery("Pictures", strips).text)
    images = root.findall("{http://www.w3.org/2000/svg}image")
    assert len(images) == 5 and all(i.get("href", "").startswith("data:image/png;base64,") for i in images)
    with pytest.raises(ParameterError, match="not a square"):
        gallery("Pictures", [Strip("", "", np.zeros((1, 12)))])
    with pytest.raises(ParameterError, match="at least one line"):
        gallery("Pictures", [])


# --- what is seen


def test_a_release_is_what_secure_aggregation_gives() -> None:
    updates = generator(11, "updates").normal(0, 0.1, (5, 40)).astype(np.float32)
    release = Release(5, l2_clip=0.5)
    seen = release.mean(updates)
    clipped = updates * np.minimum(1, 0.5 / np.linalg.norm(updates, axis=1, keepdims=True))
    assert np.abs(seen - clipped.mean(axis=0)).max() <= release.codec().step
    params = Parameters(tuple(range(1, 6)), 4, 3, dim=40, session=b"leakage")
    root = Stream(bytes(32), b"leakage test")
    keys = {i: IdentityKey.generate(root.derive("identity", i)) for i in params.clients}
    names = {i: key.public() for i, key in keys.items()}
    rows = {i: release.codec().encode(clipped[i - 1].astype(np.float64)).values for i in params.clients}
    parties = {i: client(i, params, keys[i], names, rows[i], [], randomness=root.derive(i)) for i in rows}
    result = run_local({0: server(params, names), **parties}, raise_errors=True).results[0]
    assert release.codec().decode_sum(result.total, total_weight=5) == pytest.approx(seen, abs=2e-5)


def test_noise_is_asked_for_in_steps_of_the_codec() -> None:
    asked: list[tuple[int, float]] = []

    def noise(n: int, std: float) -> np.ndarray:
        asked.append((n, std))
        return np.arange(n)

    release = Release(1, l2_clip=2.0, noise_multiplier=0.5)
    seen = release.mean(np.zeros((1, 4), np.float32), noise)
    assert asked == [(4, 0.5 * release.codec().limit)]
    assert seen == pytest.approx(np.arange(4) * release.codec().step)
    with pytest.raises(ParameterError, match="no source of noise"):
        release.mean(np.zeros((1, 4), np.float32))
    with pytest.raises(ParameterError, match="1 clients are in the sum"):
        release.mean(np.zeros((2, 4), np.float32), noise)
    with pytest.raises(ParameterError, match="clip above 0"):
        Release(1, l2_clip=float("nan"))
