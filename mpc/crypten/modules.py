"""A torch module as a plain description, so that a party can be handed one without unpickling anything.

What travels is the name of each layer's class, its plain attributes, parameters and buffers. The receiver knows
the class already, as one CrypTen calls safe or one it registered itself (`crypten.common.serial`); it makes an
empty object of it and fills in what it was told, without running the class's own code.
"""

from typing import Any

import torch
from torch import nn

from mpc.crypten.compat import load
from mpc.errors import DecodeError, ParameterError

load()

from crypten.common.serial import RestrictedUnpickler  # noqa: E402

__all__ = ["described", "rebuilt"]

_KEPT = {"_reversed_padding_repeated_twice"}
_FIELDS = {
    "class": str,
    "training": bool,
    "attributes": dict,
    "parameters": dict,
    "buffers": dict,
    "children": dict,
}


def described(module: nn.Module) -> dict[str, Any]:
    """The description of a module, for `encode_value`.

    Raises: ParameterError for a class that no receiver would know.
    """
    kind = type(module)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if _known().get(name) is not kind:
        raise ParameterError(f"register {name} with crypten.common.serial before a module of it travels")
    attributes = {
        key: value
        for key, value in vars(module).items()
        if (not key.startswith("_") or key in _KEPT) and key != "training"
    }
    return {
        "class": name,
        "training": module.training,
        "attributes": attributes,
        "parameters": {k: None if p is None else p.detach() for k, p in module._parameters.items()},
        "buffers": dict(module._buffers),
        "children": {k: None if m is None else described(m) for k, m in module._modules.items()},
    }


def rebuilt(description: Any) -> nn.Module:
    """The module of a description.

    Raises: DecodeError for a description that is none, or a class that was not registered here.
    """
    if not isinstance(description, dict) or {k: type(v) for k, v in description.items()} != _FIELDS:
        raise DecodeError("not the description of a module")
    kind = _known().get(description["class"])
    if not isinstance(kind, type) or not issubclass(kind, nn.Module):
        raise DecodeError(f"modules of {description['class']} are not accepted here")
    names = [
        name for part in ("attributes", "parameters", "buffers", "children") for name in description[part]
    ]
    if any((name.startswith("_") and name not in _KEPT) or hasattr(nn.Module, name) for name in names):
        raise DecodeError("a module with a part of a reserved name")
    module: nn.Module = kind.__new__(kind)
    nn.Module.__init__(module)
    module.training = description["training"]
    vars(module).update(description["attributes"])
    for name, value in description["parameters"].items():
        module._parameters[name] = None if value is None else nn.Parameter(_tensor(value))
    for name, value in description["buffers"].items():
        module._buffers[name] = None if value is None else _tensor(value)
    for name, value in description["children"].items():
        module._modules[name] = None if value is None else rebuilt(value)
    return module


def _known() -> dict[str, Any]:
    known: dict[str, Any] = RestrictedUnpickler._RestrictedUnpickler__SAFE_CLASSES
    return known


def _tensor(value: Any) -> torch.Tensor:
    if not isinstance(value, torch.Tensor):
        raise DecodeError("a parameter that is no tensor")
    return value
