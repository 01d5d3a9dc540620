"""The exceptions of `he`, under the tree of `mpc.errors`.

ParameterError
├── InvalidKey            a key that is no safe Paillier key: equal, small or composite primes, a bad h
├── KeyMismatch           two objects that belong to different keys
├── CodecMismatch         two vectors that were packed, shaped or scaled differently
└── SlotOverflow          an operation after which a slot could run into its neighbour
    └── TooManyContributions    a sum of more clients than the slots were proved for
DecodeError
├── InvalidCiphertext     out of range, or not a unit: `indices` says which
│   └── TrivialCiphertext an encryption without randomness, which anyone can read
└── NotPacked             a plaintext that no sum of packed vectors can have
ProtocolError
└── TooFewContributions   decryption of a sum of too few clients was refused
EppmlError
├── WrongPassphrase       an encrypted key file that does not open
└── ComputationFault      a decryption whose self-check failed: nothing of it may leave
"""

from collections.abc import Sequence

from mpc.errors import DecodeError, EppmlError, ParameterError, ProtocolError

__all__ = [
    "CodecMismatch",
    "ComputationFault",
    "InvalidCiphertext",
    "InvalidKey",
    "KeyMismatch",
    "NotPacked",
    "SlotOverflow",
    "TooFewContributions",
    "TooManyContributions",
    "TrivialCiphertext",
    "WrongPassphrase",
]


class InvalidKey(ParameterError):
    """A key that cannot be a safe Paillier key."""


class KeyMismatch(ParameterError):
    """Two objects that belong to different keys."""

    def __init__(self, what: str = "these belong to different keys") -> None:
        super().__init__(what)


class CodecMismatch(ParameterError):
    """Two vectors that were packed, shaped or scaled differently."""


class SlotOverflow(ParameterError):
    """An operation after which a slot could run into its neighbour; `missing_bits` says how much is
    missing."""

    def __init__(self, message: str, missing_bits: int = 0) -> None:
        super().__init__(message)
        self.missing_bits = missing_bits


class TooManyContributions(SlotOverflow):
    """A sum of more contributions than the packing was proved for."""


class InvalidCiphertext(DecodeError):
    """Ciphertexts that are out of range or not units mod n; `indices` says which."""

    def __init__(self, reason: str, indices: Sequence[int]) -> None:
        shown = ", ".join(map(str, indices[:8])) + (", ..." if len(indices) > 8 else "")
        super().__init__(f"ciphertext {shown}: {reason}")
        self.indices = tuple(indices)


class TrivialCiphertext(InvalidCiphertext):
    """An encryption without randomness: anyone can read it."""


class NotPacked(DecodeError):
    """A plaintext that no honest sum of packed vectors can have."""


class TooFewContributions(ProtocolError):
    """Decryption of a sum of too few contributions was refused."""


class WrongPassphrase(EppmlError):
    """An encrypted key file did not open: another passphrase, or a damaged file."""


class ComputationFault(EppmlError):
    """A decryption failed its self-check; a wrong CRT half would have given the factors away."""
