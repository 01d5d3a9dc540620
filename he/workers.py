"""Encryption and addition of big vectors on several processes.

The chunks and their seeds are those of the single process, so the ciphertexts are the same however many
there are.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from types import TracebackType
from typing import Any

from gmpy2 import mpz

from he.keys import PrivateKey, PublicKey
from he.multi_exponent import product
from he.paillier import CHUNK, Encryptor, Progress, chunk_seeds
from mpc.errors import EppmlError, ParameterError
from mpc.prg import Stream

__all__ = ["Workers"]


@lru_cache(maxsize=2)
def _encryptor(key_bytes: bytes, private: bool) -> Encryptor:
    # the parent has already refused or allowed a short modulus
    return Encryptor((PrivateKey if private else PublicKey).from_bytes(key_bytes, allow_insecure=True))


def _encrypt(key_bytes: bytes, private: bool, messages: Sequence[mpz], seed: bytes) -> list[mpz]:
    return _encryptor(key_bytes, private).encrypt_chunk(messages, seed)


def _products(columns: Sequence[Sequence[mpz]], modulus: mpz) -> list[mpz]:
    return [product(column, modulus) for column in columns]


class Workers:
    """A pool of processes that share the work of `encrypt` and `sum_vectors`; a context manager.

    Seeds, messages and, for the owner's fast path, the private key travel through pipes to processes of this
    user.

    Raises: ParameterError below one process; EppmlError when a process dies.
    Assumes: the calling script guards its entry point (`if __name__ == "__main__":`), as processes are
        spawned.
    """

    __slots__ = ("_pool", "processes")

    def __init__(self, processes: int | None = None) -> None:
        self.processes = os.cpu_count() or 1 if processes is None else processes
        if self.processes < 1:
            raise ParameterError(f"a pool has at least one process, not {processes}")
        self._pool = ProcessPoolExecutor(self.processes, mp_context=multiprocessing.get_context("spawn"))

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _results(
        self, function: Callable[..., list[mpz]], jobs: Sequence[tuple[Any, ...]]
    ) -> Iterator[list[mpz]]:
        try:
            for future in [self._pool.submit(function, *job) for job in jobs]:
                yield future.result()
        except BrokenProcessPool:
            raise EppmlError(
                "a worker process died: killed, out of memory, or the script does not guard its entry point"
            ) from None

    def encrypt(
        self,
        key: PublicKey | PrivateKey,
        messages: Sequence[int],
        stream: Stream | None = None,
        progress: Progress | None = None,
    ) -> list[mpz]:
        """The same ciphertexts as `Encryptor.encrypt`."""
        data, private = key.to_bytes(), isinstance(key, PrivateKey)
        seeds = chunk_seeds(len(messages), stream)
        starts = range(0, len(messages), CHUNK)
        jobs = [
            (data, private, messages[at : at + CHUNK], seed) for at, seed in zip(starts, seeds, strict=True)
        ]
        out: list[mpz] = []
        for part in self._results(_encrypt, jobs):
            out += part
            if progress:
                progress(len(out), len(messages))
        return out

    def products(self, columns: Sequence[Sequence[int]], modulus: int) -> list[mpz]:
        """The product of each column mod `modulus`."""
        size = max(1, -(-len(columns) // (4 * self.processes)))
        jobs = [(columns[at : at + size], mpz(modulus)) for at in range(0, len(columns), size)]
        return [value for part in self._results(_products, jobs) for value in part]
