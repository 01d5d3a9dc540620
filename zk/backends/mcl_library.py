"""Load mcl from the mclbn256 package for Ethereum's curve, apart from whatever else uses that package.

The wheel carries two shared objects as hexadecimal text and initialises them for another curve when imported. mcl keeps its
curve in process-wide variables, so we write our own copy of both files to a private folder, and on Linux turn the symbols
that the dynamic linker would unite across copies (STB_GNU_UNIQUE) into ordinary ones. Importing mclbn256 before or after
therefore changes nothing here or there. Elsewhere, where copies cannot be kept apart, we refuse if it was imported.
"""

import ctypes
import importlib.util
import re
import struct
import sys
import tempfile
from pathlib import Path

from mpc.errors import EppmlError

__all__ = ["BackendUnavailable", "load"]

_CURVE_SNARK1 = 4
_UNITS = 4 + 10 * 4
_ASSIGNMENT = re.compile(rb"\s*(mclbn256_bs|mcl_bs)\s*=\s*bytes\.fromhex\('([0-9a-f]*)'\)")


class BackendUnavailable(EppmlError):
    """A curve library that is not installed here, or does not compute what it should."""


def load() -> ctypes.CDLL:
    """The library, initialised for alt_bn128 with the order of G2 points checked.

    Raises: BackendUnavailable where there is no wheel or it does not load.
    """
    spec = importlib.util.find_spec("mclbn256")
    if spec is None or not spec.submodule_search_locations:
        raise BackendUnavailable("the package mclbn256 is not installed")
    if not sys.platform.startswith("linux") and "mclbn256" in sys.modules:
        raise BackendUnavailable("mclbn256 was imported by other code, which set mcl to another curve")
    images = _images(Path(spec.submodule_search_locations[0]) / "mclbn256.py")
    suffix = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
    folder = tempfile.TemporaryDirectory(prefix="eppml-mcl-", ignore_cleanup_errors=True)
    try:
        root = Path(folder.name)
        (root / "lib").mkdir()
        core, top = root / "lib" / f"libmcl{suffix}", root / f"libmclbn256{suffix}"
        core.write_bytes(images["mcl_bs"])
        top.write_bytes(images["mclbn256_bs"])
        if images["mcl_bs"]:
            ctypes.CDLL(str(core))
        library = ctypes.CDLL(str(top))
    except OSError as error:
        raise BackendUnavailable(f"mcl does not load: {error}") from error
    finally:
        folder.cleanup()
    if library.mclBn_init(_CURVE_SNARK1, _UNITS) != 0:
        raise BackendUnavailable("mcl refuses the curve alt_bn128")
    library.mclBn_verifyOrderG2(1)
    return library


def _images(source: Path) -> dict[str, bytes]:
    """The two shared objects inside the package's source, read as text and never executed."""
    found = {"mcl_bs": b""}
    with source.open("rb") as lines:
        for line in lines:
            if match := _ASSIGNMENT.match(line):
                image = bytes.fromhex(match[2].decode())
                found[match[1].decode()] = _without_unique_symbols(image)
    if "mclbn256_bs" not in found:
        raise BackendUnavailable("this version of mclbn256 keeps its library in an unknown way")
    return found


def _without_unique_symbols(image: bytes) -> bytes:
    """An ELF image whose unique symbols are weak ones, so that each loaded copy has its own variables."""
    if image[:6] != b"\x7fELF\x02\x01":
        return image
    patched = bytearray(image)
    (table,) = struct.unpack_from("<Q", image, 0x28)
    entry, count = struct.unpack_from("<HH", image, 0x3A)
    for i in range(count):
        kind, _, _, offset, size = struct.unpack_from("<IQQQQ", image, table + i * entry + 4)
        if kind != _SHT_DYNSYM:
            continue
        for info in range(offset + 4, offset + size, _SYMBOL_BYTES):
            if patched[info] >> 4 == _STB_GNU_UNIQUE:
                patched[info] = (_STB_WEAK << 4) | (patched[info] & 0xF)
    return bytes(patched)


_SHT_DYNSYM = 11
_SYMBOL_BYTES = 24
_STB_WEAK = 2
_STB_GNU_UNIQUE = 10
