"""What travels between parties: one spelling, bounded, never unpickled; requests to a dealer; seeds."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.crypten.agreement import agree
from mpc.crypten.encoding import decode_tensor, decode_value, encode_tensor, encode_value
from mpc.crypten.items import Bilinear, Item, Kind, item_from_bytes, wraps
from mpc.crypten.modules import described, rebuilt
from mpc.crypten.shapes import shape_of
from mpc.errors import DecodeError, FaultyParty, ParameterError
from mpc.runtime import run_local
from tests.mpc.crypten_cases import stream

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(VALUES)
def test_values_come_back_and_have_one_spelling(value: Any) -> None:
    data = encode_value(value)
    assert decode_value(data) == value and encode_value(decode_value(data)) == data


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_arbitrary_bytes_are_a_value_or_a_decode_error(data: bytes) -> None:
    try:
        value = decode_value(data)
    except DecodeError:
        return
    assert encode_value(value) == data


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(6).reshape(2, 3), torch.tensor(5), torch.zeros(0, 4), torch.tensor([True, False]),
        torch.tensor([-1, 2], dtype=torch.int32), torch.tensor([1.5, float("inf")]), torch.zeros(3, dtype=torch.uint8),
        torch.arange(6).reshape(2, 3).t(), torch.tensor([1.5], dtype=torch.float64, requires_grad=True),
    ],
)  # fmt: skip
def test_tensors_come_back(tensor: torch.Tensor) -> None:
    data = encode_tensor(tensor)
    back, rest = decode_tensor(memoryview(data + b"more"))
    assert bytes(rest) == b"more" and back.dtype == tensor.dtype and torch.equal(back, tensor.detach())
    back += 0 if back.dtype != torch.bool else False
    assert isinstance(decode_value(encode_value(torch.Size([2, 3]))), torch.Size)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x00", b"\x09\x00", b"\x00\x11", b"\x00\x01" + (2**40).to_bytes(8, "big"),
        b"\x00\x01" + (1).to_bytes(8, "big") + bytes(7), b"\x07\x01" + (1).to_bytes(8, "big") + b"\x02",
    ],
)  # fmt: skip
def test_what_is_no_tensor_is_refused_before_anything_is_allocated(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_tensor(memoryview(data))


@pytest.mark.parametrize(
    "data",
    [b"i\x00\x00\x00\x02\x00\x05", b"NN", b"l\xff\xff\xff\xff", b"t" * 100, b"s\x00\x00\x00\x01\xff", b"cos\nsystem\n",
     b"S\x00\x00\x00\x01N", b"d\x00\x00\x00\x02" + 2 * (b"\x00\x00\x00\x01aN")],
)  # fmt: skip
def test_other_spellings_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_value(data)


@pytest.mark.parametrize(
    "value", [object(), {1: 2}, torch.nn.Linear(1, 1), torch.zeros(1, dtype=torch.complex64), {2}]
)
def test_what_does_not_travel(value: Any) -> None:
    with pytest.raises(ParameterError, match="does not travel"):
        encode_value(value)


# --- modules


def model() -> torch.nn.Module:
    torch.manual_seed(2)
    layers = [
        torch.nn.Conv2d(1, 2, 3, bias=False),
        torch.nn.BatchNorm2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(8, 2),
    ]
    module = torch.nn.Sequential(*layers).eval()
    from crypten.common import serial

    serial.register_safe_class(torch.nn.Sequential)
    return module


def test_modules_travel_as_descriptions() -> None:
    module, x = model(), torch.ones(1, 1, 4, 4)
    back = rebuilt(decode_value(encode_value(described(module))))
    assert torch.equal(back(x), module(x)) and not back.training
    assert all(parameter.requires_grad for parameter in back.parameters())


@pytest.mark.parametrize(
    "change",
    [
        {"class": "builtins.eval"}, {"class": "os.system"}, {"class": "builtins.set"}, {"training": 1},
        {"attributes": {"forward": 1}}, {"attributes": {"__class__": 1}}, {"attributes": {"_forward_hooks": 1}},
        {"parameters": {"weight": 1}}, {"children": {"0": {}}}, {"children": {"0": 5}}, {"more": 1},
    ],
)  # fmt: skip
def test_descriptions_that_ask_for_more_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        rebuilt(described(model()) | change)


def test_a_class_nobody_registered_does_not_travel() -> None:
    class Stranger(torch.nn.Module):
        pass

    with pytest.raises(ParameterError, match="register .*Stranger"):
        described(Stranger())


# --- requests


@pytest.mark.parametrize(
    "item",
    [
        Item(Kind.AND, 5), Item(Kind.WRAP, 0), Bilinear("mul", (3, 1), (4,)), Bilinear("matmul", (2, 3), (3, 4)),
        Bilinear("conv2d", (1, 2, 5, 5), (3, 2, 2, 2), (("padding", (1, 0)), ("stride", 2))),
    ],
)  # fmt: skip
def test_requests_come_back(item: Any) -> None:
    assert item_from_bytes(item.to_bytes()) == item


@pytest.mark.parametrize(
    "data",
    [
        b"", encode_value([9, 1]), encode_value([1, -1]), encode_value([1, 2**40]), encode_value([True, 1]),
        encode_value(["eval", [1], [1], []]), encode_value(["matmul", [2, 3], [4, 5], []]),
        encode_value(["matmul", [2**20, 2**20], [2**20, 1], []]), encode_value(["mul", [1], [1], [["out", 1]]]),
        encode_value(["conv2d", [1, 1, 4, 4], [1, 1, 2, 2], [["stride", 0]]]), encode_value(["mul", [-1], [1], []]),
        encode_value(["conv2d", [1, 1, 4, 4], [1, 1, 2, 2], [["stride", "2"]]]), encode_value([["mul"], [1], [1], []]),
        encode_value(["mul", [1], [1], [1]]),
    ],
)  # fmt: skip
def test_requests_that_are_none_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        item_from_bytes(data)


@pytest.mark.parametrize(
    ("operation", "left", "right", "options"),
    [
        ("mul", (3, 1, 2), (4, 1), {}), ("matmul", (3,), (3,), {}), ("matmul", (5, 2, 3), (3,), {}),
        ("matmul", (3,), (5, 3, 2), {}), ("matmul", (4, 1, 2, 3), (5, 3, 6), {}),
        ("conv1d", (2, 4, 9), (6, 2, 3), {"groups": 2, "stride": (2,), "padding": 1}),
        ("conv2d", (1, 2, 7, 9), (3, 2, 2, 3), {"dilation": (2, 1), "padding": (0, 2)}),
        ("conv_transpose1d", (2, 3, 5), (3, 2, 4), {"stride": 3, "padding": 1, "output_padding": 2}),
        ("conv_transpose2d", (1, 4, 3, 3), (4, 1, 2, 2), {"groups": 2, "stride": (2, 1)}),
    ],
)  # fmt: skip
def test_shapes_are_torchs(operation: str, left: Any, right: Any, options: dict[str, Any]) -> None:
    want = getattr(torch, operation)(torch.zeros(left), torch.zeros(right), **options).shape
    assert shape_of(operation, left, right, options) == tuple(want)


def test_wraps_are_crypten_s() -> None:
    from crypten.common.util import count_wraps

    shares = [stream(i).uint64(500) for i in range(4)]
    want = count_wraps([torch.from_numpy(share.view(np.int64)) for share in shares])
    assert wraps(shares).view(np.int64).tolist() == want.tolist()


# --- seeds


def agreed(parties: tuple[int, ...] = (1, 2, 3), **replace: Any) -> Any:
    protocols = {me: agree(me, parties, stream(me)) for me in parties}
    return run_local(protocols | {int(k[1:]): v for k, v in replace.items()}, record=True)


def test_two_ends_share_a_stream_and_nobody_else_has_it() -> None:
    seeds = agreed().results
    drawn = {(i, j): seeds[i].to(j, "x").bytes(16) for i in seeds for j in seeds if i != j}
    assert len(set(drawn.values())) == 6
    assert all(seeds[j].from_(i, "x").bytes(16) == data for (i, j), data in drawn.items())
    assert len({seeds[i].public("x").bytes(16) for i in seeds}) == 1
    assert repr(seeds[1]) == "Seeds(<secret>)"


def test_seeds_do_not_travel_in_the_clear() -> None:
    result = agreed()
    sent = b"".join(message.data for message in result.messages)
    for i, seeds in result.results.items():
        for party, seed in seeds._drawn.items():
            assert seed not in sent, (i, party)


@pytest.mark.parametrize("first", [b"", bytes(32), b"\x01" + bytes(31), bytes(31)])
def test_a_key_that_is_none_names_its_sender(first: bytes) -> None:
    def cheat() -> Any:
        yield {1: first, 2: first}
        yield {}

    result = agreed(_3=cheat())
    assert isinstance(result.errors[1], FaultyParty) and result.errors[1].party == 3


def test_a_seed_that_was_changed_names_its_sender() -> None:
    def cheat() -> Any:
        inner = agree(3, (1, 2, 3), stream(3))
        inbox = yield next(inner)
        outbox = inner.send(inbox)
        yield {1: outbox[2], 2: outbox[2]}

    result = agreed(_3=cheat())
    assert isinstance(result.errors[1], FaultyParty) and result.errors[1].party == 3
