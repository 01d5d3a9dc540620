"""What the tests of `mpc.crypten` share: all parties of a body in this process, and what each of them saw."""

from collections.abc import Callable
from typing import Any

from mpc.crypten import deal_on_demand, on_tensors
from mpc.crypten.providers import Setup
from mpc.prg import Stream
from mpc.runtime import Network, RunResult, run_local

Body = Callable[[int], Any]


def stream(*labels: bytes | int | str) -> Stream:
    return Stream(bytes(range(32)), b"crypten test").derive(*labels)


def run(
    body: Body,
    parties: int = 2,
    *,
    provider: Setup | None = None,
    dealer: bool | None = None,
    network: Network | None = None,
    raise_errors: bool = True,
    record: bool = False,
    seed: int = 0,
    max_rounds: int = 60_000,
    replace: dict[int, Any] | None = None,
    squares: dict[int, tuple[dict[int, bytes], int]] | None = None,
) -> RunResult:
    """`body(rank)` as every party, with a dealer unless there is a provider or `dealer` says otherwise.

    `squares` holds by client what it dealt each party, and how many.
    """
    numbers = tuple(range(1, parties + 1))
    with_dealer = provider is None if dealer is None else dealer
    number = parties + 1 if with_dealer else None

    def party(me: int) -> Any:
        dealt = {client: (data[me], count) for client, (data, count) in (squares or {}).items()}
        return on_tensors(
            me,
            numbers,
            lambda: body(me - 1),
            stream(seed, me),
            dealer=number,
            provider=provider,
            client_squares=dealt,
        )

    protocols: dict[int, Any] = {me: party(me) for me in numbers}
    if number is not None:
        protocols[number] = deal_on_demand(number, numbers, stream(seed, number))
    protocols.update(replace or {})
    return run_local(
        protocols, network=network, raise_errors=raise_errors, record=record, max_rounds=max_rounds
    )


def values(body: Body, parties: int = 2, **settings: Any) -> list[Any]:
    """What every rank's body returned."""
    result = run(body, parties, **settings)
    return [result.results[me] for me in range(1, parties + 1)]
