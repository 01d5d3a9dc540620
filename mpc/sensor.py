"""Threshold sharing for small devices: a sensor splits its readings among n devices, any `needed` recover
them.

    Quantity --> Splitter.feed(...) --> one packet a device and block --> Collector.add(...) --> recover(...)

Standard library and gmpy2 only, a few kilobytes of memory, one block of readings at a time. A packet holds
this device's shares and a hash of every device's packet, so a device that changes its shares stands against
the others' word and is named; with enough devices the wrong shares are corrected as well.

The hashes are salted: readings are easy to guess, and a bare hash of the share that is missing would confirm
a guess.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest

from mpc.errors import DecodeError, NotEnoughParties, ParameterError, ProtocolError
from mpc.polynomial import evaluate_many, lagrange_coefficients
from mpc.reed_solomon import decode
from mpc.threshold import Threshold

__all__ = ["Block", "Collector", "Packet", "Quantity", "Splitter"]

PRIME = (1 << 61) - 1
MAGIC = b"EPS1"
SALT = DIGEST = 16
SHARE = 8
MAX_BLOCK = 1 << 12

Randomness = Callable[[int], bytes]
"""n -> n secret random bytes: `os.urandom`, `secrets.token_bytes`, or a `Stream`'s `bytes`."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """What is measured: values from `low` to `high` in steps of `step`; readings outside are cut to the
    range.

    Raises: ParameterError for an empty range or a step that is not positive.

    >>> Quantity("temperature", -40.0, 85.0, 0.01, "C").levels
    12501
    """

    name: str
    low: float
    high: float
    step: float
    unit: str = ""

    def __post_init__(self) -> None:
        if not (self.step > 0 and self.low < self.high and (self.high - self.low) / self.step < 2**60):
            raise ParameterError(f"{self.name}: want low < high and a positive step, not too small")

    @property
    def levels(self) -> int:
        """How many different values there are."""
        return round((self.high - self.low) / self.step) + 1

    def encode(self, value: float) -> int:
        """The level nearest to `value`.

        Raises: ParameterError for a value that is not a number.
        """
        if value != value:
            raise ParameterError(f"{self.name}: not a number")
        return min(
            max(round((min(max(value, self.low), self.high) - self.low) / self.step), 0), self.levels - 1
        )

    def decode(self, level: int) -> float:
        """The value of a level."""
        return self.low + level * self.step


def _pack(quantities: Sequence[Quantity], reading: Sequence[float]) -> int:
    packed = 0
    for quantity, value in zip(quantities, reading, strict=True):
        packed = packed * quantity.levels + quantity.encode(value)
    return packed


def _unpack(quantities: Sequence[Quantity], packed: int) -> tuple[float, ...]:
    values = []
    for quantity in reversed(quantities):
        packed, level = divmod(packed, quantity.levels)
        values.append(quantity.decode(level))
    return tuple(reversed(values))


def _check(quantities: Sequence[Quantity]) -> None:
    levels = 1
    for quantity in quantities:
        levels *= quantity.levels
    if not quantities or levels > PRIME:
        raise ParameterError("one to a few quantities, together below 2^61 levels")


@dataclass(frozen=True, slots=True)
class Packet:
    """One device's part of one block."""

    threshold: Threshold
    index: int
    number: int
    salt: bytes = field(repr=False)
    shares: tuple[int, ...] = field(repr=False)
    digests: tuple[bytes, ...] = field(repr=False)

    def _signed(self) -> bytes:
        head = bytes([self.threshold.needed, self.threshold.parties, self.index])
        shares = b"".join(s.to_bytes(SHARE, "big") for s in self.shares)
        return (
            MAGIC
            + head
            + self.number.to_bytes(4, "big")
            + len(self.shares).to_bytes(2, "big")
            + self.salt
            + shares
        )

    def digest(self) -> bytes:
        """What the other devices were told about this packet."""
        return sha256(self._signed()).digest()[:DIGEST]

    def to_bytes(self) -> bytes:
        return self._signed() + b"".join(self.digests)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Packet":
        """Raises: DecodeError for anything that `to_bytes` does not make."""
        head = len(MAGIC) + 9
        if data[: len(MAGIC)] != MAGIC or len(data) < head + SALT:
            raise DecodeError("not a sensor packet")
        needed, parties, index = data[4:7]
        number, count = int.from_bytes(data[7:11], "big"), int.from_bytes(data[11:13], "big")
        body = head + SALT + count * SHARE
        if not 1 <= needed <= parties or not 1 <= index <= parties or count > MAX_BLOCK:
            raise DecodeError("a sensor packet with numbers that cannot be")
        if len(data) != body + parties * DIGEST:
            raise DecodeError(f"want {body + parties * DIGEST} bytes, got {len(data)}")
        shares = tuple(int.from_bytes(data[i : i + SHARE], "big") for i in range(head + SALT, body, SHARE))
        if any(s >= PRIME for s in shares):
            raise DecodeError("a share is not reduced")
        digests = tuple(data[i : i + DIGEST] for i in range(body, len(data), DIGEST))
        return cls(Threshold(needed, parties), index, number, data[head : head + SALT], shares, digests)


