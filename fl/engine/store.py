"""Work as files that several processes map into memory, so that its records exist once."""

import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fl.engine.work import Work

__all__ = ["StoredWork", "store"]


@dataclass(frozen=True, slots=True)
class StoredWork:
    """Where the files are, and the rest of the work as this program's own pickle; small enough to send."""

    directory: Path
    rest: bytes

    def open(self) -> Work:
        """The work; its arrays are mapped, and copied page by page only if somebody wrote to them."""

        def mapped(name: str) -> NDArray[np.generic]:
            array: NDArray[np.generic] = np.load(self.directory / f"{name}.npy", mmap_mode="c")
            return array

        model, algorithm, seed, device = pickle.loads(self.rest)
        return Work(
            model=model,
            algorithm=algorithm,
            features=mapped("features").view(np.float32),
            labels=mapped("labels").view(np.int64),
            shards=np.split(mapped("rows").view(np.int64), mapped("ends")[:-1]),
            seed=seed,
            device=device,
        )


def store(work: Work, directory: Path) -> StoredWork:
    """Write the arrays of `work` into `directory`."""
    np.save(directory / "features.npy", work.features)
    np.save(directory / "labels.npy", work.labels)
    np.save(directory / "rows.npy", np.concatenate(list(work.shards)))
    np.save(directory / "ends.npy", np.cumsum([len(shard) for shard in work.shards]))
    return StoredWork(directory, pickle.dumps((work.model, work.algorithm, work.seed, work.device)))
