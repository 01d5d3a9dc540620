"""Gradients of single records, clipped and summed: against torch.func, Opacus and the definition; what is built on them."""

import math
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from fl.engine import LocalSGD, gather
from fl.models import SoftmaxRegression, model_for
from fl.models.base import Model
from fl.optim import algorithm_for
from fl.privacy import epsilon_of
from fl.privacy.dpsgd import DPSGD
from fl.privacy.gradients import clip_factors, clipped_sum, clipped_sums, record_gradients
from fl.seeds import generator
from mpc.errors import ParameterError
from mpc.prg import Stream

torch.set_num_threads(1)

MODELS = [SoftmaxRegression(12, 4), model_for("mlp", 12, 4)]


def records(count: int, inputs: int = 12, classes: int = 4) -> tuple[Tensor, Tensor]:
    rng = generator(5, "records", count)
    x = rng.normal(size=(count, inputs)).astype(np.float32)
    return torch.from_numpy(x), torch.from_numpy(rng.integers(0, classes, count))


def weights(model: Model) -> Tensor:
    return torch.from_numpy(model.initial(3) * (20 if model.name == "softmax" else 1))


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_a_record_alone_has_the_gradient_that_vmap_finds(model: Model) -> None:
    x, y = records(9)

    def loss(w: Tensor, one: Tensor, label: Tensor) -> Tensor:
        return functional.cross_entropy(model.logits(w[None], one[None, None])[0], label[None])

    expected = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))(weights(model), x, y)
    assert torch.allclose(record_gradients(model, weights(model), x, y), expected, atol=1e-5)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
@pytest.mark.parametrize("clip", [0.3, 3.0, 1e6])
def test_the_clipped_sum_is_the_sum_of_clipped_gradients(model: Model, clip: float) -> None:
    x, y = records(300)
    each = record_gradients(model, weights(model), x, y).double()
    expected = sum(g * min(1.0, clip / max(float(g.norm()), 1e-30)) for g in each)
    assert torch.allclose(
        clipped_sum(model, weights(model), x, y, clip), torch.as_tensor(expected), atol=1e-4
    )


def opacus_sum(network: nn.Module, x: Tensor, y: Tensor, clip: float) -> Tensor:
    """One step of Opacus' DP optimizer without noise: its gradients, summed, in the order of the parameters."""
    from opacus import GradSampleModule
    from opacus.optimizers import DPOptimizer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrapped = GradSampleModule(network, loss_reduction="sum")
        optimizer = DPOptimizer(
            torch.optim.SGD(wrapped.parameters(), lr=1.0),
            noise_multiplier=0.0,
            max_grad_norm=clip,
            expected_batch_size=1,
            loss_reduction="sum",
        )
        functional.cross_entropy(wrapped(x), y, reduction="sum").backward()
        optimizer.pre_step()
    gradients = [p.grad.T if p.grad.ndim == 2 else p.grad for p in wrapped.parameters()]
    return torch.cat([gradient.flatten() for gradient in gradients])


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_opacus_clips_and_sums_alike(model: Model) -> None:
    """The same weights in layers of torch.nn, with half of the gradients clipped."""
    x, y = records(64)
    w = weights(model)
    widths = [12, 4] if model.name == "softmax" else [12, 64, 4]
    layers: list[nn.Module] = []
    first = 0
    for inputs, outputs in zip(widths, widths[1:], strict=False):
        layer = nn.Linear(inputs, outputs)
        with torch.no_grad():
            layer.weight.copy_(w[first : first + inputs * outputs].view(inputs, outputs).T)
            layer.bias.copy_(w[first + inputs * outputs : first + (inputs + 1) * outputs])
        first += (inputs + 1) * outputs
        layers += [nn.ReLU(), layer] if layers else [layer]
    clip = float(record_gradients(model, w, x, y).norm(dim=1).median())
    ours = clipped_sum(model, w, x, y, clip)
    # Opacus divides by the norm plus 10^-6
    assert torch.allclose(ours.float(), opacus_sum(nn.Sequential(*layers), x, y, clip), rtol=1e-4, atol=1e-3)


def test_a_record_moves_the_sum_by_its_clip_and_no_more() -> None:
    model = SoftmaxRegression(12, 4)
    x, y = records(200)
    whole = clipped_sum(model, weights(model), x, y, 0.5)
    for gone in range(0, 200, 13):
        rest = torch.arange(200) != gone
        apart = (whole - clipped_sum(model, weights(model), x[rest], y[rest], 0.5)).norm()
        assert float(apart) <= 0.5


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_a_record_that_is_not_finite_counts_for_nothing(model: Model) -> None:
    x, y = records(10)
    sick = x.clone()
    sick[3, 2], sick[7, 0] = math.inf, math.nan
    rest = torch.tensor([k for k in range(10) if k not in (3, 7)])
    expected = clipped_sum(model, weights(model), x[rest], y[rest], 1.0)
    assert torch.allclose(clipped_sum(model, weights(model), sick, y, 1.0), expected, atol=1e-5)
    assert clip_factors(torch.tensor([0.0, 1.0, math.inf, math.nan]), 0.5).tolist() == pytest.approx(
        [1.0, 0.5, 0.0, 0.0]
    )


