"""A whole round of 20 clients on the bundled digits, by stage; bytes a client and gas a round.

The round is played once for all figures: everything on (proofs, secure aggregation, embedded ledger), no cheaters.
"""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from rich.console import Console

from fl.federation import Federation
from fl.plan import load_terms
from fl.progress import RunDisplay
from fl.rundir import RunDirectory
from fl.session import open_session

CLIENTS = 20


@cache
def round_of(aggregation: str) -> dict[str, Any]:
    """What the run directory keeps of round 1: round 0 also registers the plan and warms everything up."""
    terms = load_terms("digits", {"clients": CLIENTS, "rounds": 2, "aggregation.mode": aggregation})
    display = RunDisplay(Console(stderr=True), quiet=True)
    with tempfile.TemporaryDirectory() as folder:
        directory = RunDirectory(Path(folder))
        directory.create()
        with open_session(Federation.gather(terms, {}, 0.0, None), directory, "embedded", display) as session:
            session.play_round(0, display)
            return session.play_round(1, display)


class Stages:
    """Seconds of all simulated clients together, and of the coordinator."""

    params = (["secagg", "plain"], ["train", "prove", "mask", "verify", "aggregate", "chain"])
    param_names = ("aggregation", "stage")
    unit = "seconds"
    timeout = 300

    def setup_cache(self) -> dict[str, dict[str, Any]]:
        return {aggregation: round_of(aggregation) for aggregation in self.params[0]}

    def track_seconds(self, rounds: dict[str, dict[str, Any]], aggregation: str, stage: str) -> float:
        return float(rounds[aggregation]["seconds"][stage])


class WholeRound:
    """From training to the last transaction of one round."""

    timeout = 300
    number = 1
    repeat = 3
    warmup_time = 0

    def setup(self) -> None:
        self.display = RunDisplay(Console(stderr=True), quiet=True)
        self.folder = tempfile.TemporaryDirectory()
        directory = RunDirectory(Path(self.folder.name))
        directory.create()
        terms = load_terms("digits", {"clients": CLIENTS, "rounds": 100})
        self.opened = open_session(
            Federation.gather(terms, {}, 0.0, None), directory, "embedded", self.display
        )
        self.session = self.opened.__enter__()
        self.session.play_round(0, self.display)
        self.next = 1

    def time_round(self) -> None:
        self.session.play_round(self.next, self.display)
        self.next += 1

    def teardown(self) -> None:
        self.opened.__exit__(None, None, None)
        self.folder.cleanup()


class Costs:
    """What one round of 20 clients moves and burns."""

    timeout = 300

    def setup_cache(self) -> dict[str, Any]:
        return round_of("secagg")

    def track_bytes_sent_a_client(self, played: dict[str, Any]) -> int:
        return int(played["bytes"]["sent_per_client"])

    def track_bytes_over_float32(self, played: dict[str, Any]) -> float:
        return float(played["bytes"]["sent_per_client"] / played["bytes"]["float32_update"])

    def track_update_message_bytes(self, played: dict[str, Any]) -> int:
        return int(played["bytes"]["update_message"])

    def track_messages(self, played: dict[str, Any]) -> int:
        return int(played["rounds_of_messages"])

    def track_gas_a_round(self, played: dict[str, Any]) -> int:
        return sum(played["gas"].values())

    def track_gas_to_commit(self, played: dict[str, Any]) -> int:
        return int(played["gas"]["commit_round"] + played["gas"]["record_aggregate"])


Costs.track_bytes_sent_a_client.unit = "bytes"  # type: ignore[attr-defined]
Costs.track_bytes_over_float32.unit = "ratio"  # type: ignore[attr-defined]
Costs.track_update_message_bytes.unit = "bytes"  # type: ignore[attr-defined]
Costs.track_messages.unit = "messages"  # type: ignore[attr-defined]
Costs.track_gas_a_round.unit = "gas"  # type: ignore[attr-defined]
Costs.track_gas_to_commit.unit = "gas"  # type: ignore[attr-defined]
