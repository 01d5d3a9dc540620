// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Disputes, Leaf} from "contracts/Disputes.sol";
import {Groth16Verifier} from "contracts/Groth16Verifier.sol";
import {Inference} from "contracts/Inference.sol";
import {Mailbox} from "contracts/Mailbox.sol";
import {Membership} from "contracts/Membership.sol";
import {MerklePath} from "contracts/MerklePath.sol";
import {PlanRegistry, Terms} from "contracts/PlanRegistry.sol";
import {Rewards} from "contracts/Rewards.sol";
import {Aggregate, Phase, Rounds} from "contracts/Rounds.sol";
import {Suite} from "contracts/Suite.sol";
import {Validators} from "contracts/Validators.sol";
import {TrapdoorProof} from "./TrapdoorProof.sol";

interface Vm {
    function warp(uint256) external;
    function roll(uint256) external;
    function etch(address, bytes calldata) external;
    function chainId(uint256) external;
    function deal(address, uint256) external;
    function prank(address) external;
    function startPrank(address) external;
    function stopPrank() external;
    function addr(uint256) external pure returns (address);
    function sign(uint256, bytes32) external pure returns (uint8, bytes32, bytes32);
    function expectRevert() external;
    function expectRevert(bytes4) external;
    function expectRevert(bytes calldata) external;
    function expectPartialRevert(bytes4) external;
    function assume(bool) external pure;
}

