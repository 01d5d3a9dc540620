"""Shares of this project as CrypTen's tensors and back: what one protocol leaves, the other goes on with.

CrypTen shares additively modulo 2^64 among all parties, with as many bits behind the point as a tensor says; ours are
the same words. Three replicated parts are such a sharing when every party gives its first.

Leakage: nothing; a conversion is local. Assumptions are those of `mpc.crypten.protocol`.
"""

from typing import Any

import numpy as np
import torch

from mpc.engine import Engine, Share
from mpc.wire import Words

__all__ = ["as_tensor", "as_words_of"]


def as_tensor(engine: Engine, share: Share, bits: int, device: str = "cpu") -> Any:
    """This party's share as a `crypten.mpc.MPCTensor`, inside `mpc.crypten.on_tensors` among the same parties.

    `bits` are those behind the point: 0 for integers; `device` is where the tensor lies, such as "cuda".
    """
    import mpc.crypten  # noqa: F401, I001  it makes CrypTen importable
    import crypten

    mine = share[0] if engine.lead else share
    words = torch.from_numpy(np.ascontiguousarray(mine).view(np.int64)).to(device)
    return crypten.mpc.MPCTensor.from_shares(words, precision=bits)


def as_words_of(tensor: Any) -> Words:
    """This party's additive share of an arithmetic tensor, with the tensor's bits behind the point."""
    words: Words = tensor.share.cpu().numpy().view(np.uint64).copy()
    return words
