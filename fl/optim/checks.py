"""Ranges of hyperparameters, refused in one sentence."""

from mpc.errors import ParameterError

__all__ = ["below_one", "positive"]


def positive(**settings: float) -> None:
    """Raises: ParameterError naming a setting that is not a positive number."""
    for name, value in settings.items():
        if not 0 < value < 1e9:
            raise ParameterError(f"{name} must be a positive number, got {value}")


def below_one(**settings: float) -> None:
    """Raises: ParameterError naming a setting that is not in [0, 1)."""
    for name, value in settings.items():
        if not 0 <= value < 1:
            raise ParameterError(f"{name} must be in [0, 1), got {value}")
