// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PublicInputs} from "./PublicInputs.sol";

/// @title Groth16 over alt_bn128 for any circuit, plain or with commitments; the key is the code of another account.
/// @notice plain:      e(A, B) = e(alpha, beta) e(IC(x), gamma) e(C, delta)
///         committed:  e(A, B) = e(alpha, beta) e(IC(x) + sum D_k, gamma) e(C, delta)   and   prod e(D_k, sigma_k) = e(Pi, g2)
/// The second equation is the proof of knowledge of the commitments: without it a commitment can be shifted along IC and change a public
/// input, or shifted with B and open to nothing. Both equations go into one product of pairings, the second one raised to a hash of
/// all points, so that errors in the two cannot cancel. A key whose gamma is the group's generator saves one pairing.
/// @dev Key blob: 0x00 (so that nobody can call it), then words: header, digest, alpha (2), beta (4), gamma (4), delta (4), sigma_k (4 each),
/// IC_0 .. IC_n (2 each). Header: "EPPML groth16 v1" in the high half; then, from the low end, a byte of flags (1: the last public input is
/// a challenge; 2: seven words about the statement follow, see PublicInputs), a byte with the number of commitments, two bytes with the number n of public inputs. Points as the precompiles take them: big-endian,
/// second coordinate of Fp2 first. Proofs can be re-randomised by anybody, so their bytes must never serve as a nullifier.
contract Groth16Verifier {
    /// @notice Order of the scalar field; public inputs are below it (the precompile would take larger ones).
    uint256 public constant R = 21888242871839275222246405745257275088548364400416034343698204186575808495617;
    uint256 private constant Q = 21888242871839275222246405745257275088696311157297823662689037894645226208583;
    bytes16 private constant MAGIC = "EPPML groth16 v1";
    bytes32 private constant CHALLENGE_TAG = "EPPML groth16 challenge v1";
    uint256 private constant FIXED_WORDS = 16;
    uint256 private constant STATEMENT_WORDS = 7;
    uint256 private constant TWO_256 = (type(uint256).max % R) + 1;

    // What each precompile may spend: twice its price. Bounded, because a precompile that refuses its input takes all it was given.
    uint256 private constant ADD_GAS = 300;
    uint256 private constant MUL_GAS = 12_000;
    uint256 private constant PAIRING_GAS = 90_000;
    uint256 private constant PAIR_GAS = 68_000;

    error BadProof();
    error BadKey();
    error BadLength();
    error InputTooLarge(uint256 position);
    error InsufficientGas(uint256 needed);

    /// @notice Revert unless a plain proof (A, B, C: 256 bytes) verifies.
    function verify(address key, uint256[] calldata publics, bytes calldata proof) external view {
        if (!_holds(key, publics, msg.data[0:0], proof)) revert BadProof();
    }

    /// @notice Revert unless a proof (A, B, C, Pi: 320 bytes) about commitments (64 bytes each) verifies.
    /// @param publics Without the challenge, which is derived here.
    function verifyCommitted(
        address key,
        uint256[] calldata publics,
        bytes calldata commitments,
        bytes calldata proof
    ) external view {
        if (!_holds(key, publics, commitments, proof)) revert BadProof();
    }

    /// @notice Whether a proof verifies, for callers that punish a bad one.
    /// @dev A call that runs out of gas must not look like a bad proof, so this reverts unless the worst case can be paid.
    function check(address key, uint256[] calldata publics, bytes calldata commitments, bytes calldata proof)
        external
        view
        returns (bool)
    {
        uint256 commitmentCount = commitments.length / 64;
        uint256 needed = 100_000 + (publics.length + 1) * (MUL_GAS + ADD_GAS + 1_000) + PAIRING_GAS + 5 * PAIR_GAS
            + commitmentCount * (MUL_GAS + PAIR_GAS + 2_000) + (commitmentCount == 0 ? 0 : MUL_GAS);
        needed = needed * 64 / 63;
        if (gasleft() < needed) revert InsufficientGas(needed);
        return _holds(key, publics, commitments, proof);
    }

    /// @notice What a key is for: number of public inputs (a challenge included) and of commitments, and whether it has a challenge.
    function shapeOf(address key) external view returns (uint256 inputs, uint256 commitments, bool hasChallenge) {
        return _shape(key.code);
    }

    /// @notice The constants of the statement a key was made for.
    function statementOf(address key) external view returns (PublicInputs.Statement memory s) {
        bytes memory blob = key.code;
        (uint256 n, uint256 k,) = _shape(blob);
        if (uint256(_word(blob, 0)) & 2 == 0) revert BadKey();
        uint256 first = FIXED_WORDS + 4 * k + 2 * n + 2;
        uint256[STATEMENT_WORDS] memory w;
        for (uint256 i = 0; i < STATEMENT_WORDS; ++i) w[i] = uint256(_word(blob, first + i));
        s = PublicInputs.Statement(w[0], w[1] != 0, w[2], w[3], w[4], w[5], w[6]);
        if (s.chunks == 0 || s.chunks > type(uint32).max || k == 0) revert BadKey();
    }

    /// @notice The challenge of a circuit that has one: 512 bits of SHA-256 over key digest, public inputs and all commitments, mod R.
    function challengeOf(bytes32 digest, uint256[] calldata publics, bytes calldata commitments)
        public
        pure
        returns (uint256)
    {
        bytes memory text = abi.encodePacked(CHALLENGE_TAG, digest, publics, commitments);
        uint256 high = uint256(sha256(abi.encodePacked(bytes1(0x00), text)));
        uint256 low = uint256(sha256(abi.encodePacked(bytes1(0x01), text)));
        return addmod(mulmod(high, TWO_256, R), low, R);
    }

    /// @dev Reverts for a wrong key, length or input; answers for the points.
    function _holds(address key, uint256[] calldata publics, bytes calldata commitments, bytes calldata proof)
        private
        view
        returns (bool ok)
    {
        bytes memory blob = key.code;
        (uint256 n, uint256 k, bool hasChallenge) = _shape(blob);
        if (commitments.length != 64 * k || proof.length != (k == 0 ? 256 : 320)) revert BadLength();
        if (publics.length + (hasChallenge ? 1 : 0) != n) revert BadLength();
        uint256 challenge = 0;
        if (hasChallenge) challenge = challengeOf(_word(blob, 1), publics, commitments);

        bool merged;
        assembly ("memory-safe") {
            let words := add(blob, 33)
            // s: running sum (64 bytes), then a term and its scalar (96 bytes); p: the pairing's input.
            let s := mload(0x40)
            let p := add(s, 160)
            let ic := add(words, mul(32, add(FIXED_WORDS, mul(4, k))))
            mcopy(s, ic, 64)
            ok := 1
            for { let i := 0 } lt(i, n) { i := add(i, 1) } {
                ic := add(ic, 64)
                mcopy(add(s, 64), ic, 64)
                let x := challenge
                if lt(i, publics.length) { x := calldataload(add(publics.offset, mul(32, i))) }
                if iszero(lt(x, R)) {
                    // InputTooLarge(i)
                    mstore(0, 0x302b4b7e00000000000000000000000000000000000000000000000000000000)
                    mstore(4, i)
                    revert(0, 36)
                }
                mstore(add(s, 128), x)
                ok := and(ok, staticcall(MUL_GAS, 7, add(s, 64), 96, add(s, 64), 64))
                ok := and(ok, staticcall(ADD_GAS, 6, s, 128, s, 64))
            }
            for { let i := 0 } lt(i, k) { i := add(i, 1) } {
                calldatacopy(add(s, 64), add(commitments.offset, mul(64, i)), 64)
                ok := and(ok, staticcall(ADD_GAS, 6, s, 128, s, 64))
            }
            // [-A, B] [alpha, beta] [sum, gamma] [C, delta]
            calldatacopy(p, proof.offset, 192)
            let y := mload(add(p, 32))
            ok := and(ok, lt(y, Q))
            mstore(add(p, 32), sub(Q, y))
            mcopy(add(p, 192), add(words, 64), 192)
            mcopy(add(p, 448), add(words, 256), 128)
            calldatacopy(add(p, 576), add(proof.offset, 192), 64)
            mcopy(add(p, 640), add(words, 384), 128)
            let end := add(p, 768)
            if k {
                // rho depends on every point: the sum (hence all inputs), the commitments, the proof.
                mcopy(end, s, 64)
                calldatacopy(add(end, 64), commitments.offset, commitments.length)
                calldatacopy(add(add(end, 64), commitments.length), proof.offset, 320)
                let rho := shr(128, keccak256(end, add(384, commitments.length)))
                // [rho D_k, sigma_k]
                for { let i := 0 } lt(i, k) { i := add(i, 1) } {
                    calldatacopy(add(s, 64), add(commitments.offset, mul(64, i)), 64)
                    mstore(add(s, 128), rho)
                    ok := and(ok, staticcall(MUL_GAS, 7, add(s, 64), 96, end, 64))
                    mcopy(add(end, 64), add(words, add(512, mul(128, i))), 128)
                    end := add(end, 192)
                }
                // -rho Pi
                calldatacopy(add(s, 64), add(proof.offset, 256), 64)
                mstore(add(s, 128), rho)
                ok := and(ok, staticcall(MUL_GAS, 7, add(s, 64), 96, add(s, 64), 64))
                y := mload(add(s, 96))
                if y { mstore(add(s, 96), sub(Q, y)) }
                merged := and(
                    and(
                        eq(mload(add(words, 256)), 0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2),
                        eq(mload(add(words, 288)), 0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed)
                    ),
                    and(
                        eq(mload(add(words, 320)), 0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b),
                        eq(mload(add(words, 352)), 0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa)
                    )
                )
                switch merged
                case 1 { ok := and(ok, staticcall(ADD_GAS, 6, s, 128, s, 64)) }
                default {
                    mcopy(end, add(s, 64), 64)
                    mstore(add(end, 64), 0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2)
                    mstore(add(end, 96), 0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed)
                    mstore(add(end, 128), 0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b)
                    mstore(add(end, 160), 0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa)
                    end := add(end, 192)
                }
            }
            mcopy(add(p, 384), s, 64)
            let size := sub(end, p)
            // A chain without the precompile answers success and nothing: the answer's size is checked before its value.
            ok := and(ok, staticcall(add(PAIRING_GAS, mul(PAIR_GAS, div(size, 192))), 8, p, size, 0, 32))
            ok := and(ok, and(eq(returndatasize(), 32), eq(mload(0), 1)))
        }
    }

    /// @dev Number of public inputs and commitments, and whether the last input is a challenge.
    function _shape(bytes memory blob) private pure returns (uint256 n, uint256 k, bool hasChallenge) {
        // One byte and two words at least, so that header and digest can be read.
        if (blob.length < 65 || blob[0] != 0) revert BadKey();
        uint256 header = uint256(_word(blob, 0));
        hasChallenge = header & 1 == 1;
        k = (header >> 8) & 0xff;
        n = (header >> 16) & 0xffff;
        if (header >> 128 != uint128(MAGIC) || (header & type(uint128).max) >> 32 != 0 || header & 0xfc != 0) {
            revert BadKey();
        }
        uint256 words = FIXED_WORDS + 4 * k + 2 * n + 2 + (header & 2 == 0 ? 0 : STATEMENT_WORDS);
        if (blob.length != 1 + 32 * words) revert BadKey();
        if (hasChallenge && (n == 0 || k == 0)) revert BadKey();
    }

    function _word(bytes memory blob, uint256 i) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := mload(add(add(blob, 33), mul(32, i)))
        }
    }
}
