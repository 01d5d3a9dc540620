"""Taking the masks off a sum: every expansion is independent, so they run in parallel."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from mpc.secagg.masks import Accumulator
from mpc.secagg.parameters import Parameters

__all__ = ["Mask", "add_masks"]


@dataclass(frozen=True, slots=True)
class Mask:
    """One mask to add (sign 1) or take away (sign -1)."""

    key: bytes = field(repr=False)
    sign: int


def add_masks(total: Accumulator, params: Parameters, masks: Sequence[Mask], workers: int = 1) -> None:
    """Add all masks to `total`, on `workers` threads: cipher and numpy both work outside the interpreter's
    lock."""

    def part(masks: Sequence[Mask], into: Accumulator) -> Accumulator:
        for mask in masks:
            into.add_mask(mask.key, mask.sign)
        return into

    if workers <= 1 or len(masks) < 2 * workers:
        part(masks, total)
        return
    with ThreadPoolExecutor(workers) as pool:
        parts = [pool.submit(part, masks[i::workers], Accumulator(params)) for i in range(workers)]
        for done in parts:
            total.add(done.result())
