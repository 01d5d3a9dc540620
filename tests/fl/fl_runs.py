"""A finished run directory, as tests look at it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chain_adapter import LocalStore
from fl.record import RoundRecord


@dataclass(frozen=True)
class Run:
    """A finished run directory."""

    path: Path

    def document(self, number: int) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.path / f"rounds/{number:04d}.json").read_text())
        return loaded

    def records(self) -> list[RoundRecord]:
        store = LocalStore(self.path / "blocks")
        files = sorted((self.path / "rounds").glob("*.json"))
        return [RoundRecord.from_bytes(store.get(json.loads(f.read_text())["record_cid"])) for f in files]

    @property
    def model(self) -> bytes:
        return (self.path / "model.safetensors").read_bytes()

    @property
    def cheats(self) -> dict[str, int]:
        run = json.loads((self.path / "run.json").read_text())
        return {kind: int(client) for client, kind in run["cheats"].items()}
