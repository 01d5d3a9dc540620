"""`from_torch`: a torch module as a CrypTen module, layer by layer, without ONNX.

The module is traced symbolically (torch.fx), so what its `forward` does has to be made of layers and functions
that are known here: linear and convolutional layers, pooling, normalisation, activations, flattening, sums,
products and concatenations. Anything else is refused by name.

Leakage: the architecture is public; parameters are secret once the result is encrypted.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.fx
from torch import nn

from mpc.crypten.compat import load
from mpc.crypten.layers import Apply, Normalised, Scaled
from mpc.errors import ParameterError

load()

import crypten  # noqa: E402

__all__ = ["from_torch"]


def from_torch(module: nn.Module, dummy_input: Any = None) -> Any:
    """The CrypTen graph of `module`, with its parameters copied, in the same mode.

    `.encrypt(src=rank)` then shares that rank's parameters; the other parties pass a module of the same
    architecture with any parameters. Normalisation by running statistics becomes a scale and a shift when the
    module is in evaluation mode. `dummy_input` is there for CrypTen's own signature and is not looked at.

    Raises: ParameterError naming the first layer or function that has no counterpart.

    >>> from_torch(nn.Sequential(nn.Linear(4, 3), nn.ReLU())).eval()(torch.ones(2, 4)).shape
    torch.Size([2, 3])
    """
    # a single layer would be traced into what torch computes it with
    traced_module = nn.Sequential(module) if type(module) in _LAYERS else module
    try:
        traced = torch.fx.symbolic_trace(traced_module)
    except Exception as error:  # tracing runs the module's own code
        raise ParameterError(f"{type(module).__name__} cannot be traced: {error}") from None
    graph = _Graph(traced)
    for node in traced.graph.nodes:
        graph.add(node)
    result = crypten.nn.Graph(graph.inputs, graph.output)
    for name, layer, inputs in graph.layers:
        result.add_module(name, layer, inputs)
    return result.train(module.training)


class _Graph:
    """The layers of a traced module, by the names of what goes into each."""

    def __init__(self, traced: torch.fx.GraphModule) -> None:
        self.inputs: list[str] = []
        self.output: list[str] = []
        self.layers: list[tuple[str, Any, list[str]]] = []
        self._modules = dict(traced.named_modules())

    def add(self, node: torch.fx.Node) -> None:
        """One node of the trace."""
        match node.op:
            case "placeholder":
                self.inputs.append(node.name)
            case "output":
                if not isinstance(node.args[0], torch.fx.Node):
                    raise ParameterError("a module returns one value")
                self.output = [node.args[0].name]
                if not self.layers:
                    self._layer(node.name, Apply(lambda x: x), [node.args[0]])
                    self.output = [node.name]
            case "call_module":
                layer = self._modules[str(node.target)]
                self._layer(node.name, _translated(layer), list(node.args))
            case "call_function" | "call_method":
                self._call(node)
            case _:
                raise ParameterError(f"{node.op} {node.target} has no counterpart among secret tensors")

    def _call(self, node: torch.fx.Node) -> None:
        name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
        if name in ("size", "getattr", "getitem"):
            return  # a shape: what uses it says whether it can
        key = node.target if node.op == "call_function" else str(node.target)
        if name in ("view", "reshape", "flatten"):
            self._layer(node.name, _flattened(node), [node.args[0]])
        elif key in _BINARY:
            self._binary(node, _BINARY[key])
        elif name in ("cat", "concat"):
            values, *rest = node.args
            dim = rest[0] if rest else node.kwargs.get("dim", 0)
            self._layer(node.name, crypten.nn.Concat(dim), list(values))  # type: ignore[arg-type]
        elif name in _FUNCTIONS:
            try:
                layer = _FUNCTIONS[name](*node.args[1:], **_settings(node.kwargs))
            except TypeError as error:
                raise ParameterError(f"{name} with these arguments: {error}") from None
            self._layer(node.name, _translated(layer), [node.args[0]])
        else:
            raise ParameterError(
                f"the function {name or node.target} has no counterpart among secret tensors"
            )

    def _binary(self, node: torch.fx.Node, method: str) -> None:
        left, right = node.args[:2]
        if isinstance(left, torch.fx.Node) and isinstance(right, torch.fx.Node):
            if left is right:
                self._layer(node.name, Apply(lambda x: getattr(x, method)(x)), [left])
            else:
                self._layer(node.name, Apply(lambda pair: getattr(pair[0], method)(pair[1])), [left, right])
        elif isinstance(left, torch.fx.Node):
            self._layer(node.name, Apply(lambda x: getattr(x, method)(right)), [left])
        elif method in ("add", "mul"):
            self._layer(node.name, Apply(lambda x: getattr(x, method)(left)), [right])
        else:
            self._layer(node.name, Apply(lambda x: x.neg().add(left)), [right])

    def _layer(self, name: str, layer: Any, inputs: list[Any]) -> None:
        if not all(isinstance(value, torch.fx.Node) for value in inputs):
            raise ParameterError(f"{name} takes something that is no tensor of the module")
        self.layers.append((name, layer, [value.name for value in inputs]))


_BINARY: dict[Any, str] = {
    operator.add: "add", operator.iadd: "add", torch.add: "add", "add": "add", "add_": "add",
    operator.mul: "mul", operator.imul: "mul", torch.mul: "mul", "mul": "mul",
    operator.sub: "sub", operator.isub: "sub", torch.sub: "sub", "sub": "sub",
}  # fmt: skip

_FUNCTIONS: dict[str, Callable[..., nn.Module]] = {
    "relu": lambda inplace=False: nn.ReLU(),
    "relu_": lambda: nn.ReLU(),
    "relu6": lambda inplace=False: nn.ReLU6(),
    "hardtanh": lambda min_val=-1.0, max_val=1.0, inplace=False: nn.Hardtanh(min_val, max_val),
    "leaky_relu": lambda negative_slope=0.01, inplace=False: nn.LeakyReLU(negative_slope),
    "sigmoid": lambda: nn.Sigmoid(),
    "tanh": lambda: nn.Tanh(),
    "silu": lambda inplace=False: nn.SiLU(),
    "gelu": lambda approximate="none": nn.GELU(approximate),
    "softmax": lambda dim=-1, **_: nn.Softmax(dim),
    "log_softmax": lambda dim=-1, **_: nn.LogSoftmax(dim),
    "avg_pool2d": nn.AvgPool2d,
    "max_pool2d": nn.MaxPool2d,
    "adaptive_avg_pool2d": nn.AdaptiveAvgPool2d,
    "dropout": lambda p=0.5, training=True, inplace=False: nn.Dropout(p) if training else nn.Identity(),
}


def _settings(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments that say something: tracing writes all of torch's down."""
    silent = {"inplace": False, "_stacklevel": 3, "dtype": None, "return_indices": False, "stride": None}
    return {k: v for k, v in kwargs.items() if not (k in silent and v == silent[k]) and k != "_stacklevel"}


