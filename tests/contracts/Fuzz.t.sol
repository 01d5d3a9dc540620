// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Leaf} from "contracts/Disputes.sol";
import {MerklePath} from "contracts/MerklePath.sol";
import {Terms} from "contracts/PlanRegistry.sol";
import {Rounds} from "contracts/Rounds.sol";
import {Updates} from "./Updates.sol";

/// @title The four promises, one call at a time, for arbitrary arguments.
contract FuzzTest is Updates {
    bytes32 private constant SALT = keccak256("salt");

    function setUp() public {
        deploySuite();
        register(PLAN, defaultTerms());
        joinAll(PLAN);
    }

    /// @dev A member is slashed if and only if its proof is bad, whatever was changed in it.
    function testFuzz_onlyABadProofSlashes(uint8 who, uint16 position, uint8 change, bool inCommitment, uint64 gasLimit)
        public
    {
        uint256 i = who % MEMBERS;
        Update memory u = updateOf(PLAN, 0, i, i + 1);
        if (inCommitment) u.commitment[position % 64] ^= bytes1(change);
        else u.proof[position % 320] ^= bytes1(change);
        Leaf memory leaf = leafOf(PLAN, 0, i, digestOfUpdate(u));
        bytes32[] memory hashes = leavesOf(PLAN, 0);
        hashes[i] = hashOf(leaf);
        vm.warp(committableAt(0));
        commit(PLAN, 0, hashes);
        Evidence memory e = evidenceOf(leaf, hashes, i, u);
        sealAs(challenger, SALT, encodeEvidence(e));
        bytes memory call = abi.encodeCall(
            disputes.challengeProof, (SALT, e.leaf, e.index, e.path, e.signature, e.commitment, e.proof, 0, key)
        );
        vm.prank(challenger);
        (bool ok,) = address(disputes).call{gas: 100_000 + gasLimit % 3_000_000}(call);
        bool slashed = membership.coordinatorStake(PLAN) == 0;
        for (uint256 m = 0; m < MEMBERS; ++m) {
            (uint96 stake,,) = membership.stakeOf(PLAN, member(m));
            if (m == i) require((stake == 0) == slashed, "half a conviction");
            else eq(stake, MEMBER_STAKE, "somebody else was slashed");
        }
        require(!slashed || change != 0, "a good proof slashes");
        require(!ok || slashed == (change != 0), "a bad proof goes free");
        require(ok || !slashed, "slashed by a failed call");
    }

    /// @dev A root is taken if and only if the time is right.
    function testFuzz_commitOnlyInItsPhase(uint32 start, uint16 collect, uint16 roundSeconds, uint64 time, uint8 done)
        public
    {
        Terms memory t = defaultTerms();
        t.start = uint32(START) + start % 1_000_000;
        t.collectSeconds = collect;
        t.roundSeconds = uint24(collect) + roundSeconds + 1;
        t.unbondingSeconds = t.roundSeconds + t.challengeSeconds;
        bytes32 plan = keccak256("fuzzed");
        register(plan, t);
        uint64 round = done % 4;
        for (uint64 r = 0; r < round; ++r) {
            vm.warp(t.start + (uint256(r) + 1) * t.collectSeconds);
            vm.prank(coordinator);
            rounds.skipRound(plan, r, "");
        }
        time = uint64(START) + time % (2_000_000 + 5 * uint64(t.roundSeconds));
        vm.warp(time);
        vm.prank(coordinator);
        (bool ok,) = address(rounds).call(
            abi.encodeCall(rounds.commitRound, (plan, round, bytes32(uint256(7)), 1, 0x55, bytes32(uint256(1))))
        );
        bool inside = time >= t.start + (uint256(round) + 1) * t.collectSeconds
            && time <= t.start + (uint256(round) + 1) * t.roundSeconds;
        require(ok == inside, "commit outside its phase");
        require((rounds.rootOf(plan, round) != 0) == inside, "root outside its phase");
    }

    /// @dev Claims of one round never pay more than its reward, and each leaf once.
    function testFuzz_noDoubleClaim(uint256 seed, uint8 clients, uint32 total, uint256 includedBits) public {
        uint256 n = 2 + clients % 12;
        bytes32[] memory hashes = new bytes32[](n);
        for (uint256 i = 0; i < n; ++i) hashes[i] = hashOf(_fuzzLeaf(seed, i));
        vm.warp(committableAt(0));
        commit(PLAN, 0, hashes);
        includedBits |= 3;
        vm.prank(coordinator);
        rounds.recordAggregate(PLAN, 0, aggregateOf(includedBits & ((1 << n) - 1), uint48(total) + 1));
        vm.warp(block.timestamp + 50);
        uint256 held = address(rewards).balance;
        for (uint256 attempt = 0; attempt < n + 2; ++attempt) {
            uint256 i = uint256(keccak256(abi.encode(seed, "order", attempt))) % n;
            Leaf memory leaf = _fuzzLeaf(seed, i);
            uint256 before = leaf.client.balance;
            bool claimable = rounds.isClaimable(PLAN, 0, i);
            bytes memory call = abi.encodeCall(
                rewards.claim, (PLAN, 0, leaf.client, leaf.samples, leaf.digest, i, pathOf(hashes, i))
            );
            (bool ok,) = address(rewards).call(call);
            require(!ok || claimable, "claimed what was not open");
            uint256 share = REWARD * leaf.samples / (uint256(total) + 1);
            eq(leaf.client.balance - before, ok ? share : 0, "wrong share");
            (bool again,) = address(rewards).call(call);
            require(!ok || !again, "claimed twice");
        }
        require(held - address(rewards).balance <= REWARD, "a round paid more than its reward");
    }

    /// @dev Whatever the order, stakes that come in are withdrawn, slashed or still there.
    function testFuzz_stakeConservation(uint256 seed, uint8 steps) public {
        uint256 everything = _coins();
        for (uint256 step = 0; step < steps % 24; ++step) {
            uint256 r = uint256(keccak256(abi.encode(seed, step)));
            uint256 i = (r >> 8) % MEMBERS;
            if (r % 5 == 0) vm.warp(block.timestamp + (r >> 16) % 150);
            vm.prank(member(i));
            if (r % 5 == 1) address(membership).call(abi.encodeCall(membership.startLeaving, (PLAN)));
            if (r % 5 == 2) address(membership).call(abi.encodeCall(membership.withdraw, (PLAN)));
            if (r % 5 == 3) {
                bytes32[] memory path = pathOf(memberLeaves(), i);
                address(membership).call{value: member(i).balance < MEMBER_STAKE ? 0 : MEMBER_STAKE}(
                    abi.encodeCall(membership.joinListed, (PLAN, identityOf(i), samplesOf(i), i, path))
                );
            }
            if (r % 5 == 4) address(rounds).call(abi.encodeCall(rounds.abandon, (PLAN, 0)));
            uint256 stakes = membership.coordinatorStake(PLAN);
            for (uint256 m = 0; m < MEMBERS; ++m) {
                (uint96 stake,,) = membership.stakeOf(PLAN, member(m));
                require(stake == 0 || stake == MEMBER_STAKE, "part of a stake");
                stakes += stake;
            }
            eq(address(membership).balance, stakes, "stakes are not covered");
            eq(_coins(), everything, "coins appeared or vanished");
        }
    }

    /// @dev A path proves the leaf it was made for, at its index, and nothing else.
    function testFuzz_pathsProveTheirLeafOnly(uint256 seed, uint8 size, uint8 at, uint256 otherIndex, bytes32 other) public view {
        uint256 n = 1 + size % 70;
        uint256 i = at % n;
        bytes32[] memory leaves = new bytes32[](n);
        for (uint256 k = 0; k < n; ++k) leaves[k] = keccak256(abi.encode(seed, k));
        bytes32 root = rootOf(leaves);
        bytes32[] memory path = pathOf(leaves, i);
        require(this.above(leaves[i], i, path) == root, "a path does not lead to its root");
        require(other == leaves[i] || this.above(other, i, path) != root, "another leaf has this path");
        otherIndex %= 1 << path.length;
        require(otherIndex == i || this.above(leaves[i], otherIndex, path) != root, "another index has this path");
    }

    function above(bytes32 leaf, uint256 index, bytes32[] calldata path) external pure returns (bytes32) {
        return MerklePath.rootAbove(leaf, index, path);
    }

    function _fuzzLeaf(uint256 seed, uint256 i) private pure returns (Leaf memory) {
        address client = address(uint160(0x10000 + i));
        uint32 samples = uint32(uint256(keccak256(abi.encode(seed, "samples", i))));
        return Leaf(PLAN, 0, client, samples, keccak256(abi.encode(seed, "digest", i)));
    }

    function _coins() private view returns (uint256 sum) {
        sum = address(membership).balance + address(rewards).balance + coordinator.balance + challenger.balance;
        sum += membership.BURNT().balance + address(this).balance;
        for (uint256 m = 0; m < MEMBERS; ++m) sum += member(m).balance;
    }

    receive() external payable {}
}
