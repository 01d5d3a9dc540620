// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Membership} from "./Membership.sol";
import {Names} from "./Names.sol";
import {Payment} from "./Payment.sol";
import {Rewards} from "./Rewards.sol";
import {Rounds} from "./Rounds.sol";
import {Suite} from "./Suite.sol";

/// @notice What a plan promises. Never changes after registration. Fields are ordered to fill storage words.
struct Terms {
    address coordinator;
    uint32 start;
    uint24 collectSeconds;
    uint24 roundSeconds;
    uint16 rounds;
    address token;
    uint96 rewardPerRound;
    bytes32 membersRoot;
    bytes32 keyHash;
    uint96 memberStake;
    uint96 coordinatorStake;
    uint32 unbondingSeconds;
    uint32 challengeSeconds;
    uint96 bond;
    uint64 l2Bound;
    uint64 l2Slack;
    uint32 maxWeight;
    uint32 claimSeconds;
    uint32 minClients;
    uint32 memberCount;
    uint16 challengerShare;
    uint64 epsilonMicro;
    uint64 deltaPico;
}

/// @title Plans by hash, funded in full when registered and immutable from then on.
/// @dev Nothing stops a stranger from registering a hash first with terms of their own; clients and auditors must compare the terms on chain
/// with the plan's body, and a coordinator who was forestalled changes the plan's salt.
contract PlanRegistry is ReentrancyGuardTransient {
    Membership private immutable MEMBERSHIP;
    Rounds private immutable ROUNDS;
    Rewards private immutable REWARDS;

    mapping(bytes32 plan => Terms) private _terms;

    event PlanRegistered(
        bytes32 indexed plan,
        address indexed coordinator,
        bytes32 keyHash,
        bytes32 membersRoot,
        Terms terms,
        string planCid,
        string membersCid
    );

    error PlanExists(bytes32 plan);
    error UnknownPlan(bytes32 plan);
    error BadTerms(string field);

    constructor(Suite suite) {
        MEMBERSHIP = Membership(suite.addressOf(Names.MEMBERSHIP));
        ROUNDS = Rounds(suite.addressOf(Names.ROUNDS));
        REWARDS = Rewards(suite.addressOf(Names.REWARDS));
    }

    /// @notice Register a plan and pay in all its rewards and the coordinator's stake.
    /// @param plan Hash of the plan's body.
    /// @param t The terms; a `start` of zero becomes the block's time.
    /// @param planCid Where the body is stored.
    /// @param membersCid Where the allow-list is stored; empty for an open plan.
    function register(bytes32 plan, Terms calldata t, string calldata planCid, string calldata membersCid)
        external
        payable
        nonReentrant
    {
        if (_terms[plan].coordinator != address(0)) revert PlanExists(plan);
        _check(plan, t);
        _terms[plan] = t;
        Terms storage stored = _terms[plan];
        if (t.start == 0) stored.start = uint32(block.timestamp);

        uint256 rewards = uint256(t.rounds) * t.rewardPerRound;
        uint256 stake = t.coordinatorStake;
        ROUNDS.open(plan, stored.start, t);
        emit PlanRegistered(plan, msg.sender, t.keyHash, t.membersRoot, stored, planCid, membersCid);
        if (t.token == address(0)) {
            if (msg.value != rewards + stake) revert Payment.WrongValue(msg.value, rewards + stake);
            REWARDS.open{value: rewards}(plan, msg.sender, t.token, t.rewardPerRound);
            MEMBERSHIP.open{value: stake}(plan, t.coordinatorStake);
        } else {
            if (msg.value != 0) revert Payment.WrongValue(msg.value, 0);
            REWARDS.open(plan, msg.sender, t.token, t.rewardPerRound);
            MEMBERSHIP.open(plan, t.coordinatorStake);
            Payment.pull(t.token, msg.sender, address(REWARDS), rewards);
            Payment.pull(t.token, msg.sender, address(MEMBERSHIP), stake);
        }
    }

    /// @notice All terms of a plan.
    function terms(bytes32 plan) external view returns (Terms memory) {
        return _known(plan);
    }

    /// @notice Whether a plan has been registered.
    function exists(bytes32 plan) external view returns (bool) {
        return _terms[plan].coordinator != address(0);
    }

    /// @notice The terms that stakes depend on.
    function stakeTerms(bytes32 plan)
        external
        view
        returns (
            address coordinator,
            address token,
            uint96 memberStake,
            uint32 unbondingSeconds,
            bytes32 membersRoot,
            uint16 challengerShare
        )
    {
        Terms storage t = _known(plan);
        return (t.coordinator, t.token, t.memberStake, t.unbondingSeconds, t.membersRoot, t.challengerShare);
    }

    /// @notice The largest squared l2 norm an encoded update of `samples` samples may have: a public input of every update's proof.
    function l2BoundSquared(bytes32 plan, uint32 samples) external view returns (uint256) {
        Terms storage t = _known(plan);
        uint256 weight = samples < t.maxWeight ? samples : t.maxWeight;
        uint256 bound = (uint256(t.l2Bound) * weight + t.maxWeight - 1) / t.maxWeight + t.l2Slack;
        return bound * bound;
    }

    function _known(bytes32 plan) private view returns (Terms storage t) {
        t = _terms[plan];
        if (t.coordinator == address(0)) revert UnknownPlan(plan);
    }

    function _check(bytes32 plan, Terms calldata t) private view {
        if (plan == 0) revert BadTerms("plan");
        if (t.coordinator != msg.sender) revert BadTerms("coordinator");
        if (t.start != 0 && t.start < block.timestamp) revert BadTerms("start");
        if (t.rounds == 0) revert BadTerms("rounds");
        if (t.roundSeconds == 0 || t.roundSeconds < t.collectSeconds) revert BadTerms("roundSeconds");
        if (t.minClients == 0) revert BadTerms("minClients");
        // Moments of the future are kept in 32 bits; longer delays would wrap around and be over at once.
        if (t.challengeSeconds > 365 days) revert BadTerms("challengeSeconds");
        if (t.challengerShare > 10_000) revert BadTerms("challengerShare");
        if ((t.membersRoot == 0) != (t.memberCount == 0)) revert BadTerms("memberCount");
        // An open plan without stakes would let anybody appear as any number of members.
        if (t.membersRoot == 0 && t.memberStake == 0) revert BadTerms("memberStake");
        if (t.keyHash != 0 && t.maxWeight == 0) revert BadTerms("maxWeight");
        // Whoever signs in a round's last second can still be challenged until that round's claims open.
        if (t.memberStake != 0 && t.unbondingSeconds < uint256(t.roundSeconds) + t.challengeSeconds) {
            revert BadTerms("unbondingSeconds");
        }
        if (t.token != address(0) && t.token.code.length == 0) revert BadTerms("token");
    }
}
