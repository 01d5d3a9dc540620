"""Train a model on data that nobody holds: two parties and a dealer, or three parties, go through the epochs together.

    two     additive shares; data masked once (`mpc.protocols.masked_data`), triples from the dealer a segment at a time
    three   replicated shares, no dealer

Data comes as shares, or as columns or rows that a party holds itself: a party's rows or columns, with zeros of the
other, are a sharing already. The parties end with shares of the weights, for `fl.shared.inference` or to be revealed.

Leakage: the number of epochs, and with a validation set how many of its records each epoch gets right.
Assumes: parties follow the protocol; of two, neither colludes with the other or the dealer; of three, no two.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from fl.seeds import generator
from fl.shared.dry import echo
from fl.shared.models import SharedModel
from mpc.engine import Additive, Engine, Replicated, Share
from mpc.errors import DecodeError, FaultyParty, ParameterError
from mpc.prg import Stream
from mpc.protocols.masked_data import Layout, MaskDealer, MaskedData, Use
from mpc.runtime import Inbox, Outbox, Protocol
from mpc.triples import Allotment, DealtSource, Recipe, Recorder, Request, deal
from mpc.wire import Words, receive

__all__ = ["Job", "Trained", "deal_training", "train_three", "train_two"]

_Provide: TypeAlias = "Callable[[list[_Step]], Generator[Outbox, Inbox, None]]"
"""Makes sure of the triples for these steps."""

_SEGMENT = 32
"""Steps for which the dealer sends triples at a time."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is trained, on which batches of the data, and how long.

    `patience` is how many epochs may pass without a better score on the batches in `validation`; 0 trains all epochs.

    Raises: ParameterError for batches that are not there or do both, or patience without a validation set.
    """

    model: SharedModel
    layout: Layout
    epochs: int
    training: tuple[int, ...]
    validation: tuple[int, ...] = ()
    patience: int = 0
    seed: int = 1

    def __post_init__(self) -> None:
        batches, used = range(len(self.layout.batches)), [*self.training, *self.validation]
        if not self.training or sorted(set(used)) != sorted(used) or not set(used) <= set(batches):
            raise ParameterError(
                "every batch of the data is for training, for validation, or left out; some is for training"
            )
        if self.epochs < 1 or self.patience < 0 or (self.patience and not self.validation):
            raise ParameterError("training takes an epoch or more, and patience needs a validation set")
        if self.layout.columns != self.model.inputs:
            raise ParameterError(
                f"data of {self.layout.columns} columns does not fit {self.model.inputs} inputs"
            )

    def order(self, epoch: int) -> list[int]:
        """The training batches of an epoch, in a public order."""
        shuffled = generator(self.seed, "shared order", epoch).permutation(len(self.training))
        return [self.training[int(place)] for place in shuffled]

    def segments(self, epoch: int) -> Iterator[list["_Step"]]:
        """What is done in an epoch, in pieces for which the dealer sends triples."""
        steps = [_Step(batch, True) for batch in self.order(epoch)] + [
            _Step(b, False) for b in self.validation
        ]
        for start in range(0, len(steps), _SEGMENT):
            yield steps[start : start + _SEGMENT]


@dataclass(frozen=True, slots=True)
class Trained:
    """One party's shares of the weights, and how many validation records every epoch got right."""

    weights: list[Share] = field(repr=False)
    scores: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Step:
    """A step of training on a batch, or of validation."""

    batch: int
    learns: bool

    def uses(self, model: SharedModel) -> list[Use]:
        """The products with the data, in their order."""
        wide = model.shapes[0][1]
        forwards = Use(self.batch, wide)
        return [forwards, Use(self.batch, wide, transposed=True)] if self.learns else [forwards]


