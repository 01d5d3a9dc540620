"""The EVM itself: pyrevm, with what it leaves to its caller done here.

pyrevm executes and keeps the state; it does not raise a sender's nonce on a call, hands bytecode back padded, and
reports a failure as a RuntimeError's text. It never seals its journal either, so an address touched once stays warm:
the gas it reports is a lower bound (state-changing repeats look cheaper than they are), and published gas figures
come from a real node. Gas is free on the embedded ledger, so nobody pays a wrong price.
"""

import re
from dataclasses import dataclass
from typing import Any

from chain_adapter._extras import require
from chain_adapter.hashing import keccak256

__all__ = ["BLOCK_GAS_LIMIT", "BlockContext", "Log", "Machine", "Outcome"]

BLOCK_GAS_LIMIT = 30_000_000
SPECIFICATION = "CANCUN"
CODE_PADDING = 33  # zero bytes that the interpreter appends to bytecode it has analysed
REVERT = re.compile(r"^Revert \{ gas_used: (\d+), output: 0x([0-9a-f]*) \}$")
HALT = re.compile(r"^Halt \{ reason: (.*), gas_used: (\d+) \}$")


@dataclass(frozen=True, slots=True)
class Log:
    """One entry a contract wrote; `address` is checksummed, `topics` are 32 bytes each."""

    address: str
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What executing one message did. `output` is the return data, or the revert data when it failed."""

    success: bool
    output: bytes
    gas_used: int
    logs: tuple[Log, ...] = ()
    created: str | None = None
    halted: str = ""


@dataclass(frozen=True, slots=True)
class BlockContext:
    """What a contract can ask about the block it runs in. Units: `timestamp` in seconds since 1970."""

    number: int
    timestamp: int
    randomness: bytes


class Machine:
    """State and execution of one chain; nothing here knows of blocks, signatures or files."""

    def __init__(self, chain_id: int) -> None:
        self._revm = require("pyrevm")
        self._chain_id = chain_id
        environment = self._revm.Env(cfg=self._revm.CfgEnv(chain_id=chain_id))
        self._evm = self._revm.EVM(env=environment, gas_limit=BLOCK_GAS_LIMIT, spec_id=SPECIFICATION)

    def balance(self, address: str) -> int:
        return int(self._evm.get_balance(address))

    def set_balance(self, address: str, wei: int) -> None:
        self._evm.set_balance(address, wei)

    def nonce(self, address: str) -> int:
        return int(self._evm.basic(address).nonce)

    def storage(self, address: str, slot: int) -> int:
        self._evm.basic(address)  # storage of an account that was never loaded cannot be read
        return int(self._evm.storage(address, slot))

    def code(self, address: str) -> bytes:
        padded = self._evm.get_code(address)
        if not padded or len(padded) <= CODE_PADDING:
            return b""
        return bytes(padded[:-CODE_PADDING])

    def enter(self, block: BlockContext) -> None:
        """Make `block` the one that following messages run in."""
        self._evm.set_block_env(
            self._revm.BlockEnv(
                number=block.number, timestamp=block.timestamp, prevrandao=block.randomness,
                basefee=0, gas_limit=BLOCK_GAS_LIMIT,
            )
        )  # fmt: skip

    def execute(self, sender: str, to: str | None, data: bytes, value: int, gas: int, nonce: int) -> Outcome:
        """Run one transaction and keep its effects; afterwards the sender's nonce is `nonce + 1`, also if it failed."""
        outcome = self._run(sender, to, data, value, gas)
        info = self._revm.AccountInfo(nonce=nonce + 1, balance=self.balance(sender))
        self._evm.insert_account_info(sender, info)
        return outcome

    def simulate(self, sender: str, to: str | None, data: bytes, value: int, gas: int) -> Outcome:
        """Run one message and undo everything it did, which addresses are warm included."""
        checkpoint = self._evm.snapshot()
        try:
            return self._run(sender, to, data, value, gas)
        finally:
            self._evm.revert(checkpoint)

    def _run(self, sender: str, to: str | None, data: bytes, value: int, gas: int) -> Outcome:
        self._evm.reset_transient_storage()
        self._evm.set_tx_env(self._revm.TxEnv(caller=sender, gas_price=0, chain_id=self._chain_id))
        created = None
        output = b""
        try:
            if to is None:
                created = self._evm.deploy(sender, data, value=value, gas=gas)
            else:
                output = bytes(
                    self._evm.message_call(sender, to, calldata=data, value=value, gas=gas, gas_price=0)
                )
        except RuntimeError as error:
            return self._failure(str(error), gas)
        result = self._evm.result
        return Outcome(
            True, output, int(result.gas_used), tuple(self._log(entry) for entry in result.logs),
            _checksum(created) if created else None,
        )  # fmt: skip

    @staticmethod
    def _failure(text: str, gas: int) -> Outcome:
        if match := REVERT.match(text):
            return Outcome(False, bytes.fromhex(match[2]), int(match[1]))
        if match := HALT.match(text):
            return Outcome(False, b"", int(match[2]), halted=match[1])
        return Outcome(False, b"", gas, halted=text)

    @staticmethod
    def _log(entry: Any) -> Log:
        topics = tuple(bytes.fromhex(topic[2:]) for topic in entry.topics)
        return Log(entry.address, topics, bytes(entry.data[1]))


def _checksum(address: str) -> str:
    return str(require("eth_utils").to_checksum_address(address))


def create_address(sender: str, nonce: int) -> str:
    """Where a contract created by `sender` with `nonce` will live."""
    encoded = require("rlp").encode([bytes.fromhex(sender[2:]), nonce])
    return _checksum("0x" + keccak256(encoded)[12:].hex())
