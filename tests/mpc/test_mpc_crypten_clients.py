"""Squares that clients deal: used for their own vectors only, and a client that lies about one is named."""

from typing import Any

import numpy as np
import pytest
import torch

from mpc.crypten.compat import load
from mpc.crypten.providers import contribute_squares, squares_of, transfer
from mpc.crypten.providers.client_aided import decode_squares
from mpc.crypten.word128 import add, lift, multiply, subtract
from mpc.errors import FaultyParty, ParameterError
from mpc.wire import pack
from tests.mpc.crypten_cases import run, stream, values

crypten = load()


def integers(words: Any) -> list[int]:
    return [int(low) + (int(high) << 64) for low, high in zip(*words, strict=True)]


def test_arithmetic_mod_2_128_is_pythons() -> None:
    a, b = stream("a").uint64((2, 200)), stream("b").uint64((2, 200))
    a[:, :3] = [[2**64 - 1, 0, 1], [2**64 - 1, 1, 0]]
    b[:, :3] = [[2**64 - 1, 2**64 - 1, 0], [2**64 - 1, 0, 2**63]]
    for function, plain in ((add, int.__add__), (subtract, int.__sub__), (multiply, int.__mul__)):
        want = [plain(x, y) % 2**128 for x, y in zip(integers(a), integers(b), strict=True)]
        assert integers(function(a, b)) == want
    assert integers(lift(np.array([7], dtype=np.uint64))) == [7]


def norms(rank: int) -> list[float]:
    """The squared lengths of two clients' vectors; the second client dealt nothing."""
    first = crypten.cryptensor(torch.tensor([1.0, 2.0, -3.0]), src=0)
    second = crypten.cryptensor(torch.tensor([2.0, 2.0, 2.0]), src=1)
    with squares_of(7):
        own = first.square()
    return [float(x.sum().get_plain_text().item()) for x in (own, second.square())]


@pytest.mark.parametrize(("parties", "provider"), [(2, None), (3, None), (2, transfer)])
def test_a_client_deals_the_squares_of_its_own_vector(parties: int, provider: Any) -> None:
    dealt = contribute_squares(3, tuple(range(1, parties + 1)), stream("client"))
    assert [len(data) for data in dealt.values()] == [32] * (parties - 1) + [16 * 4 * 3]
    for lengths in values(norms, parties, provider=provider, squares={7: (dealt, 3)}):
        assert lengths == pytest.approx([14.0, 12.0], abs=1e-3)


def test_pairs_are_used_once_and_never_for_another() -> None:
    def twice(rank: int) -> None:
        x = crypten.cryptensor(torch.tensor([1.0, 2.0, -3.0]), src=0)
        with squares_of(7):
            x.square()
            x.square()

    def stranger(rank: int) -> None:
        x = crypten.cryptensor(torch.tensor([1.0]), src=0)
        with squares_of(8):
            x.square()

    squares = {7: (contribute_squares(3, (1, 2), stream("client")), 3)}
    with pytest.raises(ParameterError, match="client 7 dealt 0 squares where 3 are needed"):
        run(twice, squares=squares)
    with pytest.raises(ParameterError, match="client 8 dealt 0 squares"):
        run(stranger, squares=squares)
    with pytest.raises(ParameterError, match="without squares of clients"):
        run(stranger)


@pytest.mark.parametrize("part", [1, 3])
@pytest.mark.parametrize("error", [1, 2**63])
def test_a_client_that_lies_is_named(part: int, error: int) -> None:
    """Also with 2^63, the zero divisor that a check in the ring itself would let through half the time."""
    dealt = contribute_squares(3, (1, 2), stream("client"))
    shares = decode_squares(7, dealt[2], 3)
    shares[part][0][1:2] += np.uint64(error)
    squares = {7: ({1: dealt[1], 2: pack(*shares)}, 3)}
    result = run(norms, squares=squares, raise_errors=False)
    for me in (1, 2):
        caught = result.errors[me]
        assert isinstance(caught, FaultyParty) and caught.party == 7
        assert "not the squares" in str(caught)


def test_a_message_of_another_length_names_the_client() -> None:
    dealt = contribute_squares(3, (1, 2), stream("client"))
    with pytest.raises(FaultyParty, match="party 7: sent 191 bytes where 192 are due"):
        run(norms, squares={7: ({1: dealt[1], 2: dealt[2][:-1]}, 3)})
    with pytest.raises(ParameterError, match="two different servers"):
        contribute_squares(1, (1, 1), stream())
