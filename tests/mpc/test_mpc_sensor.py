"""Readings split among small devices: recovery, tampering devices, and what the imports drag in."""

import os
import subprocess
import sys
from itertools import combinations
from math import inf, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.errors import DecodeError, NotEnoughParties, ParameterError, ProtocolError
from mpc.prg import Stream
from mpc.sensor import MAX_BLOCK, PRIME, Collector, Packet, Quantity, Splitter
from mpc.threshold import Threshold

TEMPERATURE = Quantity("temperature", -40.0, 85.0, 0.01, "C")
HUMIDITY = Quantity("humidity", 0.0, 100.0, 0.1, "%")
SERIES = [(20.0 + i / 8, 55.0 - i / 4) for i in range(20)]


def split(threshold: Threshold, block: int = 8) -> list[list[Packet]]:
    splitter = Splitter([TEMPERATURE, HUMIDITY], threshold, Stream(bytes(32), b"sensor").bytes, block)
    blocks = [packets for reading in SERIES if (packets := splitter.feed(*reading))]
    rest = splitter.flush()
    return [*blocks, rest] if rest else blocks


def collect(threshold: Threshold, delivered: dict[int, list[bytes]]) -> Collector:
    collector = Collector([TEMPERATURE, HUMIDITY], threshold)
    for device, packets in delivered.items():
        for data in packets:
            collector.add(device, data)
    return collector


def per_device(blocks: list[list[Packet]]) -> dict[int, list[bytes]]:
    return {p.index: [block[p.index - 1].to_bytes() for block in blocks] for p in blocks[0]}


@pytest.mark.parametrize(("needed", "parties"), [(1, 1), (2, 3), (3, 5)])
def test_any_needed_devices_recover_the_series(needed: int, parties: int) -> None:
    threshold = Threshold(needed, parties)
    devices = per_device(split(threshold))
    for group in combinations(devices, needed):
        collector = collect(threshold, {i: devices[i] for i in group})
        assert collector.ready() == [0, 1, 2]
        got = [r for n in collector.ready() for r in collector.recover(n).readings]
        assert len(got) == len(SERIES)
        for reading, expected in zip(got, SERIES, strict=True):
            assert reading == pytest.approx(expected, abs=0.051)
        assert collector.ready() == []


def test_too_few_devices_recover_nothing() -> None:
    threshold = Threshold(3, 5)
    devices = per_device(split(threshold))
    collector = collect(threshold, {1: devices[1], 4: devices[4]})
    assert collector.ready() == []
    with pytest.raises(NotEnoughParties):
        collector.recover(0)


def tampered(data: bytes) -> bytes:
    packet = Packet.from_bytes(data)
    shares = ((packet.shares[0] + 1) % PRIME, *packet.shares[1:])
    return Packet(
        packet.threshold, packet.index, packet.number, packet.salt, shares, packet.digests
    ).to_bytes()


def test_a_tampering_device_is_named_by_the_others() -> None:
    threshold = Threshold(3, 5)
    devices = per_device(split(threshold))
    delivered = {i: devices[i] for i in (1, 2, 4, 5)} | {4: [tampered(d) for d in devices[4]]}
    block = collect(threshold, delivered).recover(0)
    assert block.tampering == (4,)
    assert block.readings[0] == pytest.approx(SERIES[0], abs=0.051)
    # three devices, one of them lying: the reading is gone, the liar is known
    with pytest.raises(NotEnoughParties, match=r"tampering: devices \[4\]"):
        collect(threshold, {i: delivered[i] for i in (1, 2, 4)}).recover(0)


def test_a_device_that_rewrites_the_hashes_too_is_outvoted_or_corrected() -> None:
    threshold = Threshold(2, 4)
    devices = per_device(split(threshold))

    def consistent_lie(data: bytes) -> bytes:
        packet = Packet.from_bytes(tampered(data))
        digests = list(packet.digests)
        digests[packet.index - 1] = packet.digest()
        return Packet(
            packet.threshold, packet.index, packet.number, packet.salt, packet.shares, tuple(digests)
        ).to_bytes()

    block = collect(threshold, devices | {3: [consistent_lie(d) for d in devices[3]]}).recover(1)
    assert block.tampering == (3,) and block.readings[0] == pytest.approx(SERIES[8], abs=0.051)


def test_wrong_shares_with_right_hashes_are_corrected_by_the_code() -> None:
    # a sensor cannot do this to itself; hashes alone would not notice, the code does
    threshold = Threshold(2, 4)
    blocks = split(threshold)
    bad = [
        Packet(p.threshold, p.index, p.number, p.salt, ((p.shares[0] + 5) % PRIME, *p.shares[1:]), ())
        for p in blocks[0]
    ]
    digests = tuple(b.digest() if b.index == 3 else p.digest() for b, p in zip(bad, blocks[0], strict=True))
    delivered = {
        p.index: [Packet(p.threshold, p.index, 0, p.salt, p.shares, digests).to_bytes()]
        for p in [*blocks[0][:2], bad[2], blocks[0][3]]
    }
    block = collect(threshold, delivered).recover(0)
    assert block.tampering == (3,) and block.readings[0] == pytest.approx(SERIES[0], abs=0.051)


