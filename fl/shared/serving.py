"""The model of a run, served: its layers, inputs that fit it, and one machine in all roles of secure inference."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl import data
from fl.ledger import open_ledger
from fl.models import Perceptron, SoftmaxRegression, from_safetensors, model_for
from fl.parties import gather_parties
from fl.plan import Plan
from fl.rundir import RunDirectory, RunDirectoryError
from fl.shared.inference import (
    Answer,
    Floats,
    Service,
    ask,
    commitments_digest,
    deal_answers,
    lend,
    plain_labels,
    serve,
)
from fl.shared.requests import answer_request, input_digest, request_label, verify_answer
from mpc.errors import ParameterError
from mpc.prg import Stream
from mpc.runtime import Protocol, RunResult, run_local

__all__ = ["Served", "layers_of", "load_served", "serve_local"]

_COINS = 10**18


def layers_of(
    name: str, inputs: int, classes: int, parameters: NDArray[np.float32]
) -> list[tuple[Floats, Floats]]:
    """A flat vector of parameters as dense layers: weights [inputs, outputs] and biases [outputs].

    Raises: ParameterError for a model that is not made of dense layers and rectifiers.
    """
    model, flat = model_for(name, inputs, classes), parameters.astype(np.float64)
    if len(flat) != model.size:
        raise ParameterError(
            f"{len(flat)} parameters are not those of {name} with {inputs} inputs: {model.size}"
        )
    if isinstance(model, SoftmaxRegression):
        sizes: tuple[int, ...] = (inputs, classes)
    elif isinstance(model, Perceptron):
        sizes = (inputs, model.hidden, classes)
    else:
        raise ParameterError(f"secure inference serves softmax and mlp, not {name}")
    layers, at = [], 0
    for rows, columns in zip(sizes, sizes[1:], strict=False):
        weights = flat[at : at + rows * columns].reshape(rows, columns)
        at += rows * columns
        layers.append((weights, flat[at : at + columns]))
        at += columns
    return layers


def serve_local(
    layers: list[tuple[Floats, Floats]], features: Floats, servers: int, randomness: Stream
) -> tuple[Answer, RunResult, Service]:
    """Everybody's side in one process. Raises: ParameterError for inputs that do not fit; what a party raises."""
    if servers not in (2, 3):
        raise ParameterError(f"two or three servers compute, not {servers}")
    numbers = tuple(range(3, 3 + servers))
    dealer = 3 + servers if servers == 2 else None
    sizes = tuple([layers[0][0].shape[0], *(len(biases) for _, biases in layers)])
    service = Service(1, 2, numbers, sizes, dealer, len(features))
    parties: dict[int, Protocol[Any]] = {
        1: ask(service, features, randomness.derive("client")),
        2: lend(service, layers, randomness.derive("owner")),
    }
    parties |= {server: serve(service, server, randomness.derive("server", server)) for server in numbers}
    if dealer is not None:
        parties[dealer] = deal_answers(service, randomness.derive("dealer"))
    result = run_local(parties, raise_errors=True)
    answer: Answer = result.results[1]
    return answer, result, service


@dataclass(frozen=True)
class Served:
    """The final model of a run, and inputs of its data set."""

    directory: RunDirectory
    plan: Plan
    chain: str
    model: bytes = field(repr=False)
    layers: list[tuple[Floats, Floats]] = field(repr=False)
    held_out: Floats = field(repr=False)

    def samples(self, numbers: list[int]) -> Floats:
        """Held-out samples. Raises: ParameterError for one that is not there."""
        for number in numbers:
            if not 0 <= number < len(self.held_out):
                raise ParameterError(
                    f"there is no held-out sample {number}: they are 0 to {len(self.held_out) - 1}"
                )
        return self.held_out[numbers]

    def plain(self, features: Floats) -> NDArray[np.int64]:
        """Labels in the clear. Raises: ParameterError for inputs of another width."""
        if features.ndim != 2 or features.shape[1] != self.layers[0][0].shape[0]:
            raise ParameterError(
                f"inputs have {self.layers[0][0].shape[0]} features, not {features.shape[-1]}"
            )
        return plain_labels(self.layers, features)

    def secure(self, features: Floats, servers: int, randomness: Stream) -> dict[str, Any]:
        """Labels from servers that learn neither inputs nor labels, and what it cost."""
        self.plain(features[:0])
        answer, result, service = serve_local(self.layers, features, servers, randomness)
        return _report(answer, result, service)

    def on_ledger(
        self, features: Floats, servers: int, randomness: Stream, *, fee: int, seconds: int
    ) -> dict[str, Any]:
        """The same as a request of the first client's that the coordinator answers.

        Raises: ChainError; ProofRejected when the answer is another than was sent.
        """
        self.plain(features[:0])
        with self.directory.locked():
            parties = gather_parties(self.directory, self.plan.terms, lambda _: None)
            with open_ledger(self.chain, self.directory, parties.coordinator.signer) as deployment:
                asker = parties.clients[1].signer
                if not deployment.chain.balance(asker.address):
                    deployment.chain.rpc.request("anvil_setBalance", asker.address, hex(_COINS))
                salt = randomness.derive("salt").bytes(32)
                asked = deployment.acting_as(asker)
                request = request_label(
                    asked,
                    self.plan.hash,
                    salt.hex(),
                    model=self.model,
                    digest=input_digest(features, salt),
                    provider=deployment.account().address,
                    fee=fee,
                    deadline=deployment.chain.timestamp() + seconds,
                )
                answer, result, service = serve_local(self.layers, features, servers, randomness)
                told = commitments_digest([result.results[server] for server in service.servers])
                answer_request(deployment, request, told)
                verify_answer(asked, request, answer)
        return _report(answer, result, service) | {"request": request, "salt": salt.hex()}


def load_served(run_directory: Path, folder: Path | None = None) -> Served:
    """The model of a finished run. Raises: RunDirectoryError when there is none; ParameterError as `layers_of`."""
    directory = RunDirectory(run_directory)
    if not directory.exists() or not (run_directory / "model.safetensors").is_file():
        raise RunDirectoryError(f"{run_directory} holds no finished run")
    plan, run = Plan.from_bytes(directory.read("plan.json")), directory.read_json("run.json")
    known = folder or (Path(run["data"]) if run.get("data") else None)
    dataset = data.load(plan.terms.dataset, known)
    model = directory.read("model.safetensors")
    layers = layers_of(plan.terms.model, dataset.inputs, dataset.classes, from_safetensors(model))
    held_out = dataset.test_x.reshape(len(dataset.test_x), -1).astype(np.float64)
    return Served(directory, plan, run["chain"], model, layers, held_out)


def _report(answer: Answer, result: RunResult, service: Service) -> dict[str, Any]:
    return {
        "labels": answer.labels.tolist(),
        "secure": True,
        "servers": len(service.servers),
        "rounds": result.rounds,
        "bytes": {
            "client": result.costs[service.client].bytes_sent,
            "server": max(result.costs[server].bytes_sent for server in service.servers),
        },
        "seconds": result.seconds,
    }