def _translated(layer: nn.Module) -> Any:
    """One layer's counterpart.

    Raises: ParameterError when there is none.
    """
    for kind, build in _LAYERS.items():
        if type(layer) is kind:
            return build(layer)
    raise ParameterError(f"the layer {type(layer).__name__} has no counterpart among secret tensors")


def _copied(layer: Any, original: nn.Module) -> Any:
    """`layer` with the parameters and running statistics of `original`."""
    for name, parameter in original.named_parameters(recurse=False):
        layer.set_parameter(name, nn.Parameter(parameter.detach().clone()))
    for name in ("running_mean", "running_var"):
        if getattr(original, name, None) is not None:
            layer.set_buffer(name, getattr(original, name).detach().clone())
    return layer


def _linear(layer: nn.Linear) -> Any:
    return _copied(crypten.nn.Linear(layer.in_features, layer.out_features, layer.bias is not None), layer)


def _convolution(layer: nn.Conv1d | nn.Conv2d) -> Any:
    if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        raise ParameterError(f"a convolution padded with {layer.padding_mode!r}, {layer.padding!r}")
    flat = isinstance(layer, nn.Conv1d)
    settings = [value[0] if flat else value for value in (layer.stride, layer.padding, layer.dilation)]
    kind = crypten.nn.Conv1d if flat else crypten.nn.Conv2d
    kernel = layer.kernel_size[0] if flat else layer.kernel_size
    return _copied(
        kind(
            layer.in_channels, layer.out_channels, kernel, *settings,
            groups=layer.groups, bias=layer.bias is not None,
        ),
        layer,
    )  # fmt: skip


def _batch_norm(layer: nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d) -> Any:
    if layer.training or layer.running_var is None or layer.running_mean is None:
        if layer.weight is None or layer.running_var is None:
            raise ParameterError("batch normalisation in training needs parameters and running statistics")
        kind = getattr(crypten.nn, type(layer).__name__)
        return _copied(kind(layer.num_features, layer.eps, layer.momentum), layer)
    scale = (layer.running_var + layer.eps).rsqrt()
    if layer.weight is not None:
        scale = scale * layer.weight
    shift = -layer.running_mean * scale
    return Scaled(scale, shift if layer.bias is None else shift + layer.bias)


def _average(layer: nn.AvgPool2d) -> Any:
    if not layer.count_include_pad or layer.divisor_override is not None:
        raise ParameterError("average pooling that does not divide by the whole window")
    return crypten.nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding, layer.ceil_mode)


