"""Membership in a Merkle tree of Poseidon, many leaves at a time: 245 rows a level."""

from collections.abc import Sequence

from mpc.errors import ParameterError
from zk.circuit import Circuit
from zk.gadgets.bits import assert_boolean
from zk.gadgets.poseidon import poseidon
from zk.linear import Linear
from zk.merge import weighted_sum

__all__ = ["assert_member", "merkle_root"]


def merkle_root(
    circuit: Circuit, leaf: Linear, siblings: Sequence[Linear], sides: Sequence[Linear], name: str
) -> Linear:
    """The root above `leaf`: on each level, from the bottom, its sibling and a boolean that is 1 on the right side.

    Shapes: leaf, every sibling and every side have n entries, so has the result.
    Raises: ParameterError when there are not as many sides as siblings.
    """
    if len(siblings) != len(sides):
        raise ParameterError(f"{name}: {len(siblings)} siblings and {len(sides)} sides")
    node = leaf
    for level, (sibling, side) in enumerate(zip(siblings, sides, strict=True)):
        assert_boolean(circuit, side, f"{name}.{level}.side")
        # left = node + side * (sibling - node): one row chooses, and right is what remains of the pair
        moved = circuit.multiply(side, weighted_sum([(sibling, 1), (node, -1)]), f"{name}.{level}.choose")
        left = weighted_sum([(node, 1), (moved, 1)])
        right = weighted_sum([(sibling, 1), (moved, -1)])
        node = poseidon(circuit, [left, right], f"{name}.{level}.hash")
    return node


def assert_member(
    circuit: Circuit,
    leaf: Linear,
    siblings: Sequence[Linear],
    sides: Sequence[Linear],
    root: Linear,
    name: str,
) -> None:
    """Rows that hold only if `leaf` lies in the tree with this root.

    Assumes: the depth is fixed by the circuit and leaves are hashes of their contents, so that no inner node
        passes for a leaf.
    """
    circuit.equal(merkle_root(circuit, leaf, siblings, sides, name), root, f"{name}.root")