class _Masked:
    """Two parties' data."""

    def __init__(self, engine: Engine, data: MaskedData) -> None:
        self.engine, self._data = engine, data

    def product(self, batch: int, factor: Share) -> Protocol[Share]:
        return self._data.times(Use(batch, factor.shape[1]), factor)

    def gradient(self, batch: int, factor: Share) -> Protocol[Share]:
        return self._data.times(Use(batch, factor.shape[1], transposed=True), factor)


class _Whole:
    """Three parties' data."""

    def __init__(self, engine: Engine, data: Sequence[Share]) -> None:
        self.engine, self._data = engine, data

    def product(self, batch: int, factor: Share) -> Protocol[Share]:
        return self.engine.matmul(self._data[batch], factor)

    def gradient(self, batch: int, factor: Share) -> Protocol[Share]:
        return self.engine.matmul(np.swapaxes(self._data[batch], -1, -2), factor)


class _Zeros:
    """Stands for the data in a dry run."""

    def __init__(self, engine: Engine, rows: int, columns: int) -> None:
        self.engine, self._rows, self._columns = engine, rows, columns

    def product(self, batch: int, factor: Share) -> Protocol[Share]:
        yield from ()
        return np.zeros((self._rows, factor.shape[1]), dtype=np.uint64)

    def gradient(self, batch: int, factor: Share) -> Protocol[Share]:
        yield from ()
        return np.zeros((self._columns, factor.shape[1]), dtype=np.uint64)


class _Supply:
    """A source that is refilled: what the dealer sent for the segment at hand."""

    trust = DealtSource.trust

    def __init__(self) -> None:
        self._source: DealtSource | None = None

    def refill(self, source: DealtSource) -> None:
        self._source = source

    def take(self, request: Request) -> tuple[Words, ...]:
        if self._source is None:
            raise ParameterError("no triples were dealt")
        return self._source.take(request)


def train_two(
    me: int,
    parties: tuple[int, int],
    dealer: int,
    job: Job,
    data: Sequence[Words],
    labels: Sequence[Words],
    randomness: Stream,
) -> Generator[Outbox, Inbox, Trained]:
    """A party's side. Shapes: data, this party's part of each batch; labels, its share of [rows, classes] of each."""
    place = parties.index(me)
    inbox = yield {}
    key = receive(inbox, dealer)
    if len(key) != 32:
        raise FaultyParty(dealer, f"sent a key of {len(key)} bytes")
    masked = MaskedData(job.layout, place, me, parties[1 - place], key)
    yield from masked.load(data)
    supply = _Supply()
    engine = Additive(me, parties, supply, randomness)

    def provide(steps: list[_Step]) -> Generator[Outbox, Inbox, None]:
        inbox = yield {dealer: b"more"}
        # the dealer answers a round later
        inbox = yield {}
        _receive_segment(job, steps, receive(inbox, dealer), dealer, masked, supply)

    trained = yield from _epochs(job, _Masked(engine, masked), labels, provide)
    yield {dealer: b"done"}
    return trained


def deal_training(parties: tuple[int, int], job: Job, randomness: Stream) -> Generator[Outbox, Inbox, int]:
    """The dealer's side: a key to each party, then triples for every segment that both ask for. Returns the segments.

    Leakage: to the dealer, how many epochs there were; it knows every mask.
    """
    masks = MaskDealer(job.layout, randomness.derive("masks"))
    yield dict(zip(parties, masks.keys, strict=True))
    segments = (steps for epoch in range(job.epochs) for steps in job.segments(epoch))
    for number, steps in enumerate(segments):
        asked = yield from _asked(parties)
        if asked == b"done":
            return number
        allotments = deal(_recipe_of(job, steps), parties, randomness.derive("triples", number))
        uses = [use for step in steps for use in step.uses(job.model)]
        corrections = masks.corrections(uses)
        messages = {party: allotment.to_bytes() for party, allotment in allotments.items()}
        messages[parties[1]] += corrections
        yield messages
    yield from _asked(parties)
    return number + 1


