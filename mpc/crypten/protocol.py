"""A function on CrypTen tensors as a protocol: what any network of the runtime can carry.

    def body():                                      # the same for every party
        x = crypten.cryptensor(mine, src=0)          # mine: rank 0's secret, a tensor of the same size elsewhere
        return x.square().sum().get_plain_text()

    on_tensors(me, (1, 2), body, randomness, dealer=3)      deal_on_demand(3, (1, 2), randomness)

Leakage: what `body` reveals, to whom it reveals it; shapes; and the sequence of operations.
Assumes: all parties follow the protocol (a wrong share changes results unnoticed), at least one of them keeps
    its shares to itself, and whatever the provider says of itself. Fixed-point truncation between two parties
    is off by one in the last bit, and wrong altogether with probability |x| / 2^63, x being the number in the
    ring: 2^-21 for a product near 1,000, which carries 32 fractional bits.
Source: Knott et al., "CrypTen: Secure multi-party computation meets machine learning", NeurIPS 2021.
"""

from collections.abc import Callable, Generator, Mapping
from typing import TypeVar

from mpc.crypten.agreement import Seeds, agree
from mpc.crypten.channel import Channel, in_thread
from mpc.crypten.communicator import RoundCommunicator
from mpc.crypten.patches import install
from mpc.crypten.providers.base import CorrelatedProvider, Setup, Source
from mpc.crypten.providers.client_aided import with_clients
from mpc.crypten.providers.dealer import DealerSource
from mpc.crypten.randomness import StreamGenerator
from mpc.crypten.state import Party, acting_as
from mpc.errors import ParameterError
from mpc.prg import Stream
from mpc.runtime.types import Inbox, Outbox

__all__ = ["on_tensors"]

T = TypeVar("T")


def on_tensors(
    me: int,
    parties: tuple[int, ...],
    body: Callable[[], T],
    randomness: Stream,
    *,
    dealer: int | None = None,
    provider: Setup | None = None,
    client_squares: Mapping[int, tuple[bytes, int]] | None = None,
) -> Generator[Outbox, Inbox, T]:
    """One party's side of `body` among `parties`; ranks are positions among them.

    Multiplications need the number of a `dealer`, which runs `deal_on_demand`, or a `provider`; with neither,
    CrypTen's own provider is asked, which is refused unless `install(allow_insecure=True)` was called.
    `client_squares` holds what each client dealt this party, for `squares_of` (`providers.client_aided`).

    Raises: ParameterError for parties that are none, or a dealer beside a provider; whatever the body raises;
        FaultyParty naming whoever sends something else than is due.
    """
    if me not in parties or tuple(sorted(set(parties))) != parties or len(parties) < 2:
        raise ParameterError(f"at least two parties in order, with {me} among them, not {parties}")
    if (dealer is not None and provider is not None) or dealer in parties:
        raise ParameterError("multiplications need a dealer beside the parties, or a provider, and not both")
    install()
    everybody = parties if dealer is None else (*parties, dealer)
    seeds = yield from agree(me, everybody, randomness.derive("agreement"))
    source: Source | None = None
    if dealer is not None:
        source = DealerSource(dealer, seeds, me == parties[0])
    elif provider is not None:
        source = yield from provider(me, parties, randomness.derive("provider"))
    if source is not None and client_squares:
        source = yield from with_clients(me, parties, source, client_squares, randomness.derive("clients"))

    def run(channel: Channel) -> T:
        communicator = RoundCommunicator(me, parties, channel)
        generators = _generators(me, parties, seeds, randomness)
        asked = None if source is None else CorrelatedProvider(source, communicator)
        with acting_as(Party(communicator, asked, generators)):
            value = body()
            communicator.flush()
            return value

    value = yield from in_thread(run)
    if source is not None:
        yield from source.end()
    return value


def _generators(
    me: int, parties: tuple[int, ...], seeds: Seeds, randomness: Stream
) -> dict[str, StreamGenerator]:
    """CrypTen's four: two make sharings of zero with the neighbours, one is private, one everybody's."""
    rank, world = parties.index(me), len(parties)
    streams = {
        "next": seeds.to(parties[(rank + 1) % world], "zero"),
        "prev": seeds.from_(parties[(rank - 1) % world], "zero"),
        "local": randomness.derive("local"),
        "global": seeds.public("global"),
    }
    return {name: StreamGenerator(stream) for name, stream in streams.items()}
