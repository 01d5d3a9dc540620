"""Screening clients' shared updates: bounded rows pass, others do not, and wrapping around does not help."""

from typing import Any

import numpy as np
import pytest

from mpc import additive, replicated
from mpc.engine import Additive, Engine, Replicated, as_words
from mpc.errors import ParameterError
from mpc.prg import Stream
from mpc.protocols import rows_within, squared_norm
from mpc.ring import RING32, RING64
from mpc.runtime import Protocol, run_local
from mpc.shares import Share
from mpc.triples import DealtSource, Recorder, deal

LIMIT, BOUND = 1000, 3_000_000
ROWS = np.array(
    [
        [1000, -1000, 1000],  # exactly at both bounds
        [1000, -1000, 1001],  # one too large
        [0, 0, -1001],
        [999, 999, 999],
        [0, 0, 0],
        [2**32, 0, 0],  # its square is 0 mod 2^64
        [2**63 - 1, -(2**63), 5],
        [2**62, 2**62, 2**62],
    ],
    dtype=np.int64,
)
GOOD = [True, False, False, True, True, False, False, False]


def stream(*labels: bytes | int | str) -> Stream:
    return Stream(bytes(range(32)), b"screening").derive(*labels)


def on_three_servers(shares: dict[int, Share], limit: int = LIMIT, bound: int = BOUND) -> Any:
    """What the servers find out about rows that clients shared from outside."""

    def server(me: int) -> Protocol[Any]:
        engine = yield from Replicated.setup(me, (1, 2, 3), stream("setup", me))
        return (yield from rows_within(engine, engine.adopt(shares[me]), limit, bound))

    return run_local({me: server(me) for me in (1, 2, 3)})


def shared(rows: Any) -> dict[int, Share]:
    return {s.index: s for s in replicated.share(RING64.elements(rows), stream("client"))}


def test_attack_a_wrapping_update_has_norm_zero() -> None:
    def party(me: int) -> Protocol[int]:
        engine = yield from Replicated.setup(me, (1, 2, 3), stream("setup", me))
        return (yield from squared_norm(engine, ROWS[5] if me == 1 else None, 1, 3))

    assert run_local({me: party(me) for me in (1, 2, 3)}).results[1] == 0


def test_rows_of_outside_clients_pass_exactly_when_they_are_bounded() -> None:
    for answer in on_three_servers(shared(ROWS)).results.values():
        assert answer.tolist() == GOOD


@pytest.mark.parametrize("bound", [0, 2_994_002, 2_994_003, 2**62])
def test_the_norm_bound_is_exact(bound: int) -> None:
    answer = on_three_servers(shared(ROWS), bound=bound).results[2]
    norms = [3_000_000, None, None, 2_994_003, 0, None, None, None]
    assert answer.tolist() == [norm is not None and norm <= bound for norm in norms]


def test_it_runs_on_dealt_triples_too() -> None:
    shares = {s.index: s for s in additive.share(RING64.elements(ROWS), 2, stream("client"))}

    def body(engine: Engine) -> Any:
        return rows_within(engine, engine.adopt(shares[engine.me]), LIMIT, BOUND)

    recorders = {me: Recorder() for me in (1, 2)}
    run_local({me: body(Additive(me, (1, 2), recorders[me], stream("dry"))) for me in (1, 2)})
    allotments = deal(recorders[1].recipe, (1, 2), stream("dealer"))
    run = run_local(
        {me: body(Additive(me, (1, 2), DealtSource(allotments[me]), stream("s", me))) for me in (1, 2)}
    )
    assert [run.results[me].tolist() for me in (1, 2)] == [GOOD, GOOD]


def test_more_rows_than_a_word_has_bits() -> None:
    rows = stream("many").uint32((70, 5)).astype(np.int64) % 2401 - 1200
    want = (np.abs(rows) <= LIMIT).all(axis=1) & ((rows**2).sum(axis=1) <= 1_500_000)
    assert 5 < want.sum() < 65
    np.testing.assert_array_equal(on_three_servers(shared(rows), bound=1_500_000).results[3], want)


@pytest.mark.parametrize(("limit", "bound"), [(-1, 5), (5, -1), (2**31, 5), (2**62, 5)])
def test_bounds_without_an_exact_norm_are_refused(limit: int, bound: int) -> None:
    for error in on_three_servers(shared(ROWS), limit, bound).errors.values():
        assert isinstance(error, ParameterError)


def test_shares_go_in_and_come_out_and_strangers_do_not() -> None:
    shares = shared(ROWS)

    def party(me: int) -> Protocol[Share]:
        engine = yield from Replicated.setup(me, (1, 2, 3), stream("setup", me))
        doubled = engine.adopt(shares[me]) * np.uint64(2)
        return engine.release(doubled)

    released = run_local({me: party(me) for me in (1, 2, 3)}, raise_errors=True).results
    np.testing.assert_array_equal(
        replicated.reconstruct([released[1], released[3]]).lifted().astype(np.int64), ROWS * 2
    )
    engine = Replicated(1, (1, 2, 3), stream("a"), stream("b"))
    strangers = [
        shares[2],
        additive.share(RING64.elements(ROWS), 3, stream("x"))[0],
        replicated.share(RING32.elements([1]), stream("x"))[0],
    ]
    for stranger in strangers:
        with pytest.raises(ParameterError):
            engine.adopt(stranger)
    assert as_words([-1])[0] == np.uint64(2**64 - 1)
