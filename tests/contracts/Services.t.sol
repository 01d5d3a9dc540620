// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {Inference} from "contracts/Inference.sol";
import {Mailbox} from "contracts/Mailbox.sol";
import {Payment} from "contracts/Payment.sol";
import {PlanRegistry, Terms} from "contracts/PlanRegistry.sol";
import {Suite} from "contracts/Suite.sol";
import {Groth16Verifier} from "contracts/Groth16Verifier.sol";
import {Validators} from "contracts/Validators.sol";
import {Base} from "./Base.sol";
import {TrapdoorProof} from "./TrapdoorProof.sol";

/// @title A token; with a fee, some of what is sent does not arrive.
contract Token is ERC20 {
    uint256 private immutable FEE;

    constructor(uint256 fee) ERC20("Test", "T") {
        FEE = fee;
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (from != address(0) && to != address(0) && FEE != 0) _burn(to, amount * FEE / 100);
    }
}

/// @title Attacks on votes, paid answers, letters, tokens and the deployment itself.
contract ServicesTest is Base {
    bytes32 private constant MODEL = keccak256("model");
    bytes32 private constant INPUT = keccak256("input");
    bytes32 private constant OUTPUT = keccak256("output");
    address private provider = address(0x960D);
    address private asker = address(0xA5C);

    function setUp() public {
        deploySuite();
        register(PLAN, defaultTerms());
        vm.deal(asker, 10 ether);
    }

    // ---- the deployment

    function test_onlyTheDeployerFillsASuiteAndOnlyOnce() public {
        vm.expectRevert(abi.encodeWithSelector(Suite.AlreadyDeployed.selector, bytes32("Rounds")));
        suite.deploy("Rounds", hex"00");
        vm.prank(asker);
        vm.expectRevert(Suite.NotDeployer.selector);
        suite.deploy("Another", hex"00");
    }

    // ---- votes

    function test_voteNeedsStakeFromBeforeTheFirstVote() public {
        _validators(3);
        bytes32 record = _recorded();
        vm.warp(block.timestamp + 1);
        vm.prank(member(0));
        validators.attest(PLAN, 0, record, true);
        // Stake bought after the first vote neither votes nor counts.
        address late = address(0x1A7E);
        vm.deal(late, 100 ether);
        vm.startPrank(late);
        validators.join{value: 100 ether}(PLAN, 100 ether);
        vm.warp(block.timestamp + 1);
        vm.expectRevert(Validators.JoinedTooLate.selector);
        validators.attest(PLAN, 0, record, true);
        vm.stopPrank();
        (uint96 total, uint96 yes,,) = validators.tallyOf(PLAN, 0);
        require(total == 3 ether && yes == 1 ether, "late stake was counted");
        vm.prank(member(1));
        vm.expectRevert(Validators.OtherRecord.selector);
        validators.attest(PLAN, 0, keccak256("other"), true);
        vm.prank(member(0));
        vm.expectRevert(Validators.AlreadyVoted.selector);
        validators.attest(PLAN, 0, record, false);
        vm.prank(challenger);
        vm.expectRevert(Validators.NotValidator.selector);
        validators.attest(PLAN, 0, record, true);
    }

    function test_leavingValidatorNeitherVotesNorEscapes() public {
        _validators(2);
        bytes32 record = _recorded();
        vm.warp(block.timestamp + 1);
        vm.startPrank(member(0));
        validators.startLeaving(PLAN);
        vm.expectRevert(Validators.NotValidator.selector);
        validators.attest(PLAN, 0, record, true);
        vm.expectPartialRevert(Validators.StillBonded.selector);
        validators.withdraw(PLAN);
        vm.stopPrank();
        _slashTwoVotes(0, record);
        vm.warp(block.timestamp + 2 days);
        vm.prank(member(0));
        vm.expectRevert(Validators.NotValidator.selector);
        validators.withdraw(PLAN);
        eq(address(validators).balance, 1 ether, "stakes are not covered");
    }

    function test_twoVotesCostTheStake() public {
        _validators(2);
        bytes32 record = _recorded();
        uint256 before = challenger.balance;
        _slashTwoVotes(0, record);
        eq(challenger.balance - before, 0.6 ether, "share");
        eq(validators.activeStake(PLAN), 1 ether, "active stake");
        bytes memory yes = signed(0, record, true);
        bytes memory no = signed(0, record, false);
        vm.expectRevert(Validators.NoStake.selector);
        this.slash(0, record, yes, no);
    }

    function test_anotherValidatorsVoteIsNoSecondVote() public {
        _validators(2);
        bytes32 record = _recorded();
        bytes memory own = signed(0, record, true);
        bytes memory foreign = signed(1, record, false);
        vm.expectRevert(Validators.NotSigned.selector);
        this.slash(0, record, own, foreign);
    }

    function test_vouchingForAVoidedRoundCostsTheStake() public {
        _validators(1);
        bytes32 record = _recorded();
        vm.warp(block.timestamp + 1);
        vm.prank(member(0));
        validators.attest(PLAN, 0, record, true);
        vm.expectRevert(Validators.NoFault.selector);
        validators.slashFalseVote(PLAN, 0, member(0));
        vm.prank(address(disputes));
        rounds.cancel(PLAN, 0);
        vm.prank(challenger);
        validators.slashFalseVote(PLAN, 0, member(0));
        (uint96 stake,,) = validators.validatorOf(PLAN, member(0));
        eq(stake, 0, "still staked");
    }

    // ---- paid answers

    function test_onlyTheNamedProviderIsPaidAndOnce() public {
        uint256 id = _ask(provider, 0);
        vm.prank(challenger);
        vm.expectRevert(Inference.NotProvider.selector);
        inference.answer(id, OUTPUT, "out", address(0), "");
        vm.prank(provider);
        inference.answer(id, OUTPUT, "out", address(0), "");
        eq(provider.balance, 1 ether, "fee");
        vm.prank(provider);
        vm.expectRevert(Inference.AlreadySettled.selector);
        inference.answer(id, OUTPUT, "out", address(0), "");
        vm.warp(block.timestamp + 101);
        vm.expectRevert(Inference.AlreadySettled.selector);
        inference.refund(id);
    }

    function test_silenceReturnsTheFeeAndLateAnswersDoNot() public {
        uint256 id = _ask(provider, 0);
        vm.expectPartialRevert(Inference.TooEarly.selector);
        inference.refund(id);
        vm.warp(block.timestamp + 101);
        vm.prank(provider);
        vm.expectRevert(Inference.DeadlinePassed.selector);
        inference.answer(id, OUTPUT, "out", address(0), "");
        inference.refund(id);
        eq(asker.balance, 10 ether, "fee");
        vm.expectRevert(Inference.AlreadySettled.selector);
        inference.refund(id);
    }

    function test_copiedProofOfAnAnswerPaysNobody() public {
        address open = TrapdoorProof.deployKey(7, 0, false, false, false);
        uint256 id = _ask(address(0), open.codehash);
        bytes memory proof = _answerProof(id, provider);
        vm.prank(challenger); // saw the proof in the queue of transactions
        vm.expectRevert(Groth16Verifier.BadProof.selector);
        inference.answer(id, OUTPUT, "out", open, proof);
        vm.prank(provider);
        vm.expectRevert(Groth16Verifier.BadProof.selector);
        inference.answer(id, keccak256("another output"), "out", open, proof);
        vm.prank(provider);
        vm.expectRevert(Inference.WrongKey.selector);
        inference.answer(id, OUTPUT, "out", key, proof);
        uint256 second = _ask(address(0), open.codehash);
        vm.prank(provider);
        vm.expectRevert(Groth16Verifier.BadProof.selector);
        inference.answer(second, OUTPUT, "out", open, proof);
        vm.prank(provider);
        inference.answer(id, OUTPUT, "out", open, proof);
        eq(provider.balance, 1 ether, "fee");
    }

    function test_requestNobodyCouldAnswerIsRefused() public {
        vm.expectRevert(Inference.NobodyMayAnswer.selector);
        this.ask(address(0), 0, uint40(block.timestamp + 100));
        vm.expectRevert(Inference.DeadlinePassed.selector);
        this.ask(provider, 0, uint40(block.timestamp - 1));
    }

    // ---- letters

    function test_onlyMembersWriteToMembers() public {
        vm.prank(member(0));
        mailbox.publishKey(keccak256("key"));
        vm.prank(coordinator);
        vm.expectRevert(abi.encodeWithSelector(Mailbox.NotMember.selector, member(0)));
        mailbox.post(PLAN, member(0), "letter");
        joinOne(PLAN, 0);
        vm.prank(challenger);
        vm.expectRevert(abi.encodeWithSelector(Mailbox.NotMember.selector, challenger));
        mailbox.post(PLAN, member(0), "letter");
        vm.prank(member(0));
        vm.expectRevert(abi.encodeWithSelector(Mailbox.NoKey.selector, coordinator));
        mailbox.post(PLAN, coordinator, "letter");
        vm.prank(coordinator);
        mailbox.post(PLAN, member(0), "letter");
        eq(mailbox.countOf(PLAN, member(0)), 1, "count");
    }

    // ---- tokens

    function test_tokenThatKeepsAFeeIsRefused() public {
        Token token = new Token(1);
        Terms memory t = defaultTerms();
        t.token = address(token);
        token.mint(coordinator, 100 ether);
        vm.startPrank(coordinator);
        token.approve(address(registry), 100 ether);
        vm.expectRevert(Payment.TokenTookFee.selector);
        registry.register(keccak256("token"), t, "", "");
        vm.stopPrank();
    }

    function test_planInATokenNeedsAllOfItAndNoCoins() public {
        Token token = new Token(0);
        Terms memory t = defaultTerms();
        t.token = address(token);
        bytes32 plan = keccak256("token");
        token.mint(coordinator, 100 ether);
        vm.startPrank(coordinator);
        token.approve(address(registry), 10 ether);
        vm.expectRevert();
        registry.register(plan, t, "", "");
        token.approve(address(registry), 100 ether);
        vm.expectRevert(abi.encodeWithSelector(Payment.WrongValue.selector, 1, 0));
        registry.register{value: 1}(plan, t, "", "");
        vm.stopPrank();
        register(plan, t);
        eq(token.balanceOf(address(rewards)), 4 * REWARD, "rewards");
        eq(token.balanceOf(address(membership)), COORDINATOR_STAKE, "stake");
        token.mint(member(0), MEMBER_STAKE);
        vm.startPrank(member(0));
        token.approve(address(membership), MEMBER_STAKE);
        membership.joinListed(plan, identityOf(0), samplesOf(0), 0, pathOf(memberLeaves(), 0));
        membership.startLeaving(plan);
        vm.warp(block.timestamp + 200);
        membership.withdraw(plan);
        vm.stopPrank();
        eq(token.balanceOf(member(0)), MEMBER_STAKE, "stake of a member");
    }

    // ---- helpers

    function slash(uint256 i, bytes32 record, bytes calldata yes, bytes calldata no) external {
        vm.prank(challenger);
        validators.slashTwoVotes(PLAN, 0, member(i), [record, record], [true, false], [yes, no]);
    }

    function ask(address who, bytes32 keyHash, uint40 deadline) external {
        inference.request(PLAN, who, MODEL, INPUT, keyHash, deadline, "in");
    }

    function signed(uint256 i, bytes32 record, bool right) public view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(secretOf(i), validators.attestationHash(PLAN, 0, record, right));
        return abi.encodePacked(r, s, v);
    }

    function _slashTwoVotes(uint256 i, bytes32 record) private {
        this.slash(i, record, signed(i, record, true), signed(i, record, false));
    }

    function _validators(uint256 n) private {
        for (uint256 i = 0; i < n; ++i) {
            vm.deal(member(i), 1 ether);
            vm.prank(member(i));
            validators.join{value: 1 ether}(PLAN, 1 ether);
        }
    }

    function _recorded() private returns (bytes32) {
        vm.warp(committableAt(0));
        commit(PLAN, 0, leavesOf(PLAN, 0));
        record(PLAN, 0);
        return rounds.aggregateHash(PLAN, 0);
    }

    function _ask(address who, bytes32 keyHash) private returns (uint256) {
        vm.prank(asker);
        return inference.request{value: 1 ether}(PLAN, who, MODEL, INPUT, keyHash, uint40(block.timestamp + 100), "in");
    }

    function _answerProof(uint256 id, address who) private view returns (bytes memory proof) {
        uint256[] memory x = new uint256[](7);
        x[0] = inference.answerContext(id, who);
        (x[1], x[2]) = (uint256(MODEL) >> 128, uint128(uint256(MODEL)));
        (x[3], x[4]) = (uint256(INPUT) >> 128, uint128(uint256(INPUT)));
        (x[5], x[6]) = (uint256(OUTPUT) >> 128, uint128(uint256(OUTPUT)));
        (, proof) = TrapdoorProof.prove(x, 5, new uint256[](0), false);
    }
}
