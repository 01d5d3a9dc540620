"""The process ends at every single question to the node, just before it or just after the node acted on it.

The ledger lives on, the process starts again with the outbox it left, and does everything from the first act. However
it was cut, the chain holds each act once.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from chain_support import COORDINATOR, acts

from chain_adapter import Chain
from chain_adapter.embedded import EmbeddedLedger, EmbeddedRpc
from chain_adapter.errors import ChainUnreachable
from chain_adapter.interface import installed
from chain_adapter.rpc import LocalRpc

ONCE = {
    "PlanRegistered": 1, "MembersPublished": 1, "RoundCommitted": 1, "ClientRejected": 1, "AggregateRecorded": 1,
    "RewardClaimed": 4,
}  # fmt: skip


class Cut(BaseException):
    """The process ends here."""


class CutRpc(LocalRpc):
    """Ends the process at question `at`; `after` the node has acted on it, or before."""

    def __init__(self, embedded: EmbeddedRpc, at: int, after: bool, error: type[BaseException] = Cut) -> None:
        super().__init__(embedded)
        self.asked = 0
        self._at, self._after, self._error = at, after, error

    def request(self, method: str, *params: Any) -> Any:
        self.asked += 1
        if self.asked == self._at and not self._after:
            raise self._error("cut")
        answer = super().request(method, *params)
        if self.asked == self._at:
            raise self._error("cut")
        return answer


def life(rpc: LocalRpc, outbox: Path) -> Counter[str]:
    """One process from its first act to its last; what is on the chain then."""
    chain = Chain(rpc, chain_id=31337, outbox=outbox, poll=0.001)
    deployment = chain.deploy(COORDINATOR)
    for act in acts(deployment):
        act()
    return Counter(type(event).__name__ for event in deployment.events())


def questions() -> int:
    rpc = CutRpc(EmbeddedRpc(EmbeddedLedger()), 0, False)
    rpc.embedded.ledger.grant(COORDINATOR.address, 10**18)
    chain = Chain(rpc, chain_id=31337, poll=0.001)
    for act in acts(chain.deploy(COORDINATOR)):
        act()
    return rpc.asked


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_cut_at_any_question_the_next_life_finishes_and_nothing_is_doubled(
    after: bool, tmp_path: Path
) -> None:
    total = questions()
    assert total > 60
    for at in range(1, total + 1, 4):
        ledger = EmbeddedLedger()
        ledger.grant(COORDINATOR.address, 10**18)
        outbox = tmp_path / f"{at}.sqlite"
        with pytest.raises(Cut):
            life(CutRpc(EmbeddedRpc(ledger), at, after), outbox)
        assert life(LocalRpc(EmbeddedRpc(ledger)), outbox) == ONCE, at
        assert ledger.nonce(COORDINATOR.address) == len(installed()) + 1 + 9, at


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_node_that_goes_away_for_one_question_costs_nothing(after: bool, tmp_path: Path) -> None:
    """Not the process but the connection is cut; the same process asks again."""
    for at in range(2, questions(), 11):
        ledger = EmbeddedLedger()
        ledger.grant(COORDINATOR.address, 10**18)
        rpc, outbox = CutRpc(EmbeddedRpc(ledger), at, after, ChainUnreachable), tmp_path / f"{at}.sqlite"
        for _attempt in range(2):
            try:
                assert life(rpc, outbox) == ONCE, at
                break
            except ChainUnreachable:
                continue
        assert ledger.nonce(COORDINATOR.address) == len(installed()) + 1 + 9, at
