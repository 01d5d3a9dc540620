"""Commit a federated run to an EVM chain: the ledger, its contracts, content-addressed storage and the audit trail.

    ledger.py       Chain: embedded in this process, or behind a URL           embedded/    the chain in this process
    deployment.py   Deployment: what a round writes, each act once             contracts/   Solidity and compiled artifacts
    contract_set.py asking, acting once, reading                               manifest.py  deploy, attach and verify
    events.py       what happened, as typed records                            feed.py      reading them over reorganisations
    audit.py        a plan's state rebuilt from events, held against storage   terms.py     what a plan fixes
    sender.py       nonces, fees, bumps, confirmations, reorganisations        outbox.py    what was signed, before sending
    keys.py         who signs                                                  eip712.py    what a client signs
    merkle.py       a round's updates and a plan's members under one root      storage/     CIDs, block stores, sealed files
    staking.py, disputes.py, validators.py, inference.py, mailbox.py           what members do beside the rounds
    groth16_calldata.py, update_key.py                                         verifying keys as the chain reads them

It knows bytes, roots, CIDs and proofs, and nothing of models. Importing it needs none of the packages of the extra
`eppml[chain]`; using a chain does.
"""

from chain_adapter.addresses import checksum_address
from chain_adapter.deployment import Deployment
from chain_adapter.eip712 import Domain, Update, recover_update, sign_update, verify_update
from chain_adapter.errors import (
    BlockCorrupt,
    BlockMissing,
    ChainError,
    ChainUnreachable,
    LedgerCorrupt,
    LedgerInUse,
    NotDeployed,
    TransactionReverted,
    WrongChain,
)
from chain_adapter.keys import LocalSigner, Signer
from chain_adapter.ledger import Chain
from chain_adapter.merkle import Member, MerkleTree, Path, update_digest, update_leaf, verify_path
from chain_adapter.receipts import Receipt
from chain_adapter.storage import Cid, LocalStore, cid_of
from chain_adapter.terms import Terms

__all__ = [
    "BlockCorrupt",
    "BlockMissing",
    "Chain",
    "ChainError",
    "ChainUnreachable",
    "Cid",
    "Deployment",
    "Domain",
    "LedgerCorrupt",
    "LedgerInUse",
    "LocalSigner",
    "LocalStore",
    "Member",
    "MerkleTree",
    "NotDeployed",
    "Path",
    "Receipt",
    "Signer",
    "Terms",
    "TransactionReverted",
    "Update",
    "WrongChain",
    "checksum_address",
    "cid_of",
    "recover_update",
    "sign_update",
    "update_digest",
    "update_leaf",
    "verify_path",
    "verify_update",
]
