"""The exceptions of the house, in one tree.

    EppmlError
    ├── ParameterError          an argument that cannot work, found before anything ran  (also a ValueError)
    │   └── CodecError          a sum could wrap: says how many bits are missing
    ├── DecodeError             bytes or text that are not the canonical encoding of anything (also a ValueError)
    ├── InsecureError           an unsafe mode without `allow_insecure=True`
    └── ProtocolError           a run that could not be completed
        ├── FaultyParty         `party` deviated, assuming messages arrived as sent
        ├── PartyTimeout        `party` did not answer within the deadline
        ├── NotEnoughParties    fewer parties left than the threshold needs
        └── ProofRejected       a proof, signature or opening does not verify

`verify_*` functions raise, `is_*` functions return a bool.
"""

__all__ = [
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
]


class EppmlError(Exception):
    """Base of every error this project raises on purpose; its text is one sentence for a person."""


class ParameterError(EppmlError, ValueError):
    """An argument or a combination of arguments that cannot work."""


class CodecError(ParameterError):
    """A sum of encoded values could wrap; `missing_bits` says by how much."""

    def __init__(self, message: str, missing_bits: int = 0) -> None:
        super().__init__(message)
        self.missing_bits = missing_bits


class DecodeError(EppmlError, ValueError):
    """Bytes or text from outside that are not the one canonical encoding of a value."""


class InsecureError(EppmlError):
    """A mode that gives up security was asked for without `allow_insecure=True`."""


class ProtocolError(EppmlError):
    """A protocol could not be completed."""


class FaultyParty(ProtocolError):
    """`party` deviated, assuming messages arrived as sent."""

    def __init__(self, party: int, reason: str) -> None:
        super().__init__(f"party {party}: {reason}")
        self.party = party
        self.reason = reason


class PartyTimeout(ProtocolError):
    """`party` did not answer within the deadline."""

    def __init__(self, party: int, reason: str = "no answer within the deadline") -> None:
        super().__init__(f"party {party}: {reason}")
        self.party = party


class NotEnoughParties(ProtocolError):
    """Fewer parties are left than the threshold needs."""


class ProofRejected(ProtocolError):
    """A proof, signature or opening does not verify; the text says which check failed."""
