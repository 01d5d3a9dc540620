// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {CommitmentSum} from "./CommitmentSum.sol";
import {Groth16Verifier} from "./Groth16Verifier.sol";
import {Membership} from "./Membership.sol";
import {MerklePath} from "./MerklePath.sol";
import {Names} from "./Names.sol";
import {Payment} from "./Payment.sol";
import {PlanRegistry, Terms} from "./PlanRegistry.sol";
import {PublicInputs} from "./PublicInputs.sol";
import {Aggregate, Rounds} from "./Rounds.sol";
import {Suite} from "./Suite.sol";

/// @notice One leaf of a round's tree.
struct Leaf {
    bytes32 plan;
    uint64 round;
    address client;
    uint32 samples;
    bytes32 digest;
}

/// @notice One leaf as a dispute about the sum shows it: the commitment itself, and only the hash of the proof.
struct OpenLeaf {
    address client;
    uint32 samples;
    bytes32 proofHash;
    bytes commitment;
}

/// @title Challenges: whoever shows the chain a fault is paid out of the stake of who committed it.
/// @notice A challenger first seals the hash of the evidence under a bond and shows the evidence in a later block: copying a pending
/// challenge gains nothing. Faults of a member: an update in the committed root whose proof does not verify, and two signatures over
/// different updates of one round. Faults of the coordinator, who vouches for a root by committing it: a bad proof in it, one client
/// twice, a leaf whose signature it cannot show in time, a recorded sum that is not the sum of the commitments.
contract Disputes is ReentrancyGuardTransient {
    using PublicInputs for PublicInputs.Statement;

    struct Seal {
        uint96 bond;
        uint64 blockNumber;
        uint64 time;
    }

    /// @dev A leaf that the coordinator has until `due` to justify.
    struct Case {
        bytes32 leafHash;
        address challenger;
        uint96 bond;
        uint64 due;
    }

    /// @notice How long an unused seal is kept before its bond can be taken back.
    uint256 public constant SEAL_SECONDS = 1 days;

    PlanRegistry private immutable REGISTRY;
    Membership private immutable MEMBERSHIP;
    Rounds private immutable ROUNDS;
    Groth16Verifier private immutable VERIFIER;

    mapping(address challenger => mapping(bytes32 seal => Seal)) public seals;
    mapping(bytes32 leafHash => Case) public cases;
    /// @notice Faults already punished, by their hash.
    mapping(bytes32 fault => bool) public punished;

    event Sealed(address indexed challenger, bytes32 seal, uint256 bond);
    event SealReturned(address indexed challenger, bytes32 seal);
    event MemberConvicted(bytes32 indexed plan, uint64 indexed round, address indexed member, address challenger, uint8 fault);
    event CoordinatorConvicted(bytes32 indexed plan, uint64 indexed round, address challenger, uint8 fault);
    event ChallengeFailed(bytes32 indexed plan, uint64 indexed round, address indexed member, address challenger, uint256 bond);
    event LeafQuestioned(bytes32 indexed plan, uint64 indexed round, bytes32 leafHash, uint256 index, address challenger, uint64 due);
    event LeafJustified(bytes32 indexed plan, uint64 indexed round, bytes32 leafHash);

    error WrongBond(uint256 sent, uint256 needed);
    error AlreadySealed();
    error NotSealed();
    error SealTooFresh();
    error TooEarly(uint256 until);
    error TooLate();
    error NoKey();
    error WrongKey();
    error NotInRoot();
    error NotSigned();
    error WrongOpening();
    error NoFault();
    error AlreadyPunished();
    error AlreadyQuestioned();
    error NotQuestioned();
    error NotListed();
    error BondNotEnough();
    error NoQuestions();

    uint8 public constant BAD_PROOF = 1;
    uint8 public constant TWO_SIGNATURES = 2;
    uint8 public constant CLIENT_TWICE = 3;
    uint8 public constant UNJUSTIFIED_LEAF = 4;
    uint8 public constant WRONG_SUM = 5;

    constructor(Suite suite) {
        REGISTRY = PlanRegistry(suite.addressOf(Names.PLAN_REGISTRY));
        MEMBERSHIP = Membership(suite.addressOf(Names.MEMBERSHIP));
        ROUNDS = Rounds(suite.addressOf(Names.ROUNDS));
        VERIFIER = Groth16Verifier(suite.addressOf(Names.GROTH16_VERIFIER));
    }

    /// @notice Announce evidence without showing it. `seal` is `sealOf` of the call to come; the bond is at least the plan's.
    function sealEvidence(bytes32 seal) external payable {
        Seal storage s = seals[msg.sender][seal];
        if (s.blockNumber != 0) revert AlreadySealed();
        if (msg.value > type(uint96).max) revert WrongBond(msg.value, type(uint96).max);
        (s.bond, s.blockNumber, s.time) = (uint96(msg.value), uint64(block.number), uint64(block.timestamp));
        emit Sealed(msg.sender, seal, msg.value);
    }

    /// @notice Take back the bond of evidence that was never shown.
    function takeBack(bytes32 seal) external nonReentrant {
        Seal memory s = seals[msg.sender][seal];
        if (s.blockNumber == 0) revert NotSealed();
        if (block.timestamp < s.time + SEAL_SECONDS) revert TooEarly(s.time + SEAL_SECONDS);
        delete seals[msg.sender][seal];
        emit SealReturned(msg.sender, seal);
        Payment.send(address(0), msg.sender, s.bond);
    }

    /// @notice The seal of a challenge: who will make it, a secret salt, and the call's evidence as `abi.encode` of its arguments after the salt.
    function sealOf(address challenger, bytes32 salt, bytes calldata evidence) external pure returns (bytes32) {
        return _sealOf(challenger, salt, keccak256(evidence));
    }

    /// @notice Convict a member whose committed update carries a proof that does not verify, and the coordinator who committed it.
    /// @dev The public inputs are built here from the leaf and the plan's terms. If the proof is good after all the bond goes to the member.
    /// @param signature The member's: a coordinator must not be able to frame a member with a leaf of its own making.
    /// @param commitment All chunks' additive commitments, `proof` all chunks' remaining bytes, `chunk` the one to verify;
    /// the number of chunks itself stands for the sum of their shares of the bound.
    function challengeProof(
        bytes32 salt,
        Leaf calldata leaf,
        uint256 index,
        bytes32[] calldata path,
        bytes calldata signature,
        bytes calldata commitment,
        bytes calldata proof,
        uint256 chunk,
        address key
    ) external nonReentrant {
        uint256 bond = _open(
            leaf.plan, salt, keccak256(abi.encode(leaf, index, path, signature, commitment, proof, chunk, key))
        );
        _requireInRoot(leaf, index, path);
        _requireSigned(leaf, signature);
        if (leaf.digest != keccak256(abi.encode(keccak256(commitment), keccak256(proof)))) revert WrongOpening();
        bytes32 fault = _punishOnce(abi.encode(BAD_PROOF, leaf));

        if (_proofHolds(leaf, commitment, proof, chunk, key)) {
            punished[fault] = false;
            emit ChallengeFailed(leaf.plan, leaf.round, leaf.client, msg.sender, bond);
            // Not by a call to the member: who refuses the coin could then never be challenged in vain.
            MEMBERSHIP.compensate{value: bond}(leaf.client);
            return;
        }
        ROUNDS.cancel(leaf.plan, leaf.round);
        emit MemberConvicted(leaf.plan, leaf.round, leaf.client, msg.sender, BAD_PROOF);
        MEMBERSHIP.slash(leaf.plan, leaf.client, msg.sender);
        emit CoordinatorConvicted(leaf.plan, leaf.round, msg.sender, BAD_PROOF);
        MEMBERSHIP.slashCoordinator(leaf.plan, msg.sender);
        Payment.send(address(0), msg.sender, bond);
    }

    /// @notice Convict a member who signed two different updates for one round.
    function challengeSignatures(
        bytes32 salt,
        Leaf calldata leaf,
        bytes calldata signature,
        uint32 otherSamples,
        bytes32 otherDigest,
        bytes calldata otherSignature
    ) external nonReentrant {
        uint256 bond =
            _open(leaf.plan, salt, keccak256(abi.encode(leaf, signature, otherSamples, otherDigest, otherSignature)));
        if (leaf.samples == otherSamples && leaf.digest == otherDigest) revert NoFault();
        _requireSigned(leaf, signature);
        bytes32 other = ROUNDS.updateHash(leaf.plan, leaf.round, leaf.client, otherSamples, otherDigest);
        if (ECDSA.recoverCalldata(other, otherSignature) != leaf.client) revert NotSigned();
        _punishOnce(abi.encode(TWO_SIGNATURES, leaf.plan, leaf.round, leaf.client));
        emit MemberConvicted(leaf.plan, leaf.round, leaf.client, msg.sender, TWO_SIGNATURES);
        MEMBERSHIP.slash(leaf.plan, leaf.client, msg.sender);
        Payment.send(address(0), msg.sender, bond);
    }

    /// @notice Convict a coordinator whose root holds one client twice.
    function challengeTwice(
        bytes32 salt,
        Leaf calldata leaf,
        uint256 index,
        bytes32[] calldata path,
        uint32 otherSamples,
        bytes32 otherDigest,
        uint256 otherIndex,
        bytes32[] calldata otherPath
    ) external nonReentrant {
        uint256 bond = _open(
            leaf.plan,
            salt,
            keccak256(abi.encode(leaf, index, path, otherSamples, otherDigest, otherIndex, otherPath))
        );
        if (index == otherIndex) revert NoFault();
        _requireInRoot(leaf, index, path);
        bytes32 other = MerklePath.updateLeaf(leaf.plan, leaf.round, leaf.client, otherSamples, otherDigest);
        if (MerklePath.rootAbove(other, otherIndex, otherPath) != ROUNDS.rootOf(leaf.plan, leaf.round)) {
            revert NotInRoot();
        }
        _punishOnce(abi.encode(CLIENT_TWICE, leaf.plan, leaf.round));
        _convictCoordinator(leaf.plan, leaf.round, msg.sender, CLIENT_TWICE);
        Payment.send(address(0), msg.sender, bond);
    }

    /// @notice Convict a coordinator whose record is not the sum of what it committed: commitments, samples, or clients that do not exist.
    /// @param leaves The whole tree, opened down to the commitments.
    function challengeSum(
        bytes32 salt,
        bytes32 plan,
        uint64 round,
        Aggregate calldata aggregate,
        OpenLeaf[] calldata leaves
    ) external nonReentrant {
        uint256 bond = _open(plan, salt, keccak256(abi.encode(plan, round, aggregate, leaves)));
        if (keccak256(abi.encode(aggregate)) != ROUNDS.aggregateHash(plan, round)) revert WrongOpening();
        bytes32[] memory nodes = new bytes32[](leaves.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            OpenLeaf calldata l = leaves[i];
            bytes32 digest = keccak256(abi.encode(keccak256(l.commitment), l.proofHash));
            nodes[i] = MerklePath.updateLeaf(plan, round, l.client, l.samples, digest);
        }
        if (leaves.length == 0 || MerklePath.rootOf(nodes) != ROUNDS.rootOf(plan, round)) revert NotInRoot();
        if (_sumHolds(aggregate, leaves)) revert NoFault();
        _punishOnce(abi.encode(WRONG_SUM, plan, round));
        _convictCoordinator(plan, round, msg.sender, WRONG_SUM);
        Payment.send(address(0), msg.sender, bond);
    }

    /// @notice Ask the coordinator to show that a leaf of its root was signed by a member. Half the challenge time to ask, half to answer;
    /// plans without challenge time or bond take no questions.
    function question(Leaf calldata leaf, uint256 index, bytes32[] calldata path) external payable {
        Terms memory t = REGISTRY.terms(leaf.plan);
        // Without time to answer every question would convict, and without a bond answering would cost more than asking.
        if (t.bond == 0 || t.challengeSeconds == 0) revert NoQuestions();
        if (msg.value != t.bond) revert WrongBond(msg.value, t.bond);
        _requireInRoot(leaf, index, path);
        (,, uint32 claimableAt,) = ROUNDS.stateOf(leaf.plan, leaf.round);
        uint256 due = block.timestamp + t.challengeSeconds / 2;
        if (claimableAt != 0 && due >= claimableAt) revert TooLate();
        bytes32 leafHash = keccak256(abi.encode(leaf));
        if (cases[leafHash].challenger != address(0)) revert AlreadyQuestioned();
        cases[leafHash] = Case(leafHash, msg.sender, t.bond, uint64(due));
        emit LeafQuestioned(leaf.plan, leaf.round, leafHash, index, msg.sender, uint64(due));
    }

    /// @notice Answer with the client's signature and its place in the allow-list; the bond goes to the coordinator.
    /// @dev Anyone may answer. For an open plan identity, index and path are not looked at.
    function justify(
        Leaf calldata leaf,
        bytes calldata signature,
        bytes32 identity,
        uint32 listedSamples,
        uint256 index,
        bytes32[] calldata path
    ) external nonReentrant {
        bytes32 leafHash = keccak256(abi.encode(leaf));
        Case memory c = cases[leafHash];
        if (c.challenger == address(0) || c.due == 0) revert NotQuestioned();
        if (block.timestamp > c.due) revert TooLate();
        _requireSigned(leaf, signature);
        Terms memory t = REGISTRY.terms(leaf.plan);
        if (t.membersRoot == 0) {
            if (!MEMBERSHIP.isJoined(leaf.plan, leaf.client)) revert NotListed();
        } else if (
            leaf.samples > listedSamples
                || !MEMBERSHIP.isListed(leaf.plan, leaf.client, identity, listedSamples, index, path)
        ) {
            revert NotListed();
        }
        cases[leafHash].due = 0;
        emit LeafJustified(leaf.plan, leaf.round, leafHash);
        MEMBERSHIP.compensate{value: c.bond}(t.coordinator);
    }

    /// @notice Convict a coordinator who did not justify a leaf in time.
    function convict(Leaf calldata leaf) external nonReentrant {
        bytes32 leafHash = keccak256(abi.encode(leaf));
        Case memory c = cases[leafHash];
        if (c.challenger == address(0) || c.due == 0) revert NotQuestioned();
        if (block.timestamp <= c.due) revert TooEarly(c.due + 1);
        cases[leafHash].due = 0;
        _convictCoordinator(leaf.plan, leaf.round, c.challenger, UNJUSTIFIED_LEAF);
        Payment.send(address(0), c.challenger, c.bond);
    }

    function _convictCoordinator(bytes32 plan, uint64 round, address challenger, uint8 fault) private {
        emit CoordinatorConvicted(plan, round, challenger, fault);
        ROUNDS.cancel(plan, round);
        MEMBERSHIP.slashCoordinator(plan, challenger);
    }

    /// @dev Use up the seal of this evidence; returns its bond.
    function _open(bytes32 plan, bytes32 salt, bytes32 evidenceHash) private returns (uint256 bond) {
        bytes32 seal = _sealOf(msg.sender, salt, evidenceHash);
        Seal memory s = seals[msg.sender][seal];
        if (s.blockNumber == 0) revert NotSealed();
        if (s.blockNumber >= block.number) revert SealTooFresh();
        if (s.bond < REGISTRY.terms(plan).bond) revert BondNotEnough();
        delete seals[msg.sender][seal];
        return s.bond;
    }

    function _punishOnce(bytes memory what) private returns (bytes32 fault) {
        fault = keccak256(what);
        if (punished[fault]) revert AlreadyPunished();
        punished[fault] = true;
    }

    function _proofHolds(Leaf calldata leaf, bytes calldata commitment, bytes calldata proof, uint256 chunk, address key)
        private
        view
        returns (bool)
    {
        bytes32 keyHash = REGISTRY.terms(leaf.plan).keyHash;
        if (keyHash == 0) revert NoKey();
        if (key.codehash != keyHash) revert WrongKey();
        (, uint256 k,) = VERIFIER.shapeOf(key);
        PublicInputs.Statement memory s = VERIFIER.statementOf(key);
        if (!s.wellFormed(k, commitment.length, proof.length)) return false;
        uint256 bound = REGISTRY.l2BoundSquared(leaf.plan, leaf.samples);
        if (s.chunks > 1 && chunk == s.chunks) return _sharesHold(s, k, s.boundOf(bound), proof);
        uint256[] memory publics = s.publicsOf(leaf.plan, leaf.round, leaf.client, bound, chunk);
        (bytes memory commitments, bytes memory points) = PublicInputs.chunkOf(k, commitment, proof, chunk);
        return VERIFIER.check(key, publics, commitments, points);
    }

    /// @dev Whether the commitments to the chunks' shares of the bound add up to a commitment to the bound.
    function _sharesHold(PublicInputs.Statement memory s, uint256 k, uint256 bound, bytes calldata proof)
        private
        view
        returns (bool)
    {
        uint256 length = PublicInputs.chunkLength(k);
        uint256 blinding = uint256(bytes32(proof[proof.length - 32:]));
        // With a single commitment there is none of a share; such a key fits no statement of several chunks.
        if (k < 2) revert WrongKey();
        if (blinding >= PublicInputs.ORDER) return false;
        CommitmentSum.Point memory sum;
        bool ok;
        for (uint256 c = 0; c < s.chunks; ++c) {
            (sum, ok) = CommitmentSum.add(sum, CommitmentSum.pointAt(proof, c * length + (k - 2) * 64));
            if (!ok) return false;
        }
        (CommitmentSum.Point memory share, bool shareOk) = CommitmentSum.mul(CommitmentSum.Point(s.shareX, s.shareY), bound);
        (CommitmentSum.Point memory eta, bool etaOk) = CommitmentSum.mul(CommitmentSum.Point(s.etaX, s.etaY), blinding);
        if (!shareOk || !etaOk) revert WrongKey();
        (share, ok) = CommitmentSum.add(share, eta);
        return ok && sum.x == share.x && sum.y == share.y;
    }

    function _sumHolds(Aggregate calldata aggregate, OpenLeaf[] calldata leaves) private view returns (bool) {
        uint256 words = (leaves.length + 255) / 256;
        if (aggregate.included.length > words) return false;
        uint256 samples = 0;
        bool[] memory chosen = new bool[](leaves.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            if (i / 256 >= aggregate.included.length) break;
            chosen[i] = (aggregate.included[i / 256] >> (i % 256)) & 1 == 1;
            if (chosen[i]) samples += leaves[i].samples;
        }
        if (aggregate.included.length == words && leaves.length % 256 != 0) {
            if (aggregate.included[words - 1] >> (leaves.length % 256) != 0) return false;
        }
        if (samples != aggregate.totalSamples) return false;
        for (uint256 offset = 0; offset < aggregate.commitmentSum.length; offset += 64) {
            CommitmentSum.Point memory sum = CommitmentSum.Point(0, 0);
            for (uint256 i = 0; i < leaves.length; ++i) {
                if (!chosen[i]) continue;
                if (leaves[i].commitment.length != aggregate.commitmentSum.length) return false;
                bool ok;
                (sum, ok) = CommitmentSum.add(sum, CommitmentSum.pointAt(leaves[i].commitment, offset));
                if (!ok) return false;
            }
            CommitmentSum.Point memory recorded = CommitmentSum.pointAt(aggregate.commitmentSum, offset);
            if (sum.x != recorded.x || sum.y != recorded.y) return false;
        }
        return true;
    }

    function _requireInRoot(Leaf calldata leaf, uint256 index, bytes32[] calldata path) private view {
        bytes32 node = MerklePath.updateLeaf(leaf.plan, leaf.round, leaf.client, leaf.samples, leaf.digest);
        bytes32 root = ROUNDS.rootOf(leaf.plan, leaf.round);
        if (root == 0 || MerklePath.rootAbove(node, index, path) != root) revert NotInRoot();
    }

    function _requireSigned(Leaf calldata leaf, bytes calldata signature) private view {
        bytes32 hash = ROUNDS.updateHash(leaf.plan, leaf.round, leaf.client, leaf.samples, leaf.digest);
        if (ECDSA.recoverCalldata(hash, signature) != leaf.client) revert NotSigned();
    }

    function _sealOf(address challenger, bytes32 salt, bytes32 evidenceHash) private pure returns (bytes32) {
        return keccak256(abi.encode(challenger, salt, evidenceHash));
    }
}
