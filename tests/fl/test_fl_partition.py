"""Partitions: everything is given to somebody, each kind is what it says, and bad combinations are refused."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl.divergence import label_distances, summarize
from fl.partition import split
from fl.plan import Partition
from mpc.errors import ParameterError

KINDS = ("dirichlet", "iid", "shards", "size-skew")


def digest(parts: list[np.ndarray]) -> str:
    body = b"".join(len(part).to_bytes(4, "little") + part.astype("<i8").tobytes() for part in parts)
    return hashlib.sha256(body).hexdigest()[:16]


@settings(deadline=None, max_examples=40)
@given(st.integers(5, 40), st.sampled_from(KINDS), st.integers(0, 99))
def test_every_sample_goes_to_one_client_and_every_client_gets_one(
    clients: int, kind: str, seed: int
) -> None:
    labels = np.arange(400) % 10
    parts = split(labels, clients, Partition(kind), seed, 16)
    assert len(parts) == clients and min(map(len, parts)) >= 1
    assert sorted(np.concatenate(parts).tolist()) == list(range(400))
    again = split(labels, clients, Partition(kind), seed, 16)
    assert all(np.array_equal(a, b) for a, b in zip(parts, again, strict=True))


@pytest.mark.parametrize(
    ("kind", "expected"), [("iid", "886021491780d30f"), ("dirichlet", "6c89018814091aa9")]
)
def test_partitions_of_earlier_releases_have_not_moved(kind: str, expected: str) -> None:
    assert digest(split(np.arange(1000) % 10, 20, Partition(kind, alpha=0.3), 7, 16)) == expected


@settings(deadline=None)
@given(st.data(), st.integers(2, 40), st.integers(0, 99))
def test_shards_hold_exactly_so_many_classes(data: st.DataObject, clients: int, seed: int) -> None:
    """Whatever the sizes of the classes, also when one has most of the samples."""
    counts = data.draw(st.lists(st.integers(40, 900), min_size=2, max_size=8))
    labels = np.repeat(np.arange(len(counts)), counts)
    wanted = data.draw(st.integers(1, len(counts)))
    spread = Partition("shards", classes=wanted)
    if clients * wanted < len(counts):
        with pytest.raises(ParameterError, match="cannot hold all"):
            split(labels, clients, spread, seed, 16)
        return
    parts = split(labels, clients, spread, seed, 16)
    assert {len(np.unique(labels[part])) for part in parts} == {wanted}
    assert sum(map(len, parts)) == len(labels)


def test_shards_of_equal_classes_are_of_equal_size() -> None:
    sizes = [len(part) for part in split(np.arange(1000) % 10, 20, Partition("shards"), 1, 16)]
    assert sizes == [50] * 20


@pytest.mark.parametrize(
    ("clients", "classes", "complaint"),
    [
        (4, 2, "4 clients with 2 classes each cannot hold all 10 classes"),
        (100, 11, "must be 1 to the 10 classes"),
        (350, 5, "a client would be left with none"),
    ],
)
def test_shards_that_cannot_work_are_refused_with_the_reason(
    clients: int, classes: int, complaint: str
) -> None:
    with pytest.raises(ParameterError, match=complaint):
        split(np.arange(400) % 10, clients, Partition("shards", classes=classes), 1, 16)


def test_size_skew_grows_with_its_parameter_and_leaves_labels_alone() -> None:
    labels = np.arange(20_000) % 10
    ratios, distances = [], []
    for skew in (0.0, 0.5, 1.5):
        parts = split(labels, 20, Partition("size-skew", skew=skew), 3, 16)
        sizes = np.array([len(part) for part in parts])
        assert sizes.min() >= 16
        ratios.append(sizes.max() / np.median(sizes))
        distances.append(summarize(labels, parts).weighted_mean)
    assert ratios[0] == 1 and ratios[0] < ratios[1] < ratios[2]
    assert max(distances) < 0.05


def test_more_clients_than_samples_is_refused() -> None:
    with pytest.raises(ParameterError, match="more than the 5 training samples"):
        split(np.zeros(5, dtype=np.int64), 6, Partition("iid"), 1, 16)


def test_distances_are_those_of_the_definition() -> None:
    labels = np.array([0, 0, 0, 1, 2, 2])
    shards = [np.array([0, 1]), np.array([2, 3, 4, 5])]
    # whole (1/2, 1/6, 1/3); first (1, 0, 0); second (1/4, 1/4, 1/2)
    assert label_distances(labels, shards) == pytest.approx([1 / 2, 1 / 4])
    summary = summarize(labels, shards)
    assert summary.mean == pytest.approx(3 / 8) and summary.weighted_mean == pytest.approx(1 / 3)
    assert (summary.smallest_client, summary.largest_client) == (2, 4)
    assert set(summary.as_dict()) >= {"mean", "lowest", "median", "highest"}


def test_distances_agree_with_an_earth_movers_solver() -> None:
    """As a linear program over transport plans with cost 1 between different labels."""
    from scipy.optimize import linprog

    rng = np.random.default_rng(4)
    labels = rng.integers(0, 4, 60)
    shards = [np.arange(0, 20), np.arange(20, 60)]
    whole = np.bincount(labels, minlength=4) / 60
    for shard, distance in zip(shards, label_distances(labels, shards), strict=True):
        mine = np.bincount(labels[shard], minlength=4) / len(shard)
        rows = np.kron(np.eye(4), np.ones(4))
        columns = np.kron(np.ones(4), np.eye(4))
        plan = linprog(
            (1 - np.eye(4)).ravel(), A_eq=np.vstack([rows, columns]), b_eq=np.concatenate([mine, whole])
        )
        assert plan.fun == pytest.approx(distance)


def test_distance_orders_the_partitions() -> None:
    labels = np.arange(4000) % 10
    mean = {kind: summarize(labels, split(labels, 20, Partition(kind), 1, 16)).mean for kind in KINDS}
    assert mean["iid"] < mean["dirichlet"] < mean["shards"]
    assert mean["shards"] == pytest.approx(0.8)


def test_a_client_without_samples_has_no_distance() -> None:
    with pytest.raises(ParameterError, match="without samples"):
        label_distances(np.array([0, 1]), [np.array([0, 1]), np.array([], dtype=np.int64)])
