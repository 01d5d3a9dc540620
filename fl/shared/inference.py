"""A model served by two or three parties: a client shares an input and gets its label, and nobody else learns either.

    client  -> servers   shares of the input          owner -> servers   shares of the weights
    dealer  -> servers   triples, for two servers
    servers              layers, then a tournament of all pairs of classes: one shared label
    server  -> client    its share of the label, and a nonce that opens what the server commits to

The servers' commitments can go onto a ledger as the answer to a request (`fl.shared.requests`): the client then knows
that everybody was told the digest of what it was told.

Leakage: sizes, and how many inputs there are; to the client, the labels alone; to the owner, nothing.
Assumes: servers follow the protocol; of two, neither colludes with the other or the dealer; of three, no two. A client
    that asks often learns the model by its answers.
"""

import hashlib
from collections.abc import Generator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from fl.shared.dry import echo
from fl.shared.fixed import encode
from fl.shared.form import Form, read_parts, split
from mpc.engine import Additive, Engine, Replicated, Share
from mpc.errors import DecodeError, FaultyParty, ParameterError, PartyTimeout
from mpc.prg import Stream
from mpc.protocols.comparison import less_than
from mpc.protocols.levels import positive_part
from mpc.protocols.truncation import truncate
from mpc.runtime import Inbox, Outbox
from mpc.triples import Allotment, DealtSource, Recipe, Recorder, deal
from mpc.wire import receive

__all__ = ["Service", "ask", "commitments_digest", "deal_answers", "lend", "plain_labels", "serve"]

_POINT = 12
"""Bits behind the point of inputs, weights and activities."""

_LARGEST = 512
"""Weights and activities are below this in absolute value; products of two of them have twice as many bits behind."""

_BITS = 2 * _POINT + _LARGEST.bit_length() + 1
_NONCE = 32
_MOST_ROUNDS = 10_000

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Service:
    """What is public: who serves whom, and the sizes of a model of dense layers with rectifiers between them.

    `sizes` are inputs, hidden units, ..., classes; `inputs` how many inputs are labelled at once. Two servers have a dealer.

    Raises: ParameterError for parties or sizes that cannot work.
    """

    client: int
    owner: int
    servers: tuple[int, ...]
    sizes: tuple[int, ...]
    dealer: int | None = None
    inputs: int = 1

    def __post_init__(self) -> None:
        everybody = [self.client, self.owner, *self.servers, *([] if self.dealer is None else [self.dealer])]
        if len(set(everybody)) != len(everybody) or len(self.servers) not in (2, 3):
            raise ParameterError("client, owner, two or three servers and the dealer are different parties")
        if (self.dealer is None) != (len(self.servers) == 3):
            raise ParameterError("two servers need a dealer, three have no use for one")
        if len(self.sizes) < 2 or min(self.sizes) < 1 or self.sizes[-1] < 2 or self.inputs < 1:
            raise ParameterError("a model has inputs and two classes or more, and labels one input or more")

    @property
    def form(self) -> Form:
        return Form.REPLICATED if len(self.servers) == 3 else Form.WIDE

    @property
    def weights(self) -> int:
        """How many numbers the model is: matrices and biases, layer by layer."""
        return sum((a + 1) * b for a, b in zip(self.sizes, self.sizes[1:], strict=False))


@dataclass(frozen=True, slots=True)
class Answer:
    """The labels, and the commitments of all servers to what they sent."""

    labels: NDArray[np.int64] = field(repr=False)
    digest: bytes