def test_garbage_counts_as_tampering() -> None:
    threshold = Threshold(2, 4)
    devices = per_device(split(threshold))
    collector = collect(threshold, {1: devices[1], 2: devices[2], 3: [b"junk"], 4: devices[2]})
    assert collector.recover(0).tampering == (3, 4)
    collector = collect(threshold, {1: devices[1], 2: [*devices[2], tampered(devices[2][0])], 3: devices[3]})
    assert collector.recover(0).readings[0] == pytest.approx(SERIES[0], abs=0.051)


def test_a_shortened_block_is_tampering() -> None:
    threshold = Threshold(2, 4)
    devices = per_device(split(threshold))
    packet = Packet.from_bytes(devices[2][0])
    short = Packet(packet.threshold, 2, 0, packet.salt, packet.shares[:-1], packet.digests).to_bytes()
    assert collect(threshold, devices | {2: [short]}).recover(0).tampering == (2,)


def test_impossible_readings_are_noticed_when_there_is_no_redundancy() -> None:
    threshold = Threshold(1, 1)
    packet = split(threshold)[0][0]
    wild = Packet(threshold, 1, 0, packet.salt, (PRIME - 1,), packet.digests)
    with pytest.raises(ProtocolError, match="no possible reading"):
        collect(threshold, {1: [wild.to_bytes()]}).recover(0)


def test_a_hash_does_not_confirm_a_guessed_reading() -> None:
    # one of two devices knows its share, the threshold, and a good guess: without the salt it could check it
    threshold = Threshold(2, 2)
    first, second = split(threshold)[0]
    guessed_share = second.shares  # the right guess
    unsalted = Packet(threshold, 2, 0, bytes(16), guessed_share, ()).digest()
    assert unsalted != first.digests[1]
    assert Packet(threshold, 2, 0, second.salt, guessed_share, ()).digest() == first.digests[1]
    assert second.salt not in first.to_bytes()


def test_one_device_sees_uniform_shares() -> None:
    splitter = Splitter([TEMPERATURE], Threshold(2, 2), Stream(bytes(32), b"chi").bytes, block=4096)
    packets = None
    for _ in range(4096):
        packets = splitter.feed(21.5)
    assert packets is not None
    counts = [0] * 64
    for share in packets[0].shares:
        counts[share >> 55] += 1
    # 63 degrees of freedom, one in a thousand
    assert sum((c - 64) ** 2 / 64 for c in counts) < 103.4


@given(st.floats(allow_nan=False))
def test_quantities_cut_and_round(value: float) -> None:
    level = TEMPERATURE.encode(value)
    assert 0 <= level < TEMPERATURE.levels
    clipped = min(max(value, -40.0), 85.0)
    assert abs(TEMPERATURE.decode(level) - clipped) <= 0.00501


@settings(deadline=None)
@given(st.binary(max_size=120), st.booleans())
def test_garbage_is_refused(data: bytes, magic: bool) -> None:
    data = (b"EPS1" if magic else b"") + data
    try:
        packet = Packet.from_bytes(data)
    except DecodeError:
        return
    assert packet.to_bytes() == data


def test_packets_are_canonical_and_small() -> None:
    for packet in split(Threshold(3, 5))[0]:
        data = packet.to_bytes()
        assert Packet.from_bytes(data) == packet and len(data) == 29 + 8 * 8 + 5 * 16
        for broken in (data[:-1], data + b"\0", b"X" + data[1:], data[:6] + b"\x09" + data[7:]):
            with pytest.raises(DecodeError):
                Packet.from_bytes(broken)


def test_what_cannot_work_is_refused() -> None:
    good = [TEMPERATURE], Threshold(2, 3), os.urandom
    for call in (
        lambda: Quantity("x", 1.0, 0.0, 0.1),
        lambda: Quantity("x", 0.0, 1.0, 0.0),
        lambda: Quantity("x", 0.0, inf, 1.0),
        lambda: TEMPERATURE.encode(nan),
        lambda: Splitter([], Threshold(2, 3), os.urandom),
        lambda: Splitter([TEMPERATURE] * 5, Threshold(2, 3), os.urandom),
        lambda: Splitter([TEMPERATURE], Threshold(2, 256), os.urandom),
        lambda: Splitter(*good, block=0),
        lambda: Splitter(*good, block=MAX_BLOCK + 1),
        lambda: Splitter(*good).feed(1.0, 2.0),
    ):
        with pytest.raises(ParameterError):
            call()
    assert Splitter(*good).flush() is None


def test_a_small_device_needs_gmpy2_and_the_standard_library_only() -> None:
    code = (
        "import sys; before = set(sys.modules); import mpc.sensor; "
        "new = {m.split('.')[0] for m in set(sys.modules) - before}; "
        "print(sorted(new - set(sys.stdlib_module_names) - {'mpc', 'gmpy2'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
