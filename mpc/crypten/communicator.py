"""CrypTen's communicator over the rounds of this runtime.

Every operation is one round for all parties: what a party sends is put into its outbox, and it asks for rounds
until what it waits for is there. The runtime below brings mutual authentication, deadlines, the naming of
whoever stalls or disconnects, and the bill; nothing that arrives is unpickled.

Ranks are CrypTen's, from 0; parties are the runtime's, and errors name those.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch.distributed import ReduceOp

from mpc.crypten.channel import Channel
from mpc.crypten.compat import load
from mpc.crypten.encoding import decode_tensor, decode_value, encode_tensor, encode_value
from mpc.crypten.modules import described, rebuilt
from mpc.errors import DecodeError, FaultyParty, ParameterError
from mpc.runtime.types import Protocol

load()

from crypten.communicator.communicator import Communicator, _logging  # noqa: E402
from crypten.cuda import CUDALongTensor  # noqa: E402

__all__ = ["MAX_IDLE_ROUNDS", "RoundCommunicator"]

MAX_IDLE_ROUNDS = 10_000
"""Rounds a party waits in which the peer it waits for says nothing, before the peer is named."""

_COMBINE: dict[Any, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    ReduceOp.SUM: torch.Tensor.add_,
    ReduceOp.PRODUCT: torch.Tensor.mul_,
    ReduceOp.MIN: lambda a, b: torch.minimum(a, b, out=a),
    ReduceOp.MAX: lambda a, b: torch.maximum(a, b, out=a),
    ReduceOp.BAND: torch.Tensor.bitwise_and_,
    ReduceOp.BOR: torch.Tensor.bitwise_or_,
    ReduceOp.BXOR: torch.Tensor.bitwise_xor_,
}

# what the bytes of a small value begin with
_PLAIN, _MODULE = b"v", b"m"

_Operation = TypeVar("_Operation", bound=Callable[..., Any])


def _logged(operation: _Operation) -> _Operation:
    """CrypTen's own count of rounds and bytes, beside the runtime's bill; alone, a party talks to nobody."""
    logged: _Operation = _logging(operation)
    return logged


_SEND, _REDUCE, _ALL_REDUCE, _GATHER, _ALL_GATHER, _SCATTER, _BROADCAST, _BARRIER, _VALUE = range(1, 10)


class _Posted:
    """A send that has left, in the form CrypTen waits for."""

    def is_completed(self) -> bool:
        return True

    def wait(self) -> None:
        pass


class _Awaited:
    """A receive that happens when CrypTen waits for it."""

    def __init__(self, communicator: "RoundCommunicator", tensor: torch.Tensor, source: int) -> None:
        self._communicator, self._tensor, self._source = communicator, tensor, source
        self._done = False

    def is_completed(self) -> bool:
        return self._done

    def wait(self) -> None:
        if not self._done:
            self._tensor.data.copy_(self._communicator.recv(self._tensor, self._source))
            self._done = True


class RoundCommunicator(Communicator):  # type: ignore[misc]
    """One party's place among `parties`, over a channel into a protocol's rounds.

    Raises: FaultyParty naming whoever sends another tensor than is due, or nothing for too long.
    """

    BYTES_PER_ELEMENT = 8

    def __init__(self, me: int, parties: tuple[int, ...], channel: Channel) -> None:
        self.world_size = len(parties)
        self.rank = parties.index(me)
        self._parties = parties
        self._channel = channel
        self._others = [rank for rank in range(len(parties)) if rank != self.rank]
        self._outgoing: dict[int, list[bytes]] = {}
        self._arrived: dict[int, deque[tuple[int, torch.Tensor]]] = {rank: deque() for rank in self._others}
        self._name = f"rank{self.rank}"
        self.reset_communication_stats()

    # --- what everything is made of

    def _post(self, operation: int, tensor: Any, rank: int) -> None:
        plain = tensor.tensor() if isinstance(tensor, CUDALongTensor) else tensor
        self._outgoing.setdefault(rank, []).append(bytes([operation]) + encode_tensor(plain))

    def _round(self) -> None:
        outbox = {self._parties[rank]: b"".join(items) for rank, items in self._outgoing.items()}
        self._outgoing = {}
        for party, data in self._channel.exchange(outbox).items():
            if party not in self._parties:
                raise FaultyParty(party, "spoke without having been asked")
            rest, queue = memoryview(data), self._arrived[self._parties.index(party)]
            while len(rest):
                try:
                    tensor, after = decode_tensor(rest[1:])
                except DecodeError as error:
                    raise FaultyParty(party, f"sent garbage: {error}") from None
                queue.append((rest[0], tensor))
                rest = after

    def _take(self, operation: int, source: int, like: Any = None) -> torch.Tensor:
        """The next tensor from `source`, of the operation and, where `like` says it, the shape that is due."""
        idle = 0
        while self._outgoing or not self._arrived[source]:
            if idle >= MAX_IDLE_ROUNDS:
                raise FaultyParty(self._parties[source], f"sent nothing in {idle} rounds")
            self._round()
            idle += 1
        sent, tensor = self._arrived[source].popleft()
        if sent != operation:
            raise FaultyParty(self._parties[source], "is in another operation than this party")
        # CrypTen's seeds in debug mode are sent as a number and received as a vector of one
        if operation == _SEND and like is not None and tensor.numel() == like.numel() == 1:
            tensor = tensor.reshape(like.shape)
        if like is not None and (tensor.dtype != like.dtype or tensor.shape != like.shape):
            raise FaultyParty(
                self._parties[source],
                f"sent {tensor.dtype} of {tuple(tensor.shape)} where {like.dtype} of {tuple(like.shape)} is due",
            )
        return tensor

    def _placed(self, tensor: torch.Tensor, like: Any) -> Any:
        """Back to the device `like` lives on."""
        if isinstance(like, CUDALongTensor):
            return CUDALongTensor(tensor.to(like.device))
        return tensor.to(like.device) if tensor.device != like.device else tensor

    def idle(self) -> None:
        """Sit out a round in which others speak to each other, so that all count alike."""
        self._round()

    def flush(self) -> None:
        """Let everything that was posted leave.

        Raises: FaultyParty for a peer that said more than it was asked for.
        """
        if self._outgoing:
            self._round()
        for rank, queue in self._arrived.items():
            if queue:
                raise FaultyParty(self._parties[rank], "said more than this party asked for")

    def drive(self, protocol: Protocol[Any]) -> Any:
        """Run a protocol of the runtime among the parties, at a point where all of them do."""
        self.flush()
        return self._channel.drive(protocol)

    def count_triples(self, count: int) -> None:
        """Add to the bill."""
        self._channel.triples += count

    # --- CrypTen's operations

    @_logged
    def send(self, tensor: Any, dst: int) -> None:
        """Send a tensor to one party; it leaves with the next round."""
        self._post(_SEND, tensor, dst)
        self._round()

    @_logged
    def recv(self, tensor: Any, src: int | None = None) -> Any:
        """A tensor of the dtype and shape of `tensor` from one party.

        Raises: ParameterError without a source.
        """
        if src is None:
            raise ParameterError("a party receives from a party it can name")
        return self._placed(self._take(_SEND, src, tensor), tensor)

    @_logged
    def isend(self, tensor: Any, dst: int) -> _Posted:
        """As `send`, but in the round that somebody next waits for."""
        self._post(_SEND, tensor, dst)
        return _Posted()

    @_logged
    def irecv(self, tensor: Any, src: int | None = None) -> _Awaited:
        """As `recv`, into `tensor`, when it is waited for."""
        if src is None:
            raise ParameterError("a party receives from a party it can name")
        return _Awaited(self, tensor, src)

    @_logged
    def scatter(self, scatter_list: Sequence[Any], src: int, size: Any = None, device: Any = None) -> Any:
        """One tensor of the list to each party."""
        if src == self.rank:
            for rank in self._others:
                self._post(_SCATTER, scatter_list[rank], rank)
            self._round()
            return scatter_list[self.rank].clone()
        like = (
            torch.empty(size, dtype=torch.long, device=device)
            if size is not None
            else scatter_list[self.rank]
        )
        return self._placed(self._take(_SCATTER, src, like), like)

    @_logged
    def reduce(self, input: Any, dst: int, op: Any = ReduceOp.SUM, batched: bool = False) -> Any:
        """The combination of everybody's tensor, to one party."""
        tensors = _several(input, batched)
        if self.rank != dst:
            for tensor in tensors:
                self._post(_REDUCE, tensor, dst)
            self._round()
            return None
        return self._combined(_REDUCE, tensors, op, batched)

    @_logged
    def all_reduce(self, input: Any, op: Any = ReduceOp.SUM, batched: bool = False) -> Any:
        """The combination of everybody's tensor, to everybody, in one round."""
        tensors = _several(input, batched)
        for rank in self._others:
            for tensor in tensors:
                self._post(_ALL_REDUCE, tensor, rank)
        return self._combined(_ALL_REDUCE, tensors, op, batched)

    def _combined(self, operation: int, tensors: list[Any], op: Any, batched: bool) -> Any:
        if op not in _COMBINE:
            raise ParameterError(f"there is no reduction by {op}")
        results = [
            t.tensor().clone() if isinstance(t, CUDALongTensor) else t.detach().clone() for t in tensors
        ]
        for source in self._others:
            for index, result in enumerate(results):
                theirs = self._take(operation, source, result).to(result.device)
                results[index] = _COMBINE[op](result, theirs)
        placed = [self._placed(r, t) for r, t in zip(results, tensors, strict=True)]
        return placed if batched else placed[0]

    @_logged
    def gather(self, tensor: Any, dst: int) -> list[Any]:
        """Everybody's tensor, to one party."""
        if self.rank != dst:
            self._post(_GATHER, tensor, dst)
            self._round()
            return [None]
        return self._gathered(_GATHER, tensor)

    @_logged
    def all_gather(self, tensor: Any) -> list[Any]:
        """Everybody's tensor, to everybody."""
        for rank in self._others:
            self._post(_ALL_GATHER, tensor, rank)
        return self._gathered(_ALL_GATHER, tensor)

    def _gathered(self, operation: int, tensor: Any) -> list[Any]:
        return [
            tensor.clone() if rank == self.rank else self._placed(self._take(operation, rank, tensor), tensor)
            for rank in range(self.world_size)
        ]

    @_logged
    def broadcast(self, input: Any, src: int, group: object = None, batched: bool = False) -> Any:
        """One party's tensor into everybody's."""
        tensors = _several(input, batched)
        if self.rank == src:
            for rank in self._others:
                for tensor in tensors:
                    self._post(_BROADCAST, tensor, rank)
            self._round()
        else:
            for tensor in tensors:
                tensor.data.copy_(self._take(_BROADCAST, src, tensor))
        return input

    @_logged
    def barrier(self) -> None:
        """Go on when everybody is here."""
        here = torch.zeros(0, dtype=torch.uint8)
        for rank in self._others:
            self._post(_BARRIER, here, rank)
        for rank in self._others:
            self._take(_BARRIER, rank, here)

    @_logged
    def send_obj(self, obj: Any, dst: int, group: object = None) -> None:
        """Send a small value (`mpc.crypten.encoding` says of what) or a torch module (`mpc.crypten.modules`)."""
        self._post(_VALUE, _as_tensor(obj), dst)
        self._round()

    @_logged
    def recv_obj(self, src: int, group: object = None) -> Any:
        """A small value from one party.

        Raises: FaultyParty for bytes that are none.
        """
        return self._received_value(src)

    def _received_value(self, src: int) -> Any:
        raw = self._take(_VALUE, src)
        try:
            if raw.dtype != torch.uint8 or raw.dim() != 1 or bytes(raw[:1].tolist()) not in (_MODULE, _PLAIN):
                raise DecodeError("not the bytes of a value")
            data = raw.numpy().tobytes()
            return rebuilt(decode_value(data[1:])) if data[:1] == _MODULE else decode_value(data[1:])
        except DecodeError as error:
            raise FaultyParty(self._parties[src], f"sent garbage: {error}") from None

    @_logged
    def broadcast_obj(self, obj: Any, src: int, group: object = None) -> Any:
        """One party's small value to everybody."""
        if self.rank != src:
            return self._received_value(src)
        for rank in self._others:
            self._post(_VALUE, _as_tensor(obj), rank)
        self._round()
        return obj

    # --- who is who

    def get_world_size(self) -> int:
        """How many parties compute."""
        return self.world_size

    def get_rank(self) -> int:
        """This party's rank, from 0."""
        return self.rank

    def set_name(self, name: str) -> None:
        """Name this party, for files that CrypTen saves and loads.

        Raises: ParameterError for anything but text.
        """
        if not isinstance(name, str):
            raise ParameterError("a party's name is text")
        self._name = name

    def get_name(self) -> str:
        """This party's name."""
        return self._name

    def get_distributed_backend(self) -> str:
        """What carries the messages."""
        return "eppml"


def _several(value: Any, batched: bool) -> list[Any]:
    return list(value) if batched else [value]


def _as_tensor(value: Any) -> torch.Tensor:
    if isinstance(value, torch.nn.Module):
        return torch.frombuffer(bytearray(_MODULE + encode_value(described(value))), dtype=torch.uint8)
    return torch.frombuffer(bytearray(_PLAIN + encode_value(value)), dtype=torch.uint8)
