"""A contract's ABI at work: calls to bytes, answers, events and errors from bytes.

The JSON under `artifacts/` is the only source; nothing about a function is written twice.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from chain_adapter._extras import require
from chain_adapter.hashing import keccak256
from mpc.errors import DecodeError, ParameterError

__all__ = ["CONTRACTS", "Artifact", "Interface", "artifact", "explain_revert"]

CONTRACTS = (
    "PlanRegistry", "Membership", "Rounds", "Rewards", "Groth16Verifier", "Disputes", "Validators", "Inference",
    "Mailbox",
)  # fmt: skip
PANICS = {
    0x01: "assertion",
    0x11: "arithmetic overflow",
    0x12: "division by zero",
    0x21: "bad enum",
    0x32: "bad index",
}


@dataclass(frozen=True, slots=True)
class _Entry:
    """One function, event or error."""

    name: str
    inputs: tuple[str, ...]
    names: tuple[str, ...]
    outputs: tuple[str, ...]
    indexed: tuple[bool, ...]
    components: tuple[tuple[str, ...], ...]

    @property
    def signature(self) -> bytes:
        return f"{self.name}({','.join(self.inputs)})".encode()


class Interface:
    """Encodes and decodes for one contract.

    Raises: ParameterError when a name or an argument does not fit the ABI; DecodeError when an answer does not.
    """

    def __init__(self, abi: Sequence[Mapping[str, Any]]) -> None:
        self._codec = require("eth_abi.abi")
        self._faults = require("eth_abi.exceptions")
        self.functions: dict[str, _Entry] = {}
        self.events: dict[bytes, _Entry] = {}
        self.errors: dict[bytes, _Entry] = {}
        for item in abi:
            if item["type"] not in ("function", "event", "error"):
                continue
            entry = _entry(item)
            if item["type"] == "function":
                self.functions[entry.name] = entry
            elif item["type"] == "event":
                self.events[keccak256(entry.signature)] = entry
            else:
                self.errors[keccak256(entry.signature)[:4]] = entry

    def encode(self, function: str, *arguments: Any) -> bytes:
        """Calldata for a function."""
        entry = self._function(function)
        try:
            encoded = self._codec.encode(entry.inputs, arguments)
        except (self._faults.EncodingError, TypeError, ValueError) as error:
            raise ParameterError(
                f"{function}: an argument does not fit the contract's interface ({error})"
            ) from error
        return keccak256(entry.signature)[:4] + bytes(encoded)

    def decode_call(self, function: str, data: bytes) -> tuple[Any, ...]:
        """The arguments in a function's calldata. Raises: DecodeError when it is another function's."""
        entry = self._function(function)
        if data[:4] != keccak256(entry.signature)[:4]:
            raise DecodeError(f"the transaction does not call {function}")
        return self._decode(entry.inputs, data[4:], function)

    def decode(self, function: str, data: bytes) -> tuple[Any, ...]:
        """A function's answer."""
        return self._decode(self._function(function).outputs, data, function)

    def components(self, function: str, position: int) -> tuple[str, ...]:
        """The field names of a struct argument, in the contract's order."""
        return self._function(function).components[position]

    def kinds(self, function: str) -> tuple[str, ...]:
        """The types of a function's arguments."""
        return self._function(function).inputs

    def topic(self, event: str) -> bytes:
        """The first topic of an event's logs."""
        for topic, entry in self.events.items():
            if entry.name == event:
                return topic
        raise ParameterError(f"the contract has no event {event}")

    def decode_event(self, topics: Sequence[bytes], data: bytes) -> tuple[str, dict[str, Any]]:
        """The name of an event and its fields. Raises: DecodeError when the contract has no such event."""
        entry = self.events.get(bytes(topics[0])) if topics else None
        if entry is None:
            raise DecodeError("a log of no event that this contract has")
        indexed = [kind for kind, flag in zip(entry.inputs, entry.indexed, strict=True) if flag]
        plain = [kind for kind, flag in zip(entry.inputs, entry.indexed, strict=True) if not flag]
        if len(topics) != 1 + len(indexed):
            raise DecodeError(f"a log of {entry.name} with {len(topics)} topics")
        values = iter(self._decode(plain, data, entry.name))
        keys = iter(self._decode(indexed, b"".join(topics[1:]), entry.name))
        fields = {n: next(keys if f else values) for n, f in zip(entry.names, entry.indexed, strict=True)}
        return entry.name, fields

    def _function(self, name: str) -> _Entry:
        if name not in self.functions:
            raise ParameterError(f"the contract has no function {name}")
        return self.functions[name]

    def _decode(self, kinds: Sequence[str], data: bytes, what: str) -> tuple[Any, ...]:
        try:
            return tuple(self._codec.decode(kinds, data))
        except (self._faults.DecodingError, OverflowError, UnicodeDecodeError) as error:
            raise DecodeError(
                f"{what}: the answer does not fit the contract's interface ({error})"
            ) from error


