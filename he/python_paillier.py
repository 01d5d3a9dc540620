"""Keys and numbers of python-paillier (phe), read and written without importing it.

Its command line stores keys as JSON web keys, `{"kty": "DAJ", "alg": "PAI-GN1", "n": base64url, ...}`, and
one number as `{"v": decimal ciphertext, "e": exponent}`; its documentation sends lists as
`{"public_key": {"n": ...}, "values": [[decimal ciphertext, exponent], ...]}`. A number is mantissa *
16^exponent, the mantissa of magnitude below n / 3, negative ones mod n.

Source: the layout in python-paillier's documentation, "Serialisation" and "Command-Line Utility".
"""

import json
from base64 import b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from gmpy2 import mpz, powmod

from he.ciphertexts import check_ciphertexts
from he.errors import KeyMismatch
from he.keys import PrivateKey, PublicKey
from he.packing import Packing
from he.paillier import Decryptor
from he.vector import EncryptedVector
from he.wire import int_bytes, json_object
from mpc.errors import DecodeError, ParameterError

__all__ = [
    "Numbers",
    "numbers_from_json",
    "private_key_from_json",
    "private_key_to_json",
    "public_key_from_json",
    "public_key_to_json",
]

BASE = 16
MAX_EXPONENT = 300
"""Doubles need -269 to 255; more would only be work for `to_vector`."""
MAX_JSON = 1 << 28


def _text(value: int) -> str:
    return urlsafe_b64encode(int_bytes(value)).decode().rstrip("=")


def _integer(fields: dict[str, Any], name: str) -> mpz:
    text = fields.get(name)
    if not isinstance(text, str) or not text or len(text) > 1 << 13:
        raise DecodeError(f"{name} is not a base64url number")
    try:
        data = b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (Base64Error, ValueError):
        raise DecodeError(f"{name} is not a base64url number") from None
    return mpz(int.from_bytes(data, "big"))


def _public(fields: object, allow_insecure: bool) -> PublicKey:
    if not isinstance(fields, dict) or fields.get("kty") != "DAJ" or fields.get("alg") != "PAI-GN1":
        raise DecodeError("not a python-paillier public key")
    return PublicKey(_integer(fields, "n"), allow_insecure=allow_insecure)


def _public_fields(key: PublicKey, kid: str) -> dict[str, Any]:
    return {"kty": "DAJ", "alg": "PAI-GN1", "key_ops": ["encrypt"], "n": _text(key.n), "kid": kid}


def public_key_from_json(text: str, *, allow_insecure: bool = False) -> PublicKey:
    """A key written by `pheutil extract`; a textbook key here.

    Raises: DecodeError, InvalidKey, InsecureError.
    """
    return _public(json_object(text, MAX_JSON), allow_insecure)


def public_key_to_json(key: PublicKey, kid: str = "EPPML") -> str:
    """A key that `pheutil encrypt` reads; h and the exponent length are not part of that format."""
    return json.dumps(_public_fields(key, kid))


def private_key_from_json(text: str, *, allow_insecure: bool = False) -> PrivateKey:
    """A key written by `pheutil genpkey`; a textbook key here, as its primes need not suit the DJN variant.

    Raises: DecodeError, InvalidKey, InsecureError.
    """
    fields = json_object(text, MAX_JSON)
    if fields.get("kty") != "DAJ" or "pub" not in fields:
        raise DecodeError("not a python-paillier private key")
    p, q = sorted((_integer(fields, "p"), _integer(fields, "q")))
    return PrivateKey(_public(fields["pub"], allow_insecure), p, q)


