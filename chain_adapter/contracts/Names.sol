// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Names under which a Suite deploys its contracts.
library Names {
    bytes32 internal constant PLAN_REGISTRY = "PlanRegistry";
    bytes32 internal constant MEMBERSHIP = "Membership";
    bytes32 internal constant ROUNDS = "Rounds";
    bytes32 internal constant REWARDS = "Rewards";
    bytes32 internal constant GROTH16_VERIFIER = "Groth16Verifier";
    bytes32 internal constant DISPUTES = "Disputes";
    bytes32 internal constant VALIDATORS = "Validators";
    bytes32 internal constant INFERENCE = "Inference";
    bytes32 internal constant MAILBOX = "Mailbox";
}
