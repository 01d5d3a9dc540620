"""A Merkle tree of fixed depth over Poseidon, the tree `zk.gadgets.merkle` proves membership in.

Source: Merkle 1987; two-to-one hashing as in circomlib's `Poseidon(2)`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mpc.errors import ParameterError, ProofRejected
from zk.poseidon import poseidon

__all__ = ["MerklePath", "PoseidonTree", "is_member", "verify_member"]

MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class MerklePath:
    """Where a leaf stands, and its sibling on each level from the bottom."""

    index: int
    siblings: tuple[int, ...]

    @property
    def sides(self) -> tuple[int, ...]:
        """For each level from the bottom, 1 where the node is a right child."""
        return tuple(self.index >> level & 1 for level in range(len(self.siblings)))

    def root(self, leaf: int) -> int:
        """The root above `leaf`."""
        node = leaf
        for sibling, side in zip(self.siblings, self.sides, strict=True):
            node = poseidon([sibling, node] if side else [node, sibling])
        return node


class PoseidonTree:
    """The tree over `leaves`, filled up with zeros to 2^depth of them.

    Raises: ParameterError for a depth outside 1..64 or more leaves than it holds.
    Assumes: leaves are hashes of their contents, and all who use the tree know its depth: otherwise an inner node
        passes for a leaf.

    >>> tree = PoseidonTree([1, 2, 3], depth=2)
    >>> is_member(tree.root, 3, tree.path(2))
    True
    """

    def __init__(self, leaves: Sequence[int], depth: int) -> None:
        if not 1 <= depth <= MAX_DEPTH:
            raise ParameterError(f"a tree has a depth of 1 to {MAX_DEPTH}, not {depth}")
        if len(leaves) > 1 << depth:
            raise ParameterError(f"a tree of depth {depth} holds {1 << depth} leaves, got {len(leaves)}")
        self._empty = [0]
        for _ in range(depth):
            self._empty.append(poseidon([self._empty[-1], self._empty[-1]]))
        self._levels = [list(leaves)]
        for level in range(depth):
            below = self._levels[level]
            padded = below + [self._empty[level]] * (len(below) % 2)
            self._levels.append([poseidon(padded[i : i + 2]) for i in range(0, len(padded), 2)])

    @property
    def depth(self) -> int:
        """How many levels lie above the leaves."""
        return len(self._levels) - 1

    @property
    def root(self) -> int:
        """The hash all leaves flow into."""
        return self._levels[-1][0] if self._levels[-1] else self._empty[-1]

    def path(self, index: int) -> MerklePath:
        """The path of leaf number `index`.

        Raises: ParameterError for an index the tree does not have.
        """
        if not 0 <= index < 1 << self.depth:
            raise ParameterError(f"leaf {index} of {1 << self.depth}")
        siblings = []
        for level in range(self.depth):
            nodes, beside = self._levels[level], index >> level ^ 1
            siblings.append(nodes[beside] if beside < len(nodes) else self._empty[level])
        return MerklePath(index, tuple(siblings))


def is_member(root: int, leaf: int, path: MerklePath) -> bool:
    """Whether `path` leads from `leaf` to `root`."""
    return 0 <= path.index < 1 << len(path.siblings) and path.root(leaf) == root


def verify_member(root: int, leaf: int, path: MerklePath) -> None:
    """Check a path.

    Raises: ProofRejected unless it leads from `leaf` to `root`.
    """
    if not is_member(root, leaf, path):
        raise ProofRejected("the path does not lead from the leaf to the root")