def ask(service: Service, features: Floats, randomness: Stream) -> Generator[Outbox, Inbox, Answer]:
    """The client's side. Shapes: features [inputs, sizes[0]], up to 1 in absolute value.

    Raises: ParameterError for features of another shape or range; PartyTimeout naming a server that does not answer;
        FaultyParty for one whose answer is none.
    """
    if features.shape != (service.inputs, service.sizes[0]):
        raise ParameterError(
            f"features have the shape {features.shape}, not {(service.inputs, service.sizes[0])}"
        )
    values = encode(features, _POINT).astype(np.int64).reshape(-1)
    outbox = split(service.form, values, [], service.servers, randomness)
    answers: dict[int, bytes] = {}
    for _ in range(_MOST_ROUNDS):
        inbox = yield outbox
        outbox = {}
        answers |= {server: inbox[server] for server in service.servers if server in inbox}
        if len(answers) == len(service.servers):
            break
    total = np.zeros(service.inputs, dtype=np.uint64)
    for server in service.servers:
        if server not in answers:
            raise PartyTimeout(server, "sent no share of the label")
        if len(answers[server]) != _NONCE + 8 * service.inputs:
            raise FaultyParty(server, "its share of the label has another length")
        total += np.frombuffer(answers[server][_NONCE:], dtype="<u8")
    labels = total.astype(np.int64)
    if not np.all((labels >= 0) & (labels < service.sizes[-1])):
        raise FaultyParty(service.servers[0], "the servers' shares, of which this is one, add up to no label")
    return Answer(labels, commitments_digest([_commitment(answers[server]) for server in service.servers]))


def lend(
    service: Service, layers: list[tuple[Floats, Floats]], randomness: Stream
) -> Generator[Outbox, Inbox, None]:
    """The owner's side. `layers` are weights [inputs, outputs] and biases [outputs] of each layer.

    Raises: ParameterError for other shapes, or weights that are too large.
    """
    shapes = [(a, b) for a, b in zip(service.sizes, service.sizes[1:], strict=False)]
    if [weights.shape for weights, _ in layers] != shapes or any(b.shape != (w.shape[1],) for w, b in layers):
        raise ParameterError(f"the model's layers are not of the sizes {service.sizes}")
    parts = []
    for weights, biases in layers:
        parts += [encode(weights, _POINT, _LARGEST).ravel(), encode(biases, 2 * _POINT, _LARGEST)]
    yield split(service.form, np.concatenate(parts).astype(np.int64), [], service.servers, randomness)


def serve(service: Service, me: int, randomness: Stream) -> Generator[Outbox, Inbox, bytes]:
    """A server's side; returns its commitment to what it told the client.

    Raises: FaultyParty naming the client, the owner, the dealer or a server that sends something malformed.
    """
    place, count = service.servers.index(me), len(service.servers)
    inbox = yield {}

    def held(party: int, size: int) -> Share:
        parts = read_parts(service.form, party, receive(inbox, party), place, count, size, 0)
        if parts is None:
            raise FaultyParty(party, f"sent no shares of {size} numbers")
        words = np.stack([part.words for part in parts])
        return words if service.form is Form.REPLICATED else words[0]

    features = held(service.client, service.inputs * service.sizes[0])
    weights = held(service.owner, service.weights)
    engine: Engine
    if service.dealer is None:
        servers = service.servers
        engine = yield from Replicated.setup(me, servers, randomness.derive("engine"))
    else:
        try:
            message = receive(inbox, service.dealer)
            allotment = Allotment.from_bytes(message, _recipe(service), last=place == count - 1)
        except DecodeError as error:
            raise FaultyParty(service.dealer, str(error)) from None
        engine = Additive(me, service.servers, DealtSource(allotment), randomness.derive("engine"))
    label = yield from _label(engine, service, features, weights)
    mine = label[0] if service.form is Form.REPLICATED else label
    message = randomness.derive("nonce").bytes(_NONCE) + mine.astype("<u8").tobytes()
    yield {service.client: message}
    return _commitment(message)


def deal_answers(service: Service, randomness: Stream) -> Generator[Outbox, Inbox, None]:
    """The dealer's side, for two servers: one message to each. Raises: ParameterError where there is no dealer."""
    if service.dealer is None:
        raise ParameterError("three servers need no dealer")
    allotments = deal(_recipe(service), service.servers, randomness)
    yield {server: allotment.to_bytes() for server, allotment in allotments.items()}


