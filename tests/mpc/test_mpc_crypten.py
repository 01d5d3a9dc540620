"""CrypTen on our rounds and streams: equal to plaintext, refused where unsound, and blind to inputs."""

import threading
from typing import Any

import numpy as np
import pytest
import torch

import mpc.crypten
from mpc.crypten import install, patches
from mpc.crypten.aggregate import MAX_MAGNITUDE, secure_aggregate
from mpc.crypten.compat import load
from mpc.crypten.providers import transfer
from mpc.crypten.randomness import StreamGenerator, random_bits, random_ring_element
from mpc.errors import FaultyParty, InsecureError, ParameterError
from mpc.prg import Stream
from mpc.runtime import Network, run_local
from tests.mpc.crypten_cases import run, stream, values

crypten = load()

torch.set_num_threads(1)


def arithmetic(x: torch.Tensor, y: torch.Tensor, w: torch.Tensor) -> Any:
    def body(rank: int) -> dict[str, torch.Tensor]:
        a = crypten.cryptensor(x if rank == 0 else torch.zeros_like(x), src=0)
        b = crypten.cryptensor(y if rank == 1 else torch.zeros_like(y), src=1)
        kernel = crypten.cryptensor(w, src=0)
        secret = {
            "sum": a + b, "product": a * b, "square": a.square(), "broadcast": a * b[:1],
            "matmul": a.matmul(b.t()), "less": a < b, "relu": (a - b).relu(), "max": a.max(dim=1)[0],
            "convolution": a.reshape(1, 1, *x.shape).conv2d(kernel, stride=2, padding=1),
        }  # fmt: skip
        return {name: value.get_plain_text() for name, value in secret.items()}

    return body


@pytest.mark.parametrize(("parties", "provider"), [(2, None), (2, transfer), (3, None)])
def test_secret_arithmetic_equals_plaintext(parties: int, provider: Any) -> None:
    rng = np.random.default_rng(1)
    x, y = (torch.from_numpy(rng.normal(size=(4, 6))).float() for _ in range(2))
    w = torch.from_numpy(rng.normal(size=(2, 1, 3, 3))).float()
    expected = {
        "sum": x + y, "product": x * y, "square": x * x, "broadcast": x * y[:1], "matmul": x @ y.T,
        "less": (x < y).float(), "relu": (x - y).relu(), "max": x.max(dim=1)[0],
        "convolution": torch.nn.functional.conv2d(x.reshape(1, 1, 4, 6), w, stride=2, padding=1),
    }  # fmt: skip
    results = values(arithmetic(x, y, w), parties, provider=provider)
    for opened in results:
        for name, value in expected.items():
            assert (opened[name] - value).abs().max() < 2e-3, name


def test_replicated_products_are_remasked_and_right() -> None:
    """CrypTen issue 518: what a party sends on after a product has to be uniform."""

    def body(rank: int) -> tuple[list[float], list[int]]:
        with crypten.cfg.temp_override({"mpc.protocol": "replicated"}):
            x = crypten.cryptensor(torch.tensor([2.0, -3.0]), src=0)
            square = x.square()
            product = x * x
            truth = (x.matmul(x), product, square)
            zero = crypten.cryptensor(torch.zeros(64), src=0, precision=0)
            share = (zero * zero)._tensor.share
        return [v.get_plain_text().flatten().tolist() for v in truth], share.unique().tolist()

    for opened, shares in values(body, 3):
        assert opened[0] == pytest.approx([13.0], abs=1e-3)
        assert opened[1] == pytest.approx([4.0, 9.0], abs=1e-3)
        assert opened[2] == pytest.approx([4.0, 9.0], abs=1e-3)
        assert len(shares) == 64


def test_a_wide_network_is_accounted_not_slept() -> None:
    def body(rank: int) -> float:
        x = crypten.cryptensor(torch.tensor([3.0]), src=0)
        return float((x * x).get_plain_text().item())

    far = run(body, network=Network(latency_s=0.02, bandwidth_bps=1e8))
    assert far.results[1] == pytest.approx(9.0) and far.seconds > 0.02 * 5


