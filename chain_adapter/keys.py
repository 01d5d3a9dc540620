"""Who signs: a key in this process, an encrypted keystore, the environment, or a device outside.

Everything that signs is a `Signer`; a hardware wallet or a remote signer implements the same three members.
Secrets never appear in `repr`, in messages or in logs.
"""

import json
import os
from pathlib import Path
from typing import Any, Protocol

from chain_adapter._extras import require
from chain_adapter.transactions import SECP256K1_ORDER, Fees, sign_transaction
from mpc.errors import DecodeError, ParameterError
from mpc.prg import Stream

__all__ = ["LocalSigner", "Signer"]

FULL_ROUNDS, LIGHT_ROUNDS = 2**18, 2**13  # of scrypt; full takes a second or more per guess


class Signer(Protocol):
    """An account that can sign."""

    @property
    def address(self) -> str:
        """The checksummed address of the account."""
        ...

    def sign_digest(self, digest: bytes) -> bytes:
        """65 bytes r || s || v over a 32-byte digest, s low, v 27 or 28."""
        ...

    def sign_transaction(
        self, *, chain_id: int, nonce: int, fees: Fees, gas: int, to: str | None, value: int, data: bytes
    ) -> bytes:
        """The raw signed transaction."""
        ...


class LocalSigner:
    """A private key held in memory.

    Raises: ParameterError when the key is not 32 bytes in [1, order).
    Leakage: whoever reads this process's memory has the key.

    >>> LocalSigner(bytes(31) + b"\\x01")
    LocalSigner(0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf)
    """

    __slots__ = ("_key", "address")

    def __init__(self, private_key: bytes) -> None:
        if len(private_key) != 32 or not 0 < int.from_bytes(private_key, "big") < SECP256K1_ORDER:
            raise ParameterError("a private key is 32 bytes, neither zero nor beyond the group's order")
        self._key = require("eth_keys").keys.PrivateKey(bytes(private_key))
        self.address: str = self._key.public_key.to_checksum_address()

    def __repr__(self) -> str:
        return f"LocalSigner({self.address})"

    def __reduce__(self) -> Any:
        raise TypeError("a signer is not pickled: its key would travel with it")

    @classmethod
    def generate(cls, stream: Stream) -> "LocalSigner":
        """A fresh key from a stream of randomness."""
        return cls((1 + stream.below(SECP256K1_ORDER - 1)).to_bytes(32, "big"))

    @classmethod
    def from_environment(cls, name: str = "EPPML_PRIVATE_KEY") -> "LocalSigner":
        """The key in an environment variable, as 64 hexadecimal digits with or without 0x."""
        text = os.environ.get(name)
        if text is None:
            raise ParameterError(f"the environment variable {name} is not set")
        try:
            key = bytes.fromhex(text.strip().removeprefix("0x"))
        except ValueError:
            # the text may be most of a key: it is not repeated, and neither is the error that quotes it
            raise ParameterError(f"the environment variable {name} does not hold a private key") from None
        return cls(key)

    @classmethod
    def from_keystore(cls, path: Path, password: str) -> "LocalSigner":
        """The key in an encrypted keystore file (version 3, as geth and ethers write it).

        Raises: ParameterError when there is no such file or the password is wrong; DecodeError when it is no keystore.
        """
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ParameterError(f"cannot read the keystore {path} ({error.strerror})") from error
        except ValueError as error:
            raise DecodeError(f"{path} is not a keystore: it is not JSON") from error
        try:
            key = bytes(require("eth_account").Account.decrypt(document, password))
        except (KeyError, TypeError, NotImplementedError) as error:
            raise DecodeError(f"{path} is not a keystore of version 3") from error
        except ValueError as error:
            raise ParameterError(f"the password does not open the keystore {path}") from error
        return cls(key)

    def save_keystore(self, path: Path, password: str, *, light: bool = False) -> None:
        """Write the key encrypted to a new file that only its owner can read; `light` costs a guesser 32 times less.

        Raises: ParameterError when the file exists or the password is empty.
        """
        if not password:
            raise ParameterError("a keystore needs a password")
        account = require("eth_account").Account
        rounds = LIGHT_ROUNDS if light else FULL_ROUNDS
        document = account.encrypt(self._key.to_bytes(), password, kdf="scrypt", iterations=rounds)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise ParameterError(f"{path} exists; a keystore is never overwritten") from error
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(document, file)

    def sign_digest(self, digest: bytes) -> bytes:
        if len(digest) != 32:
            raise ParameterError("a digest to sign is 32 bytes")
        signature = self._key.sign_msg_hash(digest)
        return bytes(
            signature.r.to_bytes(32, "big") + signature.s.to_bytes(32, "big") + bytes([27 + signature.v])
        )

    def sign_transaction(
        self, *, chain_id: int, nonce: int, fees: Fees, gas: int, to: str | None, value: int, data: bytes
    ) -> bytes:
        return sign_transaction(
            self._key, chain_id=chain_id, nonce=nonce, fees=fees, gas=gas, to=to, value=value, data=data
        )
