"""The model and its canonical file, against an autograd-free gradient and the safetensors package."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fl.engine import LocalSGD, gather, local_sgd
from fl.models import SoftmaxRegression, from_safetensors, to_safetensors
from mpc.errors import DecodeError

MODEL = SoftmaxRegression(inputs=4, classes=3)


@given(st.lists(st.floats(width=32, allow_nan=False), max_size=50))
def test_the_safetensors_package_reads_what_is_written(values: list[float]) -> None:
    from safetensors.numpy import load

    vector = np.array(values, dtype=np.float32)
    read = load(to_safetensors(vector))
    assert list(read) == ["parameters"] and np.array_equal(read["parameters"], vector)
    assert np.array_equal(from_safetensors(to_safetensors(vector)), vector)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_canonical_model_or_refused(data: bytes) -> None:
    try:
        vector = from_safetensors(data)
    except DecodeError:
        return
    assert to_safetensors(vector) == data


def test_trailing_and_missing_bytes_are_refused() -> None:
    data = to_safetensors(np.ones(3, dtype=np.float32))
    for bad in (data + b"\0", data[:-1], data[:20], b"\xff" * 16):
        with pytest.raises(DecodeError):
            from_safetensors(bad)


def test_one_full_batch_step_is_the_closed_form_gradient() -> None:
    rng = np.random.default_rng(3)
    features, labels = rng.normal(size=(20, 4)).astype(np.float32), rng.integers(0, 3, 20)
    start = MODEL.initial(7)
    cohort = gather([1], [np.arange(20)], torch.from_numpy(features), torch.from_numpy(labels), 7, 0)
    how = LocalSGD(epochs=1, batch=20, learning_rate=0.5)
    update = local_sgd(MODEL, cohort, cohort.tensor(start), how)[0].numpy() - start
    logits = features @ start[:-3].reshape(4, 3) + start[-3:]
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    error = (chances - np.eye(3)[labels]) / 20
    gradient = np.concatenate([(features.T @ error).ravel(), error.sum(0)])
    assert np.allclose(update, -0.5 * gradient, atol=1e-6)
