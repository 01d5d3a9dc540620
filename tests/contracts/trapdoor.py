"""A verifying key whose trapdoor the tests know, so that they can make valid proofs of anything inside the EVM.

    python tests/contracts/trapdoor.py          # write TrapdoorPoints.sol beside this file

Solidity can multiply points of the first group, but not of the second; those are computed here with py_ecc.
"""

from hashlib import sha256
from pathlib import Path

from py_ecc.bn128 import G2, curve_order, multiply

NAMES = ("BETA", "GAMMA", "DELTA", "SIGMA1", "SIGMA2", "B")
SUMS = ("B_PLUS_SIGMA1", "B_PLUS_GAMMA")
TARGET = Path(__file__).resolve().parent / "TrapdoorPoints.sol"


def scalar(name: str) -> int:
    """The known secret behind a point."""
    return int.from_bytes(sha256(f"EPPML test trapdoor {name}".encode()).digest(), "big") % curve_order


def secret(name: str) -> int:
    """The multiple of the generator that a point is."""
    if name == "ONE":
        return 1
    return sum(scalar(part) for part in name.split("_PLUS_")) % curve_order


def words(point: object) -> list[int]:
    """The four words of a point of the second group as the precompile takes them."""
    (x0, x1), (y0, y1) = ([int(c) for c in half.coeffs] for half in point)  # type: ignore[attr-defined]
    return [x1, x0, y1, y0]


def camel(name: str) -> str:
    """B_PLUS_GAMMA -> bPlusGamma."""
    first, *rest = name.lower().split("_")
    return first + "".join(part.capitalize() for part in rest)


def source() -> str:
    """The Solidity file."""
    lines = [
        "// SPDX-License-Identifier: Apache-2.0",
        "// Written by trapdoor.py.",
        "pragma solidity 0.8.37;",
        "",
        "/// @title Secrets of a key for tests, and their points in the second group.",
        "library TrapdoorPoints {",
        f"    uint256 internal constant ALPHA = {scalar('ALPHA')};",
    ]
    for name in NAMES:
        lines.append(f"    uint256 internal constant {name} = {scalar(name)};")
    for name in (*NAMES, *SUMS, "ONE"):
        lines += ["", f"    function {camel(name)}2() internal pure returns (uint256[4] memory) {{"]
        inner = ",\n            ".join(f"uint256({w:#066x})" for w in words(multiply(G2, secret(name))))
        lines += ["        return [", f"            {inner}", "        ];", "    }"]
    return "\n".join([*lines, "}", ""])


if __name__ == "__main__":
    TARGET.write_text(source(), encoding="utf-8")
