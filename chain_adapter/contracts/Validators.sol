// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Names} from "./Names.sol";
import {Payment} from "./Payment.sol";
import {PlanRegistry} from "./PlanRegistry.sol";
import {Phase, Rounds} from "./Rounds.sol";
import {Suite} from "./Suite.sol";

/// @title Stake-weighted attestations of recorded rounds: validation by proof of stake.
/// @notice A round is attested once more than two thirds of the stake at its first vote say the record is right, and doubted once a third
/// says it is not. Votes are opinions that cost a stake when they prove false: who signs two votes about one round, or vouched for a
/// round that a dispute voided, is slashed. What proofs can decide is decided in Disputes, not here.
contract Validators is EIP712, ReentrancyGuardTransient {
    struct Validator {
        uint96 stake;
        uint40 since;
        uint40 leavingAt;
    }

    struct Tally {
        uint96 total;
        uint96 yes;
        uint40 openedAt;
        uint96 no;
    }

    enum Vote {
        None,
        Right,
        Wrong
    }

    /// @notice Type of the struct a validator signs.
    bytes32 public constant ATTESTATION_TYPEHASH =
        keccak256("Attestation(bytes32 plan,uint64 round,bytes32 record,bool right)");
    /// @notice Where the share of a slashed stake goes that no challenger gets.
    address public constant BURNT = 0x000000000000000000000000000000000000dEaD;
    /// @notice A validator's stake stays bound at least this long after it starts to leave.
    uint256 public constant LEAST_UNBONDING = 1 days;

    PlanRegistry private immutable REGISTRY;
    Rounds private immutable ROUNDS;

    mapping(bytes32 plan => mapping(address validator => Validator)) public validatorOf;
    mapping(bytes32 plan => uint256) public activeStake;
    mapping(bytes32 plan => mapping(uint64 round => Tally)) public tallyOf;
    mapping(bytes32 plan => mapping(uint64 round => mapping(address validator => Vote))) public voteOf;

    event ValidatorJoined(bytes32 indexed plan, address indexed validator, uint256 stake);
    event ValidatorLeaving(bytes32 indexed plan, address indexed validator, uint40 withdrawableAt);
    event ValidatorLeft(bytes32 indexed plan, address indexed validator, uint256 stake);
    event ValidatorSlashed(bytes32 indexed plan, uint64 indexed round, address indexed validator, address challenger, uint256 amount);
    event Attested(bytes32 indexed plan, uint64 indexed round, address indexed validator, bool right, uint256 weight);
    event RoundAttested(bytes32 indexed plan, uint64 indexed round, bytes32 record);
    event RoundDoubted(bytes32 indexed plan, uint64 indexed round, bytes32 record);

    error NoStake();
    error NotValidator();
    error AlreadyLeaving();
    error StillBonded(uint256 until);
    error NotRecorded();
    error OtherRecord();
    error AlreadyVoted();
    error JoinedTooLate();
    error NoFault();
    error NotSigned();

    constructor(Suite suite) EIP712("EPPML", "1") {
        REGISTRY = PlanRegistry(suite.addressOf(Names.PLAN_REGISTRY));
        ROUNDS = Rounds(suite.addressOf(Names.ROUNDS));
    }

    /// @notice Add to one's stake, in the plan's token; new stake votes on rounds opened afterwards.
    function join(bytes32 plan, uint96 amount) external payable nonReentrant {
        (, address token,,,,) = REGISTRY.stakeTerms(plan);
        uint256 due = token == address(0) ? amount : 0;
        if (msg.value != due) revert Payment.WrongValue(msg.value, due);
        if (amount == 0) revert NoStake();
        Validator storage v = validatorOf[plan][msg.sender];
        if (v.leavingAt != 0) revert AlreadyLeaving();
        v.stake += amount;
        v.since = uint40(block.timestamp);
        activeStake[plan] += amount;
        emit ValidatorJoined(plan, msg.sender, amount);
        if (token != address(0)) Payment.pull(token, msg.sender, address(this), amount);
    }

    /// @notice Stop validating; the stake can be withdrawn after unbonding.
    function startLeaving(bytes32 plan) external {
        Validator storage v = validatorOf[plan][msg.sender];
        if (v.stake == 0) revert NotValidator();
        if (v.leavingAt != 0) revert AlreadyLeaving();
        (,,, uint32 unbonding,,) = REGISTRY.stakeTerms(plan);
        v.leavingAt = uint40(block.timestamp + (unbonding > LEAST_UNBONDING ? unbonding : LEAST_UNBONDING));
        activeStake[plan] -= v.stake;
        emit ValidatorLeaving(plan, msg.sender, v.leavingAt);
    }

    /// @notice Take the stake back after unbonding.
    function withdraw(bytes32 plan) external nonReentrant {
        Validator memory v = validatorOf[plan][msg.sender];
        if (v.leavingAt == 0) revert NotValidator();
        if (block.timestamp < v.leavingAt) revert StillBonded(v.leavingAt);
        delete validatorOf[plan][msg.sender];
        emit ValidatorLeft(plan, msg.sender, v.stake);
        (, address token,,,,) = REGISTRY.stakeTerms(plan);
        Payment.send(token, msg.sender, v.stake);
    }

    /// @notice Vote on a recorded round. `record` is its aggregate hash, so that a vote is about what the voter saw.
    function attest(bytes32 plan, uint64 round, bytes32 record, bool right) external {
        _vote(plan, round, record, right, msg.sender);
    }

    /// @notice Hand in a vote that a validator signed.
    function attestSigned(bytes32 plan, uint64 round, bytes32 record, bool right, address validator, bytes calldata signature)
        external
    {
        _requireSigned(plan, round, record, right, validator, signature);
        _vote(plan, round, record, right, validator);
    }

    /// @notice Slash a validator who signed two different votes about one round.
    function slashTwoVotes(
        bytes32 plan,
        uint64 round,
        address validator,
        bytes32[2] calldata records,
        bool[2] calldata right,
        bytes[2] calldata signatures
    ) external nonReentrant {
        if (records[0] == records[1] && right[0] == right[1]) revert NoFault();
        _requireSigned(plan, round, records[0], right[0], validator, signatures[0]);
        _requireSigned(plan, round, records[1], right[1], validator, signatures[1]);
        _slash(plan, round, validator);
    }

    /// @notice Slash a validator who vouched for a round that a dispute voided.
    function slashFalseVote(bytes32 plan, uint64 round, address validator) external nonReentrant {
        if (voteOf[plan][round][validator] != Vote.Right || ROUNDS.phaseOf(plan, round) != Phase.Cancelled) revert NoFault();
        _slash(plan, round, validator);
    }

    /// @notice The EIP-712 hash a validator signs.
    function attestationHash(bytes32 plan, uint64 round, bytes32 record, bool right) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(ATTESTATION_TYPEHASH, plan, round, record, right)));
    }

    function _vote(bytes32 plan, uint64 round, bytes32 record, bool right, address validator) private {
        bytes32 recorded = ROUNDS.aggregateHash(plan, round);
        if (recorded == 0) revert NotRecorded();
        if (recorded != record) revert OtherRecord();
        if (voteOf[plan][round][validator] != Vote.None) revert AlreadyVoted();
        Validator memory v = validatorOf[plan][validator];
        if (v.stake == 0 || v.leavingAt != 0) revert NotValidator();
        Tally memory t = tallyOf[plan][round];
        // The stake is counted when the first vote comes in: later stake can neither vote on the round nor dilute it.
        if (t.openedAt == 0) (t.openedAt, t.total) = (uint40(block.timestamp), uint96(activeStake[plan]));
        if (v.since >= t.openedAt) revert JoinedTooLate();
        bool wasAttested = 3 * uint256(t.yes) > 2 * uint256(t.total);
        bool wasDoubted = 3 * uint256(t.no) >= uint256(t.total);
        if (right) t.yes += v.stake;
        else t.no += v.stake;
        tallyOf[plan][round] = t;
        voteOf[plan][round][validator] = right ? Vote.Right : Vote.Wrong;
        emit Attested(plan, round, validator, right, v.stake);
        if (!wasAttested && 3 * uint256(t.yes) > 2 * uint256(t.total)) emit RoundAttested(plan, round, record);
        if (!wasDoubted && 3 * uint256(t.no) >= uint256(t.total)) emit RoundDoubted(plan, round, record);
    }

    function _slash(bytes32 plan, uint64 round, address validator) private {
        Validator storage v = validatorOf[plan][validator];
        uint256 amount = v.stake;
        if (amount == 0) revert NoStake();
        if (v.leavingAt == 0) activeStake[plan] -= amount;
        delete validatorOf[plan][validator];
        (, address token,,,, uint16 share) = REGISTRY.stakeTerms(plan);
        uint256 toChallenger = amount * share / 10_000;
        emit ValidatorSlashed(plan, round, validator, msg.sender, amount);
        Payment.send(token, BURNT, amount - toChallenger);
        Payment.send(token, msg.sender, toChallenger);
    }

    function _requireSigned(
        bytes32 plan,
        uint64 round,
        bytes32 record,
        bool right,
        address validator,
        bytes calldata signature
    ) private view {
        if (ECDSA.recoverCalldata(attestationHash(plan, round, record, right), signature) != validator) {
            revert NotSigned();
        }
    }
}
