"""Secure inference for `eppml party`: each party is started from its own file, on its own machine.

    protocol = "fl.shared.by_file:label"
    parties, in their order: the client, the model's owner, and two servers and a dealer, or three servers
    input: everybody `sizes`, `inputs` and, with two servers, `dealer = true`; the client `features`; the owner `model`
    (a file) and `name`

The client's result is the list of labels, a server's the digest of what it told the client, in hexadecimal.
"""

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fl.models import from_safetensors
from fl.shared.inference import Service, ask, deal_answers, lend, serve
from fl.shared.serving import layers_of
from mpc.errors import ParameterError
from mpc.prg import Stream
from mpc.runtime import Inbox, Outbox

__all__ = ["label"]


def label(
    me: int, parties: tuple[int, ...], inputs: Mapping[str, Any], randomness: Stream
) -> Generator[Outbox, Inbox, list[int] | str | None]:
    """A party's side, by its place among the parties.

    Raises: ParameterError for inputs that cannot work; as `fl.shared.inference`.
    """
    service = _service(parties, inputs)
    place = parties.index(me)
    if place == 0:
        answer = yield from ask(service, _features(inputs), randomness)
        return [int(number) for number in answer.labels]
    if place == 1:
        model = Path(str(inputs.get("model")))
        if not model.is_file():
            raise ParameterError(f"the owner's input needs the file of a 'model', and {model} is none")
        parameters = from_safetensors(model.read_bytes())
        name = str(inputs.get("name", "softmax"))
        yield from lend(service, layers_of(name, service.sizes[0], service.sizes[-1], parameters), randomness)
        return None
    if me == service.dealer:
        yield from deal_answers(service, randomness)
        return None
    return (yield from serve(service, me, randomness)).hex()


def _service(parties: tuple[int, ...], inputs: Mapping[str, Any]) -> Service:
    sizes, count, dealer = inputs.get("sizes"), inputs.get("inputs", 1), inputs.get("dealer", False)
    if not isinstance(sizes, list) or any(type(size) is not int for size in sizes) or type(count) is not int:
        raise ParameterError(
            "the input needs 'sizes', a list of integers, and may have 'inputs', how many there are"
        )
    if len(parties) != 5 or type(dealer) is not bool:
        raise ParameterError(
            "secure inference is among five parties: client, owner, and three servers or two and a dealer"
        )
    client, owner, *rest = parties
    servers = tuple(rest[:2]) if dealer else tuple(rest)
    return Service(client, owner, servers, tuple(sizes), rest[2] if dealer else None, count)


def _features(inputs: Mapping[str, Any]) -> "np.ndarray[Any, np.dtype[np.float64]]":
    try:
        features = np.array(inputs.get("features"), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"the client's input needs 'features', rows of numbers: {error}") from error
    return np.atleast_2d(features)
