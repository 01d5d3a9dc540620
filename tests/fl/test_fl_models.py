"""The models and their canonical file, against gradients made another way and the safetensors package."""

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fl.engine import LocalSGD, gather, local_sgd
from fl.models import ConvNet, Model, SoftmaxRegression, from_safetensors, model_for, to_safetensors
from fl.models.base import autograd_gradient
from mpc.errors import DecodeError, ParameterError

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


def random_batch(model: Model, clients: int, batch: int) -> tuple[torch.Tensor, ...]:
    rng = np.random.default_rng(clients)
    weights = rng.random((clients, batch))
    weights[:, -1] = 0  # padding
    return (
        torch.from_numpy(np.stack([model.initial(seed) for seed in range(clients)])),
        torch.from_numpy(rng.random((clients, batch, model.inputs), dtype=np.float32)),
        torch.from_numpy(rng.integers(0, model.classes, (clients, batch))),
        torch.from_numpy(weights.astype(np.float32)),
    )


MODELS_AND_SIZES = [
    ("softmax", 784, 7_850),
    ("mlp", 784, 50_890),
    ("lenet", 784, 28_874),
    ("lenet", 64, 5_834),
    ("cnn", 3072, 114_186),
]


@pytest.mark.parametrize(("name", "inputs", "size"), MODELS_AND_SIZES)
def test_gradients_are_those_of_automatic_differentiation(name: str, inputs: int, size: int) -> None:
    model = model_for(name, inputs, 10)
    assert model.size == size == len(model.initial(1)) and model.initial(1).dtype == np.float32
    parameters, features, labels, weights = random_batch(model, 3, 5)
    for clients in (3, 2, 3):  # scratch memory of one size serves another
        got = model.gradient(parameters[:clients], features[:clients], labels[:clients], weights[:clients])
        for k in range(clients):
            one = slice(k, k + 1)
            want = autograd_gradient(
                model, parameters[one].double(), features[one].double(), labels[one], weights[one].double()
            )
            assert torch.allclose(got[k].double(), want[0], atol=1e-4 * float(want.abs().max()))


@pytest.mark.parametrize(("name", "inputs", "size"), MODELS_AND_SIZES)
def test_padding_and_neighbours_do_not_matter(name: str, inputs: int, size: int) -> None:
    model = model_for(name, inputs, 10)
    parameters, features, labels, weights = random_batch(model, 2, 4)
    before = model.gradient(parameters, features, labels, weights)
    features[:, -1], labels[0, -1] = 7.0, 3
    parameters[1] = 0.5
    after = model.gradient(parameters, features, labels, weights)
    assert torch.allclose(before[0], after[0], atol=1e-5 * float(before.abs().max()))
    assert not torch.allclose(before[1], after[1], atol=1e-3 * float(before.abs().max()))


def test_evaluation_in_chunks_is_evaluation_at_once() -> None:
    model = model_for("mlp", 20, 4)
    rng = np.random.default_rng(2)
    features, labels = rng.normal(size=(2300, 20)).astype(np.float32), rng.integers(0, 4, 2300)
    w = model.initial(3)
    logits = model.logits(torch.from_numpy(w)[None], torch.from_numpy(features)[None])[0]
    result = model.evaluate(w, features, labels)
    assert result.accuracy == pytest.approx(float((logits.argmax(1).numpy() == labels).mean()))
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels))
    assert result.loss == pytest.approx(float(loss), rel=1e-5)
    assert result == model.evaluate(w, torch.from_numpy(features), torch.from_numpy(labels))


@pytest.mark.parametrize(("name", "inputs"), [("softmax", 64), ("mlp", 64), ("lenet", 64)])
def test_initial_weights_come_from_the_seed_tree(name: str, inputs: int) -> None:
    model = model_for(name, inputs, 10)
    assert np.array_equal(model.initial(4), model.initial(4))
    assert not np.array_equal(model.initial(4), model.initial(5))
    # small enough that every class begins with about the same chance
    features = np.random.default_rng(1).random((200, inputs), dtype=np.float32)
    start = model.evaluate(model.initial(4), features, np.arange(200) % 10)
    assert abs(start.loss - np.log(10)) < 0.35


def test_the_softmax_start_has_not_moved() -> None:
    digest = hashlib.sha256(model_for("softmax", 64, 10).initial(1).tobytes()).hexdigest()
    assert digest.startswith("fad81efbbced8b54")


def test_bfloat16_is_close_and_says_that_it_is_not_reproducible() -> None:
    exact, fast = ConvNet(3072, 10), ConvNet(3072, 10, bfloat16=True)
    assert exact.reproducible and not fast.reproducible and (exact.name, fast.name) == ("cnn", "cnn-bf16")
    parameters, features, labels, weights = random_batch(exact, 1, 4)
    one = exact.gradient(parameters, features, labels, weights)
    other = fast.gradient(parameters, features, labels, weights)
    assert not torch.equal(one, other)
    assert torch.nn.functional.cosine_similarity(one, other).item() > 0.98


def test_the_network_is_torchs_own_on_the_pictures_as_the_loader_lays_them_out() -> None:
    """Pixels of three channels: a network that took them for planes would train all the same, only badly."""
    pictures = np.random.default_rng(5).random((4, 32, 32, 3), dtype=np.float32)
    model, layers = ConvNet(3072, 10), torch.nn.Sequential()
    for before, after in ((3, 32), (32, 64), (64, 128)):
        layers.append(torch.nn.Conv2d(before, after, 3, padding=1))
        layers.append(torch.nn.MaxPool2d(2) if after < 128 else torch.nn.Identity())
        layers.extend([torch.nn.GroupNorm(8, after), torch.nn.ReLU()])
    layers.extend([torch.nn.AvgPool2d(2), torch.nn.Flatten(), torch.nn.Linear(128 * 4 * 4, 10)])
    parameters = torch.cat([p.detach().flatten() for p in layers.parameters()])
    want = layers(torch.from_numpy(pictures.transpose(0, 3, 1, 2).copy() - np.float32(0.47)) / 0.25)
    records = torch.from_numpy(pictures.reshape(1, 4, -1))
    got = model.logits(parameters[None], records)[0]
    assert torch.allclose(got, want, atol=1e-5)
    both = model.logits(torch.stack([parameters, -parameters]), records.expand(2, -1, -1))
    assert torch.allclose(both[0], want, atol=1e-5) and not torch.allclose(both[1], want, atol=1e-2)


def test_models_for_other_records_are_refused_with_the_reason() -> None:
    with pytest.raises(
        ParameterError, match="unknown model 'resnet': there are cnn, cnn-bf16, least-squares"
    ):
        model_for("resnet", 3072, 10)
    with pytest.raises(ParameterError, match="grey square images whose side is a multiple of four, not 3072"):
        model_for("lenet", 3072, 10)
    with pytest.raises(ParameterError, match="cnn reads images of 32x32x3, not 784"):
        model_for("cnn", 784, 10)
    with pytest.raises(ParameterError, match="at least two classes"):
        model_for("softmax", 64, 1)
