"""The ledger of a run: embedded in its directory, or a chain behind a URL."""

from collections.abc import Iterator
from contextlib import contextmanager

from chain_adapter import Chain, ChainError, Deployment, Signer
from fl.rundir import RunDirectory
from mpc.errors import ParameterError

__all__ = ["EMBEDDED", "open_ledger"]

EMBEDDED = "embedded"
_COINS = 10**18


@contextmanager
def open_ledger(chain: str, directory: RunDirectory, signer: Signer) -> Iterator[Deployment]:
    """The run's contracts, deployed at the first start and found again later; `signer` writes to them.

    Raises: ChainUnreachable, WrongChain, LedgerCorrupt; ParameterError when the account has no coins.
    """
    outbox = directory.path / "outbox.sqlite"
    if chain == EMBEDDED:
        ledger = Chain.embedded(directory.chain_log, outbox=outbox)
    else:
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
            "account's key in EPPML_PRIVATE_KEY"
        ) from error
