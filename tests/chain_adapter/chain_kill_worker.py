"""Do the same acts over and over from the first; somebody kills this process meanwhile.

Not a test: `test_chain_crash.py` starts it. Arguments: a ledger file or a URL, an outbox file, and the number of one-wei
transfers to send, or the word `plan` for a whole plan from deployment to claims.
"""

import sys
from pathlib import Path

from chain_adapter import Chain, LocalSigner

PAYER = LocalSigner(bytes([1]) * 32)
TARGET = LocalSigner(bytes([0x77]) * 32).address


def main(place: str, outbox: str, task: str) -> None:
    remote = place.startswith("http")
    chain = (
        Chain.connect(place, outbox=Path(outbox)) if remote else Chain.embedded(place, outbox=Path(outbox))
    )
    print("ready", flush=True)
    if task == "plan":
        from chain_support import acts

        for act in acts(chain.deploy(PAYER)):
            print(act().transaction.hex(), flush=True)
    else:
        sender = chain.sender(PAYER)
        for i in range(int(task)):
            sender.send(f"wei {i}", TARGET, b"", 1)
            print(i, flush=True)
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
