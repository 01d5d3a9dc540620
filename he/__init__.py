"""Additively homomorphic encryption for model updates.

    keys, key_proof      Paillier keys, and the proof that a stranger's modulus is well-formed
    primes               Blum primes and safe primes
    serialize            keys as JSON and in encrypted files
    fixed_base           powers of h_s by a Lim-Lee comb
    multi_exponent       products of powers by Pippenger's buckets
    paillier             encryption and checked decryption of lists of integers
    ciphertexts          range, units, randomness of what comes in
    randomizers, workers precomputed randomness; several processes
    packing, layout      many small integers in one plaintext; segments of them
    vector, vector_bytes EncryptedVector: arrays that cannot overflow; its bytes
    encryption           from numbers to vectors
    matrix               products with plaintext integer matrices
    threshold, partial   a committee's key; partial decryptions and their proofs
    proofs/              plaintext knowledge, range, multiplication, equality with a Pedersen commitment
    aggregate/           clients encrypt, a coordinator adds, a committee decrypts the sum
    ckks                 CKKS behind the same interface (extra `he-ckks`)
    python_paillier      keys and numbers of python-paillier
    crypten_provider     products for CrypTen's tensors (extra `crypten`)
    wire, errors         canonical bytes; named errors

>>> import numpy as np
>>> from mpc.codec import Codec
>>> public, private = keygen(1024, allow_insecure=True)
>>> codec = Codec(clip=1.0, bits=16, max_clients=10)
>>> total = encrypt(public, codec, [0.5, -0.25]) + encrypt(public, codec, [0.25, 0.25])
>>> total.decrypt(private, mean=True).round(3)
array([0.375, 0.   ])
"""

from he.encryption import concatenate, encrypt, encrypt_integers
from he.errors import (
    CodecMismatch,
    ComputationFault,
    InvalidCiphertext,
    InvalidKey,
    KeyMismatch,
    NotPacked,
    SlotOverflow,
    TooFewContributions,
    TooManyContributions,
    TrivialCiphertext,
    WrongPassphrase,
)
from he.key_proof import KeyProof, is_valid_public_key, prove_public_key, verify_public_key
from he.keys import PrivateKey, PublicKey, keygen
from he.packing import Packing
from he.paillier import Decryptor, Encryptor
from he.partial import PartialDecryption, combine, is_valid_partial, partial_decrypt, verify_partial
from he.randomizers import RandomizerPool
from he.serialize import (
    load_key_share,
    load_private_key,
    private_key_from_json,
    private_key_to_json,
    public_key_from_json,
    public_key_to_json,
    save_private_key,
)
from he.threshold import KeyShare, ThresholdKey, deal
from he.vector import EncryptedVector, sum_vectors
from he.workers import Workers

__all__ = [
    "CodecMismatch",
    "ComputationFault",
    "Decryptor",
    "EncryptedVector",
    "Encryptor",
    "InvalidCiphertext",
    "InvalidKey",
    "KeyMismatch",
    "KeyProof",
    "KeyShare",
    "NotPacked",
    "Packing",
    "PartialDecryption",
    "PrivateKey",
    "PublicKey",
    "RandomizerPool",
    "SlotOverflow",
    "ThresholdKey",
    "TooFewContributions",
    "TooManyContributions",
    "TrivialCiphertext",
    "Workers",
    "WrongPassphrase",
    "combine",
    "concatenate",
    "deal",
    "encrypt",
    "encrypt_integers",
    "is_valid_partial",
    "is_valid_public_key",
    "keygen",
    "load_key_share",
    "load_private_key",
    "partial_decrypt",
    "private_key_from_json",
    "private_key_to_json",
    "prove_public_key",
    "public_key_from_json",
    "public_key_to_json",
    "save_private_key",
    "sum_vectors",
    "verify_partial",
    "verify_public_key",
]
