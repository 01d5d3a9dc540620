"""CrypTen's homomorphic provider, which CrypTen leaves empty: products of two parties by packed Paillier.

    first party    a key; sends its halves encrypted, rows of a matrix packed
    second party   multiplies by its own halves, adds a mask, sends it back re-randomised
    shares         the decryption, and minus the mask, mod 2^64

Matrix products pack a row into each ciphertext, so they cost a multi-exponentiation an entry of the result;
element-wise products and squares cost a ciphertext an element. Bits (comparisons) come by oblivious transfer.

Leakage: the second party sees ciphertexts; the first, products masked by 40 bits more than they have.
Assumes: both parties follow the protocol; decisional composite residuosity; as `mpc.ot.correlated` for bits.
Source: Gilboa, "Two party RSA key generation", CRYPTO 1999, section 3 (products by homomorphic encryption);
    Pullonen, "Actively secure two-party computation: efficient Beaver triple generation", 2013 (packed).
"""

from collections.abc import Generator
from typing import Any

import numpy as np
import numpy.typing as npt

from he.encryption import encrypt_integers
from he.errors import InvalidCiphertext, KeyMismatch, NotPacked, SlotOverflow, TrivialCiphertext
from he.keys import PrivateKey, PublicKey, keygen
from he.vector import EncryptedVector
from mpc.crypten.items import Bilinear, Item, Kind
from mpc.crypten.launch import PROVIDERS
from mpc.crypten.lowering import mixed_terms
from mpc.crypten.providers.base import Shares, Source
from mpc.crypten.providers.transfer import TransferSource, transfer
from mpc.errors import DecodeError, FaultyParty, ParameterError
from mpc.prg import Stream
from mpc.runtime.bundles import bundle, unbundle
from mpc.runtime.types import Inbox, Outbox
from mpc.wire import Words, receive

__all__ = ["PaillierProvider", "paillier"]

PROVIDERS.setdefault("paillier", "he.crypten_provider:paillier")

STATISTICAL_BITS = 40
"""How much longer a mask is than what it hides."""

_HALF = 1 << 63
_BAD_VECTOR = (DecodeError, InvalidCiphertext, TrivialCiphertext, KeyMismatch, NotPacked)

Integers = npt.NDArray[Any]


