// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PublicInputs} from "./PublicInputs.sol";

/// @title Groth16 over alt_bn128 for any circuit, plain or with commitments; the key is the code of another account.
/// @notice plain:      e(A, B) = e(alpha, beta) e(IC(x), gamma) e(C, delta)
///         committed:  e(A, B) = e(alpha, beta) e(IC(x) + sum D_k, gamma) e(C, delta)   and   prod e(D_k, sigma_k) = e(Pi, g2)
/// The second equation is the proof of knowledge of the commitments: without it a commitment can be shifted along IC and change a public
/// input, or shifted with B and open to nothing. Both equations go into one product of pairings, the second one raised to a hash of
/// all points, so that errors in the two cannot cancel. A key whose gamma is the group's generator saves one pairing.
/// @dev Key blob: 0x00 (so that nobody can call it), then words in the order in which the pairing precompile takes them, so that points need
/// not be moved: alpha (2), beta (4), header, digest, gamma (4), two of zero, delta (4), for each commitment two of zero and sigma_k (4),
/// IC_0 .. IC_n (2 each). Header: "EPPML groth16 v1" in the high half; then, from the low end, a byte of flags (1: the last public input
/// is a challenge; 2: seven words about the statement follow, see PublicInputs), a byte with the number of commitments, two bytes with the
/// number n of public inputs. Points as the precompiles take them: big-endian,
/// second coordinate of Fp2 first. Proofs can be re-randomised by anybody, so their bytes must never serve as a nullifier.
contract Groth16Verifier {
    /// @dev Order of the scalar field; public inputs are below it (the precompile would take larger ones).
    uint256 private constant R = 21888242871839275222246405745257275088548364400416034343698204186575808495617;
    uint256 private constant Q = 21888242871839275222246405745257275088696311157297823662689037894645226208583;
    bytes16 private constant MAGIC = "EPPML groth16 v1";
    bytes32 private constant CHALLENGE_TAG = "EPPML groth16 challenge v1";
    uint256 private constant FIXED_WORDS = 18;
    uint256 private constant DIGEST = 7;
    uint256 private constant TWO_256 = (type(uint256).max % R) + 1;
    uint256 private constant STATEMENT_WORDS = 7;
    uint256 private constant HAS_CHALLENGE = 1;
    uint256 private constant HAS_STATEMENT = 2;

    // Memory from where Solidity starts: a running sum (64 bytes), a term and its scalar (96), one word of room, the key's words.
    uint256 private constant SUM = 0x80;
    uint256 private constant TERM = 0xc0;
    uint256 private constant SCALAR = 0x100;
    uint256 private constant WORDS = 0x140;
    uint256 private constant HEADER = 0x200;
    uint256 private constant GAMMA = 0x240;
    uint256 private constant BEFORE_DELTA = 0x2c0;
    uint256 private constant BEFORE_SIGMA = 0x380;

    // What each precompile may spend: twice its price. Bounded, because a precompile that refuses its input takes all it was given.
    uint256 private constant ADD_GAS = 300;
    uint256 private constant MUL_GAS = 12_000;
    uint256 private constant PAIRING_GAS = 90_000;
    uint256 private constant PAIR_GAS = 68_000;

    error BadProof();
    error BadKey();
    error BadLength();
    error InputTooLarge();
    error InsufficientGas(uint256 needed);

    /// @notice Revert unless a plain proof verifies.
    /// @param proof A (2 words), B (4), C (2).
    function verify(address key, uint256[8] calldata proof, uint256[] calldata publics) external view {
        uint256 position;
        bytes calldata none;
        assembly ("memory-safe") {
            position := proof
            none.offset := 0
            none.length := 0
        }
        if (!_holds(key, publics, none, position)) revert BadProof();
    }

    /// @notice Revert unless a proof (A, B, C, Pi: 320 bytes) about commitments (64 bytes each) verifies; without commitments
    /// A, B, C alone (256 bytes).
    /// @param publics Without the challenge, which is derived here.
    function verifyCommitted(
        address key,
        uint256[] calldata publics,
        bytes calldata commitments,
        bytes calldata proof
    ) external view {
        if (!_holds(key, publics, commitments, _positionOf(commitments, proof))) revert BadProof();
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
        return _holds(key, publics, commitments, _positionOf(commitments, proof));
    }

    /// @notice What a key is for: number of public inputs (a challenge included) and of commitments, and whether it has a challenge.
    function shapeOf(address key) external view returns (uint256 inputs, uint256 commitments, bool hasChallenge) {
        uint256 flags;
        (inputs, commitments, flags) = _load(key);
        hasChallenge = flags & HAS_CHALLENGE != 0;
    }

    /// @notice The constants of the statement a key was made for.
    function statementOf(address key) external view returns (PublicInputs.Statement memory) {
        (uint256 n, uint256 k, uint256 flags) = _load(key);
        if (flags & HAS_STATEMENT == 0) revert BadKey();
        uint256 first = FIXED_WORDS + 6 * k + 2 * n + 2;
        uint256[STATEMENT_WORDS] memory w;
        for (uint256 i = 0; i < STATEMENT_WORDS; ++i) w[i] = _word(first + i);
        if (w[0] == 0 || w[0] > type(uint32).max || k == 0) revert BadKey();
        return PublicInputs.Statement(w[0], w[1] != 0, w[2], w[3], w[4], w[5], w[6]);
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

    function _positionOf(bytes calldata commitments, bytes calldata proof) private pure returns (uint256 position) {
        if (proof.length != (commitments.length == 0 ? 256 : 320)) revert BadLength();
        assembly ("memory-safe") {
            position := proof.offset
        }
    }

    /// @dev Reverts for a wrong key, length or input; answers for the points.
    /// @param proof Where the proof starts in the calldata.
    function _holds(address key, uint256[] calldata publics, bytes calldata commitments, uint256 proof)
        private
        view
        returns (bool ok)
    {
        (uint256 n, uint256 k, uint256 flags) = _load(key);
        unchecked {
            uint256 wrong = (commitments.length ^ (64 * k)) | ((publics.length + (flags & HAS_CHALLENGE)) ^ n);
            if (wrong != 0) revert BadLength();
        }
        uint256 challenge = 0;
        if (flags & HAS_CHALLENGE != 0) challenge = challengeOf(bytes32(_word(DIGEST)), publics, commitments);

        bool reduced;
        assembly ("memory-safe") {
            let behind := add(BEFORE_SIGMA, mul(192, k))
            let ic := behind
            mcopy(SUM, ic, 64)
            ok := 1
            reduced := 1
            let input := publics.offset
            for { let last := add(input, mul(32, publics.length)) } lt(input, last) { input := add(input, 32) } {
                ic := add(ic, 64)
                let x := calldataload(input)
                reduced := and(reduced, lt(x, R))
                mcopy(TERM, ic, 64)
                mstore(SCALAR, x)
                ok := and(ok, staticcall(MUL_GAS, 7, TERM, 96, TERM, 64))
                ok := and(ok, staticcall(ADD_GAS, 6, SUM, 128, SUM, 64))
            }
            if and(flags, HAS_CHALLENGE) {
                mcopy(TERM, add(ic, 64), 64)
                mstore(SCALAR, challenge)
                ok := and(ok, staticcall(MUL_GAS, 7, TERM, 96, TERM, 64))
                ok := and(ok, staticcall(ADD_GAS, 6, SUM, 128, SUM, 64))
            }
            for { let i := 0 } lt(i, k) { i := add(i, 1) } {
                calldatacopy(TERM, add(commitments.offset, mul(64, i)), 64)
                ok := and(ok, staticcall(ADD_GAS, 6, SUM, 128, SUM, 64))
            }
            // [alpha, beta] [sum, gamma] [C, delta] [rho D_k, sigma_k] in the key's place, then [-A, B] (and [-rho Pi, g2]) over the ICs
            let end := add(behind, 192)
            if k {
                // rho depends on every point: the sum (hence all inputs), the commitments, the proof.
                let text := add(behind, 384)
                mcopy(text, SUM, 64)
                calldatacopy(add(text, 64), commitments.offset, commitments.length)
                calldatacopy(add(add(text, 64), commitments.length), proof, 320)
                let rho := shr(128, keccak256(text, add(384, commitments.length)))
                mstore(SCALAR, rho)
                for { let i := 0 } lt(i, k) { i := add(i, 1) } {
                    calldatacopy(TERM, add(commitments.offset, mul(64, i)), 64)
                    ok := and(ok, staticcall(MUL_GAS, 7, TERM, 96, add(BEFORE_SIGMA, mul(192, i)), 64))
                }
                // -rho Pi
                calldatacopy(TERM, add(proof, 256), 64)
                ok := and(ok, staticcall(MUL_GAS, 7, TERM, 96, TERM, 64))
                let y := mload(add(TERM, 32))
                if y { mstore(add(TERM, 32), sub(Q, y)) }
                let merged := and(
                    and(
                        eq(mload(GAMMA), 0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2),
                        eq(mload(add(GAMMA, 32)), 0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed)
                    ),
                    and(
                        eq(mload(add(GAMMA, 64)), 0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b),
                        eq(mload(add(GAMMA, 96)), 0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa)
                    )
                )
                switch merged
                case 1 { ok := and(ok, staticcall(ADD_GAS, 6, SUM, 128, SUM, 64)) }
                default {
                    mcopy(end, TERM, 64)
                    mstore(add(end, 64), 0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2)
                    mstore(add(end, 96), 0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed)
                    mstore(add(end, 128), 0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b)
                    mstore(add(end, 160), 0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa)
                    end := add(end, 192)
                }
            }
            mcopy(HEADER, SUM, 64)
            calldatacopy(BEFORE_DELTA, add(proof, 192), 64)
            calldatacopy(behind, proof, 192)
            let ay := mload(add(behind, 32))
            ok := and(ok, lt(ay, Q))
            mstore(add(behind, 32), sub(Q, ay))
            let size := sub(end, WORDS)
            // A chain without the precompile answers success and nothing: the answer's size is checked before its value.
            ok := and(ok, staticcall(add(PAIRING_GAS, mul(PAIR_GAS, div(size, 192))), 8, WORDS, size, 0, 32))
            ok := and(ok, and(eq(returndatasize(), 32), eq(mload(0), 1)))
        }
        if (!reduced) revert InputTooLarge();
    }

    /// @dev Copy a key to WORDS and check its header and length. To be called before anything is allocated.
    function _load(address key) private view returns (uint256 n, uint256 k, uint256 flags) {
        bool ok;
        assembly ("memory-safe") {
            let size := extcodesize(key)
            // The blob's first byte, which must be zero, goes before the words.
            extcodecopy(key, sub(WORDS, 1), 0, size)
            mstore(0x40, add(add(WORDS, 32), and(size, not(31))))
            let header := mload(HEADER)
            n := and(shr(16, header), 0xffff)
            k := and(shr(8, header), 0xff)
            flags := and(header, 3)
            // 1 byte and FIXED_WORDS + 6 k + 2 (n + 1) words, and STATEMENT_WORDS where there is a statement (flag 2)
            let expected := add(add(641, mul(192, k)), add(shl(6, n), mul(112, and(flags, HAS_STATEMENT))))
            ok := and(eq(size, expected), iszero(and(mload(sub(WORDS, 32)), 0xff)))
            ok := and(ok, eq(header, or(MAGIC, and(header, 0xffffff03))))
        }
        if (!ok) revert BadKey();
    }

    function _word(uint256 i) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(WORDS, mul(32, i)))
        }
    }
}
