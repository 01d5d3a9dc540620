"""A Fiat-Shamir transcript: labels, lengths, and challenges that bind everything said before them."""

from hashlib import sha512, shake_256

from mpc.errors import ParameterError

__all__ = ["Transcript"]


class Transcript:
    """Turns a public-coin protocol into a non-interactive one.

    Everything absorbed, in order and with its label, decides every later challenge; drawing a challenge is
    itself absorbed, so two challenges in a row differ.

    Assumes: SHA-512 and SHAKE-256 behave as random oracles.
    Source: Fiat and Shamir 1986; the labelled form follows Merlin (merlin.cool).

    >>> t = Transcript(b"doc"); t.absorb(b"commitment", b"\\x01"); 0 <= t.challenge(b"c", 97) < 97
    True
    """

    __slots__ = ("_hash",)

    def __init__(self, protocol: bytes) -> None:
        self._hash = sha512(b"EPPML transcript v1")
        self.absorb(b"protocol", protocol)

    def absorb(self, label: bytes, data: bytes) -> None:
        """Bind `data` under `label`."""
        for part in (label, data):
            self._hash.update(len(part).to_bytes(8, "big") + part)

    def challenge_bytes(self, label: bytes, n: int) -> bytes:
        """`n` bytes that depend on everything absorbed so far."""
        if n < 0:
            raise ParameterError(f"cannot draw {n} bytes")
        self.absorb(b"challenge", label)
        self.absorb(b"length", n.to_bytes(8, "big"))
        return shake_256(self._hash.digest()).digest(n)

    def challenge(self, label: bytes, modulus: int) -> int:
        """A challenge in [0, modulus), at most 2^-128 away from uniform.

        Source: RFC 9380 section 5.2: 128 bits more than the modulus are drawn and reduced.
        """
        if modulus < 1:
            raise ParameterError(f"modulus must be positive, got {modulus}")
        data = self.challenge_bytes(label, (modulus.bit_length() + 128 + 7) // 8)
        return int.from_bytes(data, "big") % modulus

    def copy(self) -> "Transcript":
        """An independent transcript that has heard the same."""
        other = Transcript.__new__(Transcript)
        other._hash = self._hash.copy()
        return other
