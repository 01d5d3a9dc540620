// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {MerklePath} from "./MerklePath.sol";
import {Names} from "./Names.sol";
import {Payment} from "./Payment.sol";
import {PlanRegistry} from "./PlanRegistry.sol";
import {Rounds} from "./Rounds.sol";
import {Suite} from "./Suite.sol";

/// @notice One entry of an allow-list.
struct Member {
    address member;
    bytes32 identity;
    uint32 samples;
}

/// @title Who belongs to a plan, and the stakes of members and coordinator.
/// @notice An allow-list is one Merkle root in the plan's terms: a thousand members cost as much as one. Stakes are asked for only by plans
/// that say so; a member who leaves gets the stake back after the unbonding delay, within which a bad update can still be challenged.
contract Membership is ReentrancyGuardTransient {
    struct Stake {
        uint96 amount;
        uint40 leavingAt;
        bool joined;
        bytes32 identity;
    }

    PlanRegistry private immutable REGISTRY;
    Rounds private immutable ROUNDS;
    address private immutable DISPUTES;

    /// @notice Where the share of a slashed stake goes that no challenger gets.
    address public constant BURNT = 0x000000000000000000000000000000000000dEaD;

    mapping(bytes32 plan => mapping(address member => Stake)) private _stakes;
    /// @notice Coins an account won from challenges that failed against it; fetched, not sent, so that nobody can block a dispute.
    mapping(address account => uint256) public compensation;
    /// @notice What the coordinator of a plan still has at stake.
    mapping(bytes32 plan => uint96) public coordinatorStake;

    event MemberJoined(bytes32 indexed plan, address indexed member, bytes32 identity, uint256 stake);
    event MemberLeaving(bytes32 indexed plan, address indexed member, uint40 withdrawableAt);
    event StakeWithdrawn(bytes32 indexed plan, address indexed member, uint256 amount);
    event StakeSlashed(
        bytes32 indexed plan, address indexed member, address indexed challenger, uint256 toChallenger, uint256 burnt
    );
    event MembersPublished(bytes32 indexed plan, uint256 count);

    error NotListed();
    error AlreadyJoined();
    error NotJoined();
    error AlreadyLeaving();
    error StillBonded(uint256 until);
    error NotOpen();
    error PlanRunning();
    error NotPeer();

    constructor(Suite suite) {
        REGISTRY = PlanRegistry(suite.addressOf(Names.PLAN_REGISTRY));
        ROUNDS = Rounds(suite.addressOf(Names.ROUNDS));
        DISPUTES = suite.addressOf(Names.DISPUTES);
    }

    /// @notice Note the coordinator's stake; the registry pays it in.
    function open(bytes32 plan, uint96 stake) external payable {
        if (msg.sender != address(REGISTRY)) revert NotPeer();
        coordinatorStake[plan] = stake;
    }

    /// @notice Join an open plan with its stake.
    function join(bytes32 plan, bytes32 identity) external payable nonReentrant {
        (, address token, uint96 stake,, bytes32 membersRoot,) = REGISTRY.stakeTerms(plan);
        if (membersRoot != 0) revert NotListed();
        _join(plan, identity, token, stake);
    }

    /// @notice Join as a listed member, with the stake the plan asks for (which may be none).
    function joinListed(bytes32 plan, bytes32 identity, uint32 samples, uint256 index, bytes32[] calldata path)
        external
        payable
        nonReentrant
    {
        (, address token, uint96 stake,, bytes32 membersRoot,) = REGISTRY.stakeTerms(plan);
        if (!_listed(membersRoot, msg.sender, identity, samples, index, path)) revert NotListed();
        _join(plan, identity, token, stake);
    }

    /// @notice Start to leave: the stake can be withdrawn after the plan's unbonding delay.
    function startLeaving(bytes32 plan) external {
        Stake storage s = _stakes[plan][msg.sender];
        if (!s.joined) revert NotJoined();
        if (s.leavingAt != 0) revert AlreadyLeaving();
        (,,, uint32 unbondingSeconds,,) = REGISTRY.stakeTerms(plan);
        s.leavingAt = uint40(block.timestamp + unbondingSeconds);
        emit MemberLeaving(plan, msg.sender, s.leavingAt);
    }

    /// @notice Take the stake back after unbonding, or after the challenge time when the plan was abandoned.
    function withdraw(bytes32 plan) external nonReentrant {
        Stake storage s = _stakes[plan][msg.sender];
        if (!s.joined) revert NotJoined();
        (bool abandoned,, uint256 until) = ROUNDS.progressOf(plan);
        // The end of a plan must not let those go who can still be challenged.
        if (!abandoned || (s.leavingAt != 0 && s.leavingAt < until)) until = s.leavingAt;
        if (until == 0) revert PlanRunning();
        if (block.timestamp < until) revert StillBonded(until);
        uint256 amount = s.amount;
        delete _stakes[plan][msg.sender];
        emit StakeWithdrawn(plan, msg.sender, amount);
        (, address token,,,,) = REGISTRY.stakeTerms(plan);
        Payment.send(token, msg.sender, amount);
    }

    /// @notice Return the coordinator's stake once every round is recorded and the last one can no longer be challenged.
    function withdrawCoordinator(bytes32 plan) external nonReentrant {
        (address coordinator, address token,, uint32 unbondingSeconds,,) = REGISTRY.stakeTerms(plan);
        (, bool finished, uint256 closedAt) = ROUNDS.progressOf(plan);
        if (!finished) revert PlanRunning();
        if (block.timestamp < closedAt + unbondingSeconds) revert StillBonded(closedAt + unbondingSeconds);
        uint256 amount = coordinatorStake[plan];
        coordinatorStake[plan] = 0;
        emit StakeWithdrawn(plan, coordinator, amount);
        Payment.send(token, coordinator, amount);
    }

    /// @notice Put a whole allow-list on the chain's record, checked against the plan's root.
    function publishMembers(bytes32 plan, Member[] calldata members) external {
        (,,,, bytes32 membersRoot,) = REGISTRY.stakeTerms(plan);
        bytes32[] memory leaves = new bytes32[](members.length);
        for (uint256 i = 0; i < members.length; ++i) {
            leaves[i] = MerklePath.memberLeaf(members[i].member, members[i].identity, members[i].samples);
        }
        if (members.length == 0 || MerklePath.rootOf(leaves) != membersRoot) revert NotListed();
        emit MembersPublished(plan, members.length);
    }

    /// @notice Take a member's whole stake: a share to the challenger, the rest burnt so that cheating oneself does not pay.
    function slash(bytes32 plan, address member, address challenger) external nonReentrant returns (uint256 toChallenger) {
        if (msg.sender != DISPUTES) revert NotPeer();
        uint256 amount = _stakes[plan][member].amount;
        _stakes[plan][member].amount = 0;
        return _slash(plan, member, challenger, amount);
    }

    /// @notice Take the coordinator's whole stake.
    function slashCoordinator(bytes32 plan, address challenger) external nonReentrant returns (uint256 toChallenger) {
        if (msg.sender != DISPUTES && msg.sender != address(ROUNDS)) revert NotPeer();
        (address coordinator,,,,,) = REGISTRY.stakeTerms(plan);
        uint256 amount = coordinatorStake[plan];
        coordinatorStake[plan] = 0;
        return _slash(plan, coordinator, challenger, amount);
    }

    /// @notice Credit the bond of a failed challenge to whom it accused.
    function compensate(address account) external payable {
        if (msg.sender != DISPUTES) revert NotPeer();
        compensation[account] += msg.value;
    }

    /// @notice Fetch what failed challenges left to the caller.
    function fetchCompensation() external nonReentrant {
        uint256 amount = compensation[msg.sender];
        compensation[msg.sender] = 0;
        Payment.send(address(0), msg.sender, amount);
    }

    /// @notice Whether an account is on a plan's allow-list with this identity and number of samples.
    function isListed(
        bytes32 plan,
        address member,
        bytes32 identity,
        uint32 samples,
        uint256 index,
        bytes32[] calldata path
    ) external view returns (bool) {
        (,,,, bytes32 membersRoot,) = REGISTRY.stakeTerms(plan);
        return _listed(membersRoot, member, identity, samples, index, path);
    }

    /// @notice Whether a member has joined, is not leaving and has not been slashed below the plan's stake.
    function isActive(bytes32 plan, address member) external view returns (bool) {
        (,, uint96 stake,,,) = REGISTRY.stakeTerms(plan);
        Stake storage s = _stakes[plan][member];
        return s.joined && s.leavingAt == 0 && s.amount >= stake;
    }

    /// @notice Whether an account has joined and not withdrawn yet.
    function isJoined(bytes32 plan, address member) external view returns (bool) {
        return _stakes[plan][member].joined;
    }

    /// @notice What a member has at stake, when it can be withdrawn (zero: not leaving) and the identity key given on joining.
    function stakeOf(bytes32 plan, address member)
        external
        view
        returns (uint96 amount, uint40 leavingAt, bytes32 identity)
    {
        Stake storage s = _stakes[plan][member];
        return (s.amount, s.leavingAt, s.identity);
    }

    function _join(bytes32 plan, bytes32 identity, address token, uint96 stake) private {
        Stake storage s = _stakes[plan][msg.sender];
        if (s.joined) revert AlreadyJoined();
        (bool abandoned, bool finished,) = ROUNDS.progressOf(plan);
        if (abandoned || finished) revert NotOpen();
        uint256 due = token == address(0) ? stake : 0;
        if (msg.value != due) revert Payment.WrongValue(msg.value, due);
        _stakes[plan][msg.sender] = Stake({amount: stake, leavingAt: 0, joined: true, identity: identity});
        emit MemberJoined(plan, msg.sender, identity, stake);
        if (token != address(0)) Payment.pull(token, msg.sender, address(this), stake);
    }

    function _slash(bytes32 plan, address member, address challenger, uint256 amount)
        private
        returns (uint256 toChallenger)
    {
        (, address token,,,, uint16 share) = REGISTRY.stakeTerms(plan);
        toChallenger = amount * share / 10_000;
        emit StakeSlashed(plan, member, challenger, toChallenger, amount - toChallenger);
        Payment.send(token, BURNT, amount - toChallenger);
        Payment.send(token, challenger, toChallenger);
    }

    function _listed(
        bytes32 membersRoot,
        address member,
        bytes32 identity,
        uint32 samples,
        uint256 index,
        bytes32[] calldata path
    ) private pure returns (bool) {
        if (membersRoot == 0) return false;
        return MerklePath.rootAbove(MerklePath.memberLeaf(member, identity, samples), index, path) == membersRoot;
    }
}
