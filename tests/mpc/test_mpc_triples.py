"""Dealt correlated randomness: correct, compressed, uniform, used once; and why products are masked."""

from functools import reduce
from operator import add, xor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpc.bits import spread
from mpc.engine import Additive, Engine, Replicated, as_words
from mpc.errors import DecodeError, ParameterError, ProtocolError
from mpc.prg import Stream
from mpc.protocols import inner_product
from mpc.runtime import Protocol, run_local
from mpc.triples import Allotment, DealtSource, Kind, Recorder, Request, StoredSource, deal, recipe_of

RECIPE = (
    Request(Kind.PRODUCT, (7, 2)),
    Request(Kind.SQUARE, (5,)),
    Request(Kind.DOT, (3, 4)),
    Request(Kind.MATRIX, (2, 3, 4)),
    Request(Kind.AND, (6,)),
    Request(Kind.MASK, (9,)),
    Request(Kind.BIT, (70,)),
)


def stream(*labels: bytes | int | str) -> Stream:
    return Stream(bytes(range(32)), b"triples test").derive(*labels)


@pytest.mark.parametrize("n", [2, 3, 7])
def test_every_kind_is_correlated_as_it_should_be(n: int) -> None:
    sources = [DealtSource(a) for a in deal(RECIPE, range(1, n + 1), stream("deal", n)).values()]
    items = {request.kind: [source.take(request) for source in sources] for request in RECIPE}

    def plus(kind: Kind, part: int) -> Any:
        return reduce(add, (item[part] for item in items[kind]))

    def exor(kind: Kind, part: int) -> Any:
        return reduce(xor, (item[part] for item in items[kind]))

    equal = np.testing.assert_array_equal
    equal(plus(Kind.PRODUCT, 2), plus(Kind.PRODUCT, 0) * plus(Kind.PRODUCT, 1))
    equal(plus(Kind.SQUARE, 1), plus(Kind.SQUARE, 0) ** np.uint64(2))
    equal(plus(Kind.DOT, 2), (plus(Kind.DOT, 0) * plus(Kind.DOT, 1)).sum(axis=-1))
    equal(plus(Kind.MATRIX, 2), plus(Kind.MATRIX, 0) @ plus(Kind.MATRIX, 1))
    equal(exor(Kind.AND, 2), exor(Kind.AND, 0) & exor(Kind.AND, 1))
    equal(plus(Kind.MASK, 0), exor(Kind.MASK, 1))
    equal(plus(Kind.BIT, 1), spread(exor(Kind.BIT, 0), 70))


def test_only_the_last_party_gets_more_than_a_seed() -> None:
    allotments = deal(RECIPE, (1, 2, 3), stream("sizes"))
    assert [len(allotments[i].to_bytes()) for i in (1, 2)] == [32, 32]
    # c of the products, squares, sums, matrix, ANDs; words of the masks; numbers of the bits.
    assert len(allotments[3].to_bytes()) == 32 + 8 * (14 + 5 + 3 + 8 + 6 + 9 + 70)
    assert "Allotment" in repr(allotments[1]) and allotments[1].seed.hex() not in repr(allotments[1])


def test_allotments_survive_the_wire() -> None:
    for party, allotment in deal(RECIPE, (1, 2, 3), stream("wire")).items():
        received = DealtSource(Allotment.from_bytes(allotment.to_bytes(), RECIPE, last=party == 3))
        kept = DealtSource(allotment)
        for request in RECIPE:
            for ours, theirs in zip(kept.take(request), received.take(request), strict=True):
                np.testing.assert_array_equal(ours, theirs)


@given(st.binary(max_size=100), st.booleans())
def test_allotments_have_one_encoding(data: bytes, last: bool) -> None:
    recipe = (Request(Kind.PRODUCT, (2,)), Request(Kind.BIT, (3,)))
    try:
        allotment = Allotment.from_bytes(data, recipe, last=last)
    except DecodeError:
        return
    assert allotment.to_bytes() == data


def test_one_partys_shares_are_uniform_also_where_they_are_corrections() -> None:
    """Chi-square on the top byte of the last party's share of a * b, with a fixed seed."""
    recipe = (Request(Kind.PRODUCT, (50_000,)),)
    share = DealtSource(deal(recipe, (1, 2), stream("uniform"))[2]).take(recipe[0])[2]
    counts = np.bincount((share >> np.uint64(56)).astype(int), minlength=256)
    expected = 50_000 / 256
    assert float(((counts - expected) ** 2 / expected).sum()) < 330.5  # 255 degrees, p = 0.001


