"""Files by what they contain.

cid.py      names of content              local.py   a directory of blocks
unixfs.py   files as `ipfs add` cuts them  kubo.py    a Kubo node, believed only as far as hashes go
sealed.py   files only members can open
"""

from chain_adapter.storage.cid import Cid
from chain_adapter.storage.kubo import KuboStore
from chain_adapter.storage.local import LocalStore
from chain_adapter.storage.sealed import MailKey, open_sealed, seal
from chain_adapter.storage.unixfs import cid_of

__all__ = ["Cid", "KuboStore", "LocalStore", "MailKey", "cid_of", "open_sealed", "seal"]
