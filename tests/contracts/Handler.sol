// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Leaf} from "contracts/Disputes.sol";
import {Aggregate, Phase} from "contracts/Rounds.sol";
import {Updates} from "./Updates.sol";

/// @title Everybody who acts on one plan, in any order the fuzzer likes; notes what happened beside the contracts.
/// @dev Member 0 is honest and carries a good proof, member 1 may carry a bad one, member 2 may sign twice.
contract Handler is Updates {
    uint64 internal constant ROUNDS_OF_PLAN = 4;

    /// @dev What a judge of this run would say.
    bool public badProofShown;
    bool public twoSignaturesShown;
    bool public coordinatorSilent;
    bool public commitBroken;
    mapping(uint64 round => mapping(uint256 member => uint256)) public claims;
    mapping(uint64 round => uint256) public paid;
    mapping(uint64 round => uint256) public commits;
    mapping(uint64 round => bool) public carriesBadProof;
    uint256 public deposited;
    uint256 public returned;
    uint256 private _salts;

    /// @dev Made once: proofs and paths of both versions of every round.
    struct Prepared {
        Update[2] updates;
        Leaf[MEMBERS] leaves;
        bytes32[][MEMBERS] paths;
        bytes32 root;
    }

    mapping(uint64 round => mapping(bool bad => Prepared)) private _prepared;

    constructor() {
        deploySuite();
        register(PLAN, defaultTerms());
        joinAll(PLAN);
        deposited = ROUNDS_OF_PLAN * REWARD;
        for (uint64 round = 0; round <= ROUNDS_OF_PLAN; ++round) {
            _prepare(round, false);
            _prepare(round, true);
        }
    }

    function pass(uint8 time) external {
        vm.warp(block.timestamp + time % 60);
    }

    function passLong(uint16 time) external {
        vm.warp(block.timestamp + time % 400);
    }

    function commitRound(uint8 which, uint8 who, bool bad) external {
        uint64 round = which % (ROUNDS_OF_PLAN + 1);
        address sender = who % 8 == 0 ? challenger : coordinator;
        Phase phase = rounds.phaseOf(PLAN, round);
        bytes32 root = _prepared[round][bad].root;
        vm.prank(sender);
        (bool ok,) = address(rounds).call(
            abi.encodeCall(rounds.commitRound, (PLAN, round, root, uint32(MEMBERS), 0x55, bytes32(uint256(1))))
        );
        if (!ok) return;
        bool inTime = block.timestamp >= committableAt(round) && block.timestamp <= deadlineOf(round);
        bool inOrder = round == 0 || rounds.phaseOf(PLAN, round - 1) == Phase.Recorded
            || rounds.phaseOf(PLAN, round - 1) == Phase.Skipped;
        if (!inTime || !inOrder || phase != Phase.Committable || sender != coordinator) commitBroken = true;
        if (++commits[round] > 1) commitBroken = true;
        carriesBadProof[round] = bad;
    }

    function recordAggregate(uint8 which, uint8 bits) external {
        uint64 round = which % ROUNDS_OF_PLAN;
        Aggregate memory a = aggregateOf(bits % (1 << MEMBERS), totalSamples());
        vm.prank(coordinator);
        address(rounds).call(abi.encodeCall(rounds.recordAggregate, (PLAN, round, a)));
    }

    /// @dev What takes a random walk too long to find: the next round from its root to its record.
    function playRound(uint8 bits, bool bad) external {
        for (uint64 round = 0; round < ROUNDS_OF_PLAN; ++round) {
            if (rounds.rootOf(PLAN, round) != 0 || rounds.phaseOf(PLAN, round) == Phase.Skipped) continue;
            if (block.timestamp < committableAt(round)) vm.warp(committableAt(round));
            this.commitRound(uint8(round), 1, bad);
            this.recordAggregate(uint8(round), bits | 7);
            return;
        }
    }

    /// @dev A claim after the challenge time.
    function claimLate(uint8 which, uint8 who) external {
        vm.warp(block.timestamp + 50);
        this.claim(which, who);
    }

    function skipRound(uint8 which) external {
        vm.prank(coordinator);
        address(rounds).call(abi.encodeCall(rounds.skipRound, (PLAN, which % ROUNDS_OF_PLAN, "")));
    }

    function abandon(uint8 which) external {
        vm.prank(challenger);
        (bool ok,) = address(rounds).call(abi.encodeCall(rounds.abandon, (PLAN, which % ROUNDS_OF_PLAN)));
        coordinatorSilent = coordinatorSilent || ok;
    }

    function claim(uint8 which, uint8 who) external {
        uint64 round = which % ROUNDS_OF_PLAN;
        uint256 i = who % MEMBERS;
        Prepared storage p = _prepared[round][carriesBadProof[round]];
        Leaf memory leaf = p.leaves[i];
        uint256 before = address(rewards).balance;
        (bool ok,) = address(rewards).call(
            abi.encodeCall(
                rewards.claim,
                (PLAN, round, leaf.client, leaf.samples, leaf.digest, i, p.paths[i])
            )
        );
        if (!ok) return;
        ++claims[round][i];
        paid[round] += before - address(rewards).balance;
    }

    function sweep(uint8 which) external {
        _giveBack(abi.encodeCall(rewards.sweep, (PLAN, which % ROUNDS_OF_PLAN)));
    }

    function refund() external {
        _giveBack(abi.encodeCall(rewards.refund, (PLAN)));
    }

    function startLeaving(uint8 who) external {
        vm.prank(member(who % MEMBERS));
        address(membership).call(abi.encodeCall(membership.startLeaving, (PLAN)));
    }

    function withdraw(uint8 who) external {
        vm.prank(member(who % MEMBERS));
        address(membership).call(abi.encodeCall(membership.withdraw, (PLAN)));
    }

    function withdrawCoordinator() external {
        address(membership).call(abi.encodeCall(membership.withdrawCoordinator, (PLAN)));
    }

    function fetchCompensation(uint8 who) external {
        vm.prank(member(who % MEMBERS));
        membership.fetchCompensation();
    }

    /// @dev Against whomever: only the bad proof of member 1 convicts.
    function challengeProof(uint8 which, uint8 who, bool sealFirst) external {
        uint64 round = which % ROUNDS_OF_PLAN;
        uint256 i = who % 2;
        Prepared storage p = _prepared[round][carriesBadProof[round]];
        Update memory u = p.updates[i];
        Leaf memory leaf = p.leaves[i];
        Evidence memory e = Evidence(leaf, i, p.paths[i], signatureOf(i, leaf), u.commitment, u.proof);
        bytes32 salt = bytes32(++_salts);
        if (sealFirst) sealAs(challenger, salt, encodeEvidence(e));
        uint256 before = _faults();
        vm.prank(challenger);
        address(disputes).call(
            abi.encodeCall(
                disputes.challengeProof,
                (salt, e.leaf, e.index, e.path, e.signature, e.commitment, e.proof, 0, key)
            )
        );
        if (_faults() != before && i == 1 && carriesBadProof[round] && sealFirst) badProofShown = true;
    }

    function challengeSignatures(uint8 which, uint8 who, bool reallyTwo) external {
        uint64 round = which % ROUNDS_OF_PLAN;
        Leaf memory leaf = leafOf(PLAN, round, 2, digestOf(round, 2));
        bytes32 other = keccak256("another");
        bytes memory signature = signatureOf(2, leaf);
        bytes memory second = signatureOf(reallyTwo ? 2 : who % 2, leafOf(PLAN, round, 2, other));
        bytes32 salt = bytes32(++_salts);
        sealAs(challenger, salt, abi.encode(leaf, signature, leaf.samples, other, second));
        vm.prank(challenger);
        (bool ok,) = address(disputes).call(
            abi.encodeCall(disputes.challengeSignatures, (salt, leaf, signature, leaf.samples, other, second))
        );
        if (ok && reallyTwo) twoSignaturesShown = true;
    }

    // ---- what invariants ask

    function stakes() external view returns (uint256[] memory amounts) {
        amounts = new uint256[](MEMBERS + 1);
        for (uint256 i = 0; i < MEMBERS; ++i) (amounts[i],,) = membership.stakeOf(PLAN, member(i));
        amounts[MEMBERS] = membership.coordinatorStake(PLAN);
    }

    function joined(uint256 i) external view returns (bool) {
        return membership.isJoined(PLAN, member(i));
    }

    function memberCoins(uint256 i) external view returns (uint256) {
        return member(i).balance;
    }

    function heldStakes() external view returns (uint256) {
        uint256 owed = membership.compensation(coordinator);
        for (uint256 i = 0; i < MEMBERS; ++i) owed += membership.compensation(member(i));
        return address(membership).balance - owed;
    }

    function heldRewards() external view returns (uint256) {
        return address(rewards).balance;
    }

    function coins() external view returns (uint256 sum) {
        sum = address(membership).balance + address(rewards).balance + address(disputes).balance;
        sum += coordinator.balance + challenger.balance + membership.BURNT().balance + address(this).balance;
        for (uint256 i = 0; i < MEMBERS; ++i) sum += member(i).balance;
    }

    function finished() external view returns (bool done) {
        (, done,) = rounds.progressOf(PLAN);
    }

    function _giveBack(bytes memory call) private {
        uint256 before = address(rewards).balance;
        vm.prank(coordinator);
        (bool ok,) = address(rewards).call(call);
        if (ok) returned += before - address(rewards).balance;
    }

    function _faults() private view returns (uint256) {
        (uint96 stake,,) = membership.stakeOf(PLAN, member(1));
        return uint256(stake) + membership.coordinatorStake(PLAN);
    }

    /// @dev Members 0 and 1 have real proofs; the others only digests, which nobody challenges here.
    function _prepare(uint64 round, bool bad) private {
        Prepared storage p = _prepared[round][bad];
        bytes32[] memory hashes = new bytes32[](MEMBERS);
        for (uint256 i = 0; i < MEMBERS; ++i) {
            bytes32 digest = digestOf(round, i);
            if (i < 2) {
                Update memory u = updateOf(PLAN, round, i, i + 1);
                if (i == 1 && bad) u.proof[31] ^= 0x01;
                digest = digestOfUpdate(u);
                p.updates[i] = u;
            }
            Leaf memory leaf = leafOf(PLAN, round, i, digest);
            hashes[i] = hashOf(leaf);
            p.leaves[i] = leaf;
        }
        for (uint256 i = 0; i < MEMBERS; ++i) p.paths[i] = pathOf(hashes, i);
        p.root = rootOf(hashes);
    }

    receive() external payable {}
}
