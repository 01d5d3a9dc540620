"""Whatever comes from outside, a node, a file or a stranger, is read or refused with an error of ours."""

import json
from typing import Any

import pytest
from chain_support import COORDINATOR
from hypothesis import given, settings
from hypothesis import strategies as st

from chain_adapter import Chain
from chain_adapter.embedded import EmbeddedLedger, EmbeddedRpc
from chain_adapter.embedded.rpc import Fault
from chain_adapter.events import EVENTS
from chain_adapter.feed import Cursor, read_event
from chain_adapter.interface import artifact, explain_revert
from chain_adapter.receipts import LogEntry, read_log, read_receipt
from chain_adapter.storage import MailKey, open_sealed
from chain_adapter.transactions import decode_transaction
from mpc.errors import DecodeError, EppmlError, ProofRejected

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=70)
    | st.binary(max_size=40).map(lambda b: "0x" + b.hex()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
CHAIN = Chain.embedded(None)
MANIFEST = CHAIN.deploy(COORDINATOR).manifest()
RECEIPT = CHAIN.rpc.request(
    "eth_getTransactionReceipt", CHAIN.rpc.request("eth_getBlockByNumber", "0x2", False)["transactions"][0]
)
SELECTORS = [b"\x08\xc3\x79\xa0", b"\x4e\x48\x7b\x71", *artifact("PlanRegistry").interface.errors]
METHODS = sorted(EmbeddedRpc(EmbeddedLedger())._methods)


@given(JSON)
def test_any_json_for_a_receipt_log_or_cursor(document: Any) -> None:
    for read in (read_receipt, read_log, Cursor.from_json):
        with pytest.raises(DecodeError):
            read(document)


@given(st.sampled_from(sorted(RECEIPT)), JSON)
def test_one_bent_field_of_a_receipt(field: str, value: Any) -> None:
    try:
        read_receipt({**RECEIPT, field: value})
    except DecodeError:
        pass


@given(JSON)
def test_any_json_for_a_manifest(document: Any) -> None:
    with pytest.raises(EppmlError):
        CHAIN.attach(document)


@settings(max_examples=50)
@given(st.sampled_from(sorted(MANIFEST)), JSON)
def test_one_bent_field_of_a_manifest(field: str, value: Any) -> None:
    try:
        attached = CHAIN.attach({**MANIFEST, field: value})
    except EppmlError:
        return
    # what is accepted is the deployment itself: a block to read from, or the same value
    assert attached.manifest() == {**MANIFEST, "block": attached.block}


@given(
    st.sampled_from(sorted(EVENTS)),
    st.lists(st.binary(min_size=32, max_size=32), max_size=4),
    st.binary(max_size=200),
)
def test_any_bytes_for_an_event(which: tuple[str, str], topics: list[bytes], data: bytes) -> None:
    contract, event = which
    for first in ([], [artifact(contract).interface.topic(event)]):
        log = LogEntry("0x" + "11" * 20, (*first, *topics), data, 1, bytes(32), bytes(32), 0)
        try:
            read_event(contract, log)
        except DecodeError:
            pass


@given(st.binary(max_size=120))
def test_any_bytes_for_a_transaction_or_a_revert_or_a_letter(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_transaction(data)
    for selector in (b"", *SELECTORS):
        assert isinstance(explain_revert(selector + data)[0], str)
    with pytest.raises((DecodeError, ProofRejected)):
        open_sealed(data, MailKey(bytes(31) + b"1"), b"")


@settings(max_examples=200)
@given(st.sampled_from(METHODS), st.lists(JSON, max_size=3))
def test_any_parameters_for_the_embedded_chain(method: str, parameters: list[Any]) -> None:
    if method in ("evm_increaseTime", "evm_setNextBlockTimestamp"):
        return  # they do what they are told, and then time has passed
    rpc = EmbeddedRpc(EmbeddedLedger())
    try:
        json.dumps(rpc.request(method, parameters))
    except (Fault, EppmlError):
        pass
