"""Protocols by name, for parties that are started from a file: what each wants as input, and how it begins.

Three parties compute on replicated shares; two make their triples by oblivious transfer.
"""

import importlib
import sys
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from mpc.engine import Additive, Engine, Replicated, as_words
from mpc.errors import ParameterError
from mpc.ot import transferred
from mpc.prg import Stream
from mpc.protocols.comparison import reveal_less_than
from mpc.protocols.linear import inner_product, squared_norm
from mpc.protocols.order import median, trimmed_mean
from mpc.protocols.product import product
from mpc.protocols.sum import private_sum
from mpc.runtime.local import run_local
from mpc.runtime.types import Inbox, Outbox, Protocol
from mpc.triples import Recorder

__all__ = ["NAMED", "Named", "find"]

Inputs: TypeAlias = Mapping[str, Any]
Start: TypeAlias = Callable[[int, tuple[int, ...], Inputs, Stream], Protocol[Any]]
"""`(me, parties, inputs, randomness)` -> the protocol: also what a `module:function` must be."""


@dataclass(frozen=True, slots=True)
class Named:
    """A protocol that can be started from a file."""

    summary: str
    inputs: str
    start: Start


def find(name: str, beside: Path | None = None) -> Start:
    """The protocol of that name, or the function that `module:function` points to.

    Modules are looked for in the directory `beside` first, which stays on the import path.

    Raises: ParameterError when there is none.
    """
    if name in NAMED:
        return NAMED[name].start
    module, colon, function = name.partition(":")
    if not colon:
        raise ParameterError(f"no protocol {name!r}: there are {', '.join(NAMED)}, or name a module:function")
    if beside is not None and str(beside) not in sys.path:
        sys.path.insert(0, str(beside))
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ParameterError(f"{name!r} cannot be loaded: {error}") from None
    if not callable(found):
        raise ParameterError(f"{name!r} is no function")
    start: Start = found
    return start


def on_shares(
    me: int, parties: tuple[int, ...], randomness: Stream, body: Callable[[Engine], Protocol[Any]]
) -> Generator[Outbox, Inbox, Any]:
    """Run `body` on the engine that fits the number of parties.

    Raises: ParameterError unless there are two or three; messages must not depend on inputs, as two parties
        learn from a dry run which triples to make.
    """
    if len(parties) == 3:
        engine: Engine = yield from Replicated.setup(me, parties, randomness.derive("setup"))
    elif len(parties) == 2:
        recorders = {party: Recorder() for party in parties}
        dry = {
            party: body(Additive(party, parties, recorders[party], randomness.derive("dry", party)))
            for party in parties
        }
        run_local(dry, raise_errors=True)
        source = yield from transferred(me, parties, recorders[me].recipe, randomness.derive("triples"))
        engine = Additive(me, parties, source, randomness.derive("shares"))
    else:
        raise ParameterError(f"this protocol runs among two or three parties, not {len(parties)}")
    return (yield from body(engine))


def _sum(me: int, parties: tuple[int, ...], inputs: Inputs, randomness: Stream) -> Protocol[Any]:
    return private_sum(me, parties, _integer(inputs, "value"), randomness)


def _product(me: int, parties: tuple[int, ...], inputs: Inputs, randomness: Stream) -> Protocol[Any]:
    value = _integer(inputs, "value")
    return on_shares(me, parties, randomness, lambda engine: product(engine, value))


def _inner(me: int, parties: tuple[int, ...], inputs: Inputs, randomness: Stream) -> Protocol[Any]:
    vector, length = _vector(inputs, me in parties[:2])
    lengths = dict.fromkeys(parties[:2], length)
    return on_shares(
        me,
        parties,
        randomness,
        # In a dry run the other party's side needs a vector too, of the same shape.
        lambda e: (
            inner_product(e, {e.me: vector if e.me == me else [0] * length}, lengths)
            if e.me in lengths
            else inner_product(e, {}, lengths)
        ),
    )


