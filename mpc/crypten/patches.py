"""What is exchanged inside CrypTen, once a process: randomness, the lookups of the running party, refusals.

    randomness    shares, sharings of zero and dropout masks come from streams         (mpc.crypten.randomness)
    lookups       communicator, provider and generators are the running party's         (mpc.crypten.state)
    refusals      the trusted first party, which sees every input, and the trusted third party's 32-bit streams
    products      replicated ones are re-masked before they are sent on
    models        `from_pytorch` translates layers instead of exporting ONNX            (mpc.crypten.translate)
    files         saved shares and modules load under torch's restricted loader

Source: facebookresearch/CrypTen issue 518 (the missing re-masking); Mohassel and Rindal, "ABY3", CCS 2018,
    section 3.2.
"""

from typing import Any

import torch

from mpc.crypten import randomness, replicated
from mpc.crypten.compat import load
from mpc.crypten.state import current
from mpc.crypten.translate import from_torch
from mpc.errors import InsecureError

load()

import crypten  # noqa: E402
import crypten.communicator as comm  # noqa: E402
from crypten.common import rng, serial  # noqa: E402
from crypten.mpc.primitives import arithmetic, binary  # noqa: E402
from crypten.mpc.primitives import replicated as stock_replicated  # noqa: E402
from crypten.mpc.provider import tfp_provider  # noqa: E402
from crypten.nn import onnx_converter  # noqa: E402

__all__ = ["install", "is_installed"]

_WHY = {
    "TFP": "CrypTen's trusted first party draws every mask itself, so party 0 can read every input",
    "TTP": "CrypTen's trusted third party hands out streams of 32 bits of strength, over an open connection",
    "HE": "CrypTen's homomorphic provider is empty",
}


class _State:
    installed = False
    allow_insecure = False


def is_installed() -> bool:
    """Whether CrypTen has been patched in this process."""
    return _State.installed


def install(*, allow_insecure: bool = False) -> None:
    """Make CrypTen in this process draw from our streams and refuse what is unsound.

    `allow_insecure` lets CrypTen's own providers run for the rest of the process, for comparison and tests.
    Calling it again is fine, and never takes a permission back.
    """
    _State.allow_insecure |= allow_insecure
    if _State.installed:
        return
    _State.installed = True
    for module in (rng, arithmetic, tfp_provider):
        module.generate_random_ring_element = randomness.random_ring_element
    for module in (rng, binary, tfp_provider):
        module.generate_kbit_random_tensor = randomness.random_bits
    crypten.gradients.torch = _TorchWithStreams()
    crypten.generators = _Generators(crypten.generators)
    crypten._setup_prng = _setup_prng
    _look_up_by_party()
    for name in replicated.OPERATIONS:
        setattr(stock_replicated, name, replicated.remasked(getattr(stock_replicated, name)))
    stock_replicated.truncate = replicated.truncate
    crypten.nn.from_pytorch = onnx_converter.from_pytorch = from_torch
    _let_shares_load()


def _let_shares_load() -> None:
    """torch loads nothing but tensors by default now: name the classes that CrypTen's saved shares are of."""
    torch.serialization.add_safe_globals(
        [
            crypten.mpc.MPCTensor,
            arithmetic.ArithmeticSharedTensor,
            binary.BinarySharedTensor,
            crypten.encoder.FixedPointEncoder,
            crypten.mpc.ptype,
            frozenset,
            crypten.gradients.AutogradContext,
            *crypten.gradients.FUNCTION_REGISTRY.values(),
            *serial.RestrictedUnpickler._RestrictedUnpickler__SAFE_CLASSES.values(),
        ]
    )
    stock_register = serial.register_safe_class

    def register_safe_class(input_class: type) -> None:
        stock_register(input_class)
        torch.serialization.add_safe_globals([input_class])

    serial.register_safe_class = register_safe_class


def _look_up_by_party() -> None:
    stock_get, stock_is_initialized = comm.get, comm.is_initialized
    stock_provider = crypten.mpc.get_default_provider

    def get() -> Any:
        party = current()
        return stock_get() if party is None else party.communicator

    def is_initialized() -> bool:
        return current() is not None or bool(stock_is_initialized())

    def get_default_provider() -> Any:
        if (party := current()) is not None and party.provider is not None:
            return party.provider
        name = crypten.cfg.mpc.provider
        if not _State.allow_insecure and comm.get().get_world_size() > 1:
            raise InsecureError(
                f"{_WHY.get(name, name)}: use run_parties, or install(allow_insecure=True), of mpc.crypten"
            )
        return stock_provider()

    comm.get = get
    comm.is_initialized = is_initialized
    crypten.mpc.get_default_provider = get_default_provider


class _Generators(dict[str, Any]):
    """CrypTen's table of generators; a party of this runtime finds its own."""

    def __getitem__(self, kind: str) -> Any:
        party = current()
        return super().__getitem__(kind) if party is None else _OnAnyDevice(party.generators[kind])


class _OnAnyDevice:
    """One generator for all devices: words are drawn on the CPU and moved."""

    def __init__(self, generator: randomness.StreamGenerator) -> None:
        self._generator = generator

    def __getitem__(self, device: object) -> randomness.StreamGenerator:
        return self._generator

    def keys(self) -> list[torch.device]:
        """The devices there are: for CrypTen's reseeding in debug mode."""
        return [torch.device("cpu")]


class _TorchWithStreams:
    """torch as CrypTen's gradients see it: its random numbers are the stream's that they name."""

    rand = staticmethod(randomness.uniform)

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


def _setup_prng() -> None:
    """CrypTen's own start, over its own network: seeds of full length, sealed for their receivers."""
    from mpc.crypten.plain_network import agree_over

    streams = agree_over(comm.get())
    devices = [torch.device("cpu")]
    if torch.cuda.is_available():
        devices += [
            torch.device("cuda"),
            *(torch.device("cuda", i) for i in range(torch.cuda.device_count())),
        ]
    for kind, stream in streams.items():
        generator = randomness.StreamGenerator(stream)
        dict.__getitem__(crypten.generators, kind).update(dict.fromkeys(devices, generator))
