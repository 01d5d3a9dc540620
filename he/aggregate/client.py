"""A client's side: encrypt to the committee, prove, sign, send; one message."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from gmpy2 import mpz

from he.aggregate.messages import Upload, signed_upload
from he.aggregate.parameters import COORDINATOR, Parameters
from he.paillier import encryptor
from he.proofs.plaintext import prove_plaintexts
from mpc.errors import ParameterError
from mpc.prg import Stream
from mpc.runtime import Protocol
from mpc.secagg import IdentityKey

__all__ = ["client", "make_upload"]


def make_upload(
    me: int,
    params: Parameters,
    identity: IdentityKey,
    values: npt.NDArray[np.int64],
    field_values: Sequence[int] = (),
    *,
    randomness: Stream | None = None,
) -> bytes:
    """The one message of client `me`.

    Shapes: values [dim] integers, field_values [field_dim].
    Raises: ParameterError for inputs that do not fit.
    """
    return _upload(me, params, identity, _plaintexts(me, params, values, field_values), randomness)


def _plaintexts(
    me: int, params: Parameters, values: npt.NDArray[np.int64], field_values: Sequence[int]
) -> list[mpz]:
    if me not in params.clients:
        raise ParameterError(f"client {me} is not part of this aggregation")
    array = np.asarray(values)
    if array.shape != (params.dim,) or array.dtype.kind not in "iu":
        raise ParameterError(f"want {params.dim} integers, got {array.dtype} of shape {array.shape}")
    if array.size and max(-int(array.min()), int(array.max())) > params.bound:
        raise ParameterError(f"a value exceeds the bound {params.bound}")
    residues = [int(v) for v in field_values]
    if len(residues) != params.field_dim or not all(0 <= v < params.field for v in residues):
        raise ParameterError(f"want {params.field_dim} residues below the field's prime")
    return params.packing.pack(array, params.dim) + params.field_packing.pack(residues, params.field_dim)


def _upload(
    me: int, params: Parameters, identity: IdentityKey, messages: list[mpz], randomness: Stream | None
) -> bytes:
    stream = randomness or Stream.from_os(b"paillier aggregation")
    public, context = params.key.public, params.client_context(me)
    ciphertexts, openings = encryptor(public).encrypt_opened(messages, stream)
    proof = prove_plaintexts(public, ciphertexts, messages, openings, context=context, stream=stream)
    return signed_upload(params, me, identity, Upload(tuple(ciphertexts), proof, b"")).to_bytes(public)


def client(
    me: int,
    params: Parameters,
    identity: IdentityKey,
    values: npt.NDArray[np.int64],
    field_values: Sequence[int] = (),
    *,
    randomness: Stream | None = None,
) -> Protocol[None]:
    """Add `values` and `field_values` to the sum.

    `randomness` must be fresh for every session; None asks the operating system.

    Shapes: values [dim] integers, field_values [field_dim].
    Raises: ParameterError for inputs that do not fit.
    Leakage: to the coordinator, nothing but the size; to the committee together, the sum of at least
        `min_clients` clients; to `needed` corrupt members, everything. Two sessions over the same values,
        with one client more in the second, show that client's values: a repeated round wants fresh updates,
        or a client that counts what it takes part in.
    Assumes: the dealer of the key was honest; fewer than `needed` members are corrupt; decisional composite
        residuosity and the exponent assumption of the key; identities belong to whom they are said to.
    """
    return _run(me, params, identity, _plaintexts(me, params, values, field_values), randomness)


def _run(
    me: int, params: Parameters, identity: IdentityKey, messages: list[mpz], randomness: Stream | None
) -> Protocol[None]:
    yield {COORDINATOR: _upload(me, params, identity, messages, randomness)}
