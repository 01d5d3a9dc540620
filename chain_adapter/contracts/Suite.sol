// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Create3} from "@openzeppelin/contracts/utils/Create3.sol";

/// @title One deployment: the address book of contracts that know one another.
/// @notice Contracts that call each other in a circle cannot all be constructor arguments of one another. CREATE3 makes every address a
/// function of this contract's address and a name, so each contract reads its peers once, in its constructor, and keeps them as immutables.
/// @dev The deployer can fill each name once and has no other power; a contract under a name can never be replaced.
contract Suite {
    address public immutable deployer;

    event Deployed(bytes32 indexed name, address deployed, bytes32 codeHash);

    error NotDeployer();
    error AlreadyDeployed(bytes32 name);

    constructor() {
        deployer = msg.sender;
    }

    /// @notice Deploy `creationCode` (constructor arguments included) under `name`.
    function deploy(bytes32 name, bytes calldata creationCode) external returns (address deployed) {
        if (msg.sender != deployer) revert NotDeployer();
        if (addressOf(name).code.length != 0) revert AlreadyDeployed(name);
        deployed = Create3.deploy(0, name, creationCode);
        emit Deployed(name, deployed, deployed.codehash);
    }

    /// @notice The address of `name`, whether or not it has been deployed yet.
    function addressOf(bytes32 name) public view returns (address) {
        return Create3.computeAddress(name);
    }
}
