"""A client's secrets, all derived from one 32-byte root that the operating system drew.

Everything random that a client does in a round (blinding, proof randomness) is derived from the root, the plan, the
round and the update itself, as RFC 6979 derives nonces. A client that is killed and started again therefore repeats
its signed message to the byte and can never sign two different ones by accident; a different update gets fresh
randomness because the update is part of the derivation.
"""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

from chain_adapter import LocalSigner
from mpc.errors import ParameterError
from mpc.prg import Stream
from mpc.secagg import IdentityKey

__all__ = ["MemberSecrets"]


@dataclass(frozen=True)
class MemberSecrets:
    """The keys of one client or of the coordinator; `repr` shows the public address only."""

    root: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.root) != 32:
            raise ParameterError("a member's root secret has 32 bytes")

    @cached_property
    def signer(self) -> LocalSigner:
        """The ledger account (secp256k1)."""
        return LocalSigner.generate(self._stream("ledger"))

    @cached_property
    def identity(self) -> IdentityKey:
        """The Ed25519 key that signs secure-aggregation messages."""
        return IdentityKey.generate(self._stream("identity"))

    @property
    def address(self) -> str:
        return self.signer.address

    def update_randomness(self, plan_hash: bytes, round_number: int, update: bytes) -> Stream:
        """Randomness for the proof and the blinding of one update."""
        return self._stream("update", plan_hash, round_number, hashlib.sha256(update).digest())

    def noise_randomness(self, plan_hash: bytes, round_number: int, values: bytes) -> Stream:
        """Randomness for the noise on one encoded update; the same update gets the same noise, however often."""
        return self._stream("noise", plan_hash, round_number, hashlib.sha256(values).digest())

    def sum_randomness(self, session: bytes, contribution: bytes) -> Stream:
        """Randomness for encrypting to, or decrypting in, one sum."""
        return self._stream("sum", session, hashlib.sha256(contribution).digest())

    def _stream(self, *labels: bytes | int | str) -> Stream:
        return Stream(self.root, b"eppml/member").derive(*labels)
