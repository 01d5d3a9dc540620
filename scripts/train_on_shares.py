"""Train on MNIST that two or three parties hold in shares, all roles in this process, beside the plain twin.

    python scripts/train_on_shares.py DATA [--parties 2|3] [--epochs N] [--hidden N] [--records N]

Prints what `docs/explain/shares-mode.md` quotes: accuracy of both, seconds, rounds, and bytes of each role.
"""

import argparse
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from fl import data
from fl.seeds import generator
from fl.shared.fixed import FEATURES, encode, one_hot
from fl.shared.models import SharedModel, plain_step
from fl.shared.training import Job, deal_training, train_three, train_two
from mpc.prg import Stream
from mpc.protocols.masked_data import Layout
from mpc.runtime import run_local

BATCH = 128


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--parties", type=int, choices=(2, 3), default=2)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--hidden", type=int, default=0)
    parser.add_argument("--records", type=int, default=60_000)
    asked = parser.parse_args()
    mnist = data.load("mnist", asked.data)
    order = generator(1, "order of shared records").permutation(len(mnist.train_y))[: asked.records]
    x, y = with_bias(mnist.train_x[order]), mnist.train_y[order]
    cuts = range(0, len(x), BATCH)
    width = x.shape[1]
    model = SharedModel(width, mnist.classes, asked.hidden)
    sizes = tuple(min(BATCH, len(x) - cut) for cut in cuts)
    job = Job(model, Layout(sizes, width, ((0, width), (0, width))), asked.epochs, tuple(range(len(sizes))))
    labels = one_hot(y, mnist.classes)
    start = perf_counter()
    weights, result = train(asked.parties, job, encode(x, FEATURES), labels)
    seconds = (perf_counter() - start) / asked.epochs
    plain = [w.astype(np.int64) / 2**16 for w in model.initial(1)]
    for epoch in range(asked.epochs):
        for batch in job.order(epoch):
            rows = slice(cuts[batch], cuts[batch] + BATCH)
            plain = plain_step(model, np.rint(x[rows] * 256) / 256, labels[rows].astype(float), plain)
    tests = with_bias(mnist.test_x)
    print(
        f"on shares {accuracy(weights, tests, mnist.test_y):.4f}, plain twin {accuracy(plain, tests, mnist.test_y):.4f}"
    )
    print(
        f"{seconds:.1f} s an epoch, {result.rounds} rounds, bytes sent {[c.bytes_sent for c in result.costs.values()]}"
    )


def with_bias(features: Any) -> Any:
    """The last input is a one, which makes biases weights."""
    return np.hstack([features, np.ones((len(features), 1))]).astype(np.float64)


def accuracy(weights: Any, features: Any, labels: Any) -> float:
    hidden = (features @ weights[0]) ** 2 if len(weights) == 2 else features
    return float(((hidden @ weights[-1]).argmax(1) == labels).mean())


def train(parties: int, job: Job, features: Any, labels: Any) -> tuple[list[Any], Any]:
    """The opened weights, and what the run cost."""
    stream = Stream.from_os(b"train on shares")
    drawn = [
        (stream.derive("x", i).uint64(features.shape), stream.derive("y", i).uint64(labels.shape))
        for i in range(1, parties)
    ]
    rest = features - sum(x for x, _ in drawn), labels - sum(y for _, y in drawn)
    shares = [*drawn, rest]
    names = tuple(range(1, parties + 1))
    cuts = range(0, len(features), BATCH)
    roles: dict[int, Any] = {}
    for me in names:
        (x, y), (after_x, after_y) = shares[me - 1], shares[me % parties]
        randomness = stream.derive("party", me)
        if parties == 2:
            rows = [x[cut : cut + BATCH] for cut in cuts], [y[cut : cut + BATCH] for cut in cuts]
            roles[me] = train_two(me, names, 3, job, *rows, randomness)
        else:
            pairs = ((x, after_x), (y, after_y))
            rows = tuple([np.stack([p[c : c + BATCH] for p in pair]) for c in cuts] for pair in pairs)
            roles[me] = train_three(me, names, job, *rows, randomness)
    if parties == 2:
        roles[3] = deal_training(names, job, stream.derive("dealer"))
    result = run_local(roles, raise_errors=True)
    first, second = result.results[1].weights, result.results[2].weights
    if parties == 2:
        words = [a + b for a, b in zip(first, second, strict=True)]
    else:
        words = [a[0] + a[1] + b[1] for a, b in zip(first, second, strict=True)]
    return [word.astype(np.int64) / 2**16 for word in words], result


if __name__ == "__main__":
    main()