def test_dp_fedsgd_is_gradient_descent_when_nothing_is_clipped() -> None:
    """Two steps with momentum over three clients against the full gradient of all their records."""
    model = SoftmaxRegression(12, 4)
    x, y = records(60)
    shards = [np.arange(0, 30), np.arange(30, 50), np.arange(50, 60)]
    sgd = LocalSGD(learning_rate=0.5)
    algorithm = algorithm_for("dp-fedsgd", sgd, clip=1e6, records=20.0, server_momentum=0.9)
    plain = algorithm_for("fedsgd", sgd, server_momentum=0.9)
    state = expected = algorithm.initial_state(model.initial(1))
    for round in range(2):
        cohort = gather([1, 2, 3], shards, x, y, 1, round)
        payloads, _ = algorithm.local(model, cohort, state, torch.zeros(3, 0), round)
        state = algorithm.step(state, payloads.double().mean(0).numpy(), 1.0, round)
        whole = gather([1], [np.arange(60)], x, y, 1, round)
        gradient, _ = plain.local(model, whole, expected, torch.zeros(1, 0), round)
        expected = plain.step(expected, gradient[0].double().numpy(), 1.0, round)
    assert np.allclose(state, expected, atol=1e-5)
    assert clipped_sums(model, cohort, torch.zeros(model.size), 0.1).norm(dim=1).max() <= 0.1 * 30


def test_dp_sgd_learns_and_its_noise_is_what_it_says() -> None:
    model = SoftmaxRegression(12, 4)
    x, _ = records(400)
    y = (x[:, :4].argmax(1)).numpy()
    how = DPSGD(steps=40, rate=0.25, learning_rate=1.0, clip=1.0, noise_multiplier=1.0)
    start = model.initial(1)
    update = how.train(model, start, x.numpy(), y, Stream(bytes(32)))
    assert model.evaluate(start + update, x, torch.from_numpy(y)).accuracy > 0.8
    assert np.array_equal(update, how.train(model, start, x.numpy(), y, Stream(bytes(32))))
    # with a clip this small nothing but noise is left: 40 steps of deviation clip / (rate * records) each
    quiet = DPSGD(steps=40, rate=0.25, learning_rate=1.0, clip=1e-9, noise_multiplier=1.0)
    noise = quiet.train(model, start * 0, x.numpy() * 0, y, Stream(bytes(32)))
    weights_only = noise[: -model.classes]
    assert np.std(weights_only) == pytest.approx(1e-9 / 100 * math.sqrt(40), rel=6 / math.sqrt(2 * 48))


def test_dp_sgd_costs_what_sampled_gaussians_cost() -> None:
    from opacus.accountants import RDPAccountant

    how = DPSGD(steps=200, rate=0.05, learning_rate=1.0, clip=1.0, noise_multiplier=1.1)
    theirs = RDPAccountant()
    theirs.history = [(1.1, 0.05, 200)]
    assert epsilon_of(how.event(52, 600), 1e-5, "rdp") == pytest.approx(theirs.get_epsilon(1e-5), rel=0.02)
    # every record in every batch: no amplification left
    assert epsilon_of(DPSGD(1, 1.0, 1.0, 1.0, 1.1).event(52, 600), 1e-5) > 3


def test_batches_hold_each_record_with_the_rate() -> None:
    how = DPSGD(steps=1, rate=0.3, learning_rate=1.0, clip=1.0, noise_multiplier=1.0)
    sizes = [len(how._batch(Stream(bytes(32)).derive(k), 1000)) for k in range(100)]
    assert abs(np.mean(sizes) - 300) < 6 * math.sqrt(210 / 100)
    assert len(DPSGD(1, 1.0, 1.0, 1.0, 1.0)._batch(Stream(bytes(32)), 1000)) == 1000


@pytest.mark.parametrize(
    "fields",
    [
        (0, 0.1, 1, 1, 1),
        (1, 0.0, 1, 1, 1),
        (1, 1.1, 1, 1, 1),
        (1, 0.1, 0, 1, 1),
        (1, 0.1, 1, -1, 1),
        (1, 0.1, 1, 1, 0),
    ],
)
def test_dp_sgd_without_meaning_is_refused(fields: tuple[float, ...]) -> None:
    with pytest.raises(ParameterError):
        DPSGD(*fields)  # type: ignore[arg-type]


def test_dp_fedsgd_without_meaning_is_refused() -> None:
    for setting in ({"clip": 0.0}, {"records": -1.0}, {"server_momentum": 1.0}):
        with pytest.raises(ParameterError):
            algorithm_for("dp-fedsgd", LocalSGD(), **setting)
