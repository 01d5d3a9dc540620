"""Merkle trees over a round's updates and over a plan's members; the same bytes the contracts hash.

Round leaf `keccak(0x00 || abi.encode(plan, round, client, samples, digest))`, node `keccak(0x01 || left || right)`,
member leaf `keccak(0x02 || abi.encode(member, identity, samples))`: a node can never pass for a leaf, nor a member for
an update. Leaves keep their order and are padded with 32 zero bytes to the next power of two.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chain_adapter.addresses import address_bytes
from chain_adapter.eip712 import Update
from chain_adapter.hashing import keccak256
from mpc.errors import ParameterError, ProofRejected

__all__ = [
    "Member",
    "MerkleTree",
    "Path",
    "is_valid_path",
    "member_leaf",
    "update_digest",
    "update_leaf",
    "verify_path",
]

EMPTY = bytes(32)
LARGEST_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Path:
    """How to get from a leaf to the root: its position and the sibling on every level, from the leaf upwards."""

    index: int
    siblings: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of a plan's allow-list: an address, the 32 bytes of its identity key and its number of samples."""

    address: str
    identity: bytes
    samples: int

    def __post_init__(self) -> None:
        address_bytes(self.address)
        if len(self.identity) != 32:
            raise ParameterError("a member's identity key is 32 bytes")
        if not 0 <= self.samples < 2**32:
            raise ParameterError("a member's sample count lies in [0, 2**32)")


def update_digest(commitment: bytes, proof: bytes) -> bytes:
    """What an `Update` says about its content: both halves can be shown to a contract apart."""
    return keccak256(keccak256(commitment), keccak256(proof))


def update_leaf(update: Update) -> bytes:
    """The leaf of one client's update in its round's tree."""
    return keccak256(b"\x00", update.encode())


def member_leaf(member: Member) -> bytes:
    """The leaf of one member in its plan's allow-list."""
    return keccak256(
        b"\x02", bytes(12), address_bytes(member.address), member.identity, member.samples.to_bytes(32, "big")
    )


def _node(left: bytes, right: bytes) -> bytes:
    return keccak256(b"\x01", left, right)


class MerkleTree:
    """A tree over 32-byte leaves.

    Raises: ParameterError when there is no leaf, or a leaf is not 32 bytes or is the padding.
    """

    def __init__(self, leaves: Sequence[bytes]) -> None:
        if not leaves:
            raise ParameterError("a Merkle tree needs at least one leaf")
        if any(len(leaf) != 32 or leaf == EMPTY for leaf in leaves):
            raise ParameterError("a leaf is 32 bytes and not all zero")
        width = 1 << (len(leaves) - 1).bit_length()
        level = [*leaves, *[EMPTY] * (width - len(leaves))]
        self._levels = [level]
        while len(level) > 1:
            level = [_node(level[i], level[i + 1]) for i in range(0, len(level), 2)]
            self._levels.append(level)
        self.size = len(leaves)

    @property
    def root(self) -> bytes:
        return self._levels[-1][0]

    def path(self, index: int) -> Path:
        """The path of leaf `index`. Raises: ParameterError when there is no such leaf."""
        if not 0 <= index < self.size:
            raise ParameterError(f"the tree has leaves 0 to {self.size - 1}, not {index}")
        return Path(index, tuple(level[(index >> i) ^ 1] for i, level in enumerate(self._levels[:-1])))


def is_valid_path(root: bytes, leaf: bytes, path: Path) -> bool:
    """Whether `leaf` stands at `path.index` under `root`."""
    if len(path.siblings) > LARGEST_DEPTH or not 0 <= path.index < 1 << len(path.siblings) or leaf == EMPTY:
        return False
    node = leaf
    for level, sibling in enumerate(path.siblings):
        node = _node(sibling, node) if path.index >> level & 1 else _node(node, sibling)
    return node == root


def verify_path(root: bytes, leaf: bytes, path: Path) -> None:
    """Raises: ProofRejected unless `leaf` stands at `path.index` under `root`."""
    if not is_valid_path(root, leaf, path):
        raise ProofRejected(f"the inclusion path of leaf {path.index} does not lead to the root")