# --- randomness


def test_the_collapse_of_32_bit_seeds_is_gone() -> None:
    """CrypTen's own function gives one stream for seeds s and s + 7 * 2^32; what replaced it gives two."""
    from crypten.mpc.provider.ttp_provider import generate_random_ring_element as stock

    assert stock is not random_ring_element
    for seed in (12345, 1):
        pair = (seed, seed + 7 * 2**32)
        old = [stock((64,), generator=torch.Generator().manual_seed(s)) for s in pair]
        new = [random_ring_element((64,), generator=StreamGenerator(stream()).manual_seed(s)) for s in pair]
        assert torch.equal(*old), "torch no longer collapses seeds: this comparison has lost its subject"
        assert not torch.equal(*new)


def test_ring_elements_fill_the_ring_evenly() -> None:
    generator = StreamGenerator(stream("ring"))
    words = random_ring_element((200_000,), generator=generator)
    counts = torch.bincount((words >> 60) + 8, minlength=16).double()
    assert ((counts - 12_500) ** 2 / 12_500).sum() < 50
    small = random_ring_element((50_000,), ring_size=2**4, generator=generator)
    assert small.min() == -8 and small.max() == 7
    assert set(random_bits((1000,), bitlength=1, generator=generator).tolist()) == {0, 1}
    with pytest.raises(ParameterError, match="power of two"):
        random_ring_element((1,), ring_size=10, generator=generator)
    with pytest.raises(ParameterError, match="not from Generator"):
        random_ring_element((1,), generator=torch.Generator())


def test_every_source_of_shares_inside_crypten_is_ours() -> None:
    from crypten.common import rng
    from crypten.mpc.primitives import arithmetic as a
    from crypten.mpc.primitives import binary as b
    from crypten.mpc.provider import tfp_provider as t

    assert all(m.generate_random_ring_element is random_ring_element for m in (rng, a, t))
    assert all(m.generate_kbit_random_tensor is random_bits for m in (rng, b, t))
    assert "<secret>" in repr(StreamGenerator(stream()))


def test_neighbours_share_zero_and_nobody_else_does() -> None:
    def body(rank: int) -> list[int]:
        from crypten.mpc.primitives import ArithmeticSharedTensor

        share = ArithmeticSharedTensor.PRZS(torch.Size([5])).share
        return share.tolist()

    shares = np.array(values(body, 3)).astype(np.uint64)
    assert not shares.sum(axis=0, dtype=np.uint64).any()
    assert len(np.unique(shares)) == 15


# --- an unsuspecting user


def test_crypten_by_itself_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who imports our package and then uses CrypTen's own provider is told what it would give away."""
    monkeypatch.setattr(patches._State, "allow_insecure", False)

    def body(rank: int) -> None:
        x = crypten.cryptensor(torch.tensor([1.0]), src=0)
        (x * x).get_plain_text()

    with pytest.raises(InsecureError, match="party 0 can read every input"):
        run(body, dealer=False)
    monkeypatch.setattr(patches._State, "allow_insecure", True)
    assert run(lambda rank: 1, dealer=False).results == {1: 1, 2: 1}


def test_insecurity_is_a_matter_of_saying_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patches._State, "allow_insecure", False)
    install()
    assert not patches._State.allow_insecure
    install(allow_insecure=True)
    assert patches._State.allow_insecure

    def body(rank: int) -> float:
        x = crypten.cryptensor(torch.tensor([2.0]), src=0)
        return float((x * x).get_plain_text().item())

    assert values(body, dealer=False) == [4.0, 4.0]


# --- views


Bits = np.ndarray[Any, np.dtype[np.float64]]


def views(body: Any, seed: int) -> dict[int, Bits]:
    """Everything each party received, as bits."""
    result = run(body, record=True, seed=seed)
    return {
        party: np.unpackbits(np.frombuffer(b"".join(m.data for m in result.view(party)), np.uint8)).astype(
            float
        )
        for party in (1, 2, 3)
    }


