// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Handler} from "./Handler.sol";

/// @title The four promises, after any sequence of calls.
contract InvariantsTest {
    uint256 private constant MEMBERS = 5;
    uint256 private constant MEMBER_STAKE = 2 ether;
    uint256 private constant COORDINATOR_STAKE = 7 ether;
    uint256 private constant REWARD = 1 ether;
    uint64 private constant ROUNDS = 4;

    Handler private handler;
    uint256 private everything;

    function setUp() public {
        handler = new Handler();
        everything = handler.coins();
    }

    /// @dev The fuzzer calls the handler only; it in turn calls every entry point.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev All four after every call of one campaign; forge would run a campaign of its own for each.
    function invariant_everyPromiseHolds() external view {
        _stakeConservation();
        _noDoubleClaim();
        _noCommitOutsideItsPhase();
        _onlyFaultsSlash();
    }

    /// @dev Every coin of every stake is still staked, or was withdrawn, paid to a challenger or burnt.
    function _stakeConservation() private view {
        uint256[] memory stakes = handler.stakes();
        uint256 sum = 0;
        for (uint256 i = 0; i < stakes.length; ++i) {
            uint256 full = i == MEMBERS ? COORDINATOR_STAKE : MEMBER_STAKE;
            require(stakes[i] == 0 || stakes[i] == full, "part of a stake");
            sum += stakes[i];
        }
        require(handler.heldStakes() == sum, "stakes are not covered");
        require(handler.coins() == everything, "coins appeared or vanished");
    }

    /// @dev Nobody is paid twice for a round, no round pays more than its reward, and all others' rewards are still there.
    function _noDoubleClaim() private view {
        uint256 out = handler.returned();
        for (uint64 round = 0; round < ROUNDS; ++round) {
            require(handler.paid(round) <= REWARD, "a round paid more than its reward");
            out += handler.paid(round);
            for (uint256 i = 0; i < MEMBERS; ++i) require(handler.claims(round, i) <= 1, "claimed twice");
        }
        require(handler.heldRewards() + out == handler.deposited(), "rewards are not covered");
    }

    /// @dev Every accepted root came from the coordinator, in time, in order, once.
    function _noCommitOutsideItsPhase() private view {
        require(!handler.commitBroken(), "commit outside its phase");
    }

    /// @dev Stakes fall only for a fault that was shown: a bad proof, two signatures, silence.
    function _onlyFaultsSlash() private view {
        uint256[] memory stakes = handler.stakes();
        for (uint256 i = 0; i < MEMBERS; ++i) {
            bool faulty = (i == 1 && handler.badProofShown()) || (i == 2 && handler.twoSignaturesShown());
            require(stakes[i] == MEMBER_STAKE || !handler.joined(i) || faulty, "an honest member was slashed");
            if (!faulty && !handler.joined(i)) require(handler.memberCoins(i) >= MEMBER_STAKE, "a stake got lost");
        }
        bool coordinatorFaulty = handler.badProofShown() || handler.coordinatorSilent();
        require(
            stakes[MEMBERS] == COORDINATOR_STAKE || coordinatorFaulty || handler.finished(),
            "an honest coordinator was slashed"
        );
    }
}
