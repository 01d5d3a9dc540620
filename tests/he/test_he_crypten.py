"""CrypTen's products by packed Paillier: right, masked, and whoever sends something else is named."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from he import crypten_provider
from he.crypten_provider import STATISTICAL_BITS, paillier
from mpc.crypten.compat import load
from mpc.crypten.items import Bilinear, Item, Kind
from mpc.errors import FaultyParty, InsecureError, ParameterError
from mpc.runtime import run_local
from tests.mpc.crypten_cases import run, stream, values

crypten = load()
small = partial(paillier, bits=1024, allow_insecure=True)


def body(rank: int) -> list[torch.Tensor]:
    x = crypten.cryptensor(torch.tensor([[1.5, -2.0, 0.25], [3.0, 0.0, -1.0]]), src=0)
    y = crypten.cryptensor(torch.tensor([[2.0, 1.0, -4.0], [0.5, 1.0, 1.0]]), src=1)
    results = [x * y, x.square(), x.matmul(y.t()), x > y, x * y[:1]]
    return [value.get_plain_text() for value in results]


def test_products_squares_and_comparisons_equal_plaintext() -> None:
    x = torch.tensor([[1.5, -2.0, 0.25], [3.0, 0.0, -1.0]])
    y = torch.tensor([[2.0, 1.0, -4.0], [0.5, 1.0, 1.0]])
    for opened in values(body, provider=small):
        for value, want in zip(opened, [x * y, x * x, x @ y.T, (x > y).float(), x * y[:1]], strict=True):
            assert (value - want).abs().max() < 1e-3


def shares(item: Any, provider: Any = small) -> dict[int, Any]:
    def party(me: int) -> Any:
        source = yield from provider(me, (1, 2), stream(me))
        return (yield from source.make(item))

    return run_local({me: party(me) for me in (1, 2)}, raise_errors=True).results


@pytest.mark.parametrize(
    "item",
    [
        Item(Kind.PRODUCT, 3),
        Item(Kind.SQUARE, 3),
        Bilinear("matmul", (2, 3), (3, 4)),
        Bilinear("matmul", (2, 2, 3), (3,)),
        Bilinear("conv2d", (1, 2, 4, 5), (3, 2, 2, 2), (("padding", 1), ("stride", (1, 2)))),
        Bilinear("conv1d", (2, 1, 6), (2, 1, 3), (("dilation", 2),)),
    ],
)
def test_items_are_what_they_say_mod_2_64(item: Any) -> None:
    """The full range of words, so that a slot that is too narrow would be found out."""
    one, two = shares(item).values()
    free = [[part.copy() for part in each[:-1]] for each in (one, two)]
    np.testing.assert_array_equal(item.determined(free), one[-1] + two[-1])


def test_what_the_first_party_decrypts_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every decrypted product is longer than a product by the statistical bits, and differs from run to run."""
    seen: list[int] = []
    stock = crypten_provider._words

    def spy(integers: Any) -> Any:
        seen.extend(int(value).bit_length() for value in integers.reshape(-1))
        return stock(integers)

    monkeypatch.setattr(crypten_provider, "_words", spy)
    shares(Bilinear("matmul", (4, 8), (8, 4)))
    assert max(seen) >= 126 + STATISTICAL_BITS - 4
    assert np.mean(seen) > 126 + STATISTICAL_BITS - 8


def test_short_keys_need_saying_so_and_three_parties_are_too_many() -> None:
    with pytest.raises(InsecureError):
        run(lambda rank: None, provider=partial(paillier, bits=1024))
    with pytest.raises(ParameterError, match="between two parties"):
        run(lambda rank: None, 3, provider=small)
    with pytest.raises(ParameterError, match="use a dealer"):
        shares(Bilinear("conv2d", (1, 2, 4, 4), (2, 1, 2, 2), (("groups", 2),)))


@pytest.mark.parametrize("answer", [b"", b"garbage", bytes(64)])
def test_a_peer_that_sends_something_else_is_named(answer: bytes) -> None:
    def cheat() -> Any:
        source = yield from small(2, (1, 2), stream(2))
        assert source.trust.startswith("nobody")
        yield {}
        yield {1: answer}

    def honest() -> Any:
        source = yield from small(1, (1, 2), stream(1))
        return (yield from source.make(Item(Kind.SQUARE, 2)))

    result = run_local({1: honest(), 2: cheat()})
    assert isinstance(result.errors[1], FaultyParty) and result.errors[1].party == 2
