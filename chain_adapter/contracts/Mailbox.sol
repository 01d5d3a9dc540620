// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Membership} from "./Membership.sol";
import {Names} from "./Names.sol";
import {PlanRegistry} from "./PlanRegistry.sol";
import {Suite} from "./Suite.sol";

/// @title Encrypted messages between members of a plan: keys and CIDs on chain, ciphertexts in storage.
/// @notice Messages are sealed off chain (X25519, ChaCha20-Poly1305). The chain shows who wrote to whom and when, never what.
contract Mailbox {
    Membership private immutable MEMBERSHIP;
    PlanRegistry private immutable REGISTRY;

    /// @notice The X25519 key an account wants its messages sealed to.
    mapping(address account => bytes32) public keyOf;
    /// @notice How many messages an account has been sent in a plan, so that a reader notices a missing one.
    mapping(bytes32 plan => mapping(address account => uint256)) public countOf;

    event KeyPublished(address indexed account, bytes32 key);
    event MessagePosted(
        bytes32 indexed plan, address indexed to, address indexed from, uint256 number, bytes32 recipientKey, string cid
    );

    error NotMember(address account);
    error NoKey(address account);
    error WeakKey();

    constructor(Suite suite) {
        MEMBERSHIP = Membership(suite.addressOf(Names.MEMBERSHIP));
        REGISTRY = PlanRegistry(suite.addressOf(Names.PLAN_REGISTRY));
    }

    /// @notice Publish or replace the caller's X25519 key.
    function publishKey(bytes32 key) external {
        if (key == 0) revert WeakKey();
        keyOf[msg.sender] = key;
        emit KeyPublished(msg.sender, key);
    }

    /// @notice Announce a sealed message; both ends must have joined the plan or be its coordinator.
    function post(bytes32 plan, address to, string calldata cid) external {
        _requireMember(plan, msg.sender);
        _requireMember(plan, to);
        bytes32 key = keyOf[to];
        if (key == 0) revert NoKey(to);
        emit MessagePosted(plan, to, msg.sender, countOf[plan][to]++, key, cid);
    }

    function _requireMember(bytes32 plan, address account) private view {
        if (MEMBERSHIP.isJoined(plan, account)) return;
        (address coordinator,,,,,) = REGISTRY.stakeTerms(plan);
        if (account != coordinator) revert NotMember(account);
    }
}
