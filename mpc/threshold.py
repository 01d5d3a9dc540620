"""A threshold that cannot be misread."""

from dataclasses import dataclass

from mpc.errors import ParameterError

__all__ = ["Threshold"]


@dataclass(frozen=True, slots=True)
class Threshold:
    """Any `needed` of `parties` shares reconstruct; any `needed - 1` reveal nothing.

    Raises: ParameterError unless 1 <= needed <= parties.

    >>> Threshold(needed=2, parties=3).privacy
    1
    """

    needed: int
    parties: int

    def __post_init__(self) -> None:
        if not 1 <= self.needed <= self.parties:
            raise ParameterError(
                f"a threshold needs 1 <= needed <= parties, got {self.needed} of {self.parties}"
            )

    @property
    def privacy(self) -> int:
        """How many parties may collude and still learn nothing."""
        return self.needed - 1
