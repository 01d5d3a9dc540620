"""Every event a contract can emit has a type with the contract's own fields."""

import re
from dataclasses import fields

from chain_adapter.events import EVENTS, Event
from chain_adapter.feed import positions
from chain_adapter.interface import artifact, installed

DERIVED = {"leaves_codec": "leaves_cid", "leaves_digest": "leaves_cid", "from": "sender"}
UNUSED = {"EIP712DomainChanged"}


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def test_events_of_contracts_and_types_are_the_same() -> None:
    common = {f.name for f in fields(Event)}
    found = set()
    for contract in installed():
        for entry in artifact(contract).interface.events.values():
            if entry.name in UNUSED:
                continue
            kind = EVENTS[contract, entry.name]
            found.add((contract, entry.name))
            names = {DERIVED.get(snake(n), snake(n)) for n in entry.names}
            assert {f.name for f in fields(kind)} - common == names, entry.name
    assert found == set(EVENTS)


def test_a_bitmap_is_read_as_positions() -> None:
    assert positions((0b101, 1 << 255)) == (0, 2, 511)
    assert positions(()) == ()
