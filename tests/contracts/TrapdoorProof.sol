// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TrapdoorPoints as T} from "./TrapdoorPoints.sol";

/// @title Keys and proofs by someone who knows the trapdoor: valid for any public inputs, without a circuit.
/// @dev IC_i is (i + 3) times the generator, commitments are d_k times the generator, A = a G, B = b G2 for a fixed b, and C is what the
/// equation leaves over. These are real keys and real proofs: the verifier cannot tell them from others.
library TrapdoorProof {
    uint256 internal constant R = 21888242871839275222246405745257275088548364400416034343698204186575808495617;

    /// @param inputs Public inputs without a challenge. `merged`: gamma is the generator.
    function keyWords(uint256 inputs, uint256 k, bool challenge, bool merged, bool statement)
        internal
        view
        returns (bytes memory words)
    {
        uint256 n = inputs + (challenge ? 1 : 0);
        uint256 flags = (challenge ? 1 : 0) | (statement ? 2 : 0);
        words = abi.encodePacked(mul(1, 2, T.ALPHA), T.beta2(), bytes16("EPPML groth16 v1"));
        words = abi.encodePacked(words, uint128((n << 16) | (k << 8) | flags), keccak256("digest"));
        words = abi.encodePacked(words, merged ? T.one2() : T.gamma2(), new bytes(64), T.delta2());
        if (k > 0) words = abi.encodePacked(words, new bytes(64), T.sigma12());
        if (k > 1) words = abi.encodePacked(words, new bytes(64), T.sigma22());
        for (uint256 i = 0; i <= n; ++i) words = abi.encodePacked(words, mul(1, 2, i + 3));
        if (statement) words = abi.encodePacked(words, abi.encode(1, 0, type(uint128).max, 0, 0, 0, 0));
    }

    function deployBlob(bytes memory words) internal returns (address key) {
        bytes memory code = abi.encodePacked(bytes1(0), words);
        bytes memory creation = abi.encodePacked(hex"61", uint16(code.length), hex"80600a3d393df3", code);
        assembly ("memory-safe") {
            key := create(0, add(creation, 32), mload(creation))
        }
        require(key != address(0), "key not deployed");
    }

    function deployKey(uint256 inputs, uint256 k, bool challenge, bool merged, bool statement) internal returns (address) {
        return deployBlob(keyWords(inputs, k, challenge, merged, statement));
    }

    /// @param x All public inputs, a challenge included. `a`, `d` are the prover's choice.
    function prove(uint256[] memory x, uint256 a, uint256[] memory d, bool merged)
        internal
        view
        returns (bytes memory commitments, bytes memory proof)
    {
        uint256 sum = 3;
        for (uint256 i = 0; i < x.length; ++i) sum = addmod(sum, mulmod(x[i], i + 4, R), R);
        uint256 pi = 0;
        for (uint256 i = 0; i < d.length; ++i) {
            sum = addmod(sum, d[i], R);
            pi = addmod(pi, mulmod(d[i], i == 0 ? T.SIGMA1 : T.SIGMA2, R), R);
            commitments = abi.encodePacked(commitments, mul(1, 2, d[i]));
        }
        uint256 left = addmod(mulmod(a, T.B, R), R - mulmod(T.ALPHA, T.BETA, R), R);
        left = addmod(left, R - mulmod(sum, merged ? 1 : T.GAMMA, R), R);
        uint256 c = mulmod(left, power(T.DELTA, R - 2), R);
        proof = abi.encodePacked(mul(1, 2, a), T.b2(), mul(1, 2, c));
        if (d.length > 0) proof = abi.encodePacked(proof, mul(1, 2, pi));
    }

    function mul(uint256 x, uint256 y, uint256 s) internal view returns (bytes memory) {
        (bool ok, bytes memory point) = address(7).staticcall(abi.encode(x, y, s));
        require(ok, "multiplication failed");
        return point;
    }

    function power(uint256 base, uint256 exponent) internal view returns (uint256) {
        (bool ok, bytes memory out) = address(5).staticcall(abi.encode(32, 32, 32, base, exponent, R));
        require(ok, "power failed");
        return abi.decode(out, (uint256));
    }
}
