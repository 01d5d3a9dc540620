"""Taking the masks off a sum: every expansion is independent, so they run in parallel."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from mpc.secagg.masks import Accumulator
from mpc.secagg.parameters import Parameters

__all__ = ["add_masks"]


def add_masks(
    total: Accumulator, params: Parameters, masks: Sequence[tuple[bytes, int]], workers: int = 1
) -> None:
    """Add all masks (key and sign) to `total`, on `workers` threads.

    Threads do as well as processes here, and share the vector: cipher and numpy work outside the
    interpreter's lock.
    """
    if workers <= 1 or len(masks) < 2 * workers:
        total.add_masks(masks)
        return
    parts = [Accumulator(params) for _ in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(part.add_masks, masks[i::workers]) for i, part in enumerate(parts)]:
            done.result()
    for part in parts:
        total.add(part)
