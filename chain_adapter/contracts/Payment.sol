// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title Moving the chain's coin (token zero) or an ERC-20.
library Payment {
    using SafeERC20 for IERC20;

    error PaymentFailed();
    error WrongValue(uint256 sent, uint256 needed);
    error TokenTookFee();

    /// @notice Pay `amount` out of this contract.
    function send(address token, address to, uint256 amount) internal {
        if (amount == 0) return;
        if (token == address(0)) {
            (bool ok,) = to.call{value: amount}("");
            if (!ok) revert PaymentFailed();
        } else {
            IERC20(token).safeTransfer(to, amount);
        }
    }

    /// @notice Take exactly `amount` of a token from `from` to `to`; a token that keeps a fee would leave promises uncovered.
    function pull(address token, address from, address to, uint256 amount) internal {
        if (amount == 0) return;
        uint256 before = IERC20(token).balanceOf(to);
        IERC20(token).safeTransferFrom(from, to, amount);
        if (IERC20(token).balanceOf(to) != before + amount) revert TokenTookFee();
    }
}