def commitments_digest(commitments: list[bytes]) -> bytes:
    """What goes onto a ledger: one digest for the commitments of all servers, in their order."""
    return hashlib.sha256(b"eppml/answer/1" + b"".join(commitments)).digest()


def plain_labels(layers: list[tuple[Floats, Floats]], features: Floats) -> NDArray[np.int64]:
    """The plain twin. Shapes: features [n, inputs] -> [n]."""
    activity = features
    for number, (weights, biases) in enumerate(layers):
        activity = activity @ weights + biases
        if number < len(layers) - 1:
            activity = np.maximum(activity, 0)
    labels: NDArray[np.int64] = activity.argmax(axis=1)
    return labels


def _commitment(message: bytes) -> bytes:
    return hashlib.sha256(b"eppml/share-of-a-label/1" + message).digest()


def _label(
    engine: Engine, service: Service, features: Share, weights: Share
) -> Generator[Outbox, Inbox, Share]:
    """The number of the largest logit, shared. Shapes: -> [inputs]."""
    activity = engine.reshape(features, (service.inputs, service.sizes[0]))
    at = 0
    for number, (inputs, outputs) in enumerate(zip(service.sizes, service.sizes[1:], strict=False)):
        matrix = engine.reshape(weights[..., at : at + inputs * outputs], (inputs, outputs))
        at += inputs * outputs
        biases = engine.reshape(weights[..., at : at + outputs], (1, outputs))
        at += outputs
        activity = (yield from engine.matmul(activity, matrix)) + biases
        if number < len(service.sizes) - 2:
            size = service.inputs * outputs
            positive = yield from positive_part(engine, engine.reshape(activity, (size,)), _BITS)
            shorter = yield from truncate(engine, positive, _POINT)
            activity = engine.reshape(shorter, (service.inputs, outputs))
    return (yield from _largest(engine, activity))


def _largest(engine: Engine, logits: Share) -> Generator[Outbox, Inbox, Share]:
    """All pairs of classes are compared at once; the class that wins all of its pairs is the label."""
    n, classes = engine.shape(logits)
    pairs = list(combinations(range(classes), 2))
    left = np.concatenate([logits[..., i] for i, _ in pairs], axis=-1)
    right = np.concatenate([logits[..., j] for _, j in pairs], axis=-1)
    # of equal ones the first wins, so that there is always exactly one winner
    lost = yield from less_than(engine, left, right, _BITS)
    ones = engine.public(np.ones(n, dtype=np.uint64))
    wins = [np.zeros_like(logits[..., 0]) for _ in range(classes)]
    for k, (i, j) in enumerate(pairs):
        behind = lost[..., k * n : (k + 1) * n]
        wins[i] = wins[i] + ones - behind
        wins[j] = wins[j] + behind
    most = engine.public(np.full(classes * n, classes - 1, dtype=np.uint64))
    beaten = yield from less_than(engine, np.concatenate(wins, axis=-1), most, classes.bit_length() + 2)
    numbers = np.arange(classes, dtype=np.uint64)[:, None]
    won = engine.public(np.ones((classes, n), dtype=np.uint64)) - engine.reshape(beaten, (classes, n))
    label: Share = (won * numbers).sum(axis=engine.lead, dtype=np.uint64)
    return label


@lru_cache(maxsize=16)
def _recipe(service: Service) -> Recipe:
    recorder = Recorder()
    engine = Additive(service.servers[0], service.servers, recorder, Stream(bytes(32), b"dry run"))
    features = np.zeros(service.inputs * service.sizes[0], dtype=np.uint64)
    echo(_label(engine, service, features, np.zeros(service.weights, dtype=np.uint64)), service.servers[1:])
    return recorder.recipe
