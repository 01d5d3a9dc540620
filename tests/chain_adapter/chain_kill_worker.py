"""Send one wei under each of many keys, over and over from the first; somebody kills this process meanwhile.

Not a test: `test_chain_crash.py` starts it. Arguments: a ledger file or a URL, an outbox file, the number of keys.
"""

import sys
from pathlib import Path

from chain_adapter import Chain, LocalSigner

PAYER = LocalSigner(bytes([1]) * 32)
TARGET = LocalSigner(bytes([0x77]) * 32).address


def main(place: str, outbox: str, count: str) -> None:
    remote = place.startswith("http")
    chain = (
        Chain.connect(place, outbox=Path(outbox)) if remote else Chain.embedded(place, outbox=Path(outbox))
    )
    sender = chain.sender(PAYER)
    print("ready", flush=True)
    for i in range(int(count)):
        sender.send(f"wei {i}", TARGET, b"", 1)
        print(i, flush=True)
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
