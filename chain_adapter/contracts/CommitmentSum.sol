// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Sums of points of alt_bn128's first group.
/// @dev Answers false only for points that are not on the curve; a call short of gas reverts, for a missing answer must not look like a fault.
library CommitmentSum {
    struct Point {
        uint256 x;
        uint256 y;
    }

    uint256 private constant ADD_GAS = 300;
    uint256 private constant MUL_GAS = 12_000;
    uint256 private constant SPARE_GAS = 20_000;

    error InsufficientGas(uint256 needed);

    /// @notice The point in 64 bytes at `offset` of `data`.
    function pointAt(bytes calldata data, uint256 offset) internal pure returns (Point memory) {
        return Point(uint256(bytes32(data[offset:offset + 32])), uint256(bytes32(data[offset + 32:offset + 64])));
    }

    function add(Point memory a, Point memory b) internal view returns (Point memory sum, bool ok) {
        return _call(address(6), ADD_GAS, abi.encode(a.x, a.y, b.x, b.y));
    }

    function mul(Point memory a, uint256 scalar) internal view returns (Point memory product, bool ok) {
        return _call(address(7), MUL_GAS, abi.encode(a.x, a.y, scalar));
    }

    function _call(address precompile, uint256 allowance, bytes memory input)
        private
        view
        returns (Point memory point, bool ok)
    {
        uint256 needed = (allowance + SPARE_GAS) * 64 / 63;
        if (gasleft() < needed) revert InsufficientGas(needed);
        bytes memory output;
        (ok, output) = precompile.staticcall{gas: allowance}(input);
        ok = ok && output.length == 64;
        if (ok) (point.x, point.y) = abi.decode(output, (uint256, uint256));
    }
}
