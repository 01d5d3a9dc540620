"""Which algorithms a client can hold something back from: those whose rounds all ask for the same kind of vector."""

from fl.optim import Algorithm
from mpc.errors import ParameterError

__all__ = ["require_alike_rounds"]

_UNLIKE = {
    "conjugate-gradients": "every round asks for the curvature along other directions",
    "dane": "its rounds alternate between gradients and steps",
    "fsvrg": "its rounds alternate between gradients and steps",
}


def require_alike_rounds(algorithm: Algorithm) -> None:
    """Raises: ParameterError for an algorithm in which what one round leaves unsent has no meaning in the next."""
    if algorithm.name in _UNLIKE:
        raise ParameterError(
            f"{algorithm.name} cannot be compressed: {_UNLIKE[algorithm.name]}, and what one leaves unsent has no "
            "meaning in the next"
        )