def accuracy(rows: list[Bits], labels: Bits) -> float:
    """Of telling which input a view belongs to, by the bits that told it best in the first half of the views."""
    matrix = np.stack(rows)  # fails if lengths differed
    half = len(rows) // 2
    sides = [matrix[:half][labels[:half] == side].mean(axis=0) for side in (0, 1)]
    weights = sides[1] - sides[0]
    weights[np.argsort(np.abs(weights))[:-8]] = 0.0
    scores = (matrix[half:] - (sides[0] + sides[1]) / 2) @ weights
    return float(((scores > 0) == (labels[half:] == 1)).mean())


def test_views_of_two_inputs_cannot_be_told_apart() -> None:
    """A classifier on everything a party received is at chance, and lengths do not depend on the input.

    Both inputs give the same output, so nothing else may differ.
    """

    def body(secret: float) -> Any:
        def party(rank: int) -> float:
            x = crypten.cryptensor(torch.full((2,), secret if rank == 0 else 0.0), src=0)
            return float(((x * x) > 1000.0).sum().get_plain_text().item())

        return party

    labels = np.array([n % 2 for n in range(80)])
    seen = [views(body((0.5, 1.5)[label]), number) for number, label in enumerate(labels)]
    for party in (1, 2):
        # 40 coin tosses fall outside of this three times in ten thousand
        assert 0.22 < accuracy([each[party] for each in seen], labels) < 0.78, party
    # the dealer hears public keys, seeds and requests
    assert 0.22 < accuracy([each[3] for each in seen], labels) < 0.78


def test_the_classifier_notices_an_input_sent_in_the_clear() -> None:
    def body(secret: float) -> Any:
        def party(rank: int) -> None:
            x = crypten.cryptensor(torch.ones(8), src=0)
            (x * x).get_plain_text()
            plain = torch.tensor([secret]) if rank == 0 else torch.zeros(1)
            crypten.communicator.get().broadcast(plain, 0)

        return party

    labels = np.array([n % 2 for n in range(40)])
    seen = [views(body((0.5, -3.75)[label]), number) for number, label in enumerate(labels)]
    assert accuracy([each[2] for each in seen], labels) > 0.9


# --- peers that misbehave


def product(rank: int) -> float:
    x = crypten.cryptensor(torch.tensor([3.0]), src=0)
    return float((x * x).get_plain_text().item())


def spoiling(round_number: int, spoil: Any) -> Any:
    """An honest party 2 whose messages of one round are changed on the way out."""

    def party() -> Any:
        from mpc.crypten import on_tensors

        inner = on_tensors(2, (1, 2), lambda: product(1), stream(0, 2), dealer=3)
        number, inbox = 0, None
        while True:
            try:
                outbox = next(inner) if inbox is None else inner.send(inbox)
            except StopIteration as stop:
                return stop.value
            number += 1
            inbox = yield {k: spoil(v) for k, v in outbox.items()} if number == round_number else outbox

    return party()


@pytest.mark.parametrize(
    "spoil", [lambda data: data[:-1], lambda data: b"\x07" + data, lambda data: b"\xff" * 9]
)
@pytest.mark.parametrize("round_number", [1, 2, 5])
def test_garbage_names_its_sender(round_number: int, spoil: Any) -> None:
    result = run(product, raise_errors=False, replace={2: spoiling(round_number, spoil)})
    error = result.errors[1] if 1 in result.errors else result.errors[3]
    assert isinstance(error, FaultyParty) and error.party == 2


def test_a_tensor_of_another_shape_names_its_sender() -> None:
    def body(rank: int) -> None:
        crypten.communicator.get().all_reduce(torch.zeros(3 + rank, dtype=torch.int64))

    result = run(body, raise_errors=False)
    assert isinstance(result.errors[1], FaultyParty)
    assert "where torch.int64 of (3,) is due" in str(result.errors[1])


