"""What each layer of the cryptography adds to a round: the same round in the clear, masked, and with proofs.

A run in the clear still commits and signs, because the ledger records commitments; what training alone takes is the
baseline of the factors.
"""

from collections.abc import Mapping
from typing import Any

from fl.progress import Display
from fl.suite.cell import Cell, Conditions, Result
from fl.suite.runs import audited_run, run_row

__all__ = ["cost_cell"]

_PROVEN = 5
_NO_PROOFS = {"proofs.kind": "none", "proofs.rounds": 0, "proofs.clients": 0}


def cost_cell(key: str, title: str, source: str, overrides: Mapping[str, Any], seconds: float) -> Cell:
    """One round in the clear and one under secure aggregation, with `_PROVEN` clients' proofs for the price of one."""

    def measure(conditions: Conditions, display: Display) -> Result:
        rows = []
        for mode, name in (
            ("plain", "in the clear, committed and signed"),
            ("secagg", "masked, committed and signed"),
        ):
            asked = {**overrides, **_NO_PROOFS, "aggregation.mode": mode}
            summary, passed = audited_run(f"{key}-{mode}", source, asked, conditions, display)
            rows.append(run_row(name, summary, passed))
        asked = {**overrides, "proofs.kind": "sample", "proofs.rounds": 0, "proofs.clients": _PROVEN}
        summary, passed = audited_run(f"{key}-proven", source, asked, conditions, display)
        proven = run_row(f"masked, {_PROVEN} clients proven", summary, passed)
        clients, train = proven["clients"], rows[0]["seconds_train"]
        each = (proven["seconds_prove"] - rows[1]["seconds_prove"]) / _PROVEN
        for row in rows:
            row["factor"] = round((row["seconds_round"] - row["seconds_chain"]) / train, 3)
        proven["seconds_a_proof"] = round(each, 4)
        proven["what"] = f"masked, everybody proven (extrapolated from {_PROVEN})"
        everybody = proven["seconds_round"] - proven["seconds_chain"] + each * (clients - _PROVEN)
        proven["factor"] = round(everybody / train, 3)
        return Result([*rows, proven])

    return Cell(key, f"Cost of a round: {title}", "cost", seconds, measure)
