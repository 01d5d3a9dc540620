"""Every decoder accepts one spelling only: hypothesis plays with valid messages and with garbage."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.prg import Stream


def load() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "scripts" / "fuzz_decoders.py"
    spec = importlib.util.spec_from_file_location("fuzz_decoders", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_decoders"] = module
    spec.loader.exec_module(module)
    return module


fuzz = load()


@pytest.mark.parametrize("target", fuzz.TARGETS, ids=lambda t: t.name)
def test_valid_messages_are_accepted_and_mutations_are_refused_or_canonical(target: object) -> None:
    stream = Stream(bytes(32), b"mutations")
    assert target.valid and all(fuzz.check(target, v) for v in target.valid)
    for valid in target.valid:
        for _ in range(300):
            fuzz.check(target, fuzz.mutated(valid, stream))
        for end in range(len(valid)):
            assert not fuzz.check(target, valid[:end])
        assert not fuzz.check(target, valid + b"\0")


@settings(deadline=None, max_examples=400)
@given(st.binary(max_size=300))
def test_garbage_never_surprises(data: bytes) -> None:
    fuzz.one_input(data)


def test_the_fuzzer_reports_a_decoder_with_two_spellings() -> None:
    lax = fuzz.Target("lax", lambda data: data.lower(), (b"a",))
    with pytest.raises(AssertionError, match="second encoding"):
        fuzz.check(lax, b"A")


def test_plain_fuzzing_runs() -> None:
    assert fuzz.plain(0.2) > 0