def train_three(
    me: int,
    parties: tuple[int, int, int],
    job: Job,
    data: Sequence[Share],
    labels: Sequence[Share],
    randomness: Stream,
) -> Generator[Outbox, Inbox, Trained]:
    """A party's side. Shapes: data, its replicated shares [2, rows, inputs] of each batch; labels [2, rows, classes]."""
    engine = yield from Replicated.setup(me, parties, randomness)

    def provide(steps: list[_Step]) -> Generator[Outbox, Inbox, None]:
        yield from ()

    return (yield from _epochs(job, _Whole(engine, data), labels, provide))


def _epochs(
    job: Job, data: "_Masked | _Whole", labels: Sequence[Share], provide: _Provide
) -> Generator[Outbox, Inbox, Trained]:
    engine, model = data.engine, job.model
    weights = [engine.public(start) for start in model.initial(job.seed)]
    best, best_score, since, scores = weights, -1, 0, []
    for epoch in range(job.epochs):
        right: list[Share] = []
        for steps in job.segments(epoch):
            yield from provide(steps)
            for step in steps:
                if step.learns:
                    weights = yield from model.step(data, step.batch, labels[step.batch], weights)
                else:
                    hits = yield from model.correct(data, step.batch, labels[step.batch], weights)
                    right.append(hits.sum(axis=-1, keepdims=True, dtype=np.uint64))
        if not right:
            continue
        total: Share = np.sum(right, axis=0, dtype=np.uint64)
        score = int((yield from engine.reveal(total)).astype(np.int64)[0])
        scores.append(score)
        if score > best_score:
            best, best_score, since = weights, score, 0
        else:
            since += 1
        if job.patience and since >= job.patience:
            break
    return Trained(best if job.patience else weights, tuple(scores))


def _asked(parties: tuple[int, int]) -> Generator[Outbox, Inbox, bytes]:
    """Wait until both parties ask for the same. Raises: FaultyParty for one that asks for something else."""
    inbox: Inbox = {}
    while not inbox:
        inbox = yield {}
    words = {party: receive(inbox, party) for party in parties}
    for party, word in words.items():
        if word not in (b"more", b"done") or word != words[parties[0]]:
            raise FaultyParty(party, "asks the dealer for something else than the other party")
    return words[parties[0]]


def _receive_segment(
    job: Job, steps: list[_Step], message: bytes, dealer: int, masked: MaskedData, supply: _Supply
) -> None:
    recipe = _recipe_of(job, steps)
    last = masked.place == 1
    uses = [use for step in steps for use in step.uses(job.model)]
    sizes = [use.product(job.layout) for use in uses]
    extra = 8 * sum(rows * columns for rows, columns in sizes) if last else 0
    try:
        if len(message) < extra:
            raise DecodeError(f"want {extra} bytes of corrections, got {len(message)} bytes in all")
        end = len(message) - extra
        supply.refill(DealtSource(Allotment.from_bytes(message[:end], recipe, last=last)))
        if last:
            masked.provide(uses, message[end:])
    except DecodeError as error:
        raise FaultyParty(dealer, str(error)) from None


def _recipe_of(job: Job, steps: Sequence[_Step]) -> Recipe:
    parts = (_recipe(job.model, job.layout.batches[step.batch], step.learns) for step in steps)
    return tuple(request for part in parts for request in part)


@lru_cache(maxsize=64)
def _recipe(model: SharedModel, rows: int, learns: bool) -> Recipe:
    """What one step asks of a source, beside the products with the data."""
    recorder = Recorder()
    engine = Additive(1, (1, 2), recorder, Stream(bytes(32), b"dry run"))
    data = _Zeros(engine, rows, model.inputs)
    weights = [np.zeros(shape, dtype=np.uint64) for shape in model.shapes]
    labels = np.zeros((rows, model.classes), dtype=np.uint64)
    run = model.step(data, 0, labels, weights) if learns else model.correct(data, 0, labels, weights)
    echo(run, (2,))
    return recorder.recipe
