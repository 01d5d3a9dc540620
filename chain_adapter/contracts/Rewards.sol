// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {MerklePath} from "./MerklePath.sol";
import {Names} from "./Names.sol";
import {Payment} from "./Payment.sol";
import {PlanRegistry} from "./PlanRegistry.sol";
import {Rounds} from "./Rounds.sol";
import {Suite} from "./Suite.sol";

/// @title Rewards of a round, shared in proportion to samples and fetched by inclusion path.
/// @notice All rewards of a plan are paid in when it is registered. A claim pays the client named in the leaf whoever sends it, so there is
/// nothing to gain by sending somebody else's claim first. Shares are rounded down; the sponsor may sweep what is left when claims close.
contract Rewards is ReentrancyGuardTransient {
    /// @dev One word, so that a claim reads storage once here.
    struct Pot {
        address token;
        uint96 rewardPerRound;
    }

    Rounds private immutable ROUNDS;
    PlanRegistry private immutable REGISTRY;

    mapping(bytes32 plan => Pot) private _pots;
    /// @notice Who paid a plan's rewards in and gets back what no client can claim.
    mapping(bytes32 plan => address) public sponsorOf;
    mapping(bytes32 plan => uint256 rounds) private _refunded;

    event RewardClaimed(bytes32 indexed plan, uint64 indexed round, address indexed client, uint256 amount);
    event RewardSwept(bytes32 indexed plan, uint64 indexed round, uint256 amount);
    event RewardRefunded(bytes32 indexed plan, uint256 amount);

    error NotPeer();
    error NotSponsor();
    error TooEarly(uint256 until);
    error NothingLeft();

    constructor(Suite suite) {
        ROUNDS = Rounds(suite.addressOf(Names.ROUNDS));
        REGISTRY = PlanRegistry(suite.addressOf(Names.PLAN_REGISTRY));
    }

    /// @notice Note a new plan's rewards; the registry pays them in.
    function open(bytes32 plan, address sponsor, address token, uint96 rewardPerRound) external payable {
        if (msg.sender != address(REGISTRY)) revert NotPeer();
        _pots[plan] = Pot(token, rewardPerRound);
        sponsorOf[plan] = sponsor;
    }

    /// @notice Pay the client of one leaf its share of a round's reward, once.
    /// @param index Position of the leaf in the round's tree, `path` its siblings from leaf to root.
    function claim(
        bytes32 plan,
        uint64 round,
        address client,
        uint32 samples,
        bytes32 digest,
        uint256 index,
        bytes32[] calldata path
    ) external nonReentrant {
        bytes32 leaf = MerklePath.updateLeaf(plan, round, client, samples, digest);
        bytes32 root = MerklePath.rootAbove(leaf, index, path);
        uint256 totalSamples = ROUNDS.consume(plan, round, root, index, samples);
        Pot memory pot = _pots[plan];
        uint256 amount = uint256(pot.rewardPerRound) * samples / totalSamples;
        emit RewardClaimed(plan, round, client, amount);
        Payment.send(pot.token, client, amount);
    }

    /// @notice Return to the sponsor what nobody claimed of a round within the plan's claim time.
    function sweep(bytes32 plan, uint64 round) external nonReentrant {
        if (msg.sender != sponsorOf[plan]) revert NotSponsor();
        (uint48 recorded,, uint32 claimableAt,) = ROUNDS.stateOf(plan, round);
        if (recorded == 0) revert NothingLeft();
        uint256 claimSeconds = REGISTRY.terms(plan).claimSeconds;
        uint256 until = claimSeconds == 0 ? type(uint256).max : claimableAt + claimSeconds;
        if (block.timestamp < until) revert TooEarly(until);
        (uint256 totalSamples, uint256 claimedSamples) = ROUNDS.close(plan, round);
        Pot memory pot = _pots[plan];
        // Shares were rounded down one by one, so what was paid is at most the rounded-down share of all of them.
        uint256 amount = pot.rewardPerRound - pot.rewardPerRound * claimedSamples / totalSamples;
        emit RewardSwept(plan, round, amount);
        Payment.send(pot.token, msg.sender, amount);
    }

    /// @notice Return to the sponsor the rewards of rounds that a plan, now ended, skipped, voided or never reached.
    function refund(bytes32 plan) external nonReentrant {
        if (msg.sender != sponsorOf[plan]) revert NotSponsor();
        Pot memory pot = _pots[plan];
        uint256 rounds = ROUNDS.unpaidRounds(plan);
        if (rounds <= _refunded[plan]) revert NothingLeft();
        uint256 amount = (rounds - _refunded[plan]) * pot.rewardPerRound;
        _refunded[plan] = rounds;
        emit RewardRefunded(plan, amount);
        Payment.send(pot.token, msg.sender, amount);
    }
}
