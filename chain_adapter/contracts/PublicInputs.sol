// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What an update's proof is about, and how its bytes are cut: the contract side of `zk.statements.norm_bound`.
library PublicInputs {
    /// @notice Constants of the statement, kept in the key's blob behind its points.
    /// @dev `chunks`: proofs an update is cut into; `padded`: whether the last one holds entries beyond the update; `maxNormSquared`: no update in
    /// range has a larger norm; `shareX` .. `etaY`: bases of the commitment to a chunk's share of the bound, for more than one chunk.
    struct Statement {
        uint256 chunks;
        bool padded;
        uint256 maxNormSquared;
        uint256 shareX;
        uint256 shareY;
        uint256 etaX;
        uint256 etaY;
    }

    /// @notice Order of alt_bn128's groups.
    uint256 internal constant ORDER = 21888242871839275222246405745257275088548364400416034343698204186575808495617;
    uint256 private constant POINT = 64;
    uint256 private constant SCALAR = 32;
    uint256 private constant PLAIN_PROOF = 320;

    error NoSuchChunk();

    /// @notice Whether commitment and proof have the lengths this statement asks for, under a key with `k` commitments.
    function wellFormed(Statement memory s, uint256 k, uint256 commitmentLength, uint256 proofLength)
        internal
        pure
        returns (bool)
    {
        uint256 tail = s.chunks > 1 ? SCALAR : 0;
        return commitmentLength == s.chunks * POINT && proofLength == s.chunks * chunkLength(k) + tail;
    }

    /// @notice Bytes of one chunk's proof: all commitments but the first, then A, B, C and Pi.
    function chunkLength(uint256 k) internal pure returns (uint256) {
        return (k - 1) * POINT + PLAIN_PROOF;
    }

    /// @notice The commitments and the proof of one chunk.
    function chunkOf(uint256 k, bytes calldata commitment, bytes calldata proof, uint256 chunk)
        internal
        pure
        returns (bytes memory commitments, bytes memory points)
    {
        bytes calldata part = proof[chunk * chunkLength(k):(chunk + 1) * chunkLength(k)];
        uint256 others = (k - 1) * POINT;
        commitments = bytes.concat(commitment[chunk * POINT:(chunk + 1) * POINT], part[:others]);
        points = part[others:];
    }

    /// @notice The public inputs of one chunk; a challenge is added by the verifier.
    function publicsOf(
        Statement memory s,
        bytes32 plan,
        uint64 round,
        address client,
        uint256 boundSquared,
        uint256 chunk
    ) internal pure returns (uint256[] memory publics) {
        if (chunk >= s.chunks) revert NoSuchChunk();
        publics = new uint256[](1 + (s.chunks == 1 ? 1 : 0) + (s.padded ? 1 : 0));
        publics[0] = context(plan, round, client, uint64(chunk), uint64(s.chunks));
        if (s.chunks == 1) publics[1] = boundOf(s, boundSquared);
        if (s.padded) publics[publics.length - 1] = chunk == s.chunks - 1 ? 1 : 0;
    }

    /// @notice The bound a proof is made for: larger ones mean the same as the largest norm there is.
    function boundOf(Statement memory s, uint256 boundSquared) internal pure returns (uint256) {
        return boundSquared < s.maxNormSquared ? boundSquared : s.maxNormSquared;
    }

    /// @notice Binds a proof to plan, round, client and the chunk's place: 248 bits of a hash.
    function context(bytes32 plan, uint64 round, address client, uint64 chunk, uint64 chunks)
        internal
        pure
        returns (uint256)
    {
        bytes32 update = sha256(abi.encodePacked("eppml/update-context/1", plan, round, client));
        return uint256(sha256(abi.encodePacked("eppml context v1", chunk, chunks, update))) >> 8;
    }
}
