"""Make CrypTen 0.4.1 import on a torch that dropped the module it looks for.

CrypTen imports `registry` from `torch.onnx._internal.registration`, for its ONNX export alone; torch removed
that module with its old exporter. An empty stand-in lets the rest of CrypTen load. ONNX export itself is
lost: `mpc.crypten.from_torch` takes its place.
"""

import importlib.util
import sys
import types

from mpc.errors import ParameterError

__all__ = ["VERSION", "load"]

VERSION = "0.4.1"
_REGISTRATION = "torch.onnx._internal.registration"


def load() -> types.ModuleType:
    """CrypTen itself, importable from now on.

    Raises: ParameterError when torch or CrypTen is missing, or another version than the one known here.
    """
    for name in ("torch", "crypten"):
        if importlib.util.find_spec(name) is None:
            raise ParameterError(
                f"{name} is not installed: pip install 'eppml[crypten]', then "
                f"pip install --no-deps crypten=={VERSION}"
            )
    if _REGISTRATION not in sys.modules and importlib.util.find_spec(_REGISTRATION) is None:
        stand_in = types.ModuleType(_REGISTRATION, "What CrypTen imports and never uses without ONNX export.")
        stand_in.registry = None  # type: ignore[attr-defined]
        sys.modules[_REGISTRATION] = stand_in
    import crypten

    if crypten.__version__ != VERSION:
        raise ParameterError(f"this works with crypten {VERSION}, not {crypten.__version__}")
    module: types.ModuleType = crypten
    return module
