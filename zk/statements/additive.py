"""What statements about updates share: commitments that add up, and what a proof is bound to."""

from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mpc.errors import DecodeError, ParameterError, ProofRejected
from mpc.prg import Stream
from zk import commit_prove
from zk.backends.base import Backend
from zk.commit_prove import CommitmentKey, ProverKey, VerifierKey
from zk.curve import G1, G1_BYTES, decode_g1

__all__ = ["AdditiveUpdates", "context_scalar", "hedged"]


class AdditiveUpdates:
    """Commitments to updates of `dim` entries, `chunk_dim` to a chunk, under the group "update" of a key."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def dim(self) -> int:
            """Entries of an update."""

    @property
    def chunks(self) -> int:
        """How many chunks one update is cut into, all under one key."""
        return 1

    @property
    def chunk_dim(self) -> int:
        """Entries in a chunk."""
        return self.dim

    def commit(
        self,
        key: VerifierKey | ProverKey,
        values: Sequence[int] | NDArray[np.int64],
        blinding: Sequence[int],
        *,
        backend: Backend | None = None,
        threads: int | None = None,
    ) -> bytes:
        """The commitment to these values under these blindings, 64 bytes a chunk.

        Shapes: values (dim,), blinding (chunks,).
        Raises: ParameterError for wrong lengths.
        """
        points = self._commit(_update_key(key), values, blinding, backend, threads)
        return b"".join(p.to_bytes() for p in points)

    def _commit(
        self,
        key: CommitmentKey,
        values: Sequence[int] | NDArray[np.int64],
        blinding: Sequence[int],
        lib: Backend | None,
        threads: int | None = None,
    ) -> list[G1]:
        if len(values) != self.dim or len(blinding) != self.chunks:
            raise ParameterError(
                f"want {self.dim} values and {self.chunks} blindings, got {len(values)}, {len(blinding)}"
            )
        given = values if isinstance(values, np.ndarray) else np.array(values, dtype=object)
        size = self.chunk_dim
        padded = np.concatenate([given, np.zeros(self.chunks * size - self.dim, dtype=given.dtype)])
        return [
            commit_prove.commit(key, padded[c * size : (c + 1) * size], v, backend=lib, threads=threads)
            for c, v in enumerate(blinding)
        ]

    def combine(self, commitments: Sequence[bytes], *, backend: Backend | None = None) -> bytes:
        """The commitment to the sum of the updates under the sum of the blindings.

        Raises: DecodeError for malformed commitments.
        """
        columns = zip(*(self._points(c) for c in commitments), strict=True)
        return b"".join(commit_prove.combine(column, backend=backend).to_bytes() for column in columns)

    def _points(self, commitment: bytes) -> list[G1]:
        if len(commitment) != self.chunks * G1_BYTES:
            raise DecodeError(f"a commitment has {self.chunks * G1_BYTES} bytes, got {len(commitment)}")
        cuts = range(0, len(commitment), G1_BYTES)
        return [decode_g1(commitment[i : i + G1_BYTES], infinity=True) for i in cuts]

    def open_sum(
        self,
        key: VerifierKey | ProverKey,
        commitment_sum: bytes,
        total: Sequence[int] | NDArray[np.int64],
        blinding_total: Sequence[int],
        *,
        backend: Backend | None = None,
        threads: int | None = None,
    ) -> None:
        """Check that a combined commitment opens to this sum of updates and these sums of blindings.

        Shapes: total (dim,), signed; blinding_total (chunks,), modulo R.
        Raises: ProofRejected if it does not; DecodeError for a malformed commitment.
        Leakage: the opening reveals the sum, and nothing else about the updates.
        """
        if self._commit(_update_key(key), total, blinding_total, backend, threads) != self._points(
            commitment_sum
        ):
            raise ProofRejected("the sum of the updates does not open the sum of the commitments")


def context_scalar(context: bytes, chunk: int, chunks: int) -> int:
    """A public input that stands for plan, round and client and for a chunk's place: the first 248 bits of a hash."""
    place = chunk.to_bytes(8, "big") + chunks.to_bytes(8, "big")
    return int.from_bytes(sha256(b"eppml context v1" + place + context).digest()[:31], "big")


def _update_key(key: VerifierKey | ProverKey) -> CommitmentKey:
    return (key.verifier if isinstance(key, ProverKey) else key).group("update")


def hedged(randomness: Stream, values: NDArray[Any], context: bytes) -> Stream:
    """A stream that differs when the values or the context do, so that a caller's repeated seed reuses no blinding."""
    data = np.asarray(values).astype("<i8").tobytes()
    return Stream(
        sha256(randomness.bytes(32) + sha256(data).digest() + sha256(context).digest()).digest(), b"zk prove"
    )
