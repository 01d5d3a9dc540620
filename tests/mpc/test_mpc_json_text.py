"""JSON from outside never crashes the process, whatever limits other libraries have raised."""

import json
import sys
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpc.errors import DecodeError
from mpc.json_text import MAX_DEPTH, read_json

LIMIT = 1 << 22
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.fixture
def high_recursion_limit() -> Iterator[None]:
    """What importing a pairing library or a deep-learning compiler does to the process."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    yield
    sys.setrecursionlimit(before)


@given(VALUES)
def test_what_json_writes_is_read_back(value: object) -> None:
    assert read_json(json.dumps(value), max_bytes=LIMIT) == value


@pytest.mark.usefixtures("high_recursion_limit")
@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":', '["\\"]",'])
def test_deep_nesting_is_refused_where_the_parser_would_overflow_the_stack(opening: str) -> None:
    with pytest.raises(DecodeError, match="nested"):
        read_json(opening * 100_000, max_bytes=LIMIT)


def test_nesting_up_to_the_bound_is_read() -> None:
    assert read_json("[" * MAX_DEPTH + "]" * MAX_DEPTH, max_bytes=LIMIT)
    with pytest.raises(DecodeError):
        read_json("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), max_bytes=LIMIT)


def test_brackets_inside_strings_do_not_count() -> None:
    assert read_json(json.dumps("[" * 1000 + '\\"'), max_bytes=LIMIT) == "[" * 1000 + '\\"'


@pytest.mark.parametrize(
    "text", ['{"a": 1, "a": 2}', "NaN", "[Infinity]", "", "{", '"open', '"\\', "1" * 5000, "\ud800"]
)
def test_what_has_no_or_two_readings_is_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        read_json(text, max_bytes=LIMIT)


def test_too_many_bytes_are_refused() -> None:
    with pytest.raises(DecodeError, match="at most 3"):
        read_json("[1,2]", max_bytes=3)


@pytest.mark.parametrize("text", ['"' + '\\"' * 1_000_000, '"a' * 1_000_001, "\\" * 2_000_000])
def test_hostile_quotes_take_linear_time(text: str) -> None:
    begin = time.perf_counter()
    with pytest.raises(DecodeError):
        read_json(text, max_bytes=LIMIT)
    assert time.perf_counter() - begin < 5
