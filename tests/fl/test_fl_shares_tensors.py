"""Shares go to CrypTen and back without a message, among two parties and three; on a GPU where there is one."""

from typing import Any

import numpy as np
import pytest

from fl.shared.tensors import as_tensor, as_words_of
from mpc import additive, replicated
from mpc.engine import Additive, Engine, Replicated
from mpc.prg import Stream
from mpc.ring import RING64
from mpc.runtime import Protocol, run_local
from mpc.triples import Recorder

pytest.importorskip("torch")
ROWS = np.array([[3, -4, 12], [0, 5, -12], [1, 1, 1]])


def stream(*labels: bytes | int | str) -> Stream:
    return Stream(bytes(range(32)), b"tensors test").derive(*labels)


def play(parties: int, device: str = "cpu") -> dict[int, Any]:
    from mpc.crypten import deal_on_demand, on_tensors

    everybody = tuple(range(1, parties + 1))
    secret = RING64.elements(ROWS)

    def on(engine: Engine, mine: Any, me: int) -> Protocol[Any]:
        def body() -> tuple[list[float], Any]:
            tensor = as_tensor(engine, mine, 0, device)
            lengths = (tensor * tensor).sum(1).get_plain_text().tolist()
            return lengths, as_words_of(tensor)

        return on_tensors(me, everybody, body, stream("tensors", me), dealer=parties + 1)

    def two(me: int) -> Protocol[Any]:
        engine = Additive(me, (1, 2), Recorder(), stream("engine", me))
        return on(engine, engine.adopt(additive.share(secret, 2, stream("shares"))[me - 1]), me)

    def three(me: int) -> Protocol[Any]:
        engine = yield from Replicated.setup(me, (1, 2, 3), stream("engine", me))
        mine = engine.adopt(replicated.share(secret, stream("shares"))[me - 1])
        return (yield from on(engine, mine, me))

    protocols: dict[int, Protocol[Any]] = {me: (two if parties == 2 else three)(me) for me in everybody}
    if parties == 3:
        # the dealer has no part in the engine's set-up, a round before the tensors
        def late() -> Protocol[Any]:
            yield {}
            return (yield from deal_on_demand(4, everybody, stream("dealer")))

        protocols[4] = late()
    else:
        protocols[3] = deal_on_demand(3, everybody, stream("dealer"))
    return run_local(protocols, raise_errors=True).results


@pytest.mark.parametrize("parties", [2, 3])
def test_crypten_goes_on_with_our_shares_and_gives_them_back(parties: int) -> None:
    results = play(parties)
    assert results[1][0] == [169.0, 169.0, 3.0]
    words = sum(results[me][1] for me in range(1, parties + 1))
    np.testing.assert_array_equal(words.astype(np.int64), ROWS)


def test_on_a_gpu() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    assert play(2, "cuda")[1][0] == [169.0, 169.0, 3.0]
