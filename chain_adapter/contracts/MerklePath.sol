// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Domain-separated Merkle trees: leaves start with 0x00 or 0x02, nodes with 0x01.
/// @notice Leaves in order, padded with zero words to a power of two. The prefixes keep a node from being read as a leaf, and a
/// leaf of the members' tree from being read as one of a round's.
library MerklePath {
    error IndexOutOfTree();

    /// @notice The leaf of one client's update in one round.
    function updateLeaf(bytes32 plan, uint64 round, address client, uint32 samples, bytes32 digest)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encodePacked(bytes1(0x00), abi.encode(plan, round, client, samples, digest)));
    }

    /// @notice The leaf of one member of an allow-list.
    function memberLeaf(address member, bytes32 identity, uint32 samples) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes1(0x02), abi.encode(member, identity, samples)));
    }

    /// @notice The root above `leaf` at position `index`, bit i of which says right child on level i.
    function rootAbove(bytes32 leaf, uint256 index, bytes32[] calldata path) internal pure returns (bytes32 node) {
        node = leaf;
        uint256 depth = path.length;
        for (uint256 level = 0; level < depth; ++level) {
            bytes32 sibling = path[level];
            (bytes32 left, bytes32 right) = (index & 1 == 0) ? (node, sibling) : (sibling, node);
            node = nodeOf(left, right);
            index >>= 1;
        }
        if (index != 0) revert IndexOutOfTree();
    }

    /// @notice The root of a whole tree; `nodes` is overwritten.
    function rootOf(bytes32[] memory nodes) internal pure returns (bytes32) {
        uint256 width = 1;
        while (width < nodes.length) width <<= 1;
        uint256 filled = nodes.length;
        bytes32 pad = 0;
        for (; width > 1; width >>= 1) {
            uint256 parents = (filled + 1) >> 1;
            for (uint256 i = 0; i < parents; ++i) {
                uint256 right = 2 * i + 1;
                nodes[i] = nodeOf(nodes[2 * i], right < filled ? nodes[right] : pad);
            }
            filled = parents;
            pad = nodeOf(pad, pad);
        }
        return nodes[0];
    }

    /// @dev keccak256(0x01 || left || right) in free memory, without taking any of it: paths are hashed in every claim.
    function nodeOf(bytes32 left, bytes32 right) internal pure returns (bytes32 node) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore8(free, 1)
            mstore(add(free, 1), left)
            mstore(add(free, 33), right)
            node := keccak256(free, 65)
        }
    }
}
