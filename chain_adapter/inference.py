"""Paying for answers of a trained model: a fee in escrow, an answer with a digest and, where asked for, a proof."""

from dataclasses import dataclass

from chain_adapter.addresses import NOBODY
from chain_adapter.contract_set import word
from chain_adapter.deployment import Deployment
from chain_adapter.errors import ChainError
from chain_adapter.events import InferenceRequested
from chain_adapter.receipts import Receipt

__all__ = ["Inference"]

NO_KEY = bytes(32)


@dataclass(frozen=True, slots=True)
class Inference:
    """Requests and answers; acts are those of the deployment's signer."""

    deployment: Deployment

    def request(
        self, plan: bytes, name: str, *, model_digest: bytes, input_digest: bytes, input_cid: str, fee: int,
        deadline: int, provider: str = NOBODY, key_hash: bytes = NO_KEY,
    ) -> int:  # fmt: skip
        """Ask for an inference and pay its fee into escrow; the request's number.

        `name` is the requester's own: the same name asks once. With a `key_hash` the answer must carry a proof under
        that key, and without a `provider` anybody with such a proof may answer.
        Units: `fee` in wei, `deadline` in seconds since 1970.
        """
        d, me = self.deployment, self.deployment.account().address
        arguments = (plan, provider, model_digest, input_digest, key_hash, deadline, input_cid)
        # a name is known to the outbox only: the same question may be asked and paid for twice on purpose
        receipt = d.act("Inference", "request", (plan, me, name), arguments, fee, lambda: None)
        for log in receipt.logs:
            event = d.read(log)
            if isinstance(event, InferenceRequested):
                return event.id
        raise ChainError("the receipt of a request tells of no request")

    def answer(
        self, request: int, output_digest: bytes, output_cid: str, *, key: str = NOBODY, proof: bytes = b""
    ) -> Receipt:
        """Answer a request and take its fee. `key` is the address of the verifying key's blob."""
        d, me = self.deployment, self.deployment.account().address
        return d.act(
            "Inference", "answer", (request,), (request, output_digest, output_cid, key, proof), 0,
            lambda: d.written(
                "Inference", "InferenceAnswered", word(request), word(me), content={"output_digest": output_digest}
            ),
        )  # fmt: skip

    def refund(self, request: int) -> Receipt:
        """Return the fee of a request that nobody answered in time to who paid it."""
        d = self.deployment
        return d.act(
            "Inference", "refund", (request,), (request,), 0,
            lambda: d.written("Inference", "InferenceRefunded", word(request)),
        )  # fmt: skip