class PaillierProvider(Source):
    """One party's end: with the private key the first party's, without it the second's."""

    trust = "nobody: products under the first party's Paillier key, bits by oblivious transfer"

    def __init__(
        self,
        peer: int,
        public: PublicKey,
        private: PrivateKey | None,
        bits: TransferSource,
        randomness: Stream,
    ) -> None:
        self._peer, self._public, self._private = peer, public, private
        self._bits = bits
        self._randomness = randomness

    def make(self, item: Item | Bilinear) -> Generator[Outbox, Inbox, Shares]:
        """Two rounds for products and squares; bits as `transfer` makes them."""
        if isinstance(item, Item) and item.kind not in (Kind.PRODUCT, Kind.SQUARE):
            return (yield from self._bits.make(item))
        free = [self._randomness.uint64(shape) for shape in item.free]
        if isinstance(item, Bilinear):
            terms = yield from mixed_terms(item, free[0], free[1], self._elements, self._matrices)
            return [*free, item.apply(free[0], free[1]) + terms]
        a, b = free[0], free[-1]
        return [*free, a * b + (yield from self._elements(a, b))]

    def _elements(self, a: Words, b: Words) -> Generator[Outbox, Inbox, Words]:
        """Shares of a1 * b2 + a2 * b1, element by element: a ciphertext an element."""
        shape, size = a.shape, a.size
        mine = np.concatenate([a.reshape(-1), b.reshape(-1)])
        if self._private is not None:
            (answer,) = yield from self._ask([self._encrypted(mine, 2 * _HALF, slots=1)], [(size,)])
            return answer.reshape(shape)
        (theirs,) = yield from self._asked([(2 * size,)])
        products = theirs[:size] * _signed(b.reshape(-1)) + theirs[size:] * _signed(a.reshape(-1))
        (share,) = yield from self._reply([products])
        return share.reshape(shape)

    def _matrices(self, a: Words, b: Words) -> Generator[Outbox, Inbox, Words]:
        """Shares of a1 @ b2 + a2 @ b1: the second party multiplies from the left, once transposed."""
        (rows, inner), columns = a.shape, b.shape[1]
        if self._private is not None:
            questions = [self._encrypted(part, inner * _HALF, rows=True) for part in (b, a.T)]
            left, right = yield from self._ask(questions, [(rows, columns), (columns, rows)])
            return left + right.T
        theirs = yield from self._asked([(inner, columns), (inner, rows)])
        products = [_signed(a) @ theirs[0], _signed(np.ascontiguousarray(b.T)) @ theirs[1]]
        left, right = yield from self._reply(products)
        return left + right.T

    # --- the first party

    def _encrypted(
        self, words: Words, growth: int, *, rows: bool = False, slots: int | None = None
    ) -> EncryptedVector:
        """Words in slots that hold their products with words, `growth` / 2^63 of them summed, and the mask."""
        assert self._private is not None
        return encrypt_integers(
            self._private,
            _signed(np.ascontiguousarray(words)),
            bound=_HALF,
            max_contributions=2,
            headroom_bits=growth.bit_length() + STATISTICAL_BITS + 1,
            rows=rows,
            slots=slots,
            stream=self._randomness,
        )

    def _ask(
        self, questions: list[EncryptedVector], shapes: list[tuple[int, ...]]
    ) -> Generator[Outbox, Inbox, list[Words]]:
        yield {self._peer: bundle({i: q.to_bytes(self._randomness) for i, q in enumerate(questions)})}
        inbox = yield {}
        answers = self._vectors(inbox, shapes)
        assert self._private is not None
        try:
            return [_words(answer.decrypt_integers(self._private)) for answer in answers]
        except _BAD_VECTOR as error:
            raise FaultyParty(self._peer, f"its products do not decrypt: {error}") from None

    # --- the second party

    def _asked(self, shapes: list[tuple[int, ...]]) -> Generator[Outbox, Inbox, list[EncryptedVector]]:
        inbox = yield {}
        return self._vectors(inbox, shapes)

    def _reply(self, products: list[EncryptedVector]) -> Generator[Outbox, Inbox, list[Words]]:
        shares, masked = [], {}
        for index, product in enumerate(products):
            bits = product.bound.bit_length() + STATISTICAL_BITS
            mask = np.array(self._randomness.integers_below(1 << bits, product.size), dtype=object)
            masked[index] = product.add_plain(mask.reshape(product.shape)).to_bytes(self._randomness)
            shares.append(np.negative(_words(mask)).reshape(product.shape))
        yield {self._peer: bundle(masked)}
        return shares

    # --- both

    def _vectors(self, inbox: Inbox, shapes: list[tuple[int, ...]]) -> list[EncryptedVector]:
        """The peer's vectors, each of the shape that is due.

        Raises: FaultyParty for anything else.
        """
        try:
            parts = unbundle(receive(inbox, self._peer))
            vectors = [EncryptedVector.from_bytes(data, self._public) for data in parts.values()]
            if list(parts) != list(range(len(shapes))) or [vector.shape for vector in vectors] != shapes:
                raise DecodeError("vectors of other shapes than are due")
        except (*_BAD_VECTOR, SlotOverflow) as error:
            raise FaultyParty(self._peer, str(error)) from None
        return vectors


def paillier(
    me: int, parties: tuple[int, ...], randomness: Stream, *, bits: int = 3072, allow_insecure: bool = False
) -> Generator[Outbox, Inbox, PaillierProvider]:
    """The setup of two parties: a fresh key of the first one, and 128 base transfers for bits. Four rounds.

    Raises: ParameterError unless there are two parties; FaultyParty for a key that is none.
    """
    if len(parties) != 2 or me not in parties:
        raise ParameterError(f"products by Paillier are between two parties, not {parties}")
    first = me == parties[0]
    peer = parties[1] if first else parties[0]
    private: PrivateKey | None = None
    if first:
        public, private = keygen(bits, stream=randomness.derive("key"), allow_insecure=allow_insecure)
        yield {peer: public.to_bytes()}
    else:
        inbox = yield {}
        try:
            public = PublicKey.from_bytes(receive(inbox, peer), allow_insecure=allow_insecure)
        except (DecodeError, ParameterError) as error:
            raise FaultyParty(peer, f"its key is none: {error}") from None
        if public.bits != bits:
            raise FaultyParty(peer, f"sent a key of {public.bits} bits where {bits} are due")
    transfers = yield from transfer(me, parties, randomness.derive("transfer"))
    return PaillierProvider(peer, public, private, transfers, randomness.derive("products"))


def _signed(words: Words) -> Integers:
    """Words as integers of the smallest magnitude."""
    return words.view(np.int64).astype(object)


def _words(integers: Integers) -> Words:
    """Integers mod 2^64."""
    flat = [int(value) % 2**64 for value in integers.reshape(-1)]
    return np.array(flat, dtype=np.uint64).reshape(integers.shape)
