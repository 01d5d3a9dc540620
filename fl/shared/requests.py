"""Secure inference as a paid request on the ledger: what is asked and answered is bound, and stays secret.

    request   digest of the model, salted digest of the input, fee, who may answer, until when
    answer    digest of the servers' commitments to the shares they sent (see `fl.shared.inference`)

The client holds the answer against what it received: a provider that was paid for another answer than it gave is
caught. Nobody else can open either digest; that the label is the model's is the servers' word.

Leakage: who asked whom about which model, when, and for how much.
"""

import hashlib

from chain_adapter import Deployment
from chain_adapter.events import InferenceAnswered
from chain_adapter.inference import Inference
from fl.shared.inference import Answer, Floats
from mpc.errors import ParameterError, ProofRejected

__all__ = ["answer_request", "input_digest", "request_label", "verify_answer"]

_SALT = 32


def input_digest(features: Floats, salt: bytes) -> bytes:
    """A commitment to an input. Raises: ParameterError unless the salt has 32 bytes: inputs can be guessed."""
    if len(salt) != _SALT:
        raise ParameterError(f"an input is committed to with a salt of {_SALT} bytes, not {len(salt)}")
    return hashlib.sha256(b"eppml/input/1" + salt + features.astype("<f8").tobytes()).digest()


def request_label(
    deployment: Deployment,
    plan: bytes,
    name: str,
    *,
    model: bytes,
    digest: bytes,
    provider: str,
    fee: int = 0,
    deadline: int,
) -> int:
    """Ask on the ledger, in the name of the deployment's signer; the request's number.

    Units: `fee` in wei, `deadline` in seconds since 1970; `model` are the bytes of the model's file.
    """
    return Inference(deployment).request(
        plan,
        name,
        model_digest=hashlib.sha256(model).digest(),
        input_digest=digest,
        input_cid="",
        fee=fee,
        deadline=deadline,
        provider=provider,
    )


def answer_request(deployment: Deployment, request: int, digest: bytes) -> None:
    """Put the digest of the servers' commitments on the ledger and take the fee."""
    Inference(deployment).answer(request, digest, "")


def verify_answer(deployment: Deployment, request: int, answer: Answer) -> None:
    """Raises: ProofRejected unless the ledger's answer to `request` is what the servers told the client."""
    said = [
        event for event in deployment.events() if isinstance(event, InferenceAnswered) and event.id == request
    ]
    if not said:
        raise ProofRejected(f"request {request} has no answer on the ledger")
    if said[0].output_digest != answer.digest:
        raise ProofRejected(f"the ledger's answer to request {request} is not what the servers sent")
