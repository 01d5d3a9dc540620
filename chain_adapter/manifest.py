"""Put a deployment on a chain, write down where it is, and recognise it later: addresses and code, byte for byte."""

from collections.abc import Mapping
from typing import Any

from chain_adapter.addresses import checksum_address, read_address
from chain_adapter.contract_set import MANIFEST_FORMAT
from chain_adapter.deployment import Deployment
from chain_adapter.errors import ChainError, NotDeployed, WrongChain
from chain_adapter.hashing import keccak256
from chain_adapter.interface import artifact, installed
from chain_adapter.keys import Signer
from chain_adapter.ledger import Chain
from mpc.errors import DecodeError

__all__ = ["attach", "deploy"]


def deploy(chain: Chain, signer: Signer, label: str) -> Deployment:
    """Create the suite and fill every name of it; steps that an earlier attempt finished are found, not repeated."""
    sender = chain.sender(signer)
    receipt = sender.send(f"deploy:{label}", None, artifact("Suite").bytecode)
    if receipt.contract is None:
        raise ChainError("the node's receipt for a contract creation names no contract")
    suite = read_address(receipt.contract)
    interface = artifact("Suite").interface
    addresses = {}
    for name in installed():
        addresses[name] = _suite_address(chain, suite, name)
        if not chain.code(addresses[name]):
            code = artifact(name).bytecode + _constructor(name, suite)
            sender.send(f"{suite}:deploy:{name}", suite, interface.encode("deploy", _name(name), code))
    hashes = {name: keccak256(_verified(chain, name, address)) for name, address in addresses.items()}
    return Deployment(chain, suite, addresses, hashes, receipt.block, signer)


def attach(chain: Chain, manifest: Mapping[str, Any], signer: Signer | None) -> Deployment:
    """Check a manifest against a chain, byte for byte of every contract's code."""
    try:
        if manifest["format"] != MANIFEST_FORMAT:
            raise DecodeError(
                f"the manifest has format {manifest['format']!r}, this version reads {MANIFEST_FORMAT!r}"
            )
        chain_id, genesis, block = int(manifest["chain_id"]), manifest["genesis"], int(manifest["block"])
        suite = read_address(manifest["suite"])
        rows = {
            n: (read_address(c["address"]), bytes.fromhex(c["code_hash"][2:]))
            for n, c in manifest["contracts"].items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, DecodeError):
            raise
        raise DecodeError(
            f"the deployment's manifest is malformed ({type(error).__name__}: {error})"
        ) from error
    if chain_id != chain.chain_id:
        raise WrongChain(f"the deployment is on chain {chain_id}, the node is on chain {chain.chain_id}")
    if genesis != "0x" + chain.genesis.hex():
        raise WrongChain(
            f"the deployment is on another chain with the same id {chain_id}: the first blocks differ"
        )
    if missing := set(installed()) - set(rows):
        raise NotDeployed(f"the deployment's manifest names no contract {min(missing)}")
    for name, (address, code_hash) in rows.items():
        if keccak256(_verified(chain, name, address)) != code_hash:
            raise NotDeployed(f"the code of {name} at {address} is not the code the manifest was written for")
        if _suite_address(chain, suite, name) != address:
            raise NotDeployed(f"{name} at {address} does not belong to the suite at {suite}")
    return Deployment(
        chain,
        suite,
        {n: a for n, (a, _h) in rows.items()},
        {n: h for n, (_a, h) in rows.items()},
        block,
        signer,
    )


def _verified(chain: Chain, name: str, address: str) -> bytes:
    code = chain.code(address)
    if not code:
        raise NotDeployed(f"there is no contract at {address}, where {name} should be")
    if not artifact(name).matches(code):
        raise NotDeployed(f"the contract at {address} is not this version's {name}")
    return code


def _suite_address(chain: Chain, suite: str, name: str) -> str:
    interface = artifact("Suite").interface
    return checksum_address(
        interface.decode("addressOf", chain.call(suite, interface.encode("addressOf", _name(name))))[0]
    )


def _constructor(name: str, suite: str) -> bytes:
    return b"" if name == "Groth16Verifier" else bytes(12) + bytes.fromhex(suite[2:])


def _name(name: str) -> bytes:
    return name.encode().ljust(32, b"\0")
