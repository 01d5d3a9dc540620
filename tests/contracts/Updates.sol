// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Disputes, Leaf, OpenLeaf} from "contracts/Disputes.sol";
import {PublicInputs} from "contracts/PublicInputs.sol";
import {Base} from "./Base.sol";
import {TrapdoorProof} from "./TrapdoorProof.sol";

/// @title Rounds whose leaves carry real commitments and proofs.
abstract contract Updates is Base {
    using PublicInputs for PublicInputs.Statement;

    struct Update {
        bytes commitment;
        bytes proof;
    }

    function updateOf(bytes32 plan, uint64 round, uint256 i, uint256 blinding) internal view returns (Update memory u) {
        uint256[] memory x = new uint256[](2);
        x[0] = PublicInputs.context(plan, round, member(i), 0, 1);
        x[1] = registry.l2BoundSquared(plan, samplesOf(i));
        uint256[] memory d = new uint256[](1);
        d[0] = blinding;
        (u.commitment, u.proof) = TrapdoorProof.prove(x, blinding + 1, d, false);
    }

    function digestOfUpdate(Update memory u) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256(u.commitment), keccak256(u.proof)));
    }

    function openLeaf(uint256 i, Update memory u) internal pure returns (OpenLeaf memory) {
        return OpenLeaf(member(i), samplesOf(i), keccak256(u.proof), u.commitment);
    }

    /// @dev Everyone's honest update, blinding i + 1, so that the commitments add up to a known multiple of the generator.
    function honestRound(bytes32 plan, uint64 round)
        internal
        view
        returns (Update[] memory updates, Leaf[] memory leaves, bytes32[] memory hashes)
    {
        updates = new Update[](MEMBERS);
        leaves = new Leaf[](MEMBERS);
        hashes = new bytes32[](MEMBERS);
        for (uint256 i = 0; i < MEMBERS; ++i) {
            updates[i] = updateOf(plan, round, i, i + 1);
            leaves[i] = leafOf(plan, round, i, digestOfUpdate(updates[i]));
            hashes[i] = hashOf(leaves[i]);
        }
    }

    struct Evidence {
        Leaf leaf;
        uint256 index;
        bytes32[] path;
        bytes signature;
        bytes commitment;
        bytes proof;
    }

    function evidenceOf(Leaf memory leaf, bytes32[] memory hashes, uint256 i, Update memory u)
        internal
        view
        returns (Evidence memory)
    {
        return Evidence(leaf, i, pathOf(hashes, i), signatureOf(i, leaf), u.commitment, u.proof);
    }

    function encodeEvidence(Evidence memory e) internal view returns (bytes memory) {
        return abi.encode(e.leaf, e.index, e.path, e.signature, e.commitment, e.proof, uint256(0), key);
    }

    function challengeProofAs(address who, bytes32 salt, Evidence memory e) internal {
        vm.prank(who);
        disputes.challengeProof(salt, e.leaf, e.index, e.path, e.signature, e.commitment, e.proof, 0, key);
    }
}
