"""The messages of an aggregation as canonical bytes, and the checks everyone repeats: coordinator, members,
auditor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from gmpy2 import mpz

from he.aggregate.parameters import COORDINATOR, Parameters
from he.ciphertexts import check_ciphertexts
from he.keys import PublicKey
from he.multi_exponent import product
from he.proofs.plaintext import PlaintextProof, verify_plaintexts
from he.wire import Reader, Writer
from mpc.errors import DecodeError, FaultyParty, ProofRejected
from mpc.secagg import PublicIdentity
from mpc.secagg.identity import SIGNATURE_BYTES, IdentityKey

__all__ = [
    "Upload",
    "checked_upload",
    "confirm",
    "is_confirmed",
    "list_digest",
    "read_proposal",
    "summed",
    "write_proposal",
]

UPLOAD = "paillier upload"
CONFIRM = "paillier confirm"


@dataclass(frozen=True, slots=True)
class Upload:
    """A client's ciphertexts, the proof that it knows what is inside, and its signature over both."""

    ciphertexts: tuple[mpz, ...] = field(repr=False)
    proof: PlaintextProof = field(repr=False)
    signature: bytes = field(repr=False)

    def body(self, public: PublicKey) -> bytes:
        """What is signed."""
        size = public.ciphertext_bytes
        writer = Writer().blob(self.proof.to_bytes()).number(len(self.ciphertexts))
        return writer.raw(b"".join(int(c).to_bytes(size, "big") for c in self.ciphertexts)).done()

    def to_bytes(self, public: PublicKey) -> bytes:
        return self.signature + self.body(public)

    @classmethod
    def from_bytes(cls, data: bytes, params: Parameters) -> "Upload":
        """Raises: DecodeError for anything but the one encoding of as many ciphertexts as are due."""
        reader, size = Reader(data), params.key.public.ciphertext_bytes
        signature, proof = reader.raw(SIGNATURE_BYTES), PlaintextProof.from_bytes(reader.blob())
        if (count := reader.number()) != params.ciphertexts:
            raise DecodeError(f"{count} ciphertexts where {params.ciphertexts} are due")
        body = reader.raw(count * size)
        reader.end()
        values = (mpz(int.from_bytes(body[at : at + size], "big")) for at in range(0, len(body), size))
        return cls(tuple(values), proof, signature)


def checked_upload(
    params: Parameters, identities: Mapping[int, PublicIdentity], client: int, data: bytes
) -> Upload:
    """A client's upload after every check there is.

    Raises: FaultyParty naming the client.
    """
    public = params.key.public
    try:
        upload = Upload.from_bytes(data, params)
        identities[client].verify(
            upload.signature, UPLOAD, params.client_context(client), upload.body(public)
        )
        check_ciphertexts(public, upload.ciphertexts, refuse_trivial=True)
        verify_plaintexts(public, upload.ciphertexts, upload.proof, context=params.client_context(client))
    except (DecodeError, ProofRejected) as error:
        raise FaultyParty(client, f"bad upload: {error}") from None
    return upload


def signed_upload(params: Parameters, client: int, identity: IdentityKey, upload: Upload) -> Upload:
    """`upload` with the client's signature."""
    body = upload.body(params.key.public)
    signature = identity.sign(UPLOAD, params.client_context(client), body)
    return Upload(upload.ciphertexts, upload.proof, signature)


def summed(params: Parameters, uploads: Sequence[Upload]) -> list[mpz]:
    """The encrypted sum; anyone who has the uploads computes the same."""
    columns = zip(*(upload.ciphertexts for upload in uploads), strict=True)
    return [product(column, params.key.public.n_squared) for column in columns]


def write_proposal(uploads: Mapping[int, bytes]) -> bytes:
    """The list that the coordinator asks the committee to decrypt the sum of."""
    writer = Writer().number(len(uploads))
    for client in sorted(uploads):
        writer.number(client).blob(uploads[client])
    return writer.done()


def read_proposal(data: bytes, params: Parameters) -> dict[int, bytes]:
    """Raises: FaultyParty naming the coordinator."""
    try:
        reader = Reader(data)
        uploads: dict[int, bytes] = {}
        for _ in range(reader.number(below=len(params.clients) + 1)):
            client = reader.number()
            if client not in params.clients or (uploads and client <= max(uploads)):
                raise DecodeError(f"client {client} is unknown, out of order, or listed twice")
            uploads[client] = reader.blob()
        reader.end()
    except DecodeError as error:
        raise FaultyParty(COORDINATOR, f"bad proposal: {error}") from None
    return uploads


def list_digest(params: Parameters, uploads: Mapping[int, bytes]) -> bytes:
    """What members confirm, and what partial decryptions are bound to."""
    writer = Writer(params.context)
    for client in sorted(uploads):
        writer.number(client).raw(sha256(uploads[client]).digest())
    return sha256(writer.done()).digest()


def confirm(params: Parameters, identity: IdentityKey, digest: bytes) -> bytes:
    """A member's signature: it will decrypt this list in this session and no other."""
    return identity.sign(CONFIRM, params.context, digest)


def is_confirmed(
    params: Parameters, identities: Mapping[int, PublicIdentity], member: int, digest: bytes, signature: bytes
) -> bool:
    """Whether the signature is `member`'s confirmation of this list."""
    return identities[member].is_valid(signature, CONFIRM, params.context, digest)
