// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Groth16Verifier} from "contracts/Groth16Verifier.sol";
import {Base} from "./Base.sol";
import {TrapdoorPoints as T} from "./TrapdoorPoints.sol";
import {TrapdoorProof} from "./TrapdoorProof.sol";

/// @title Attacks on the proof verifier.
contract VerifierTest is Base {
    uint256 private constant R = TrapdoorProof.R;

    function setUp() public {
        deploySuite();
    }

    function _inputs(uint256 n, uint256 seed) private pure returns (uint256[] memory x) {
        x = new uint256[](n);
        for (uint256 i = 0; i < n; ++i) x[i] = uint256(keccak256(abi.encode(seed, i))) % R;
    }

    function _scalars(uint256 k, uint256 seed) private pure returns (uint256[] memory d) {
        return _inputs(k, seed + 1);
    }

    function testFuzz_validProofsOfEveryShapePass(uint256 seed, uint8 inputs, uint8 commitments, bool merged) public {
        uint256 n = inputs % 5;
        uint256 k = commitments % 3;
        bool challenge = k > 0 && seed % 2 == 1;
        address blob = TrapdoorProof.deployKey(n, k, challenge, merged, false);
        uint256[] memory x = _inputs(n, seed % R);
        (bytes memory commitment, bytes memory proof) = _prove(x, seed % (R - 1), k, challenge, merged);
        if (k == 0) verifier.verify(blob, abi.decode(proof, (uint256[8])), x);
        else verifier.verifyCommitted(blob, x, commitment, proof);
        require(verifier.check(blob, x, commitment, proof), "check disagrees");
    }

    function testFuzz_anyChangedByteIsRefused(uint256 seed, uint16 position, uint8 change, bool merged) public {
        vm.assume(change != 0);
        address blob = TrapdoorProof.deployKey(2, 1, false, merged, false);
        uint256[] memory x = _inputs(2, seed % R);
        (bytes memory commitment, bytes memory proof) = _prove(x, seed % (R - 1), 1, false, merged);
        uint256 place = position % (proof.length + commitment.length);
        if (place < proof.length) proof[place] ^= bytes1(change);
        else commitment[place - proof.length] ^= bytes1(change);
        require(!verifier.check(blob, x, commitment, proof), "changed proof passes");
        vm.expectRevert(Groth16Verifier.BadProof.selector);
        verifier.verifyCommitted(blob, x, commitment, proof);
    }

    function testFuzz_otherInputsAreRefused(uint256 seed, uint256 other, uint8 which) public view {
        uint256[] memory x = _inputs(2, seed % R);
        (bytes memory commitment, bytes memory proof) = _prove(x, 7, 1, false, false);
        other = other % R;
        vm.assume(other != x[which % 2]);
        x[which % 2] = other;
        require(!verifier.check(key, x, commitment, proof), "other input passes");
    }

    function test_aKeyThatCouldBeCalledIsRefused() public {
        bytes memory words = TrapdoorProof.keyWords(2, 1, false, false, false);
        bytes memory code = abi.encodePacked(bytes1(0x33), words); // CALLER instead of STOP
        vm.etch(address(0xBEEF), code);
        uint256[] memory x = _inputs(2, 1);
        vm.expectRevert(Groth16Verifier.BadKey.selector);
        verifier.check(address(0xBEEF), x, new bytes(64), new bytes(320));
    }

    function test_inputsAboveTheOrderAreRefused() public {
        uint256[] memory x = _inputs(2, 1);
        (bytes memory commitment, bytes memory proof) = _prove(x, 7, 1, false, false);
        x[1] += R; // the precompile reduces it: the same point, another number
        vm.expectRevert(Groth16Verifier.InputTooLarge.selector);
        verifier.verifyCommitted(key, x, commitment, proof);
    }

    function test_shiftingTheCommitmentAlongAnInputIsRefused() public view {
        uint256[] memory x = _inputs(2, 1);
        uint256[] memory d = _scalars(1, 7);
        (, bytes memory proof) = TrapdoorProof.prove(x, 7, d, false);
        // D - IC_2 with x_1 + 1: the first equation still holds, the proof of knowledge does not.
        x[1] = addmod(x[1], 1, R);
        d[0] = addmod(d[0], R - 5, R);
        (bytes memory commitment, bytes memory whole) = TrapdoorProof.prove(x, 7, d, false);
        require(_same(proof, whole, 0, 256), "the attack leaves A, B, C alone");
        require(!verifier.check(key, x, commitment, proof), "shifted commitment passes");
        require(verifier.check(key, x, commitment, whole), "with its own proof of knowledge it is a proof");
    }

    function test_commitmentNobodyCanOpenIsRefused() public view {
        uint256[] memory x = _inputs(2, 1);
        uint256[] memory d = _scalars(1, 7);
        (, bytes memory proof) = TrapdoorProof.prove(x, 7, d, false);
        bytes memory shifted = abi.encodePacked(
            TrapdoorProof.mul(1, 2, 7), T.bPlusGamma2(), _slice(proof, 192, 256), _slice(proof, 256, 320)
        );
        d[0] = addmod(d[0], 7, R); // D + A
        bytes memory commitment = TrapdoorProof.mul(1, 2, d[0]);
        require(!verifier.check(key, x, commitment, shifted), "D + A with B + gamma passes");
        // With the proof of knowledge that only the trapdoor can make, the same points pass: the first equation holds.
        bytes memory pi = TrapdoorProof.mul(1, 2, mulmod(d[0], T.SIGMA1, R));
        bytes memory known = abi.encodePacked(_slice(shifted, 0, 256), pi);
        require(verifier.check(key, x, commitment, known), "the attack's first equation should hold");
    }

    function test_errorsInTheTwoEquationsDoNotCancel() public {
        // Without the random exponent this passes: -A (B + sigma) + sigma D cancels for D = A, and gamma (D - Pi) for Pi = D.
        address merged = TrapdoorProof.deployKey(2, 1, false, true, false);
        uint256[] memory x = _inputs(2, 1);
        uint256[] memory none = new uint256[](1);
        (, bytes memory proof) = TrapdoorProof.prove(x, 7, none, true);
        bytes memory a = TrapdoorProof.mul(1, 2, 7);
        bytes memory forged = abi.encodePacked(a, T.bPlusSigma12(), _slice(proof, 192, 256), a);
        require(!verifier.check(merged, x, a, forged), "the equations cancel");
    }

    function test_swappedHalvesOfBAreRefused() public view {
        uint256[] memory x = _inputs(2, 1);
        (bytes memory commitment, bytes memory proof) = _prove(x, 7, 1, false, false);
        bytes memory swapped = abi.encodePacked(
            _slice(proof, 0, 64), _slice(proof, 96, 128), _slice(proof, 64, 96), _slice(proof, 160, 192),
            _slice(proof, 128, 160), _slice(proof, 192, 320)
        );
        require(!verifier.check(key, x, commitment, swapped), "swapped halves pass");
    }

    function test_zeroProofIsRefused() public view {
        require(!verifier.check(key, _inputs(2, 1), new bytes(64), new bytes(320)), "zeros pass");
    }

    function test_rerandomisedProofPasses() public view {
        // (-A, -B, C) is valid: proofs are malleable, so nothing may use their bytes as a nullifier.
        uint256[] memory x = _inputs(2, 1);
        (bytes memory commitment, bytes memory proof) = _prove(x, 7, 1, false, false);
        uint256 q = 21888242871839275222246405745257275088696311157297823662689037894645226208583;
        uint256[4] memory b = T.b2();
        bytes memory other = abi.encodePacked(
            TrapdoorProof.mul(1, 2, R - 8), b[0], b[1], q - b[2], q - b[3], _slice(proof, 192, 320)
        );
        require(verifier.check(key, x, commitment, other), "the malleated proof should pass");
    }

    function test_commitmentsOfOneGroupDoNotCountForAnother() public {
        address blob = TrapdoorProof.deployKey(2, 2, false, false, false);
        uint256[] memory x = _inputs(2, 1);
        uint256[] memory d = _scalars(2, 5);
        (, bytes memory proof) = TrapdoorProof.prove(x, 7, d, false);
        // Move a part from D_1 to D_2: their sum, all the first equation sees, stays.
        bytes memory moved =
            abi.encodePacked(TrapdoorProof.mul(1, 2, addmod(d[0], 1, R)), TrapdoorProof.mul(1, 2, addmod(d[1], R - 1, R)));
        require(!verifier.check(blob, x, moved, proof), "moved commitment passes");
    }

    function test_challengeCoversEveryCommitment() public {
        address blob = TrapdoorProof.deployKey(1, 2, true, false, false);
        uint256[] memory x = _inputs(1, 1);
        (bytes memory commitment,) = _prove(x, 7, 2, true, false);
        uint256 first = verifier.challengeOf(keccak256("digest"), x, commitment);
        for (uint256 place = 0; place < commitment.length; place += 32) {
            bytes memory other = abi.encodePacked(commitment);
            other[place + 31] ^= 0x01;
            require(verifier.challengeOf(keccak256("digest"), x, other) != first, "challenge ignores a commitment");
        }
        // A proof for a challenge of the prover's choice is refused.
        uint256[] memory chosen = new uint256[](2);
        (chosen[0], chosen[1]) = (x[0], 12345);
        (bytes memory d, bytes memory proof) = TrapdoorProof.prove(chosen, 7, _scalars(2, 7), false);
        require(!verifier.check(blob, x, d, proof), "a chosen challenge passes");
    }

    function test_aCallShortOfGasIsNotABadProof() public {
        uint256[] memory x = _inputs(2, 1);
        (bytes memory commitment, bytes memory proof) = _prove(x, 7, 1, false, false);
        bytes memory call = abi.encodeCall(verifier.check, (key, x, commitment, proof));
        for (uint256 allowance = 20_000; allowance < 1_600_000; allowance += 9_973) {
            (bool ok, bytes memory answer) = address(verifier).call{gas: allowance}(call);
            require(!ok || abi.decode(answer, (bool)), "out of gas looks like a bad proof");
        }
    }

    function test_wrongKeysAndLengthsRevert() public {
        uint256[] memory x = _inputs(2, 1);
        (bytes memory commitment, bytes memory proof) = _prove(x, 7, 1, false, false);
        vm.expectRevert(Groth16Verifier.BadKey.selector);
        verifier.verifyCommitted(address(0xdead), x, commitment, proof);
        vm.expectRevert(Groth16Verifier.BadKey.selector);
        verifier.verifyCommitted(address(verifier), x, commitment, proof);
        vm.expectRevert(Groth16Verifier.BadLength.selector);
        verifier.verifyCommitted(key, x, commitment, abi.encodePacked(proof, bytes1(0)));
        vm.expectRevert(Groth16Verifier.BadLength.selector);
        verifier.verifyCommitted(key, x, new bytes(128), proof);
        vm.expectRevert(Groth16Verifier.BadLength.selector);
        verifier.verifyCommitted(key, _inputs(3, 1), commitment, proof);
        vm.expectRevert(Groth16Verifier.BadLength.selector);
        verifier.verify(key, abi.decode(_slice(proof, 0, 256), (uint256[8])), x);
        bytes memory words = TrapdoorProof.keyWords(2, 1, false, false, false);
        address longer = TrapdoorProof.deployBlob(abi.encodePacked(words, bytes32(0)));
        vm.expectRevert(Groth16Verifier.BadKey.selector);
        verifier.verifyCommitted(longer, x, commitment, proof);
    }

    function _prove(uint256[] memory x, uint256 a, uint256 k, bool challenge, bool merged)
        private
        view
        returns (bytes memory commitment, bytes memory proof)
    {
        uint256[] memory d = _scalars(k, a);
        a = a + 1;
        if (!challenge) return TrapdoorProof.prove(x, a, d, merged);
        for (uint256 i = 0; i < k; ++i) commitment = abi.encodePacked(commitment, TrapdoorProof.mul(1, 2, d[i]));
        uint256[] memory all = new uint256[](x.length + 1);
        for (uint256 i = 0; i < x.length; ++i) all[i] = x[i];
        all[x.length] = verifier.challengeOf(keccak256("digest"), x, commitment);
        return TrapdoorProof.prove(all, a, d, merged);
    }

    function _slice(bytes memory data, uint256 from, uint256 to) private pure returns (bytes memory part) {
        part = new bytes(to - from);
        for (uint256 i = from; i < to; ++i) part[i - from] = data[i];
    }

    function _same(bytes memory a, bytes memory b, uint256 from, uint256 to) private pure returns (bool) {
        return keccak256(_slice(a, from, to)) == keccak256(_slice(b, from, to));
    }
}