def _maximum(layer: nn.MaxPool2d) -> Any:
    if layer.dilation not in (1, (1, 1)) or layer.return_indices:
        raise ParameterError("maximum pooling with dilation or indices")
    return crypten.nn.MaxPool2d(layer.kernel_size, layer.stride, layer.padding, layer.ceil_mode)


def _leaky(layer: nn.LeakyReLU) -> Any:
    slope = layer.negative_slope
    return Apply(lambda x: x.relu().mul(1 - slope).add(x.mul(slope)))


def _flat(layer: nn.Flatten) -> Any:
    if layer.end_dim != -1 or layer.start_dim not in (0, 1):
        raise ParameterError("flattening of some axes only")
    return crypten.nn.Flatten(layer.start_dim)


def _gelu(layer: nn.GELU) -> Any:
    """By the error function."""
    if layer.approximate != "none":
        raise ParameterError("an approximation of GELU")
    return Apply(lambda x: x.mul(x.mul(0.7071067811865476).erf().add(1.0)).mul(0.5))


_LAYERS: dict[type[nn.Module], Callable[[Any], Any]] = {
    nn.Linear: _linear,
    nn.Conv1d: _convolution,
    nn.Conv2d: _convolution,
    nn.AvgPool2d: _average,
    nn.MaxPool2d: _maximum,
    nn.AdaptiveAvgPool2d: lambda layer: crypten.nn.AdaptiveAvgPool2d(layer.output_size),
    nn.AdaptiveMaxPool2d: lambda layer: crypten.nn.AdaptiveMaxPool2d(layer.output_size),
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.BatchNorm3d: _batch_norm,
    nn.GroupNorm: lambda layer: Normalised(layer.num_groups, layer.eps, layer.weight, layer.bias),
    nn.LayerNorm: lambda layer: _layer_norm(layer),
    nn.ReLU: lambda layer: crypten.nn.ReLU(),
    nn.ReLU6: lambda layer: crypten.nn.ReLU6(),
    nn.Hardtanh: lambda layer: crypten.nn.Hardtanh(layer.min_val, layer.max_val),
    nn.LeakyReLU: _leaky,
    nn.Sigmoid: lambda layer: crypten.nn.Sigmoid(),
    nn.Tanh: lambda layer: Apply(lambda x: x.tanh()),
    nn.SiLU: lambda layer: Apply(lambda x: x.mul(x.sigmoid())),
    nn.GELU: _gelu,
    nn.Softmax: lambda layer: crypten.nn.Softmax(layer.dim),
    nn.LogSoftmax: lambda layer: crypten.nn.LogSoftmax(layer.dim),
    nn.Flatten: _flat,
    nn.Identity: lambda layer: Apply(lambda x: x),
    nn.Dropout: lambda layer: crypten.nn.Dropout(layer.p),
}


def _layer_norm(layer: nn.LayerNorm) -> Any:
    normalised = Normalised(1, layer.eps, layer.weight, layer.bias)
    shape = tuple(layer.normalized_shape)

    def check(x: Any) -> Any:
        if tuple(x.size())[1:] != shape:
            raise ParameterError(f"layer normalisation of {shape} where examples have {tuple(x.size())[1:]}")
        return x

    return crypten.nn.Sequential(Apply(check), normalised)


def _flattened(node: torch.fx.Node) -> Any:
    """`view`, `reshape` or `flatten` that keeps the batch and flattens the rest, or names all other sizes."""
    name = str(node.target if isinstance(node.target, str) else getattr(node.target, "__name__", ""))
    arguments = list(node.args[1:])
    if name == "flatten":
        start = node.kwargs.get("start_dim", arguments[0] if arguments else 0)
        end = node.kwargs.get("end_dim", arguments[1] if len(arguments) > 1 else -1)
        if start in (0, 1) and end == -1:
            return crypten.nn.Flatten(start)
        raise ParameterError("flattening of some axes only")
    sizes = (
        list(arguments[0]) if len(arguments) == 1 and isinstance(arguments[0], (tuple, list)) else arguments
    )
    keeps_batch = bool(sizes) and (isinstance(sizes[0], torch.fx.Node) or sizes[0] == -1)
    rest = sizes[1:]
    if keeps_batch and rest == [-1]:
        return crypten.nn.Flatten(1)
    if keeps_batch and all(isinstance(size, int) for size in rest):
        return Apply(lambda x: x.reshape(x.size(0), *rest) if sizes[0] != -1 else x.reshape(-1, *rest))
    if all(isinstance(size, int) for size in sizes):
        return Apply(lambda x: x.reshape(*sizes))
    raise ParameterError("a reshape to sizes that are computed")
