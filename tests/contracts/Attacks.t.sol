// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Disputes, Leaf, OpenLeaf} from "contracts/Disputes.sol";
import {Membership} from "contracts/Membership.sol";
import {PlanRegistry, Terms} from "contracts/PlanRegistry.sol";
import {Payment} from "contracts/Payment.sol";
import {Rewards} from "contracts/Rewards.sol";
import {Aggregate, Phase, Rounds} from "contracts/Rounds.sol";
import {Greedy} from "./Greedy.sol";
import {TrapdoorProof} from "./TrapdoorProof.sol";
import {Updates} from "./Updates.sol";

/// @title Attacks on rounds, rewards and stakes, each by a party that wants what is not its own.
contract AttacksTest is Updates {
    bytes32 private constant OTHER_PLAN = keccak256("other plan");
    bytes32 private constant SALT = keccak256("salt");

    function setUp() public {
        deploySuite();
        register(PLAN, defaultTerms());
        joinAll(PLAN);
    }

    // ---- replay

    function test_signatureForAnotherChainIsRefused() public {
        Leaf memory leaf = leafOf(PLAN, 0, 0, digestOf(0, 0));
        vm.chainId(31_338); // literals: the optimizer reads block.chainid only where it is used
        bytes memory elsewhere = signatureOf(0, leafOf(PLAN, 0, 0, digestOf(0, 1)));
        vm.chainId(31_337);
        _expectUnsigned(leaf, elsewhere);
    }

    function test_signatureForAnotherDeploymentIsRefused() public {
        Leaf memory leaf = leafOf(PLAN, 0, 0, digestOf(0, 0));
        Disputes disputesHere = disputes;
        Rounds roundsHere = rounds;
        deploySuite();
        bytes memory elsewhere = signatureOf(0, leafOf(PLAN, 0, 0, digestOf(0, 1)));
        (disputes, rounds) = (disputesHere, roundsHere);
        _expectUnsigned(leaf, elsewhere);
    }

    function test_signatureForAnotherRoundOrPlanIsRefused() public {
        Leaf memory leaf = leafOf(PLAN, 0, 0, digestOf(0, 0));
        _expectUnsigned(leaf, signatureOf(0, leafOf(PLAN, 1, 0, digestOf(0, 1))));
        _expectUnsigned(leaf, signatureOf(0, leafOf(OTHER_PLAN, 0, 0, digestOf(0, 1))));
    }

    function test_leafOfAnotherRoundPaysNothing() public {
        _recorded(0);
        _recorded(1);
        vm.warp(deadlineOf(1) + 50);
        bytes32[] memory path = pathOf(leavesOf(PLAN, 0), 0);
        vm.expectRevert(Rounds.WrongRoot.selector);
        rewards.claim(PLAN, 1, member(0), samplesOf(0), digestOf(0, 0), 0, path);
    }

    function test_sameUpdateInAnotherPlanIsABadProof() public {
        // The context binds a proof to its plan: replayed in a second plan of the same deployment it convicts whoever signed it there.
        Terms memory t = defaultTerms();
        register(OTHER_PLAN, t);
        joinAll(OTHER_PLAN);
        Update memory replayed = updateOf(PLAN, 0, 0, 9);
        _expectConviction(OTHER_PLAN, 0, replayed);
    }

    function test_proofForAnotherClientsCommitmentConvicts() public {
        _expectConviction(PLAN, 1, updateOf(PLAN, 0, 0, 9));
    }

    function test_commitmentSwappedUnderAProofConvicts() public {
        Update memory mixed = updateOf(PLAN, 0, 2, 9);
        mixed.commitment = updateOf(PLAN, 0, 2, 10).commitment;
        _expectConviction(PLAN, 2, mixed);
    }

    function test_proofOfAnotherLengthConvicts() public {
        Update memory cut = updateOf(PLAN, 0, 2, 9);
        cut.proof = abi.encodePacked(cut.proof, bytes1(0));
        _expectConviction(PLAN, 2, cut);
    }

    // ---- challenges

    function test_challengeWithoutSealOrBondIsRefused() public {
        (Update[] memory u, Leaf[] memory leaves, bytes32[] memory hashes) = honestRound(PLAN, 0);
        vm.warp(committableAt(0));
        commit(PLAN, 0, hashes);
        Evidence memory e = evidenceOf(leaves[0], hashes, 0, u[0]);
        vm.expectRevert(Disputes.NotSealed.selector);
        challengeProofAs(challenger, SALT, e);

        bytes32 seal = disputes.sealOf(challenger, SALT, encodeEvidence(e));
        vm.prank(challenger);
        disputes.sealEvidence{value: BOND - 1}(seal);
        vm.roll(block.number + 1);
        vm.expectRevert(Disputes.BondNotEnough.selector);
        challengeProofAs(challenger, SALT, e);
    }

    function test_questionWithoutBondIsRefused() public {
        _recorded(0);
        bytes32[] memory path = pathOf(leavesOf(PLAN, 0), 0);
        vm.expectRevert(abi.encodeWithSelector(Disputes.WrongBond.selector, 0, BOND));
        disputes.question(leafOf(PLAN, 0, 0, digestOf(0, 0)), 0, path);
    }

    function test_questionsThatCouldNotBeAnsweredAreRefused() public {
        // With no time to answer, or for nothing, anybody could end any plan.
        for (uint256 i = 0; i < 2; ++i) {
            bytes32 plan = keccak256(abi.encode("unquestioned", i));
            Terms memory t = defaultTerms();
            if (i == 0) t.challengeSeconds = 0;
            else t.bond = 0;
            register(plan, t);
            vm.warp(committableAt(0));
            commit(plan, 0, leavesOf(plan, 0));
            bytes32[] memory path = pathOf(leavesOf(plan, 0), 0);
            vm.prank(challenger);
            vm.expectRevert(Disputes.NoQuestions.selector);
            disputes.question{value: t.bond}(leafOf(plan, 0, 0, digestOf(0, 0)), 0, path);
            vm.warp(START);
        }
    }

    function test_delayThatWouldWrapAroundIsRefused() public {
        Terms memory t = defaultTerms();
        t.challengeSeconds = type(uint32).max;
        t.memberStake = 0;
        vm.prank(coordinator);
        vm.expectRevert(abi.encodeWithSelector(PlanRegistry.BadTerms.selector, "challengeSeconds"));
        registry.register{value: 4 * REWARD + COORDINATOR_STAKE}(OTHER_PLAN, t, "", "");
    }

    function test_vainChallengeCostsTheBond() public {
        (Update[] memory u, Leaf[] memory leaves, bytes32[] memory hashes) = honestRound(PLAN, 0);
        vm.warp(committableAt(0));
        commit(PLAN, 0, hashes);
        Evidence memory e = evidenceOf(leaves[3], hashes, 3, u[3]);
        sealAs(challenger, SALT, encodeEvidence(e));
        challengeProofAs(challenger, SALT, e);
        (uint96 stake,,) = membership.stakeOf(PLAN, member(3));
        eq(stake, MEMBER_STAKE, "an honest member lost its stake");
        eq(membership.coordinatorStake(PLAN), COORDINATOR_STAKE, "an honest coordinator lost its stake");
        eq(challenger.balance, 1000 ether - BOND, "the bond came back");
        vm.prank(member(3));
        membership.fetchCompensation();
        eq(member(3).balance, BOND, "the accused was not compensated");
        vm.prank(member(3));
        membership.fetchCompensation();
        eq(member(3).balance, BOND, "compensated twice");
    }

    function test_gasStarvedChallengeNeverConvicts() public {
        (Update[] memory u, Leaf[] memory leaves, bytes32[] memory hashes) = honestRound(PLAN, 0);
        vm.warp(committableAt(0));
        commit(PLAN, 0, hashes);
        Evidence memory e = evidenceOf(leaves[0], hashes, 0, u[0]);
        sealAs(challenger, SALT, encodeEvidence(e));
        bytes memory call = abi.encodeCall(
            disputes.challengeProof, (SALT, e.leaf, e.index, e.path, e.signature, e.commitment, e.proof, 0, key)
        );
        for (uint256 allowance = 30_000; allowance < 1_500_000; allowance += 7_919) {
            vm.prank(challenger);
            (bool ok,) = address(disputes).call{gas: allowance}(call);
            (uint96 stake,,) = membership.stakeOf(PLAN, member(0));
            eq(stake, MEMBER_STAKE, "convicted by starving the verifier");
            if (ok) return; // decided, with enough gas, for the member
        }
        revert("never decided");
    }

    function test_copiedChallengeGainsNothing() public {
        Evidence memory e = _badUpdate(1);
        sealAs(challenger, SALT, encodeEvidence(e));
        // A copycat sees the pending challenge: it has no seal, and one made now is too fresh.
        address copycat = address(0xC0B1);
        vm.deal(copycat, 1 ether);
        vm.expectRevert(Disputes.NotSealed.selector);
        challengeProofAs(copycat, SALT, e);
        bytes32 seal = disputes.sealOf(copycat, SALT, encodeEvidence(e));
        vm.prank(copycat);
        disputes.sealEvidence{value: BOND}(seal);
        vm.expectRevert(Disputes.SealTooFresh.selector);
        challengeProofAs(copycat, SALT, e);
        challengeProofAs(challenger, SALT, e);
        uint256 share = (MEMBER_STAKE + COORDINATOR_STAKE) * 6000 / 10_000;
        eq(challenger.balance, 1000 ether + share, "the challenger was not paid");
        vm.roll(block.number + 1);
        vm.expectRevert(Disputes.AlreadyPunished.selector);
        challengeProofAs(copycat, SALT, e);
    }

    function test_oneSealServesOnce() public {
        Evidence memory e = _badUpdate(1);
        sealAs(challenger, SALT, encodeEvidence(e));
        challengeProofAs(challenger, SALT, e);
        vm.expectRevert(Disputes.NotSealed.selector);
        challengeProofAs(challenger, SALT, e);
        bytes32 seal = disputes.sealOf(challenger, SALT, encodeEvidence(e));
        vm.warp(block.timestamp + 2 days);
        vm.prank(challenger);
        vm.expectRevert(Disputes.NotSealed.selector);
        disputes.takeBack(seal);
    }

    function test_unusedBondComesBackAfterADay() public {
        bytes32 seal = disputes.sealOf(challenger, SALT, "");
        vm.prank(challenger);
        disputes.sealEvidence{value: BOND}(seal);
        vm.warp(block.timestamp + 1 days - 1);
        vm.prank(challenger);
        vm.expectPartialRevert(Disputes.TooEarly.selector);
        disputes.takeBack(seal);
        vm.warp(block.timestamp + 1);
        vm.prank(challenger);
        disputes.takeBack(seal);
        eq(challenger.balance, 1000 ether, "the bond is gone");
    }

    function test_coordinatorCannotFrameAMember() public {
        // A leaf of the coordinator's own making, with a bad proof the member never signed.
        Update memory bad = updateOf(PLAN, 0, 1, 9);
        bad.proof[0] ^= 0x01;
        Leaf memory leaf = leafOf(PLAN, 0, 0, digestOfUpdate(bad));
        bytes32[] memory hashes = leavesOf(PLAN, 0);
        hashes[0] = hashOf(leaf);
        vm.warp(committableAt(0));
        commit(PLAN, 0, hashes);
        Evidence memory e = evidenceOf(leaf, hashes, 0, bad);
        e.signature = signatureOf(1, leaf);
        sealAs(coordinator, SALT, encodeEvidence(e));
        vm.expectRevert(Disputes.NotSigned.selector);
        challengeProofAs(coordinator, SALT, e);
    }

    function test_signedButNeverCommittedIsNotAFault() public {
        Update memory bad = updateOf(PLAN, 0, 1, 9);
        bad.proof[0] ^= 0x01;
        vm.warp(committableAt(0));
        bytes32[] memory hashes = leavesOf(PLAN, 0);
        commit(PLAN, 0, hashes);
        Evidence memory e = evidenceOf(leafOf(PLAN, 0, 1, digestOfUpdate(bad)), hashes, 1, bad);
        sealAs(challenger, SALT, encodeEvidence(e));
        vm.expectRevert(Disputes.NotInRoot.selector);
        challengeProofAs(challenger, SALT, e);
    }

    function test_otherKeyIsRefused() public {
        Evidence memory e = _badUpdate(1);
        address other = TrapdoorProof.deployKey(2, 1, false, true, true);
        bytes memory text =
            abi.encode(e.leaf, e.index, e.path, e.signature, e.commitment, e.proof, uint256(0), other);
        sealAs(challenger, SALT, text);
        vm.prank(challenger);
        vm.expectRevert(Disputes.WrongKey.selector);
        disputes.challengeProof(SALT, e.leaf, e.index, e.path, e.signature, e.commitment, e.proof, 0, other);
    }

    // ---- a member who signs twice

    function test_memberWhoSignsTwiceIsSlashed() public {
        Leaf memory leaf = leafOf(PLAN, 0, 2, digestOf(0, 2));
        bytes32 otherDigest = keccak256("another update");
        bytes memory other = signatureOf(2, leafOf(PLAN, 0, 2, otherDigest));
        bytes memory signature = signatureOf(2, leaf);
        sealAs(challenger, SALT, abi.encode(leaf, signature, samplesOf(2), otherDigest, other));
        vm.prank(challenger);
        disputes.challengeSignatures(SALT, leaf, signature, samplesOf(2), otherDigest, other);
        (uint96 stake,,) = membership.stakeOf(PLAN, member(2));
        eq(stake, 0, "still staked");
        eq(challenger.balance, 1000 ether + MEMBER_STAKE * 6000 / 10_000, "not paid");
        eq(membership.coordinatorStake(PLAN), COORDINATOR_STAKE, "the coordinator paid for a member");
        require(!membership.isActive(PLAN, member(2)), "still active");
    }

    function test_oneSignatureTwiceIsNoFault() public {
        Leaf memory leaf = leafOf(PLAN, 0, 2, digestOf(0, 2));
        bytes memory signature = signatureOf(2, leaf);
        sealAs(challenger, SALT, abi.encode(leaf, signature, leaf.samples, leaf.digest, signature));
        vm.prank(challenger);
        vm.expectRevert(Disputes.NoFault.selector);
        disputes.challengeSignatures(SALT, leaf, signature, leaf.samples, leaf.digest, signature);
    }

    function test_leavingDoesNotEscape() public {
        vm.prank(member(2));
        membership.startLeaving(PLAN);
        vm.warp(block.timestamp + 199);
        vm.prank(member(2));
        vm.expectPartialRevert(Membership.StillBonded.selector);
        membership.withdraw(PLAN);
        test_memberWhoSignsTwiceIsSlashed();
        vm.warp(block.timestamp + 1);
        uint256 before = member(2).balance;
        vm.prank(member(2));
        membership.withdraw(PLAN);
        eq(member(2).balance, before, "withdrew a slashed stake");
    }

    // ---- a coordinator that publishes a wrong root

    function test_clientTwiceInTheRootConvictsTheCoordinator() public {
        bytes32[] memory hashes = leavesOf(PLAN, 0);
        bytes32 otherDigest = keccak256("again");
        hashes[4] = hashOf(leafOf(PLAN, 0, 1, otherDigest));
        vm.warp(committableAt(0));
        commit(PLAN, 0, hashes);
        record(PLAN, 0);
        Leaf memory leaf = leafOf(PLAN, 0, 1, digestOf(0, 1));
        bytes32[] memory path = pathOf(hashes, 1);
        bytes32[] memory otherPath = pathOf(hashes, 4);
        sealAs(challenger, SALT, abi.encode(leaf, 1, path, samplesOf(1), otherDigest, 4, otherPath));
        vm.prank(challenger);
        disputes.challengeTwice(SALT, leaf, 1, path, samplesOf(1), otherDigest, 4, otherPath);
        _expectCoordinatorConvicted(0);
    }

    function test_leafNobodySignedConvictsTheCoordinator() public {
        _recorded(0); // the digests of this round belong to nobody
        Leaf memory leaf = leafOf(PLAN, 0, 0, digestOf(0, 0));
        bytes32[] memory path = pathOf(leavesOf(PLAN, 0), 0);
        vm.prank(challenger);
        disputes.question{value: BOND}(leaf, 0, path);
        vm.expectPartialRevert(Disputes.TooEarly.selector);
        disputes.convict(leaf);
        vm.warp(block.timestamp + 26);
        disputes.convict(leaf);
        _expectCoordinatorConvicted(0);
        vm.expectRevert(Disputes.NotQuestioned.selector);
        disputes.convict(leaf);
    }

    function test_justifiedLeafCostsTheChallengerItsBond() public {
        _recorded(0);
        Leaf memory leaf = leafOf(PLAN, 0, 0, digestOf(0, 0));
        bytes32[] memory path = pathOf(leavesOf(PLAN, 0), 0);
        vm.prank(challenger);
        disputes.question{value: BOND}(leaf, 0, path);
        bytes32[] memory listed = pathOf(memberLeaves(), 0);
        bytes memory signature = signatureOf(0, leaf);
        vm.expectRevert(Disputes.NotListed.selector);
        disputes.justify(leaf, signature, identityOf(1), samplesOf(0), 0, listed);
        disputes.justify(leaf, signature, identityOf(0), samplesOf(0), 0, listed);
        eq(membership.compensation(coordinator), BOND, "the bond did not go to the coordinator");
        vm.expectRevert(Disputes.AlreadyQuestioned.selector);
        vm.prank(challenger);
        disputes.question{value: BOND}(leaf, 0, path);
        vm.warp(block.timestamp + 100);
        vm.expectRevert(Disputes.NotQuestioned.selector);
        disputes.convict(leaf);
    }

    function test_tooManySamplesCannotBeJustified() public {
        Leaf memory leaf = leafOf(PLAN, 0, 0, digestOf(0, 0));
        leaf.samples = samplesOf(0) + 1;
        bytes32[] memory hashes = leavesOf(PLAN, 0);
        hashes[0] = hashOf(leaf);
        vm.warp(committableAt(0));
        commit(PLAN, 0, hashes);
        record(PLAN, 0);
        bytes32[] memory path = pathOf(hashes, 0);
        vm.prank(challenger);
        disputes.question{value: BOND}(leaf, 0, path);
        bytes memory signature = signatureOf(0, leaf);
        bytes32[] memory listed = pathOf(memberLeaves(), 0);
        vm.expectRevert(Disputes.NotListed.selector);
        disputes.justify(leaf, signature, identityOf(0), samplesOf(0), 0, listed);
        vm.expectRevert(Disputes.NotListed.selector);
        disputes.justify(leaf, signature, identityOf(0), leaf.samples, 0, listed);
    }

    function test_wrongSumConvictsTheCoordinator() public {
        (OpenLeaf[] memory opened, Aggregate memory a) = _sumRound(15 + 1);
        sealAs(challenger, SALT, abi.encode(PLAN, uint64(0), a, opened));
        vm.prank(challenger);
        disputes.challengeSum(SALT, PLAN, 0, a, opened);
        _expectCoordinatorConvicted(0);
    }

    function test_rightSumIsNoFault() public {
        (OpenLeaf[] memory opened, Aggregate memory a) = _sumRound(15);
        sealAs(challenger, SALT, abi.encode(PLAN, uint64(0), a, opened));
        vm.prank(challenger);
        vm.expectRevert(Disputes.NoFault.selector);
        disputes.challengeSum(SALT, PLAN, 0, a, opened);
    }

    function test_sumOverOtherLeavesIsRefused() public {
        (OpenLeaf[] memory opened, Aggregate memory a) = _sumRound(15);
        opened[0].commitment = TrapdoorProof.mul(1, 2, 99);
        sealAs(challenger, SALT, abi.encode(PLAN, uint64(0), a, opened));
        vm.prank(challenger);
        vm.expectRevert(Disputes.NotInRoot.selector);
        disputes.challengeSum(SALT, PLAN, 0, a, opened);
    }

    function test_rootThatClaimsTooMuchCannotDrainOtherPlans() public {
        register(OTHER_PLAN, defaultTerms());
        uint256 held = address(rewards).balance;
        vm.warp(committableAt(0));
        commit(PLAN, 0, leavesOf(PLAN, 0));
        vm.prank(coordinator);
        rounds.recordAggregate(PLAN, 0, aggregateOf(31, 20)); // 150 samples in the leaves, 20 in the record
        vm.warp(block.timestamp + 50);
        _claim(0, 0); // 10 of 20
        vm.expectRevert(Rounds.OverClaimed.selector);
        this.claim(0, 1);
        require(held - address(rewards).balance <= REWARD, "more than a round's reward left");
    }

    // ---- claims

    function test_frontRunClaimPaysTheClient() public {
        _recorded(0);
        vm.warp(block.timestamp + 50);
        address thief = address(0x7417EF);
        uint256 before = member(0).balance;
        bytes32[] memory path = pathOf(leavesOf(PLAN, 0), 0);
        vm.prank(thief);
        rewards.claim(PLAN, 0, member(0), samplesOf(0), digestOf(0, 0), 0, path);
        eq(member(0).balance, before + REWARD * 10 / 150, "the client was not paid");
        eq(thief.balance, 0, "the sender was paid");
        vm.expectRevert(Rounds.NotIncluded.selector);
        this.claim(0, 0);
    }

    function test_claimWithAnotherAddressSamplesOrIndexPaysNothing() public {
        _recorded(0);
        vm.warp(block.timestamp + 50);
        bytes32[] memory path = pathOf(leavesOf(PLAN, 0), 0);
        vm.expectRevert(Rounds.WrongRoot.selector);
        rewards.claim(PLAN, 0, member(1), samplesOf(0), digestOf(0, 0), 0, path);
        vm.expectRevert(Rounds.WrongRoot.selector);
        rewards.claim(PLAN, 0, member(0), samplesOf(1), digestOf(0, 0), 0, path);
        vm.expectRevert(Rounds.WrongRoot.selector);
        rewards.claim(PLAN, 0, member(0), samplesOf(0), digestOf(0, 0), 1, path);
        vm.expectPartialRevert(0x44312301); // IndexOutOfTree: the same leaf under a second index
        rewards.claim(PLAN, 0, member(0), samplesOf(0), digestOf(0, 0), 8, path);
    }

    function test_reentrantClientIsPaidOnce() public {
        Greedy greedy = new Greedy(rewards, membership);
        bytes32[] memory hashes = leavesOf(PLAN, 0);
        Leaf memory leaf = Leaf(PLAN, 0, address(greedy), samplesOf(0), digestOf(0, 0));
        hashes[0] = hashOf(leaf);
        vm.warp(committableAt(0));
        commit(PLAN, 0, hashes);
        record(PLAN, 0);
        vm.warp(block.timestamp + 50);
        greedy.arm(
            abi.encodeCall(
                rewards.claim, (PLAN, 0, address(greedy), samplesOf(0), digestOf(0, 0), 0, pathOf(hashes, 0))
            ),
            abi.encodeCall(
                rewards.claim, (PLAN, 0, member(1), samplesOf(1), digestOf(0, 1), 1, pathOf(hashes, 1))
            )
        );
        greedy.attack();
        eq(greedy.entered(), 1, "the payout did not call the client");
        eq(greedy.succeeded(), 0, "re-entry succeeded");
        eq(address(greedy).balance, REWARD * 10 / 150, "paid more than once");
    }

    function test_reentrantMemberWithdrawsOnce() public {
        Terms memory t = defaultTerms();
        (t.membersRoot, t.memberCount) = (0, 0);
        register(OTHER_PLAN, t);
        Greedy greedy = new Greedy(rewards, membership);
        vm.deal(address(greedy), MEMBER_STAKE);
        greedy.join(OTHER_PLAN, MEMBER_STAKE);
        greedy.startLeaving(OTHER_PLAN);
        vm.warp(block.timestamp + 200);
        bytes memory withdraw = abi.encodeCall(membership.withdraw, (OTHER_PLAN));
        greedy.armMembership(withdraw, withdraw);
        greedy.attack();
        eq(greedy.entered(), 1, "the payout did not call the member");
        eq(greedy.succeeded(), 0, "re-entry succeeded");
        eq(address(greedy).balance, MEMBER_STAKE, "withdrew more than the stake");
    }

    // ---- phases

    function test_commitOutsideItsPhaseIsRefused() public {
        bytes32[] memory hashes = leavesOf(PLAN, 0);
        vm.warp(committableAt(0) - 1);
        vm.expectRevert(Rounds.WrongPhase.selector);
        this.commitAs(coordinator, 0, hashes);
        vm.warp(deadlineOf(0) + 1);
        vm.expectRevert(Rounds.WrongPhase.selector);
        this.commitAs(coordinator, 0, hashes);
        vm.warp(committableAt(0));
        vm.expectRevert(Rounds.NotCoordinator.selector);
        this.commitAs(challenger, 0, hashes);
        this.commitAs(coordinator, 0, hashes);
        hashes[0] = bytes32(uint256(1));
        vm.expectRevert(Rounds.AlreadyCommitted.selector);
        this.commitAs(coordinator, 0, hashes);
        vm.warp(committableAt(4));
        vm.expectRevert(Rounds.OutOfOrder.selector);
        this.commitAs(coordinator, 1, hashes); // round 0 has no record yet
        vm.expectRevert(Rounds.OutOfOrder.selector);
        this.commitAs(coordinator, 4, hashes); // there is no such round
    }

    function test_aggregateOutsideItsPhaseIsRefused() public {
        Aggregate memory a = aggregateOf(31, totalSamples());
        vm.warp(committableAt(1));
        vm.expectRevert(Rounds.NotCommitted.selector);
        this.recordAs(coordinator, 0, a);
        vm.expectRevert(Rounds.OutOfOrder.selector);
        this.recordAs(coordinator, 1, a);
        commit(PLAN, 0, leavesOf(PLAN, 0));
        vm.expectRevert(Rounds.NotCoordinator.selector);
        this.recordAs(challenger, 0, a);
        vm.expectRevert(abi.encodeWithSelector(Rounds.TooFewClients.selector, 1, 2));
        this.recordAs(coordinator, 0, aggregateOf(16, 50));
        vm.expectRevert(Rounds.NoSamples.selector);
        this.recordAs(coordinator, 0, aggregateOf(31, 0));
        this.recordAs(coordinator, 0, a);
        vm.expectRevert(Rounds.AlreadyRecorded.selector);
        this.recordAs(coordinator, 0, a);
        commit(PLAN, 1, leavesOf(PLAN, 1));
        vm.warp(deadlineOf(1) + 1);
        vm.expectRevert(Rounds.WrongPhase.selector);
        this.recordAs(coordinator, 1, a);
    }

    function test_claimBeforeTheChallengeTimeIsRefused() public {
        _recorded(0);
        vm.warp(block.timestamp + 49);
        vm.expectPartialRevert(Rounds.TooEarly.selector);
        this.claim(0, 0);
        vm.warp(block.timestamp + 1);
        this.claim(0, 0);
    }

    function test_committedRoundCannotBeSkipped() public {
        vm.warp(committableAt(0));
        commit(PLAN, 0, leavesOf(PLAN, 0));
        vm.prank(coordinator);
        vm.expectRevert(Rounds.AlreadyCommitted.selector);
        rounds.skipRound(PLAN, 0, "");
    }

    function test_skippedRoundCannotBeCommitted() public {
        vm.warp(committableAt(0));
        vm.prank(coordinator);
        rounds.skipRound(PLAN, 0, "record");
        require(rounds.phaseOf(PLAN, 0) == Phase.Skipped && rounds.rootOf(PLAN, 0) == 0, "not skipped");
        vm.expectRevert(Rounds.AlreadyCommitted.selector);
        this.commitAs(coordinator, 0, leavesOf(PLAN, 0));
        vm.prank(coordinator);
        vm.expectRevert(Rewards.NothingLeft.selector);
        rewards.refund(PLAN); // not before the plan has ended
    }

    function test_selfCommitOnlyBeforeTheRoot() public {
        vm.prank(member(0));
        rounds.commitSelf(PLAN, 0, 10, digestOf(0, 0), "update");
        require(rounds.selfCommitment(PLAN, 0, member(0)) == keccak256(abi.encode(uint32(10), digestOf(0, 0))), "lost");
        vm.prank(member(0));
        vm.expectRevert(Rounds.AlreadyCommitted.selector);
        rounds.commitSelf(PLAN, 0, 10, digestOf(0, 1), "update");
        vm.warp(committableAt(0));
        commit(PLAN, 0, leavesOf(PLAN, 0));
        vm.prank(member(1));
        vm.expectRevert(Rounds.WrongPhase.selector);
        rounds.commitSelf(PLAN, 0, 20, digestOf(0, 1), "update");
    }

    // ---- a coordinator that never publishes

    function test_silentCoordinatorFreesTheStakes() public {
        _recorded(0);
        vm.warp(deadlineOf(1));
        vm.expectRevert(Rounds.WrongPhase.selector);
        rounds.abandon(PLAN, 1);
        vm.prank(member(0));
        vm.expectRevert(Membership.PlanRunning.selector);
        membership.withdraw(PLAN);
        vm.warp(deadlineOf(1) + 1);
        vm.prank(challenger);
        rounds.abandon(PLAN, 1);
        eq(challenger.balance, 1000 ether + COORDINATOR_STAKE * 6000 / 10_000, "the reporter was not paid");
        vm.prank(member(0));
        vm.expectPartialRevert(Membership.StillBonded.selector);
        membership.withdraw(PLAN);
        vm.warp(block.timestamp + 50);
        for (uint256 i = 0; i < MEMBERS; ++i) {
            vm.prank(member(i));
            membership.withdraw(PLAN);
            eq(member(i).balance, MEMBER_STAKE, "a client did not recover its stake");
        }
        uint256 before = coordinator.balance;
        vm.prank(coordinator);
        rewards.refund(PLAN);
        eq(coordinator.balance - before, 3 * REWARD, "unspent rewards");
        this.claim(0, 0); // what was recorded is still paid
        vm.prank(coordinator);
        vm.expectRevert(Rewards.NothingLeft.selector);
        rewards.refund(PLAN);
    }

    function test_coordinatorGetsItsStakeBackOnlyAtTheEnd() public {
        for (uint64 r = 0; r < 4; ++r) {
            vm.expectRevert(Membership.PlanRunning.selector);
            membership.withdrawCoordinator(PLAN);
            _recorded(r);
        }
        vm.warp(block.timestamp + 249);
        vm.expectPartialRevert(Membership.StillBonded.selector);
        membership.withdrawCoordinator(PLAN);
        vm.warp(block.timestamp + 1);
        uint256 before = coordinator.balance;
        membership.withdrawCoordinator(PLAN);
        eq(coordinator.balance - before, COORDINATOR_STAKE, "stake");
        membership.withdrawCoordinator(PLAN);
        eq(coordinator.balance - before, COORDINATOR_STAKE, "stake twice");
    }

    function test_unclaimedRestIsSweptOnce() public {
        _recorded(0);
        vm.warp(block.timestamp + 50);
        this.claim(0, 0);
        vm.warp(block.timestamp + 1000);
        vm.expectRevert(Rewards.NotSponsor.selector);
        rewards.sweep(PLAN, 0);
        uint256 before = coordinator.balance;
        vm.prank(coordinator);
        rewards.sweep(PLAN, 0);
        eq(coordinator.balance - before, REWARD - REWARD * 10 / 150, "rest");
        vm.expectRevert(Rounds.NotIncluded.selector);
        this.claim(0, 1);
        vm.prank(coordinator);
        vm.expectRevert(Rewards.NothingLeft.selector);
        rewards.sweep(PLAN, 0);
    }

    // ---- registration

    function test_planCannotBeRegisteredTwiceOrUnderfunded() public {
        Terms memory t = defaultTerms();
        uint256 due = 4 * REWARD + COORDINATOR_STAKE;
        vm.startPrank(coordinator);
        vm.expectRevert(abi.encodeWithSelector(PlanRegistry.PlanExists.selector, PLAN));
        registry.register{value: due}(PLAN, t, "", "");
        vm.expectRevert(abi.encodeWithSelector(Payment.WrongValue.selector, due - 1, due));
        registry.register{value: due - 1}(OTHER_PLAN, t, "", "");
        vm.stopPrank();
        vm.prank(challenger);
        vm.expectRevert(abi.encodeWithSelector(PlanRegistry.BadTerms.selector, "coordinator"));
        registry.register{value: 0}(OTHER_PLAN, t, "", "");
    }

    function test_peersOnly() public {
        vm.expectRevert(Rounds.NotPeer.selector);
        rounds.consume(PLAN, 0, 0, 0, 0);
        vm.expectRevert(Rounds.NotPeer.selector);
        rounds.cancel(PLAN, 0);
        vm.expectRevert(Rounds.NotPeer.selector);
        rounds.close(PLAN, 0);
        Terms memory t = defaultTerms();
        vm.expectRevert(Rounds.NotPeer.selector);
        rounds.open(PLAN, 0, t);
        vm.expectRevert(Membership.NotPeer.selector);
        membership.slash(PLAN, member(0), challenger);
        vm.expectRevert(Membership.NotPeer.selector);
        membership.slashCoordinator(PLAN, challenger);
        vm.expectRevert(Membership.NotPeer.selector);
        membership.open(PLAN, 0);
        vm.expectRevert(Rewards.NotPeer.selector);
        rewards.open(PLAN, challenger, address(0), 0);
    }

    // ---- helpers (external ones so that expectRevert sees one call)

    function claim(uint64 round, uint256 i) external {
        _claim(round, i);
    }

    function commitAs(address who, uint64 round, bytes32[] calldata hashes) external {
        bytes32 root = rootOf(hashes);
        vm.prank(who);
        rounds.commitRound(PLAN, round, root, uint32(hashes.length), 0x55, bytes32(uint256(1)));
    }

    function recordAs(address who, uint64 round, Aggregate calldata a) external {
        vm.prank(who);
        rounds.recordAggregate(PLAN, round, a);
    }

    function _claim(uint64 round, uint256 i) private {
        bytes32[] memory path = pathOf(leavesOf(PLAN, round), i);
        rewards.claim(PLAN, round, member(i), samplesOf(i), digestOf(round, i), i, path);
    }

    function _recorded(uint64 round) private {
        if (block.timestamp < committableAt(round)) vm.warp(committableAt(round));
        commit(PLAN, round, leavesOf(PLAN, round));
        record(PLAN, round);
    }

    function _badUpdate(uint256 i) private returns (Evidence memory) {
        (Update[] memory u, Leaf[] memory leaves, bytes32[] memory hashes) = honestRound(PLAN, 0);
        u[i].proof[300] ^= 0x01;
        leaves[i] = leafOf(PLAN, 0, i, digestOfUpdate(u[i]));
        hashes[i] = hashOf(leaves[i]);
        vm.warp(committableAt(0));
        commit(PLAN, 0, hashes);
        return evidenceOf(leaves[i], hashes, i, u[i]);
    }

    function _expectConviction(bytes32 plan, uint256 i, Update memory u) private {
        Leaf memory leaf = leafOf(plan, 0, i, digestOfUpdate(u));
        bytes32[] memory hashes = leavesOf(plan, 0);
        hashes[i] = hashOf(leaf);
        vm.warp(committableAt(0));
        commit(plan, 0, hashes);
        Evidence memory e = evidenceOf(leaf, hashes, i, u);
        sealAs(challenger, SALT, encodeEvidence(e));
        challengeProofAs(challenger, SALT, e);
        (uint96 stake,,) = membership.stakeOf(plan, member(i));
        eq(stake, 0, "not convicted");
        eq(membership.coordinatorStake(plan), 0, "the coordinator vouched for it");
    }

    function _expectCoordinatorConvicted(uint64 round) private view {
        eq(membership.coordinatorStake(PLAN), 0, "the coordinator kept its stake");
        eq(challenger.balance, 1000 ether + COORDINATOR_STAKE * 6000 / 10_000, "the challenger was not paid");
        require(rounds.phaseOf(PLAN, round) == Phase.Cancelled, "the round stands");
        require(!rounds.isClaimable(PLAN, round, 0), "the round still pays");
    }

    function _expectUnsigned(Leaf memory leaf, bytes memory elsewhere) private {
        bytes memory signature = signatureOf(0, leaf);
        bytes32 otherDigest = digestOf(0, 1);
        sealAs(challenger, SALT, abi.encode(leaf, signature, leaf.samples, otherDigest, elsewhere));
        vm.prank(challenger);
        vm.expectRevert(Disputes.NotSigned.selector);
        disputes.challengeSignatures(SALT, leaf, signature, leaf.samples, otherDigest, elsewhere);
    }

    /// @dev A round whose commitments sum to 15 times the generator, recorded as `multiple` times.
    function _sumRound(uint256 multiple) private returns (OpenLeaf[] memory opened, Aggregate memory a) {
        (Update[] memory u,, bytes32[] memory hashes) = honestRound(PLAN, 0);
        vm.warp(committableAt(0));
        commit(PLAN, 0, hashes);
        a = aggregateOf(31, totalSamples());
        a.commitmentSum = TrapdoorProof.mul(1, 2, multiple);
        vm.prank(coordinator);
        rounds.recordAggregate(PLAN, 0, a);
        opened = new OpenLeaf[](MEMBERS);
        for (uint256 i = 0; i < MEMBERS; ++i) opened[i] = openLeaf(i, u[i]);
    }
}
