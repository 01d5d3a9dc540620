"""CrypTen's secret tensors on this project's runtime, randomness and correlated randomness.

    starting
        protocol      on_tensors: a function on CrypTen tensors as a protocol
        launch        run_parties: all parties on this machine, a process each    (worker: inside one of them)
    what CrypTen needs to be sound
        compat        CrypTen 0.4.1 imports on today's torch
        patches       install: what is exchanged inside CrypTen, and what is refused
        randomness    shares from AES-CTR streams with 32-byte keys
        agreement     the seeds of these streams, under X25519 and AEAD           (plain_network: over gloo)
        replicated    products re-masked before they are sent on
    the network
        communicator  CrypTen's operations as rounds of the runtime               (channel, state: the threads)
        encoding      tensors and small values as canonical bytes                 (modules: torch's, described)
    models
        translate     from_torch: torch modules without ONNX                      (layers: what CrypTen lacks)
    multiplications
        items         what CrypTen asks for                                       (shapes, lowering)
        providers     who makes it, and whom that makes you trust

Importing this package patches CrypTen in this process: from then on `import crypten` works, and refuses its own
providers.

>>> import mpc.crypten, crypten
>>> mpc.crypten.is_installed()
True
"""

from mpc.crypten.compat import load

load()

from mpc.crypten.launch import PartiesResult, PartyFailed, run_parties  # noqa: E402
from mpc.crypten.patches import install, is_installed  # noqa: E402
from mpc.crypten.protocol import on_tensors  # noqa: E402
from mpc.crypten.providers import deal_on_demand  # noqa: E402
from mpc.crypten.translate import from_torch  # noqa: E402

install()

__all__ = [
    "PartiesResult",
    "PartyFailed",
    "deal_on_demand",
    "from_torch",
    "install",
    "is_installed",
    "on_tensors",
    "run_parties",
]
