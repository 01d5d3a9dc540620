// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Membership} from "./Membership.sol";
import {MerklePath} from "./MerklePath.sol";
import {Names} from "./Names.sol";
import {Terms} from "./PlanRegistry.sol";
import {Suite} from "./Suite.sol";

/// @notice What a coordinator publishes about the sum of a round.
struct Aggregate {
    bytes32 modelDigest;
    uint48 totalSamples;
    uint256[] included;
    bytes commitmentSum;
    string modelCid;
    string recordCid;
}

/// @notice Where a round stands.
enum Phase {
    Unknown,
    Waiting,
    Collecting,
    Committable,
    Committed,
    Recorded,
    Expired,
    Cancelled,
    Skipped
}

/// @title The rounds of every plan: one Merkle root of signed updates, then one aggregate record.
/// @notice A round costs one storage word for the root, however many clients took part. The EIP-712 domain of the clients' signatures is this
/// contract's, so a signature is worth nothing on another chain or in another deployment; plan and round are in the signed struct.
contract Rounds is EIP712 {
    /// @dev One word, so that committing a root reads storage once.
    struct Schedule {
        address coordinator;
        uint32 start;
        uint24 collectSeconds;
        uint24 roundSeconds;
        uint16 rounds;
    }

    struct Progress {
        uint32 minClients;
        uint32 challengeSeconds;
        uint16 next;
        uint16 unpaid;
        uint32 abandonedAt;
        uint32 closedAt;
    }

    /// @dev `open` has a bit for each of the first 128 leaves whose reward can be claimed; `more` continues it, 256 leaves a word.
    struct Round {
        bytes32 root;
        uint48 totalSamples;
        uint48 claimedSamples;
        uint32 claimableAt;
        uint128 open;
        bytes32 aggregateHash;
        mapping(uint256 word => uint256) more;
    }

    /// @notice Type of the struct a client signs.
    bytes32 public constant UPDATE_TYPEHASH =
        keccak256("Update(bytes32 plan,uint64 round,address client,uint32 samples,bytes32 digest)");
    /// @dev `claimableAt` of a round that a dispute cancelled.
    uint32 private constant NEVER = type(uint32).max;
    /// @dev In place of a root: the round may be committed (written when the round before is over, which pays for the storage word and
    /// keeps the rounds in order), or was passed over. No tree has these roots.
    bytes32 private constant OPEN = bytes32(uint256(1));
    bytes32 private constant SKIPPED = bytes32(uint256(2));

    address private immutable REGISTRY;
    address private immutable REWARDS;
    address private immutable DISPUTES;
    Membership private immutable MEMBERSHIP;

    mapping(bytes32 plan => Schedule) private _schedules;
    mapping(bytes32 plan => Progress) private _progress;
    mapping(bytes32 plan => mapping(uint64 round => Round)) private _rounds;
    /// @notice What a client committed for itself: hash of samples and digest, zero if nothing.
    mapping(bytes32 plan => mapping(uint64 round => mapping(address client => bytes32))) public selfCommitment;

    event RoundCommitted(
        bytes32 indexed plan, uint64 indexed round, bytes32 root, uint32 count, uint8 leavesCodec, bytes32 leavesDigest
    );
    event LeavesPublished(bytes32 indexed plan, uint64 indexed round, uint256 count);
    event SelfCommitted(
        bytes32 indexed plan,
        uint64 indexed round,
        address indexed client,
        uint32 samples,
        bytes32 digest,
        string updateCid
    );
    event AggregateRecorded(
        bytes32 indexed plan,
        uint64 indexed round,
        bytes32 modelDigest,
        uint48 totalSamples,
        uint256[] included,
        bytes commitmentSum,
        string modelCid,
        string recordCid
    );
    event ClientRejected(
        bytes32 indexed plan, uint64 indexed round, address indexed client, uint8 reason, string evidenceCid
    );
    event RoundSkipped(bytes32 indexed plan, uint64 indexed round, string recordCid);
    event PlanAbandoned(bytes32 indexed plan, uint64 indexed round, address reporter);
    event RoundCancelled(bytes32 indexed plan, uint64 indexed round);

    error NotCoordinator();
    error NotPeer();
    error WrongPhase();
    error AlreadyCommitted();
    error NotCommitted();
    error AlreadyRecorded();
    error OutOfOrder();
    error EmptyRoot();
    error TooFewClients(uint256 got, uint256 needed);
    error BadCommitmentSum();
    error NoSamples();
    error NotIncluded();
    error WrongRoot();
    error TooEarly(uint256 until);
    error OverClaimed();

    constructor(Suite suite) EIP712("EPPML", "1") {
        REGISTRY = suite.addressOf(Names.PLAN_REGISTRY);
        REWARDS = suite.addressOf(Names.REWARDS);
        DISPUTES = suite.addressOf(Names.DISPUTES);
        MEMBERSHIP = Membership(suite.addressOf(Names.MEMBERSHIP));
    }

    /// @notice Take over a new plan's schedule; only the registry calls this, once a plan.
    function open(bytes32 plan, uint32 start, Terms calldata t) external {
        if (msg.sender != REGISTRY) revert NotPeer();
        _schedules[plan] = Schedule(t.coordinator, start, t.collectSeconds, t.roundSeconds, t.rounds);
        _progress[plan] = Progress(t.minClients, t.challengeSeconds, 0, 0, 0, 0);
        _rounds[plan][0].root = OPEN;
    }

    /// @notice Commit to the signed updates of a round: the Merkle root, and where the leaves are stored.
    /// @param count Number of leaves; `leavesCodec` and `leavesDigest` are the codec and the sha2-256 digest of their CIDv1.
    function commitRound(
        bytes32 plan,
        uint64 round,
        bytes32 root,
        uint32 count,
        uint8 leavesCodec,
        bytes32 leavesDigest
    ) external {
        Schedule memory s = _schedules[plan];
        if (msg.sender != s.coordinator) revert NotCoordinator();
        if (uint256(root) <= uint256(SKIPPED) || count == 0) revert EmptyRoot();
        if (block.timestamp < _committableAt(s, round) || block.timestamp > _deadline(s, round)) revert WrongPhase();
        Round storage r = _rounds[plan][round];
        bytes32 found = r.root;
        if (found != OPEN) {
            if (found == 0) revert OutOfOrder();
            revert AlreadyCommitted();
        }
        r.root = root;
        emit RoundCommitted(plan, round, root, count, leavesCodec, leavesDigest);
    }

    /// @notice Put all leaves of a committed round on the chain's record, so that every client can build its own path.
    function publishLeaves(bytes32 plan, uint64 round, bytes32[] calldata leaves) external {
        bytes32 root = rootOf(plan, round);
        if (root == 0 || leaves.length == 0) revert NotCommitted();
        if (MerklePath.rootOf(leaves) != root) revert WrongRoot();
        emit LeavesPublished(plan, round, leaves.length);
    }

    /// @notice Put an update on record that the coordinator does not take; auditors see that it was offered before the root.
    function commitSelf(bytes32 plan, uint64 round, uint32 samples, bytes32 digest, string calldata updateCid) external {
        Phase phase = phaseOf(plan, round);
        if (phase != Phase.Collecting && phase != Phase.Committable) revert WrongPhase();
        if (selfCommitment[plan][round][msg.sender] != 0) revert AlreadyCommitted();
        selfCommitment[plan][round][msg.sender] = keccak256(abi.encode(samples, digest));
        emit SelfCommitted(plan, round, msg.sender, samples, digest, updateCid);
    }

    /// @notice Record the sum of a committed round; rounds are recorded in order.
    /// @dev Only the hash of the record is stored; disputes show the record again.
    function recordAggregate(bytes32 plan, uint64 round, Aggregate calldata a) external {
        Schedule memory s = _schedules[plan];
        if (msg.sender != s.coordinator) revert NotCoordinator();
        Progress memory p = _progress[plan];
        Round storage r = _rounds[plan][round];
        _requireNext(s, p, round);
        if (r.root == OPEN) revert NotCommitted();
        if (a.totalSamples == 0) revert NoSamples();
        if (a.commitmentSum.length == 0 || a.commitmentSum.length % 64 != 0) revert BadCommitmentSum();
        _include(r, a.included, p.minClients);

        uint32 claimableAt = uint32(block.timestamp + p.challengeSeconds);
        (r.totalSamples, r.claimableAt) = (a.totalSamples, claimableAt);
        r.aggregateHash = keccak256(abi.encode(a));
        p.closedAt = claimableAt;
        _advance(plan, s, p);
        emit AggregateRecorded(
            plan, round, a.modelDigest, a.totalSamples, a.included, a.commitmentSum, a.modelCid, a.recordCid
        );
    }

    /// @notice Pass over a round for which too few updates came in; its reward returns to the sponsor when the plan ends.
    /// @dev Not once a root is committed: a coordinator must not take updates and then keep their reward.
    function skipRound(bytes32 plan, uint64 round, string calldata recordCid) external {
        Schedule memory s = _schedules[plan];
        if (msg.sender != s.coordinator) revert NotCoordinator();
        Progress memory p = _progress[plan];
        Round storage r = _rounds[plan][round];
        _requireNext(s, p, round);
        if (r.root != OPEN) revert AlreadyCommitted();
        if (block.timestamp < _committableAt(s, round)) revert WrongPhase();
        r.root = SKIPPED;
        ++p.unpaid;
        _advance(plan, s, p);
        emit RoundSkipped(plan, round, recordCid);
    }

    /// @notice Name a client whose update was refused, and where the evidence is.
    function reject(bytes32 plan, uint64 round, address client, uint8 reason, string calldata evidenceCid) external {
        Schedule memory s = _schedules[plan];
        if (msg.sender != s.coordinator) revert NotCoordinator();
        if (round >= s.rounds || block.timestamp < _opensAt(s, round) || block.timestamp > _deadline(s, round)) {
            revert WrongPhase();
        }
        emit ClientRejected(plan, round, client, reason, evidenceCid);
    }

    /// @notice End a plan whose coordinator let a round's deadline pass: stakes become free, its own is slashed.
    function abandon(bytes32 plan, uint64 round) external {
        if (phaseOf(plan, round) != Phase.Expired) revert WrongPhase();
        _end(plan);
        emit PlanAbandoned(plan, round, msg.sender);
        MEMBERSHIP.slashCoordinator(plan, msg.sender);
    }

    /// @notice Void a round that a dispute proved wrong, and end its plan; only Disputes calls this.
    /// @return voided False when it was void already, or its claims have opened and only the stake can answer for it.
    function cancel(bytes32 plan, uint64 round) external returns (bool voided) {
        if (msg.sender != DISPUTES) revert NotPeer();
        Round storage r = _rounds[plan][round];
        if (uint256(r.root) <= uint256(SKIPPED)) revert NotCommitted();
        bool recorded = r.claimableAt != 0;
        voided = r.claimableAt != NEVER && (!recorded || block.timestamp < r.claimableAt);
        if (voided) {
            if (recorded) ++_progress[plan].unpaid;
            (r.totalSamples, r.claimableAt, r.open) = (0, NEVER, 0);
            emit RoundCancelled(plan, round);
        }
        _end(plan);
    }

    /// @notice Mark one leaf of a round as paid; only Rewards calls this, after hashing leaf and path up to `root`.
    function consume(bytes32 plan, uint64 round, bytes32 root, uint256 index, uint32 samples)
        external
        returns (uint48 totalSamples)
    {
        if (msg.sender != REWARDS) revert NotPeer();
        Round storage r = _rounds[plan][round];
        totalSamples = r.totalSamples;
        if (totalSamples == 0) revert NotIncluded();
        if (r.root != root) revert WrongRoot();
        if (block.timestamp < r.claimableAt) revert TooEarly(r.claimableAt);
        // A root whose leaves claim more samples than the record says must not drain other rounds.
        uint256 claimed = uint256(r.claimedSamples) + samples;
        if (claimed > totalSamples) revert OverClaimed();
        r.claimedSamples = uint48(claimed);
        if (index < 128) {
            uint128 bit = uint128(1) << uint128(index);
            if (r.open & bit == 0) revert NotIncluded();
            r.open ^= bit;
        } else {
            uint256 bit = 1 << (index & 255);
            uint256 word = r.more[index >> 8];
            if (word & bit == 0) revert NotIncluded();
            r.more[index >> 8] = word ^ bit;
        }
    }

    /// @notice Close a recorded round to further claims; only Rewards calls this.
    function close(bytes32 plan, uint64 round) external returns (uint48 totalSamples, uint48 claimedSamples) {
        if (msg.sender != REWARDS) revert NotPeer();
        Round storage r = _rounds[plan][round];
        (totalSamples, claimedSamples) = (r.totalSamples, r.claimedSamples);
        r.totalSamples = 0;
    }

    /// @notice The committed root, zero before the commit and for a skipped round.
    function rootOf(bytes32 plan, uint64 round) public view returns (bytes32 root) {
        root = _rounds[plan][round].root;
        if (uint256(root) <= uint256(SKIPPED)) root = 0;
    }

    /// @notice Samples recorded and paid for, when claims open (zero: not recorded), and the first 128 leaves still to be paid.
    function stateOf(bytes32 plan, uint64 round)
        external
        view
        returns (uint48 totalSamples, uint48 claimedSamples, uint32 claimableAt, uint128 open_)
    {
        Round storage r = _rounds[plan][round];
        return (r.totalSamples, r.claimedSamples, r.claimableAt, r.open);
    }

    /// @notice keccak256(abi.encode(aggregate)) of a recorded round.
    function aggregateHash(bytes32 plan, uint64 round) external view returns (bytes32) {
        return _rounds[plan][round].aggregateHash;
    }

    /// @notice Whether leaf `index` of a round is included and not yet paid.
    function isClaimable(bytes32 plan, uint64 round, uint256 index) external view returns (bool) {
        Round storage r = _rounds[plan][round];
        if (r.totalSamples == 0 || block.timestamp < r.claimableAt) return false;
        return index < 128 ? (r.open >> index) & 1 == 1 : (r.more[index >> 8] >> (index & 255)) & 1 == 1;
    }

    /// @notice How far a plan has come: abandoned, all rounds recorded or skipped, and when its last act closes to challenges.
    function progressOf(bytes32 plan) external view returns (bool abandoned, bool finished, uint256 closedAt) {
        Progress memory p = _progress[plan];
        uint16 rounds = _schedules[plan].rounds;
        return (p.abandonedAt != 0, rounds != 0 && p.next == rounds, p.closedAt);
    }

    /// @notice Rounds whose reward nobody can ever claim, once a plan has ended.
    function unpaidRounds(bytes32 plan) external view returns (uint256) {
        Progress memory p = _progress[plan];
        uint256 rounds = _schedules[plan].rounds;
        return p.abandonedAt != 0 || p.next == rounds ? rounds - p.next + p.unpaid : 0;
    }

    /// @notice The EIP-712 hash a client signs for its update.
    function updateHash(bytes32 plan, uint64 round, address client, uint32 samples, bytes32 digest)
        external
        view
        returns (bytes32)
    {
        return _hashTypedDataV4(keccak256(abi.encode(UPDATE_TYPEHASH, plan, round, client, samples, digest)));
    }

    /// @notice The EIP-712 domain separator of this deployment on this chain.
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /// @notice Where a round stands at the block's time.
    function phaseOf(bytes32 plan, uint64 round) public view returns (Phase) {
        Schedule memory s = _schedules[plan];
        Progress memory p = _progress[plan];
        if (s.rounds == 0 || round >= s.rounds) return Phase.Unknown;
        Round storage r = _rounds[plan][round];
        if (r.claimableAt == NEVER) return Phase.Cancelled;
        if (round < p.next) return r.root == SKIPPED ? Phase.Skipped : Phase.Recorded;
        if (p.abandonedAt != 0) return Phase.Cancelled;
        if (block.timestamp > _deadline(s, round)) return Phase.Expired;
        if (uint256(r.root) > uint256(SKIPPED)) return Phase.Committed;
        if (block.timestamp < _opensAt(s, round)) return Phase.Waiting;
        return block.timestamp < _committableAt(s, round) ? Phase.Collecting : Phase.Committable;
    }

    function _advance(bytes32 plan, Schedule memory s, Progress memory p) private {
        ++p.next;
        _progress[plan] = p;
        if (p.next < s.rounds) _rounds[plan][p.next].root = OPEN;
    }

    function _requireNext(Schedule memory s, Progress memory p, uint64 round) private view {
        if (round < p.next) revert AlreadyRecorded();
        if (round != p.next || round >= s.rounds) revert OutOfOrder();
        if (block.timestamp > _deadline(s, round)) revert WrongPhase();
    }

    function _include(Round storage r, uint256[] calldata included, uint256 minClients) private {
        uint256 clients = 0;
        for (uint256 i = 0; i < included.length; ++i) {
            clients += _ones(included[i]);
            if (i == 0) {
                r.open = uint128(included[0]);
                uint256 rest = included[0] & ~uint256(type(uint128).max);
                if (rest != 0) r.more[0] = rest;
            } else {
                r.more[i] = included[i];
            }
        }
        if (clients < minClients) revert TooFewClients(clients, minClients);
    }

    /// @dev Without a coordinator nobody can commit, record or reject any more.
    function _end(bytes32 plan) private {
        _schedules[plan].coordinator = address(0);
        Progress storage p = _progress[plan];
        if (p.abandonedAt != 0) return;
        p.abandonedAt = uint32(block.timestamp);
        p.closedAt = uint32(block.timestamp + p.challengeSeconds);
    }

    function _opensAt(Schedule memory s, uint64 round) private pure returns (uint256) {
        return s.start + uint256(round) * s.collectSeconds;
    }

    function _committableAt(Schedule memory s, uint64 round) private pure returns (uint256) {
        return s.start + (uint256(round) + 1) * s.collectSeconds;
    }

    function _deadline(Schedule memory s, uint64 round) private pure returns (uint256) {
        return s.start + (uint256(round) + 1) * s.roundSeconds;
    }

    /// @dev Hacker's Delight 5-1 on 256 bits.
    function _ones(uint256 x) private pure returns (uint256) {
        unchecked {
            x -= (x >> 1) & 0x5555555555555555555555555555555555555555555555555555555555555555;
            x = (x & 0x3333333333333333333333333333333333333333333333333333333333333333)
                + ((x >> 2) & 0x3333333333333333333333333333333333333333333333333333333333333333);
            x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f;
            x = (x + (x >> 8)) & 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
            return (x * 0x0001000100010001000100010001000100010001000100010001000100010001) >> 240;
        }
    }
}