class Splitter:
    """The sensor's side: readings in, a packet for every device out each time a block is full.

    Raises: ParameterError for more than 255 devices, a block that is too long, or quantities that do not fit.
    Leakage: none to fewer than `threshold.needed` devices, but how many readings there are.

    >>> splitter = Splitter([Quantity("t", 0, 50, 0.1)], Threshold(2, 3), lambda n: bytes(range(n)), block=2)
    >>> splitter.feed(20.5) is None, len(splitter.feed(20.6))
    (True, 3)
    """

    def __init__(
        self, quantities: Sequence[Quantity], threshold: Threshold, randomness: Randomness, block: int = 32
    ) -> None:
        _check(quantities)
        if threshold.parties > 255 or not 1 <= block <= MAX_BLOCK:
            raise ParameterError(f"at most 255 devices and blocks of 1 to {MAX_BLOCK} readings")
        self._quantities, self._threshold, self._randomness = tuple(quantities), threshold, randomness
        self._block = block
        self._number = 0
        self._rows: list[list[int]] = []

    def _below_prime(self) -> int:
        while True:
            value = int.from_bytes(self._randomness(SHARE), "big") >> 3
            if value < PRIME:
                return value

    def feed(self, *reading: float) -> list[Packet] | None:
        """Take one reading, a value for each quantity; the packets, when it fills the block."""
        if len(reading) != len(self._quantities):
            raise ParameterError(f"a reading has {len(self._quantities)} values, got {len(reading)}")
        secret = _pack(self._quantities, reading)
        coefficients = [secret, *(self._below_prime() for _ in range(self._threshold.needed - 1))]
        self._rows.append(evaluate_many(coefficients, range(1, self._threshold.parties + 1), PRIME))
        return self.flush() if len(self._rows) == self._block else None

    def flush(self) -> list[Packet] | None:
        """The packets of a block that is not full yet, or None when it is empty."""
        if not self._rows:
            return None
        bare = [
            Packet(self._threshold, i, self._number, self._randomness(SALT), shares, ())
            for i, shares in enumerate(zip(*self._rows, strict=True), start=1)
        ]
        digests = tuple(p.digest() for p in bare)
        self._rows, self._number = [], self._number + 1
        return [Packet(p.threshold, p.index, p.number, p.salt, p.shares, digests) for p in bare]


@dataclass(frozen=True, slots=True)
class Block:
    """Recovered readings, and the devices that tampered with theirs."""

    number: int
    readings: list[tuple[float, ...]] = field(repr=False)
    tampering: tuple[int, ...]


class Collector:
    """The recovering side: packets in, blocks out, one block in memory at a time if the caller wishes.

    Raises: ParameterError for quantities that do not fit.
    Assumes: of the devices that deliver, more are honest than not; or at most (delivered - needed) / 2
        tamper.
    """

    def __init__(self, quantities: Sequence[Quantity], threshold: Threshold) -> None:
        _check(quantities)
        self._quantities, self._threshold = tuple(quantities), threshold
        self._packets: dict[int, dict[int, Packet]] = {}
        self._garbled: set[int] = set()

    def add(self, device: int, data: bytes) -> None:
        """Take the packet that `device` delivered; one that is no packet of this device's counts as
        tampering."""
        try:
            packet = Packet.from_bytes(data)
        except DecodeError:
            self._garbled.add(device)
            return
        if packet.threshold != self._threshold or packet.index != device:
            self._garbled.add(device)
            return
        known = self._packets.setdefault(packet.number, {}).setdefault(device, packet)
        if known != packet:
            self._garbled.add(device)

    def ready(self) -> list[int]:
        """Numbers of the blocks that enough devices delivered."""
        return sorted(n for n, packets in self._packets.items() if len(packets) >= self._threshold.needed)

    def recover(self, number: int) -> Block:
        """The readings of one block; its packets are forgotten.

        Raises: NotEnoughParties when too few good shares are left, naming who tampered; ProtocolError when
            the shares do not fit together and nobody can say whose are wrong.
        """
        packets = self._packets.get(number, {})
        needed = self._threshold.needed
        liars = _outvoted(packets) | (self._garbled - set(packets))
        good = {i: p for i, p in packets.items() if i not in liars}
        if len(good) < needed:
            named = f"; tampering: devices {sorted(liars)}" if liars else ""
            raise NotEnoughParties(
                f"block {number}: {needed} good packets are needed, {len(good)} are there{named}"
            )
        shares = {i: p.shares for i, p in good.items()}
        secrets, wrong = _reconstruct(shares, needed)
        limit = 1
        for quantity in self._quantities:
            limit *= quantity.levels
        if any(s >= limit for s in secrets):
            raise ProtocolError(
                f"block {number}: the shares give no possible reading; more devices are needed"
            )
        self._packets.pop(number, None)
        readings = [_unpack(self._quantities, s) for s in secrets]
        return Block(number, readings, tuple(sorted(liars | wrong)))


def _outvoted(packets: Mapping[int, Packet]) -> set[int]:
    """Devices whose packet is not the one that most delivered packets vouch for."""
    liars = set()
    for device, packet in packets.items():
        votes = Counter(p.digests[device - 1] for i, p in packets.items() if i != device)
        if votes:
            digest, count = votes.most_common(1)[0]
            if 2 * count > len(packets) - 1 and not compare_digest(digest, packet.digest()):
                liars.add(device)
    lengths = Counter(len(p.shares) for i, p in packets.items() if i not in liars)
    if lengths:
        usual = lengths.most_common(1)[0][0]
        liars |= {i for i, p in packets.items() if len(p.shares) != usual}
    return liars


def _reconstruct(shares: Mapping[int, Sequence[int]], needed: int) -> tuple[list[int], set[int]]:
    points = sorted(shares)
    columns: Iterable[tuple[int, ...]] = zip(*(shares[x] for x in points), strict=True)
    weights = lagrange_coefficients(points[:needed], 0, PRIME)
    if len(points) == needed:
        return [sum(w * s for w, s in zip(weights, column, strict=True)) % PRIME for column in columns], set()
    secrets, wrong = [], set()
    for column in columns:
        message, bad = decode(dict(zip(points, column, strict=True)), needed, PRIME)
        secrets.append(message[0])
        wrong |= set(bad)
    return secrets, wrong
