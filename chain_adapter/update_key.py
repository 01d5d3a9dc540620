"""The key of a bounded-update statement as a blob for the chain, so that disputes can verify its proofs there."""

from chain_adapter.groth16_calldata import KeyBlob, Statement, key_blob
from mpc.errors import ParameterError
from zk.commit_prove import VerifierKey
from zk.limbs import g1_points
from zk.statements import NormBound

__all__ = ["update_key"]


def update_key(statement: NormBound, key: VerifierKey) -> KeyBlob:
    """The blob whose hash a plan names as its `key_hash`.

    Raises: DecodeError for a key with malformed points; ParameterError for one that no account can hold, or
        with several challenges.
    """
    key.check()
    if key.challenges > 1:
        raise ParameterError(f"the contract derives one challenge, this key has {key.challenges}")
    constants = Statement(
        chunks=statement.chunks,
        padded=statement.chunks * statement.chunk_dim != statement.dim,
        max_norm_sq=statement.max_norm_sq,
    )
    if statement.chunks > 1:
        share = key.group("share")
        constants = Statement(
            chunks=constants.chunks,
            padded=constants.padded,
            max_norm_sq=constants.max_norm_sq,
            share=g1_points(share.bases)[0].to_bytes(),
            eta=share.eta.to_bytes(),
        )
    base = key.base
    return key_blob(
        base.alpha_g1.to_bytes(),
        base.beta_g2.to_bytes(),
        base.gamma_g2.to_bytes(),
        base.delta_g2.to_bytes(),
        [point.to_bytes() for point in base.ic],
        sigmas=[group.sigma_g2.to_bytes() for group in key.groups],
        has_challenge=key.challenges == 1,
        digest=key.digest,
        statement=constants,
    )
