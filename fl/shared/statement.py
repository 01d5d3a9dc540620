"""A server's part of a sum, signed: over whom, who was left out and why, and its share of the sum.

The shares of all servers add up to the opened sum, so a stranger checks who said what: that all servers named the same
clients, and that what they signed adds up to what was opened. Whether a server judged as the rule says, or added what
it had been sent, is not bound by this; see `fl.aggregate.shares`.

Layout: `EPS1 | included 4 | refused 4 | clients 4 each | reasons, length 2 each | words | scalars 32 each | next 32 |
signature 64`.
"""

import struct
from dataclasses import dataclass, field

from fl.shared.form import SCALAR, Form, Residues, read_scalars
from mpc.errors import DecodeError
from mpc.secagg import IdentityKey, PublicIdentity

__all__ = ["Statement"]

_MAGIC = b"EPS1"
_HEAD = struct.Struct(">4sII")
_PURPOSE = "share of a sum"
_DIGEST, _SIGNATURE, _MOST_REASON = 32, 64, 200


@dataclass(frozen=True, slots=True)
class Statement:
    """What one server says about one sum. `second` is the digest of its other part's sum, under `Form.REPLICATED`."""

    included: tuple[int, ...]
    refused: dict[int, str]
    words: Residues = field(repr=False)
    scalars: list[int] = field(repr=False)
    second: bytes = bytes(_DIGEST)

    def body(self, form: Form) -> bytes:
        """Everything that is signed."""
        reasons = [text.encode()[:_MOST_REASON] for _, text in sorted(self.refused.items())]
        clients = struct.pack(f">{len(self.included) + len(reasons)}I", *self.included, *sorted(self.refused))
        return (
            _HEAD.pack(_MAGIC, len(self.included), len(reasons))
            + clients
            + b"".join(struct.pack(">H", len(reason)) + reason for reason in reasons)
            + form.encode(self.words)
            + b"".join(scalar.to_bytes(SCALAR, "big") for scalar in self.scalars)
            + self.second
        )

    def sign(self, form: Form, session: bytes, identity: IdentityKey) -> bytes:
        """The signed statement, as it is sent and kept."""
        body = self.body(form)
        return body + identity.sign(_PURPOSE, session, body)

    @classmethod
    def read(
        cls, data: bytes, form: Form, dim: int, chunks: int, session: bytes, identity: PublicIdentity
    ) -> "Statement":
        """Raises: DecodeError unless `data` is a statement of these sizes; ProofRejected for a false signature."""
        body, signature = data[:-_SIGNATURE], data[-_SIGNATURE:]
        end = form.width * dim + SCALAR * chunks + _DIGEST
        try:
            magic, included, refused = _HEAD.unpack_from(body)
            clients = struct.unpack_from(f">{included + refused}I", body, _HEAD.size)
            at = _HEAD.size + 4 * len(clients)
            reasons = []
            for _ in range(refused):
                (length,) = struct.unpack_from(">H", body, at)
                reasons.append(body[at + 2 : at + 2 + length].decode())
                at += 2 + length
        except (struct.error, UnicodeDecodeError, MemoryError, OverflowError) as error:
            raise DecodeError("a statement about a sum is cut short") from error
        if magic != _MAGIC or len(body) - at != end:
            raise DecodeError(f"a statement about a sum of {dim} coordinates has another length")
        words = form.decode(body[at : at + form.width * dim])
        scalars = read_scalars(body[at + form.width * dim : -_DIGEST], chunks)
        named = clients[:included], clients[included:]
        said = cls(named[0], dict(zip(named[1], reasons, strict=True)), words, scalars, body[-_DIGEST:])
        ordered = all(list(part) == sorted(set(part)) for part in named)
        if not ordered or set(named[0]) & set(named[1]) or said.body(form) != body:
            raise DecodeError("a statement about a sum names its clients once, in order")
        identity.verify(signature, _PURPOSE, session, body)
        return said