@dataclass(frozen=True, slots=True)
class Artifact:
    """What the compiler made of one contract."""

    name: str
    interface: Interface
    bytecode: bytes
    deployed: bytes
    immutables: tuple[tuple[int, int], ...]
    source_hash: str

    def matches(self, code: bytes) -> bool:
        """Whether code found on a chain is this contract, whatever its immutables were set to."""
        return self._masked(code) == self._masked(self.deployed)

    def _masked(self, code: bytes) -> bytes:
        masked = bytearray(code)
        for start, length in self.immutables:
            masked[start : start + length] = bytes(len(masked[start : start + length]))
        return bytes(masked)


@cache
def artifact(name: str) -> Artifact:
    """The artifact of one of this project's contracts. Raises: ParameterError when there is none."""
    source = files("chain_adapter.contracts") / "artifacts" / f"{name}.json"
    try:
        document = json.loads(source.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ParameterError(f"no compiled contract {name} is installed") from error
    spans = document.get("immutableReferences", {}).values()
    immutables = tuple(sorted((s["start"], s["length"]) for references in spans for s in references))
    return Artifact(
        name, Interface(document["abi"]), _code(document["bytecode"]), _code(document["deployedBytecode"]),
        immutables, str(document["sourceHash"]),
    )  # fmt: skip


def installed() -> tuple[str, ...]:
    """The contracts of a deployment whose artifacts are here, in the order they are deployed."""
    folder = files("chain_adapter.contracts") / "artifacts"
    return tuple(name for name in CONTRACTS if (folder / f"{name}.json").is_file())


def explain_revert(data: bytes) -> tuple[str, tuple[Any, ...]]:
    """The name and arguments of the error in revert data, looked up in all contracts of this project."""
    if not data:
        return "an empty revert", ()
    selector, body = data[:4], data[4:]
    known: dict[bytes, tuple[str, tuple[str, ...]]] = {
        keccak256(b"Error(string)")[:4]: ("Error", ("string",)),
        keccak256(b"Panic(uint256)")[:4]: ("Panic", ("uint256",)),
    }
    for name in (*installed(), "Suite"):
        known |= {s: (e.name, e.inputs) for s, e in artifact(name).interface.errors.items()}
    name, kinds = known.get(selector, (f"unknown error 0x{selector.hex()}", ()))
    try:
        values = tuple(require("eth_abi.abi").decode(kinds, body))
    except (require("eth_abi.exceptions").DecodingError, OverflowError, UnicodeDecodeError):
        return name, ()
    return name, (PANICS.get(values[0], hex(values[0])),) if name == "Panic" else values


def _code(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _entry(item: Mapping[str, Any]) -> _Entry:
    inputs = item.get("inputs", [])
    return _Entry(
        item["name"], tuple(_kind(i) for i in inputs), tuple(i["name"] for i in inputs),
        tuple(_kind(o) for o in item.get("outputs", [])), tuple(bool(i.get("indexed")) for i in inputs),
        tuple(tuple(part["name"] for part in i.get("components", [])) for i in inputs),
    )  # fmt: skip


def _kind(field: Mapping[str, Any]) -> str:
    kind = str(field["type"])
    if not kind.startswith("tuple"):
        return kind
    return "(" + ",".join(_kind(part) for part in field["components"]) + ")" + kind[len("tuple") :]
