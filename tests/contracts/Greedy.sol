// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Membership} from "contracts/Membership.sol";
import {Rewards} from "contracts/Rewards.sol";

/// @title A client that calls back while it is being paid.
contract Greedy {
    Rewards private immutable REWARDS;
    Membership private immutable MEMBERSHIP;

    address private target;
    bytes private first;
    bytes private second;
    uint256 public entered;
    uint256 public succeeded;

    constructor(Rewards rewards, Membership membership) {
        (REWARDS, MEMBERSHIP) = (rewards, membership);
    }

    function arm(bytes memory one, bytes memory two) external {
        (target, first, second) = (address(REWARDS), one, two);
    }

    function armMembership(bytes memory one, bytes memory two) external {
        (target, first, second) = (address(MEMBERSHIP), one, two);
    }

    function attack() external {
        (bool ok,) = target.call(first);
        require(ok, "the first call failed");
    }

    function join(bytes32 plan, uint256 stake) external {
        MEMBERSHIP.join{value: stake}(plan, 0);
    }

    function startLeaving(bytes32 plan) external {
        MEMBERSHIP.startLeaving(plan);
    }

    receive() external payable {
        ++entered;
        (bool again,) = target.call(first);
        (bool other,) = target.call(second);
        if (again || other) ++succeeded;
    }
}
