"""The peer of `bench_shares.TrainingRatios`: softmax regression as CrypTen's own modules train it."""

from time import perf_counter
from typing import Any

import torch

from mpc.prg import Stream
from mpc.runtime import Protocol, run_local

__all__ = ["seconds_a_batch"]

_BATCH, _INPUTS, _CLASSES = 128, 784, 10


def seconds_a_batch(batches: int) -> float:
    """`crypten.nn.Linear`, its cross-entropy and its backward pass, between two parties and a dealer in this process."""
    from mpc.crypten import deal_on_demand, on_tensors

    def body() -> None:
        import crypten
        import crypten.nn

        torch.manual_seed(0)
        model: Any = crypten.nn.Linear(_INPUTS, _CLASSES)
        model.encrypt()
        model.train()
        loss = crypten.nn.CrossEntropyLoss()
        for _ in range(batches):
            features = crypten.cryptensor(torch.rand(_BATCH, _INPUTS), src=0)
            labels = crypten.cryptensor(torch.eye(_CLASSES)[torch.arange(_BATCH) % _CLASSES], src=1)
            error = loss(model(features), labels)
            model.zero_grad()
            error.backward()
            model.update_parameters(0.1)

    torch.set_num_threads(1)
    stream = Stream(bytes(32), b"bench crypten")
    parties: dict[int, Protocol[Any]] = {
        me: on_tensors(me, (1, 2), body, stream.derive(me), dealer=3) for me in (1, 2)
    }
    parties[3] = deal_on_demand(3, (1, 2), stream.derive(3))
    begin = perf_counter()
    run_local(parties, raise_errors=True)
    return (perf_counter() - begin) / batches
