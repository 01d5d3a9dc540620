"""`from_torch`: torch modules as CrypTen modules, the same numbers in the clear and on shares."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mpc.crypten import from_torch
from mpc.crypten.compat import load
from mpc.errors import ParameterError
from tests.mpc.crypten_cases import values

crypten = load()


class Residual(nn.Module):
    """A block as in a residual network: convolutions, normalisation, a skip connection, pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.head = nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.norm(self.first(x)))
        y = y + self.second(y)
        y = F.avg_pool2d(y, 2)
        y = 1 - 2 * y
        return self.head(y.view(y.size(0), -1))


def seeded(build: Any) -> nn.Module:
    torch.manual_seed(3)
    module: nn.Module = build()
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.running_mean.normal_()  # type: ignore[union-attr]
            layer.running_var.uniform_(0.5, 2.0)  # type: ignore[union-attr]
            nn.init.normal_(layer.weight)
    return module.eval()


MODULES: list[tuple[Any, tuple[int, ...]]] = [
    (lambda: nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 2), nn.Softmax(1)), (3, 6)),
    (lambda: nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Sigmoid(), nn.LayerNorm(4)), (3, 6)),
    (lambda: nn.Sequential(nn.Conv1d(2, 3, 3, stride=2), nn.LeakyReLU(0.1), nn.Flatten()), (2, 2, 9)),
    (lambda: nn.Sequential(nn.Conv2d(2, 4, 3, groups=2), nn.GroupNorm(2, 4), nn.ReLU6()), (2, 2, 5, 5)),
    (lambda: nn.Sequential(nn.MaxPool2d(2), nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten()), (1, 2, 4, 4)),
    (lambda: nn.Sequential(nn.SiLU(), nn.Identity(), nn.Dropout(0.5), nn.GELU()), (2, 3)),
    (lambda: nn.Sequential(nn.Linear(4, 3), nn.LogSoftmax(dim=1)), (2, 4)),
    (Residual, (2, 2, 4, 4)),
]


@pytest.mark.parametrize(("build", "shape"), MODULES)
def test_a_translated_module_computes_the_same(build: Any, shape: tuple[int, ...]) -> None:
    module = seeded(build)
    x = torch.randn(*shape).clamp(-2, 2)
    want = module(x).detach()

    def body(rank: int) -> torch.Tensor:
        # only rank 1 holds the parameters, only rank 0 the input
        mine = seeded(build)
        if rank != 1:
            for parameter in mine.parameters():
                parameter.data.zero_()
        model = from_torch(mine).encrypt(src=1)
        secret = crypten.cryptensor(x if rank == 0 else torch.zeros_like(x), src=0)
        with crypten.no_grad():
            opened: torch.Tensor = model(secret).get_plain_text()
        return opened

    for opened in values(body):
        assert opened.shape == want.shape
        assert (opened - want).abs().max() < 0.05


def test_training_a_translated_module_moves_its_parameters_as_torch_does() -> None:
    def build() -> nn.Module:
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)).train()

    x, target = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)), torch.ones(6, 1)
    plain = build()
    F.mse_loss(plain(x), target).backward()  # type: ignore[no-untyped-call]
    want = [p - 0.1 * p.grad for p in plain.parameters() if p.grad is not None]

    def body(rank: int) -> list[torch.Tensor]:
        model = from_torch(build()).encrypt()
        output = model(crypten.cryptensor(x))
        crypten.nn.MSELoss()(output, crypten.cryptensor(target)).backward()
        model.update_parameters(0.1)
        return [p.get_plain_text() for p in model.parameters()]

    for opened in values(body):
        for value, expected in zip(opened, want, strict=True):
            assert (value - expected).abs().max() < 0.01


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (nn.Sequential(nn.Linear(2, 2), nn.Bilinear(2, 2, 2)), "Bilinear"),
        (nn.Sequential(nn.Conv2d(1, 1, 3, padding="same")), "padded with 'zeros', 'same'"),
        (nn.Sequential(nn.Flatten(1, 2)), "some axes"),
        (nn.Sequential(nn.AvgPool2d(2, padding=1, count_include_pad=False)), "whole window"),
        (nn.Sequential(nn.MaxPool2d(2, dilation=2)), "dilation"),
        (nn.LSTM(2, 2), "cannot be traced|LSTM|no counterpart"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name(module: nn.Module, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        from_torch(module)


def test_crypten_asks_for_it_under_its_old_name() -> None:
    model = crypten.nn.from_pytorch(nn.Linear(2, 2).eval(), torch.zeros(1, 2))
    assert isinstance(model, crypten.nn.Graph)
