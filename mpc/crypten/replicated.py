"""CrypTen's replicated products with the re-masking that they lack.

A product of replicated shares is three local products a party; the sum is an additive share, but not a random
one. CrypTen sends it to the next party as it is, which learns a quadratic form of two shares it must not know.
Adding a sharing of zero first makes it uniform.

Leakage: nothing to any one of three parties.
Assumes: at most one of the three parties is curious, all follow the protocol.
Source: Mohassel and Rindal, "ABY3", CCS 2018, section 3.2 (the zero sharing) and figure 2 (truncation);
    facebookresearch/CrypTen issue 518.
"""

import functools
from collections.abc import Callable
from typing import Any

from mpc.crypten.communicator import RoundCommunicator
from mpc.crypten.compat import load
from mpc.errors import ParameterError

load()

import crypten.communicator as comm  # noqa: E402
from crypten.mpc.primitives.arithmetic import ArithmeticSharedTensor  # noqa: E402
from crypten.mpc.primitives.binary import BinarySharedTensor  # noqa: E402

__all__ = ["OPERATIONS", "remasked", "truncate"]

OPERATIONS = (
    "mul", "matmul", "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "square", "AND",
)  # fmt: skip


def remasked(product: Callable[..., Any]) -> Callable[..., Any]:
    """A replicated product whose share is uniform before it goes anywhere."""

    @functools.wraps(product)
    def masked(*args: Any, **kwargs: Any) -> Any:
        result = product(*args, **kwargs)
        zeros = BinarySharedTensor if isinstance(result, BinarySharedTensor) else ArithmeticSharedTensor
        mask = zeros.PRZS(result.share.size(), device=result.share.device).share
        result.share = result.share ^ mask if zeros is BinarySharedTensor else result.share + mask
        return result

    return masked


def truncate(x: Any, divisor: int) -> Any:
    """Divide a shared tensor by a public integer, in place; one round among exactly three parties.

    Raises: ParameterError for any other number of parties.
    """
    network = comm.get()
    if network.get_world_size() != 3:
        raise ParameterError("replicated shares are truncated by three parties")
    if x.rank == 0:
        if isinstance(network, RoundCommunicator):
            network.idle()
        x.share = x.share.div(divisor, rounding_mode="trunc")
    elif x.rank == 1:
        x.share = (x.share + network.recv(x.share, 2)).div(divisor, rounding_mode="trunc")
    else:
        network.send(x.share.contiguous(), 1)
        x.share = x.share - x.share
    x.share = x.share + x.PRZS(x.size(), device=x.device).share
    return x
