"""Who CrypTen's code is running for: one party a thread, so that one process can hold several.

CrypTen keeps its communicator, generators, provider, configuration and autograd switch in module globals. The
first three are looked up here by thread; the others are swapped whenever a party's turn begins and ends.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from mpc.crypten.compat import load
from mpc.crypten.randomness import StreamGenerator

__all__ = ["Party", "Turn", "acting_as", "current"]

_crypten = load()
_local = threading.local()
_turn = threading.Lock()


@dataclass(frozen=True, slots=True)
class Party:
    """What CrypTen asks about the party that is running: its network, its randomness, its triples."""

    communicator: Any
    provider: Any
    generators: dict[str, StreamGenerator] = field(repr=False)


def current() -> Party | None:
    """The party of this thread; None in a thread that is no party of this runtime."""
    party: Party | None = getattr(_local, "party", None)
    return party


@contextmanager
def acting_as(party: Party) -> Iterator[None]:
    """CrypTen's calls in this thread are this party's."""
    _local.party = party
    try:
        yield
    finally:
        del _local.party


class Turn:
    """One party's autograd switch, configuration and torch generator, in place while the party computes.

    Only one party of a process computes at a time, so that none sees another's.
    """

    __slots__ = ("_autograd", "_config", "_torch")

    def __init__(self) -> None:
        self._autograd = _crypten.CrypTensor.AUTOGRAD_ENABLED
        self._config = _crypten.cfg.config
        # what torch initialises layers with: no secret, but each party's own
        self._torch = torch.get_rng_state()

    def __enter__(self) -> None:
        _turn.acquire()
        self._swap()

    def __exit__(self, *exception: object) -> None:
        self._swap()
        _turn.release()

    def _swap(self) -> None:
        tensor, cfg = _crypten.CrypTensor, _crypten.cfg
        tensor.AUTOGRAD_ENABLED, self._autograd = self._autograd, tensor.AUTOGRAD_ENABLED
        mine, self._config = self._config, cfg.config
        cfg.set_config(mine)
        others = torch.get_rng_state()
        torch.set_rng_state(self._torch)
        self._torch = others