/// @title A deployment, a plan of a few members and everything they need to act.
abstract contract Base {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    uint256 internal constant MEMBERS = 5;
    uint256 internal constant START = 1_700_000_000;
    uint256 internal constant REWARD = 1 ether;
    uint256 internal constant MEMBER_STAKE = 2 ether;
    uint256 internal constant COORDINATOR_STAKE = 7 ether;
    uint256 internal constant BOND = 0.1 ether;
    bytes32 internal constant PLAN = keccak256("plan");
    uint256 internal constant L2_BOUND = 1000;

    Suite internal suite;
    PlanRegistry internal registry;
    Membership internal membership;
    Rounds internal rounds;
    Rewards internal rewards;
    Groth16Verifier internal verifier;
    Disputes internal disputes;
    Validators internal validators;
    Inference internal inference;
    Mailbox internal mailbox;
    address internal key;

    address internal coordinator = address(0xC00D);
    address internal challenger = address(0xCA11);

    function deploySuite() internal {
        suite = new Suite();
        bytes memory arguments = abi.encode(suite);
        registry = PlanRegistry(_fill("PlanRegistry", type(PlanRegistry).creationCode, arguments));
        membership = Membership(_fill("Membership", type(Membership).creationCode, arguments));
        rounds = Rounds(_fill("Rounds", type(Rounds).creationCode, arguments));
        rewards = Rewards(_fill("Rewards", type(Rewards).creationCode, arguments));
        verifier = Groth16Verifier(_fill("Groth16Verifier", type(Groth16Verifier).creationCode, ""));
        disputes = Disputes(_fill("Disputes", type(Disputes).creationCode, arguments));
        validators = Validators(_fill("Validators", type(Validators).creationCode, arguments));
        inference = Inference(_fill("Inference", type(Inference).creationCode, arguments));
        mailbox = Mailbox(_fill("Mailbox", type(Mailbox).creationCode, arguments));
        key = TrapdoorProof.deployKey(2, 1, false, false, true);
        vm.warp(START);
        vm.roll(100);
        vm.deal(coordinator, 1000 ether);
        vm.deal(challenger, 1000 ether);
    }

    function _fill(bytes32 name, bytes memory code, bytes memory arguments) private returns (address) {
        return suite.deploy(name, abi.encodePacked(code, arguments));
    }

    function secretOf(uint256 i) internal pure returns (uint256) {
        return 1000 + i;
    }

    function member(uint256 i) internal pure returns (address) {
        return vm.addr(secretOf(i));
    }

    function samplesOf(uint256 i) internal pure returns (uint32) {
        return uint32(10 * (i + 1));
    }

    function identityOf(uint256 i) internal pure returns (bytes32) {
        return keccak256(abi.encode("identity", i));
    }

    function memberLeaves() internal pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](MEMBERS);
        for (uint256 i = 0; i < MEMBERS; ++i) leaves[i] = MerklePath.memberLeaf(member(i), identityOf(i), samplesOf(i));
    }

    function defaultTerms() internal view returns (Terms memory t) {
        t.coordinator = coordinator;
        t.rounds = 4;
        t.collectSeconds = 10;
        t.roundSeconds = 100;
        t.challengeSeconds = 50;
        t.unbondingSeconds = 200;
        t.claimSeconds = 1000;
        t.minClients = 2;
        t.memberCount = uint32(MEMBERS);
        t.membersRoot = rootOf(memberLeaves());
        t.keyHash = key.codehash;
        t.l2Bound = uint64(L2_BOUND);
        t.l2Slack = 3;
        t.maxWeight = 50;
        t.rewardPerRound = uint96(REWARD);
        t.memberStake = uint96(MEMBER_STAKE);
        t.coordinatorStake = uint96(COORDINATOR_STAKE);
        t.bond = uint96(BOND);
        t.challengerShare = 6000;
    }

    function register(bytes32 plan, Terms memory t) internal {
        uint256 value = t.token == address(0) ? uint256(t.rounds) * t.rewardPerRound + t.coordinatorStake : 0;
        vm.prank(t.coordinator);
        registry.register{value: value}(plan, t, "plan", "members");
    }

    function joinAll(bytes32 plan) internal {
        for (uint256 i = 0; i < MEMBERS; ++i) joinOne(plan, i);
    }

    function joinOne(bytes32 plan, uint256 i) internal {
        vm.deal(member(i), MEMBER_STAKE);
        vm.prank(member(i));
        membership.joinListed{value: MEMBER_STAKE}(plan, identityOf(i), samplesOf(i), i, pathOf(memberLeaves(), i));
    }

    function leafOf(bytes32 plan, uint64 round, uint256 i, bytes32 digest) internal pure returns (Leaf memory) {
        return Leaf(plan, round, member(i), samplesOf(i), digest);
    }

    function hashOf(Leaf memory l) internal pure returns (bytes32) {
        return MerklePath.updateLeaf(l.plan, l.round, l.client, l.samples, l.digest);
    }

    function leavesOf(bytes32 plan, uint64 round) internal pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](MEMBERS);
        for (uint256 i = 0; i < MEMBERS; ++i) leaves[i] = hashOf(leafOf(plan, round, i, digestOf(round, i)));
    }

    function digestOf(uint64 round, uint256 i) internal pure returns (bytes32) {
        return keccak256(abi.encode("digest", round, i));
    }

    function totalSamples() internal pure returns (uint48 total) {
        for (uint256 i = 0; i < MEMBERS; ++i) total += samplesOf(i);
    }

    function signatureOf(uint256 i, Leaf memory l) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(secretOf(i), rounds.updateHash(l.plan, l.round, l.client, l.samples, l.digest));
        return abi.encodePacked(r, s, v);
    }

    function commit(bytes32 plan, uint64 round, bytes32[] memory leaves) internal {
        vm.prank(coordinator);
        rounds.commitRound(plan, round, rootOf(leaves), uint32(leaves.length), 0x55, bytes32(uint256(1)));
    }

    function aggregateOf(uint256 included, uint48 total) internal pure returns (Aggregate memory a) {
        a.modelDigest = keccak256("model");
        a.totalSamples = total;
        a.included = new uint256[](1);
        a.included[0] = included;
        a.commitmentSum = abi.encode(uint256(1), uint256(2));
        a.modelCid = "model";
        a.recordCid = "record";
    }

    function record(bytes32 plan, uint64 round) internal {
        vm.prank(coordinator);
        rounds.recordAggregate(plan, round, aggregateOf((1 << MEMBERS) - 1, totalSamples()));
    }

    function committableAt(uint64 round) internal pure returns (uint256) {
        return START + (uint256(round) + 1) * 10;
    }

    function deadlineOf(uint64 round) internal pure returns (uint256) {
        return START + (uint256(round) + 1) * 100;
    }

    /// @dev Announce evidence and wait a block.
    function sealAs(address who, bytes32 salt, bytes memory evidence) internal {
        bytes32 seal = disputes.sealOf(who, salt, evidence);
        vm.prank(who);
        disputes.sealEvidence{value: BOND}(seal);
        vm.roll(block.number + 1);
    }

    function rootOf(bytes32[] memory leaves) internal pure returns (bytes32) {
        bytes32[] memory copy = new bytes32[](leaves.length);
        for (uint256 i = 0; i < leaves.length; ++i) copy[i] = leaves[i];
        return MerklePath.rootOf(copy);
    }

    /// @dev Straight from the definition: pad to a power of two, hash level by level.
    function pathOf(bytes32[] memory leaves, uint256 index) internal pure returns (bytes32[] memory path) {
        uint256 width = 1;
        uint256 depth = 0;
        while (width < leaves.length) (width, depth) = (width * 2, depth + 1);
        bytes32[] memory level = new bytes32[](width);
        for (uint256 i = 0; i < leaves.length; ++i) level[i] = leaves[i];
        path = new bytes32[](depth);
        for (uint256 d = 0; d < depth; ++d) {
            path[d] = level[index ^ 1];
            for (uint256 i = 0; i < width / 2; ++i) level[i] = MerklePath.nodeOf(level[2 * i], level[2 * i + 1]);
            (width, index) = (width / 2, index / 2);
        }
    }

    function eq(uint256 a, uint256 b, string memory what) internal pure {
        require(a == b, what);
    }
}