def test_a_party_that_vanishes_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mpc.crypten.communicator.MAX_IDLE_ROUNDS", 20)
    result = run(product, raise_errors=False, network=Network(vanish={2: 5}), max_rounds=200)
    assert isinstance(result.errors[1], FaultyParty) and result.errors[1].party == 2


def test_a_request_from_anybody_but_the_first_party_is_refused_by_the_dealer() -> None:
    result = run(product, raise_errors=False, replace={2: spoiling(4, lambda data: data)})
    assert result.results[1] == 9.0

    def asks(rank: int) -> None:
        if rank == 1:
            network = crypten.communicator.get()
            network._channel.exchange({3: b"give me everything"})

    result = run(asks, raise_errors=False)
    assert isinstance(result.errors[3], FaultyParty) and result.errors[3].party == 2


def test_what_a_body_raises_is_raised_and_the_party_is_left_clean() -> None:
    def body(rank: int) -> None:
        with crypten.no_grad():
            raise ZeroDivisionError(f"rank {rank}")

    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="rank 0"):
            run(body)
    assert crypten.CrypTensor.AUTOGRAD_ENABLED
    assert run(product).results[1] == 9.0


def test_an_abandoned_party_lets_go_of_its_thread() -> None:
    before = threading.active_count()
    unwound = []

    def body(rank: int) -> None:
        try:
            product(rank)
        except BaseException:
            unwound.append(rank)
            raise

    # the network takes party 2 away in the middle, and the other waits for it in vain
    run(body, raise_errors=False, network=Network(vanish={2: 5}), max_rounds=30)
    assert 1 in unwound
    assert threading.active_count() == before


# --- the sum that `eppml party` runs


def aggregate(vectors: list[list[int]], max_norm: int | None, dealer: int | None) -> list[Any]:
    parties = tuple(range(1, len(vectors) + 1 + (dealer is not None)))
    protocols = {
        me: secure_aggregate(
            me, parties, None if me == dealer else vectors[me - 1], len(vectors[0]), stream(me),
            max_norm=max_norm, dealer=dealer,
        )
        for me in parties
    }  # fmt: skip
    results = run_local(protocols, raise_errors=True).results
    return [results[me] for me in range(1, len(vectors) + 1)]


def test_sums_are_exact() -> None:
    vectors = [[MAX_MAGNITUDE, -5, 0], [-MAX_MAGNITUDE, 7, 1], [3, 3, -9]]
    for answer in aggregate(vectors, None, None):
        assert answer == {"sum": [3, 5, -8], "accepted": [True] * 3}


@pytest.mark.parametrize("dealer", [None, 3])
def test_a_vector_beyond_the_bound_is_left_out(dealer: int | None) -> None:
    answers = aggregate([[3, 4], [3000, -4]], 5, dealer)
    assert answers == [{"sum": [3, 4], "accepted": [True, False]}] * 2
    assert aggregate([[3, 4], [0, 5]], 5, dealer)[0] == {"sum": [3, 9], "accepted": [True, True]}
    assert aggregate([[3, 5], [0, 6]], 5, dealer)[0] == {"sum": [0, 0], "accepted": [False, False]}


def test_numbers_that_could_wrap_are_refused() -> None:
    with pytest.raises(ParameterError, match="at most 1048576"):
        aggregate([[MAX_MAGNITUDE + 1], [1]], None, None)
    with pytest.raises(ParameterError, match="needs a dealer"):
        aggregate([[1], [1], [1]], 5, None)
    with pytest.raises(ParameterError, match="largest length"):
        aggregate([[1], [1]], 2**30, None)


def test_settings_that_cannot_work() -> None:
    with pytest.raises(ParameterError, match="two parties in order"):
        next(mpc.crypten.on_tensors(1, (2, 1), lambda: None, Stream.from_os()))
    with pytest.raises(ParameterError, match="not both"):
        next(mpc.crypten.on_tensors(1, (1, 2), lambda: None, Stream.from_os(), dealer=3, provider=transfer))
    with pytest.raises(ParameterError, match="between two parties"):
        run(product, 3, provider=transfer)
