"""Throw bytes at every decoder of `mpc`: each must refuse them with DecodeError, or give back the same bytes.

    python scripts/fuzz_decoders.py --seconds 60          # coverage-guided where atheris is installed
    python scripts/fuzz_decoders.py --seconds 60 --plain  # without atheris: mutations of valid messages

A finding is printed with the bytes that make it, and the script fails.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

try:
    import atheris
except ImportError:
    atheris = None

# coverage is counted in what is imported here
with atheris.instrument_imports(["mpc"], ["mpc._numba61"]) if atheris else nullcontext():
    from mpc import packed, replicated, shamir, vss
    from mpc.errors import DecodeError
    from mpc.field import FIELD61, PrimeField
    from mpc.group import GENERATOR, Point
    from mpc.ot.edwards import Point as EdwardsPoint
    from mpc.prg import Stream
    from mpc.ring import RING32
    from mpc.runtime.framing import Frame, Hello, Kind
    from mpc.secagg.messages import (
        Advert,
        Agreement,
        Dealing,
        Delivery,
        Masked,
        Reveal,
        Roster,
        Sealed,
        Survivors,
    )
    from mpc.secagg.parameters import Parameters
    from mpc.sensor import Packet, Quantity, Splitter
    from mpc.shares import Share
    from mpc.spdz import Preprocessing, deal_authenticated
    from mpc.threshold import Threshold
    from mpc.triples import Allotment, Request, deal
    from mpc.triples import Kind as Correlation

PARAMS = Parameters((1, 2, 3, 4), 3, 2, dim=3, field_dim=1, modulus=2**24, field=257)


@dataclass(frozen=True)
class Target:
    """A decoder followed by its encoder, and messages it accepts."""

    name: str
    round_trip: Callable[[bytes], bytes]
    valid: tuple[bytes, ...]


def _secagg() -> Iterator[Target]:
    advert = Advert(bytes(32), bytes(32), bytes(32), bytes(64))
    sealed = Sealed(bytes(80), bytes(32), bytes(32))
    masked = Masked((3,), RING32.random((3,), Stream(bytes(32))) >> 8, [7])
    yield Target("Advert", lambda d: Advert.from_bytes(d).to_bytes(), (advert.to_bytes(),))
    yield Target(
        "Roster",
        lambda d: Roster.from_bytes(d, PARAMS).to_bytes(),
        (Roster({1: advert, 4: advert}).to_bytes(),),
    )
    yield Target("Sealed", lambda d: Sealed.from_bytes(d).to_bytes(), (sealed.to_bytes(),))
    yield Target(
        "Dealing",
        lambda d: Dealing.from_bytes(d, PARAMS).to_bytes(),
        (Dealing({2: sealed}, bytes(64)).to_bytes(),),
    )
    yield Target(
        "Delivery",
        lambda d: Delivery.from_bytes(d, PARAMS).to_bytes(),
        (Delivery((1, 2, 4), {2: sealed}).to_bytes(),),
    )
    yield Target(
        "Masked", lambda d: Masked.from_bytes(d, PARAMS).to_bytes(PARAMS), (masked.to_bytes(PARAMS),)
    )
    yield Target(
        "Survivors", lambda d: Survivors.from_bytes(d, PARAMS).to_bytes(), (Survivors((1, 3)).to_bytes(),)
    )
    yield Target(
        "Agreement",
        lambda d: Agreement.from_bytes(d, PARAMS).to_bytes(),
        (Agreement({1: bytes(64)}).to_bytes(),),
    )
    yield Target(
        "Reveal", lambda d: Reveal.from_bytes(d, PARAMS).to_bytes(), (Reveal({1: 5}, {2: 6}).to_bytes(),)
    )


def _sharing() -> Iterator[Target]:
    stream = Stream(bytes(32), b"corpus")
    small = PrimeField(257)
    shares = [
        shamir.share(FIELD61.elements([[1, 2]]), Threshold(2, 3), stream)[0],
        packed.share(small.elements([1, 2, 3]), Threshold(3, 4), 2, stream)[1],
        replicated.share(RING32.elements([4]), stream)[2],
    ]
    yield Target("Share", lambda d: Share.from_bytes(d).to_bytes(), tuple(s.to_bytes() for s in shares))
    yield Target("Point", lambda d: Point.from_bytes(d).to_bytes(), (GENERATOR.to_bytes(), bytes(33)))
    dealing = vss.deal(5, Threshold(2, 3), stream)
    yield Target(
        "Commitments",
        lambda d: vss.Commitments.from_bytes(d).to_bytes(),
        (dealing.commitments.to_bytes(),),
    )
    yield Target(
        "VerifiableShare",
        lambda d: vss.VerifiableShare.from_bytes(d).to_bytes(),
        (dealing.shares[1].to_bytes(),),
    )
    splitter = Splitter([Quantity("t", 0, 1, 0.1)], Threshold(2, 3), stream.bytes, block=1)
    packets = splitter.feed(0.5) or []
    yield Target("Packet", lambda d: Packet.from_bytes(d).to_bytes(), tuple(p.to_bytes() for p in packets))


def _protocols() -> Iterator[Target]:
    stream = Stream(bytes(32), b"corpus")
    yield Target("Frame", lambda d: Frame.decode(d).encode()[4:], (Frame(Kind.SILENT, 3).encode()[4:],))
    yield Target("Hello", lambda d: Hello.decode(d).encode(), (Hello(bytes(32), 1, 2).encode(),))
    base = (4 * pow(5, -1, 2**255 - 19) % (2**255 - 19)).to_bytes(32, "little")
    yield Target("EdwardsPoint", lambda d: EdwardsPoint.decode(d).encode(), (base,))
    prepared = deal_authenticated((1, 2), {1: 2}, 1, stream)[1]
    yield Target(
        "Preprocessing",
        lambda d: Preprocessing.from_bytes(d, 1, {1: 2}, 1).to_bytes(),
        (prepared.to_bytes(),),
    )
    recipe = (Request(Correlation.PRODUCT, (2,)), Request(Correlation.BIT, (3,)))
    allotted = deal(recipe, (1, 2), stream)[2]
    yield Target(
        "Allotment",
        lambda d: Allotment.from_bytes(d, recipe, last=True).to_bytes(),
        (allotted.to_bytes(),),
    )


TARGETS = (*_secagg(), *_sharing(), *_protocols())


def check(target: Target, data: bytes) -> bool:
    """Whether `data` was accepted; any surprise is an exception."""
    try:
        again = target.round_trip(data)
    except DecodeError:
        return False
    if again != data:
        raise AssertionError(f"{target.name} accepts a second encoding: {data.hex()} is {again.hex()}")
    return True


def one_input(data: bytes) -> None:
    """What atheris calls: the first byte picks a decoder."""
    if data:
        check(TARGETS[data[0] % len(TARGETS)], bytes(data[1:]))


def mutated(valid: bytes, stream: Stream) -> bytes:
    """A valid message with a few bytes changed, inserted, removed, or its end cut off."""
    data = bytearray(valid)
    for _ in range(1 + stream.below(4)):
        at, what = stream.below(len(data) + 1), stream.below(5)
        if what == 0 and at < len(data):
            data[at] = stream.below(256)
        elif what == 1 and at < len(data):
            data[at] ^= 1 << stream.below(8)
        elif what == 2:
            data[at:at] = stream.bytes(1 + stream.below(4))
        elif what == 3:
            del data[at : at + 1 + stream.below(4)]
        else:
            data = data[:at]
    return bytes(data)


def plain(seconds: float) -> int:
    """Mutations for `seconds`; how many inputs were tried."""
    stream, tried, end = Stream.from_os(b"fuzz"), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        for target in TARGETS:
            for valid in target.valid:
                check(target, mutated(valid, stream))
                tried += 1
    return tried


def guided(seconds: float) -> None:
    """Hand over to atheris, which ends the process itself."""
    corpus = Path(os.environ.get("FUZZ_CORPUS", ".cache/fuzz"))
    corpus.mkdir(parents=True, exist_ok=True)
    for number, target in enumerate(TARGETS):
        for at, valid in enumerate(target.valid):
            (corpus / f"{target.name}-{at}").write_bytes(bytes([number]) + valid)
    options = [sys.argv[0], f"-max_total_time={int(seconds)}", "-max_len=1024", "-timeout=10", str(corpus)]
    atheris.Setup(options, one_input)
    atheris.Fuzz()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument(
        "--plain", action="store_true", help="mutations only, even where atheris is installed"
    )
    arguments = parser.parse_args()
    if atheris and not arguments.plain:
        guided(arguments.seconds)
    print(f"{plain(arguments.seconds):,} inputs, every one refused or canonical")


if __name__ == "__main__":
    main()
