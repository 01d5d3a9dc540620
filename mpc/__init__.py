"""Multi-party computation in small typed pieces: sharing, secure aggregation, and protocols as generators.

    what everything stands on
        errors  threshold                       who is at fault; how many shares are needed
        prg  transcript  coin                   secret randomness; Fiat-Shamir; a coin nobody could choose
        codec  json_text                        floats as integers whose sums cannot wrap; bounded JSON
        field61  field  ring  domain            arithmetic on arrays that know where they belong
        polynomial  reed_solomon  group         interpolation, error correction, secp256k1
        ring_product                            matrix products modulo 2^64 on BLAS
    secrets in pieces
        shares                                  one share of an array, with canonical bytes
        additive  shamir  packed  replicated    the schemes
        robust  vss                             wrong shares corrected, or rejected on arrival
        resharing                               between schemes, to other parties, refreshed
        sensor                                  the small-device path, without numpy
    running a protocol
        runtime  wire                           in one process, or over TLS between machines; with a bill
        protocols  engine                       products, norms, comparisons, medians, on shared data
        triples  client_aided  ot  spdz         where multiplications come from, and MACs on them
        secagg                                  sums of vectors that nobody sees
        crypten                                 CrypTen's tensors on this runtime  (extra: eppml[crypten])

A protocol is a generator: it yields what it sends and receives what arrived. Randomness is an argument. Every
public function says what it leaks and what it assumes.

>>> import mpc
>>> shares = mpc.shamir.share(mpc.field.FIELD61.elements([42]), mpc.Threshold(2, 3), mpc.Stream(bytes(32)))
>>> mpc.shamir.reconstruct(shares[:2]).lifted().tolist()
[42]
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mpc.errors import (
    CodecError,
    DecodeError,
    EppmlError,
    FaultyParty,
    InsecureError,
    NotEnoughParties,
    ParameterError,
    PartyTimeout,
    ProofRejected,
    ProtocolError,
)
from mpc.threshold import Threshold

if TYPE_CHECKING:
    from mpc import (
        additive,
        client_aided,
        codec,
        coin,
        crypten,
        domain,
        engine,
        field,
        field61,
        group,
        json_text,
        ot,
        packed,
        polynomial,
        prg,
        protocols,
        reed_solomon,
        replicated,
        resharing,
        ring,
        ring_product,
        robust,
        runtime,
        secagg,
        sensor,
        shamir,
        shares,
        spdz,
        transcript,
        triples,
        vss,
        wire,
    )
    from mpc.codec import Codec
    from mpc.prg import Stream
    from mpc.transcript import Transcript

__all__ = [
    "Codec",
    "CodecError",
    "DecodeError",
    "EppmlError",
    "FaultyParty",
    "InsecureError",
    "NotEnoughParties",
    "ParameterError",
    "PartyTimeout",
    "ProofRejected",
    "ProtocolError",
    "Stream",
    "Threshold",
    "Transcript",
    "additive",
    "client_aided",
    "codec",
    "coin",
    "crypten",
    "domain",
    "engine",
    "field",
    "field61",
    "group",
    "json_text",
    "ot",
    "packed",
    "polynomial",
    "prg",
    "protocols",
    "reed_solomon",
    "replicated",
    "resharing",
    "ring",
    "ring_product",
    "robust",
    "runtime",
    "secagg",
    "sensor",
    "shamir",
    "shares",
    "spdz",
    "transcript",
    "triples",
    "vss",
    "wire",
]

_HOMES = {"Codec": "mpc.codec", "Stream": "mpc.prg", "Transcript": "mpc.transcript"}


def __getattr__(name: str) -> Any:
    """Submodules load when first named, so that a small device never loads numpy."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in __all__:
        return import_module(f"mpc.{name}")
    raise AttributeError(f"module 'mpc' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
