"""Files by what they contain.

cid.py      names as `ipfs add` gives them      local.py   a directory of blocks
"""

from chain_adapter.storage.cid import Cid, cid_of
from chain_adapter.storage.local import LocalStore

__all__ = ["Cid", "LocalStore", "cid_of"]