def _norm(me: int, parties: tuple[int, ...], inputs: Inputs, randomness: Stream) -> Protocol[Any]:
    vector, length = _vector(inputs, me == parties[0])
    return on_shares(
        me,
        parties,
        randomness,
        lambda e: squared_norm(
            e, (vector or [0] * length) if e.me == parties[0] else None, parties[0], length
        ),
    )


def _less(me: int, parties: tuple[int, ...], inputs: Inputs, randomness: Stream) -> Protocol[Any]:
    vector, length = _vector(inputs, me in parties[:2])
    owners = (parties[0], parties[1])
    return on_shares(
        me, parties, randomness, lambda e: reveal_less_than(e, vector or [0] * length, owners, length)
    )


def _ordered(
    estimate: Callable[[Engine, list[Any]], Protocol[Any]],
) -> Start:
    def start(me: int, parties: tuple[int, ...], inputs: Inputs, randomness: Stream) -> Protocol[Any]:
        vector, length = _vector(inputs, True)

        def body(engine: Engine) -> Generator[Outbox, Inbox, Any]:
            mine = as_words(vector if engine.me == me else [0] * length)
            shares = yield from engine.inputs(mine, dict.fromkeys(parties, (length,)))
            return (yield from estimate(engine, [shares[party] for party in parties]))

        return on_shares(me, parties, randomness, body)

    return start


def _secure_aggregate(me: int, parties: tuple[int, ...], inputs: Inputs, randomness: Stream) -> Protocol[Any]:
    # torch and CrypTen are an extra
    from mpc.crypten.aggregate import secure_aggregate

    dealer = _integer(inputs, "dealer") if "dealer" in inputs else None
    vector, length = _vector(inputs, me != dealer)
    return secure_aggregate(
        me,
        parties,
        vector,
        length,
        randomness,
        max_norm=_integer(inputs, "max_norm") if "max_norm" in inputs else None,
        dealer=dealer,
    )


def _integer(inputs: Inputs, name: str) -> int:
    value = inputs.get(name)
    if type(value) is not int:
        raise ParameterError(f"the input needs an integer {name!r}")
    return value


def _vector(inputs: Inputs, owned: bool) -> tuple[list[int] | None, int]:
    """This party's vector if it owns one, and the length all parties agreed on."""
    length = _integer(inputs, "length")
    vector = inputs.get("vector")
    if not 1 <= length <= 2**20:
        raise ParameterError("the input's 'length' is 1 to 2**20")
    if not owned:
        if vector is not None:
            raise ParameterError("this party has no vector in this protocol")
        return None, length
    if not isinstance(vector, list) or len(vector) != length or any(type(v) is not int for v in vector):
        raise ParameterError(f"the input needs a 'vector' of {length} integers")
    if any(not -(2**62) <= v < 2**62 for v in vector):
        raise ParameterError("the numbers of the input's 'vector' must be below 2**62 in absolute value")
    return np.array(vector, dtype=np.int64).tolist(), length


NAMED: dict[str, Named] = {
    "sum": Named("the sum of everybody's value", "value", _sum),
    "product": Named("the product of everybody's value", "value", _product),
    "inner-product": Named("the inner product of the first two parties' vectors", "length, vector", _inner),
    "squared-norm": Named("the squared norm of the first party's vector", "length, vector", _norm),
    "less-than": Named("where the first party's vector is below the second's", "length, vector", _less),
    "median": Named("the median of every coordinate", "length, vector", _ordered(median)),
    "trimmed-mean": Named(
        "the mean of every coordinate without its smallest and largest value (three parties)",
        "length, vector",
        _ordered(lambda engine, rows: trimmed_mean(engine, rows, 1)),
    ),
    "secure-aggregate": Named(
        "the sum of everybody's vector on CrypTen tensors, those beyond max_norm left out",
        "length, vector, optionally max_norm and the number of a dealer",
        _secure_aggregate,
    ),
}