def test_a_source_serves_its_recipe_once_and_in_order() -> None:
    source = DealtSource(deal(RECIPE, (1, 2), stream("order"))[1])
    with pytest.raises(ProtocolError, match="the recipe has"):
        source.take(RECIPE[1])
    source = DealtSource(deal(RECIPE[:1], (1, 2), stream("order"))[1])
    source.take(RECIPE[0])
    with pytest.raises(ProtocolError, match="nothing next"):
        source.take(RECIPE[0])


def test_every_source_says_whom_it_trusts() -> None:
    assert "dealer" in DealtSource(deal(RECIPE, (1, 2), stream("trust"))[1]).trust
    assert "oblivious transfer" in StoredSource((), iter(())).trust
    assert "dry run" in Recorder().trust


def test_a_recorder_writes_the_recipe_of_a_dry_run() -> None:
    def dry(recorder: Recorder) -> None:
        def body(engine: Engine) -> Protocol[int]:
            return inner_product(engine, {engine.me: [1, 2]}, {1: 2, 2: 2})

        run_local(
            {
                1: body(Additive(1, (1, 2), recorder, stream("1"))),
                2: body(Additive(2, (1, 2), Recorder(), stream("2"))),
            }
        )

    assert recipe_of(dry) == (Request(Kind.DOT, (1, 2)),)


@pytest.mark.parametrize("parties", [(), (1,), (1, 1)])
def test_a_dealer_needs_two_parties(parties: tuple[int, ...]) -> None:
    with pytest.raises(ParameterError):
        deal(RECIPE, parties, stream("few"))


def test_engines_refuse_impossible_groups_and_numbers() -> None:
    for make in (
        lambda: Additive(3, (1, 2), Recorder(), stream("x")),
        lambda: Additive(1, (1, 1), Recorder(), stream("x")),
        lambda: Replicated(1, (1, 2), stream("x"), stream("y")),
        lambda: as_words([0.5]),
        lambda: as_words(["1"]),
    ):
        with pytest.raises(ParameterError):
            make()


# --- what a neighbour sees in a replicated multiplication ---------------------------------------------------


class Unmasked(Replicated):
    """The mistake: the sum of products is passed on as it is."""

    def _reshare(self, term: Any, *, binary: bool = False) -> Any:
        inbox = yield {self.previous: term.tobytes()}
        return np.stack([term, np.frombuffer(inbox[self.next], dtype="<u8").astype(np.uint64)])


def guess_of_party_3(engine_type: type[Replicated], x: int, y: int, salt: int) -> int | None:
    """Party 3 divides what it hears during x * y by its share x0 and adds its shares of y; None if it cannot.

    Party 1 owns x and party 2 owns y, so x2 = y0 = 0 and party 1's term is x0 * y1.
    """

    def party(me: int) -> Protocol[Any]:
        engine = yield from engine_type.setup(me, (1, 2, 3), stream("setup", me, salt))
        mine = {1: as_words([x]), 2: as_words([y])}.get(me)
        shares = yield from engine.inputs(mine, {1: (1,), 2: (1,)})
        yield from engine.multiply(shares[1], shares[2])
        return shares

    result = run_local({me: party(me) for me in (1, 2, 3)}, record=True, raise_errors=True)
    shares = result.results[3]
    x0, y2, y0 = int(shares[1][1, 0]), int(shares[2][0, 0]), int(shares[2][1, 0])
    heard = int.from_bytes(result.view(3)[-1].data, "little")
    return (heard * pow(x0, -1, 2**64) + y2 + y0) % 2**64 if x0 % 2 else None


def test_without_remasking_party_3_reads_the_input_of_party_2_and_with_it_nothing() -> None:
    broken = [guess_of_party_3(Unmasked, 5, 123456789, salt) for salt in range(20)]
    assert set(broken) == {None, 123456789}
    masked = [guess_of_party_3(Replicated, 5, 123456789, salt) for salt in range(20)]
    assert 123456789 not in masked
    assert len(set(masked) - {None}) == sum(guess is not None for guess in masked) > 5
