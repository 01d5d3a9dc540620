// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Groth16Verifier} from "./Groth16Verifier.sol";
import {Names} from "./Names.sol";
import {Payment} from "./Payment.sol";
import {PlanRegistry} from "./PlanRegistry.sol";
import {Suite} from "./Suite.sol";

/// @title Inference for a fee held in escrow.
/// @notice A request names who may answer, or a key under which anybody may answer with a proof. Unanswered requests are refunded.
contract Inference is ReentrancyGuardTransient {
    struct Request {
        address requester;
        uint96 fee;
        address provider;
        uint40 deadline;
        bool settled;
        bytes32 modelDigest;
        bytes32 inputDigest;
        bytes32 keyHash;
    }

    PlanRegistry private immutable REGISTRY;
    Groth16Verifier private immutable VERIFIER;

    Request[] private _requests;

    event InferenceRequested(
        bytes32 indexed plan,
        uint256 indexed id,
        address indexed requester,
        address provider,
        uint256 fee,
        uint40 deadline,
        bytes32 modelDigest,
        bytes32 inputDigest,
        bytes32 keyHash,
        string inputCid
    );
    event InferenceAnswered(uint256 indexed id, address indexed provider, bytes32 outputDigest, string outputCid, bool proven);
    event InferenceRefunded(uint256 indexed id, address indexed requester, uint256 fee);

    error UnknownRequest();
    error NobodyMayAnswer();
    error DeadlinePassed();
    error FeeTooLarge();
    error NotProvider();
    error AlreadySettled();
    error WrongKey();
    error TooEarly(uint256 until);

    constructor(Suite suite) {
        REGISTRY = PlanRegistry(suite.addressOf(Names.PLAN_REGISTRY));
        VERIFIER = Groth16Verifier(suite.addressOf(Names.GROTH16_VERIFIER));
    }

    /// @notice Ask for an inference; the value sent is the fee.
    /// @param provider Who may answer; zero with a `keyHash`: anybody with a proof.
    /// @param modelDigest SHA-256 of the model to use, `inputDigest` of the input.
    /// @param keyHash Code hash of the key an answer must be proven under; zero: no proof is asked for.
    function request(
        bytes32 plan,
        address provider,
        bytes32 modelDigest,
        bytes32 inputDigest,
        bytes32 keyHash,
        uint40 deadline,
        string calldata inputCid
    ) external payable returns (uint256 id) {
        if (!REGISTRY.exists(plan)) revert PlanRegistry.UnknownPlan(plan);
        if (provider == address(0) && keyHash == 0) revert NobodyMayAnswer();
        if (deadline < block.timestamp) revert DeadlinePassed();
        if (msg.value > type(uint96).max) revert FeeTooLarge();
        id = _requests.length;
        _requests.push(
            Request(msg.sender, uint96(msg.value), provider, deadline, false, modelDigest, inputDigest, keyHash)
        );
        emit InferenceRequested(
            plan, id, msg.sender, provider, msg.value, deadline, modelDigest, inputDigest, keyHash, inputCid
        );
    }

    /// @notice Answer a request and take its fee.
    /// @dev Public inputs: who answers which request here, then model, input and output, each as two 128-bit halves. A copied proof names another
    /// answerer and fails. `key` and `proof` are ignored where no proof is asked for.
    function answer(uint256 id, bytes32 outputDigest, string calldata outputCid, address key, bytes calldata proof)
        external
        nonReentrant
    {
        Request storage r = _pending(id);
        if (block.timestamp > r.deadline) revert DeadlinePassed();
        if (r.provider != address(0) && r.provider != msg.sender) revert NotProvider();
        bool proven = r.keyHash != 0;
        if (proven) {
            if (key.codehash != r.keyHash) revert WrongKey();
            uint256[] memory publics = new uint256[](7);
            publics[0] = answerContext(id, msg.sender);
            (publics[1], publics[2]) = _halves(r.modelDigest);
            (publics[3], publics[4]) = _halves(r.inputDigest);
            (publics[5], publics[6]) = _halves(outputDigest);
            VERIFIER.verifyCommitted(key, publics, "", proof);
        }
        r.settled = true;
        emit InferenceAnswered(id, msg.sender, outputDigest, outputCid, proven);
        Payment.send(address(0), msg.sender, r.fee);
    }

    /// @notice Return the fee of a request that nobody answered in time.
    function refund(uint256 id) external nonReentrant {
        Request storage r = _pending(id);
        if (block.timestamp <= r.deadline) revert TooEarly(r.deadline + 1);
        r.settled = true;
        emit InferenceRefunded(id, r.requester, r.fee);
        Payment.send(address(0), r.requester, r.fee);
    }

    /// @notice A request by its number.
    function requestOf(uint256 id) external view returns (Request memory) {
        if (id >= _requests.length) revert UnknownRequest();
        return _requests[id];
    }

    /// @notice The first public input of an answer's proof: 248 bits of a hash of chain, contract, request and answerer.
    function answerContext(uint256 id, address provider) public view returns (uint256) {
        return uint256(sha256(abi.encode("EPPML inference v1", block.chainid, address(this), id, provider))) >> 8;
    }

    function _pending(uint256 id) private view returns (Request storage r) {
        if (id >= _requests.length) revert UnknownRequest();
        r = _requests[id];
        if (r.settled) revert AlreadySettled();
    }

    function _halves(bytes32 word) private pure returns (uint256 high, uint256 low) {
        return (uint256(word) >> 128, uint256(uint128(uint256(word))));
    }
}
