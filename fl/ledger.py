"""The ledger of a run: embedded in its directory, or a chain behind a URL."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from chain_adapter import Chain, ChainError, Deployment, LocalSigner, Signer
from fl.rundir import RunDirectory
from mpc.errors import ParameterError

__all__ = ["EMBEDDED", "open_ledger"]

EMBEDDED = "embedded"
_COINS = 10**18
_KEY = "EPPML_PRIVATE_KEY"


@contextmanager
def open_ledger(chain: str, directory: RunDirectory, signer: Signer) -> Iterator[Deployment]:
    """The run's contracts, deployed at the first start and found again later; `signer` writes to them.

    On a chain behind a URL the account whose key is in EPPML_PRIVATE_KEY writes instead, where that is set.

    Raises: ChainUnreachable, WrongChain, LedgerCorrupt; ParameterError when the account has no coins.
    """
    outbox = directory.path / "outbox.sqlite"
    if chain == EMBEDDED:
        ledger = Chain.embedded(directory.chain_log, outbox=outbox)
    else:
        if _KEY in os.environ:
            signer = LocalSigner.from_environment(_KEY)
        ledger = Chain.connect(chain, signer, outbox=outbox)
    with ledger:
        if not ledger.balance(signer.address):
            _fund(ledger, signer.address)
        deployment = ledger.deploy(signer)
        directory.write_json("deployment.json", deployment.manifest())
        yield deployment


def _fund(ledger: Chain, address: str) -> None:
    try:
        ledger.rpc.request("anvil_setBalance", address, hex(_COINS))
    except ChainError as error:
        raise ParameterError(
            f"the coordinator's account {address} has no coins on this chain; send it some, or name another "
            f"account's key in {_KEY}"
        ) from error
