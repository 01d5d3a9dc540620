"""What a run may use to train: processes, a GPU, a Ray cluster. None of it changes the model but a GPU."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fl.federation import Federation
from fl.scale import open_engine

if TYPE_CHECKING:  # Ray is an extra
    from fl.engine import LocalEngine
    from fl.scale.ray_engine import RayEngine

__all__ = ["DEFAULT", "Resources"]


@dataclass(frozen=True, slots=True)
class Resources:
    """`engine` is local or ray; `processes` train; `device` is cpu, or cuda where bits may differ from run to run.

    `cluster` is the address of a Ray cluster; without one the engine ray starts its own on this machine.
    """

    engine: str = "local"
    processes: int = 1
    device: str = "cpu"
    cluster: str = ""

    def open(self, federation: Federation) -> "AbstractContextManager[LocalEngine | RayEngine]":
        """What trains the clients of `federation`. Raises: ParameterError for an engine that is not installed."""
        work = federation.work(self.device)
        return open_engine(self.engine, work, processes=self.processes, address=self.cluster)


DEFAULT = Resources()
"""One process of this machine."""