def private_key_to_json(key: PrivateKey, kid: str = "EPPML") -> str:
    """A key that `pheutil decrypt` reads, in the clear."""
    fields = {"kty": "DAJ", "key_ops": ["decrypt"], "p": _text(key.p), "q": _text(key.q)}
    return json.dumps(fields | {"pub": _public_fields(key.public, kid), "kid": kid})


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """Encrypted numbers of python-paillier: ciphertexts and their exponents of 16."""

    public: PublicKey
    ciphertexts: tuple[mpz, ...]
    exponents: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.ciphertexts) != len(self.exponents):
            raise ParameterError("as many exponents as ciphertexts are needed")

    def to_json(self) -> str:
        """The documented list format."""
        values = [[str(c), e] for c, e in zip(self.ciphertexts, self.exponents, strict=True)]
        return json.dumps({"public_key": {"n": int(self.public.n)}, "values": values})

    def to_single_json(self) -> str:
        """The format of `pheutil encrypt`, for exactly one number."""
        if len(self.ciphertexts) != 1:
            raise ParameterError(f"this format holds one number, not {len(self.ciphertexts)}")
        return json.dumps({"v": str(self.ciphertexts[0]), "e": self.exponents[0]})

    def decrypt(self, private: PrivateKey) -> npt.NDArray[np.float64]:
        """The numbers, as floats.

        Raises: KeyMismatch; DecodeError for a mantissa that python-paillier calls an overflow.
        """
        if private.public.n != self.public.n:
            raise KeyMismatch("this private key does not belong to the numbers' public key")
        mantissas = Decryptor(private).decrypt(self.ciphertexts)
        if any(3 * abs(m) >= private.public.n for m in mantissas):
            raise DecodeError("a number overflowed: its mantissa is n / 3 or more")
        pairs = zip(mantissas, self.exponents, strict=True)
        try:
            values = [float(int(m) * BASE**e if e >= 0 else int(m) / BASE**-e) for m, e in pairs]
        except OverflowError:
            raise DecodeError("a number is beyond the range of floats") from None
        return np.array(values, dtype=np.float64)

    def to_vector(self, bound: int) -> tuple[EncryptedVector, int]:
        """The mantissas, brought to the smallest exponent, as an integer vector with one value a ciphertext.

        Returns the vector and that exponent: value = integer * 16^exponent. `bound` is what you know of the
        mantissas after that; nothing in the format proves it.

        Raises: ParameterError for a bound that does not fit the modulus.
        """
        least = min(self.exponents, default=0)
        n_squared = self.public.n_squared
        pairs = zip(self.ciphertexts, self.exponents, strict=True)
        aligned = tuple(powmod(c, mpz(BASE) ** (e - least), n_squared) for c, e in pairs)
        room = Packing.for_bound((1 << (self.public.bits - 2)) - 1, self.public.bits, 1)
        count = len(aligned)
        segments = (count,) if count else ()
        many = max(1, room.limit // max(1, bound))
        vector = EncryptedVector(
            self.public, aligned, (count,), segments, room, bound, min(many, (1 << 63) - 1), fresh=False
        )
        return vector, least

    @classmethod
    def from_vector(cls, vector: EncryptedVector, exponent: int = 0) -> "Numbers":
        """Integers of a vector with one value a ciphertext, as numbers integer * 16^exponent.

        Raises: ParameterError for packed slots.
        """
        if vector.packing.slots != 1:
            raise ParameterError("python-paillier has one value to a ciphertext: encrypt with slots=1")
        hidden = vector if vector.fresh else vector.rerandomized()
        return cls(vector.public, hidden.ciphertexts, (exponent,) * len(hidden.ciphertexts))


def numbers_from_json(text: str, public: PublicKey) -> Numbers:
    """Numbers in either format, checked.

    Raises: DecodeError; KeyMismatch; InvalidCiphertext; TrivialCiphertext.
    """
    fields = json_object(text, MAX_JSON)
    if "v" in fields:
        entries: object = [[fields["v"], fields.get("e")]]
    else:
        entries, key = fields.get("values"), fields.get("public_key")
        if not isinstance(key, dict) or type(key.get("n")) is not int:
            raise DecodeError("the list does not name its public key")
        if key["n"] != public.n:
            raise KeyMismatch("the numbers were encrypted under another key")
    if not isinstance(entries, list):
        raise DecodeError("no list of numbers")
    ciphertexts, exponents = [], []
    limit = len(str(public.n_squared))
    for entry in entries:
        if not (isinstance(entry, list) and len(entry) == 2):
            raise DecodeError("a number is a ciphertext and an exponent")
        value, exponent = entry
        if not (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= limit):
            raise DecodeError("a ciphertext is not a decimal number of the right length")
        if type(exponent) is not int or abs(exponent) > MAX_EXPONENT:
            raise DecodeError("an exponent is not a small integer")
        ciphertexts.append(mpz(value))
        exponents.append(exponent)
    check_ciphertexts(public, ciphertexts, refuse_trivial=True)
    return Numbers(public, tuple(ciphertexts), tuple(exponents))
