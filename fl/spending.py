"""The clients' privacy budgets in a run directory: what each has released, written down before it is sent.

budgets/0007.json    what client 7 has released under this run's plan, readable by its owner alone
"""

from fl.plan import Plan
from fl.privacy import Budget, Noise
from fl.rundir import RunDirectory, RunDirectoryError
from mpc.errors import DecodeError

__all__ = ["Spending"]


class Spending:
    """One machine keeps every client's budget; between machines each client keeps its own."""

    def __init__(self, directory: RunDirectory, plan: Plan, noise: Noise | None) -> None:
        self._directory, self._noise = directory, noise
        self._plan, self._rounds = plan.hash.hex(), plan.terms.rounds

    def spend(self, client: int, number: int, message: bytes) -> None:
        """Note that `client` releases `message` in round `number`; the same message again costs nothing more.

        Raises: BudgetExceeded when the plan's promise would be broken: the client then sits the round out.
        """
        if self._noise is None:
            return
        name = f"budgets/{client:04d}.json"
        path = self._directory.path / name
        path.parent.mkdir(exist_ok=True)
        try:
            budget = Budget.from_bytes(path.read_bytes()) if path.is_file() else Budget(self._plan, client)
        except DecodeError as error:
            raise RunDirectoryError(f"{path} is damaged: {error}") from error
        if (budget.plan, budget.client) != (self._plan, client):
            raise RunDirectoryError(f"{path} is the budget of another client or plan")
        after = budget.spend(self._noise, number, message, self._rounds)
        if after is not budget:
            self._directory.write(name, after.to_bytes(), private=True)
