"""MNIST (LeCun, Cortes, Burges 1998): four gzipped IDX files with published md5 sums."""

import gzip
import hashlib
import os
import struct
import urllib.request
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fl.cache import data_directory
from fl.data.dataset import Dataset
from mpc.errors import DecodeError, ParameterError

__all__ = ["FILES", "MIRRORS", "load_mnist", "parse_idx"]

# name: (published md5 of the gzip file, SHA-256 of what is in it)
FILES = {
    "train-images-idx3-ubyte.gz": (
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    "train-labels-idx1-ubyte.gz": (
        "d53e105ee54ea40749a09fcbcd1e9432",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    "t10k-images-idx3-ubyte.gz": (
        "9fb629c4189551a2d022fa330f9573f3",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "ec29112dd5afa0611ce80d1b7f02629c",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
_MAX_FILE = 16 << 20
_MAX_VALUES = 1 << 26
_TIMEOUT_S = 30.0


def load_mnist(
    directory: Path | None = None,
    *,
    mirrors: Sequence[str] = MIRRORS,
    progress: Callable[[str, int, int], None] | None = None,
) -> Dataset:
    """60,000 training and 10,000 test images of 28x28 pixels.

    `directory` is searched (itself and a `mnist` folder in it) and never written to; without it the cache is used and
    what it lacks is downloaded. `progress(name, bytes_so_far, bytes_in_all)` is called while downloading.
    Raises: ParameterError when a file is missing, corrupt or cannot be downloaded.
    """
    arrays = [parse_idx(_fetch(name, directory, mirrors, progress), name) for name in FILES]
    train_x, train_y, test_x, test_y = arrays
    for images, labels in ((train_x, train_y), (test_x, test_y)):
        if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
            raise ParameterError("the MNIST files do not belong together: images and labels differ in number")

    def flat(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)

    return Dataset(
        name="mnist",
        classes=10,
        train_x=flat(train_x),
        train_y=train_y.astype(np.int64),
        test_x=flat(test_x),
        test_y=test_y.astype(np.int64),
    )


def parse_idx(raw: bytes, name: str) -> NDArray[np.uint8]:
    """Decode an IDX file of unsigned bytes. Raises: DecodeError unless header and length agree exactly."""
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] != 8 or not 1 <= raw[3] <= 3:
        raise DecodeError(f"{name} is not an IDX file of unsigned bytes")
    header = 4 + 4 * raw[3]
    if len(raw) < header:
        raise DecodeError(f"{name} ends inside its header")
    shape = struct.unpack(f">{raw[3]}I", raw[4:header])
    size = 1
    for length in shape:
        size *= length
    if size > _MAX_VALUES or len(raw) != header + size:
        raise DecodeError(f"{name} announces {size} values and holds {len(raw) - header}")
    return np.frombuffer(raw, dtype=np.uint8, offset=header).reshape(shape)


def _fetch(
    name: str,
    directory: Path | None,
    mirrors: Sequence[str],
    progress: Callable[[str, int, int], None] | None,
) -> bytes:
    """The decompressed file, its md5 checked; plain (already decompressed) files are found as well."""
    places = [directory, directory / "mnist"] if directory else [data_directory(), data_directory() / "mnist"]
    for place in places:
        packed, plain = place / name, place / name.removesuffix(".gz")
        if packed.is_file():
            return _decompress(_checked(packed.read_bytes(), name, str(packed)), name)
        if plain.is_file():
            content = plain.read_bytes()
            if hashlib.sha256(content).hexdigest() != FILES[name][1]:
                raise ParameterError(f"{plain} is corrupt: it is not the published file")
            return content
    if directory:
        raise ParameterError(
            f"{directory} does not hold {name}: put the four MNIST files there or leave --data away to download"
        )
    data = _download(name, mirrors, progress)
    cache = data_directory()
    cache.mkdir(parents=True, exist_ok=True)
    partial = cache / f".{name}.{os.getpid()}"
    partial.write_bytes(data)
    partial.replace(cache / name)
    return _decompress(data, name)


def _checked(data: bytes, name: str, where: str) -> bytes:
    # md5 is what the publisher gives; it guards against damage, the plan's SHA-256 pins the content
    if hashlib.md5(data, usedforsecurity=False).hexdigest() != FILES[name][0]:
        raise ParameterError(
            f"{where} is corrupt: its md5 is not the published {FILES[name][0]}; delete it and try again"
        )
    return data


def _decompress(data: bytes, name: str) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise ParameterError(f"{name} cannot be decompressed: {error}") from error


def _download(name: str, mirrors: Sequence[str], progress: Callable[[str, int, int], None] | None) -> bytes:
    reason = "no mirror is configured"
    for mirror in mirrors:
        try:
            with urllib.request.urlopen(mirror + name, timeout=_TIMEOUT_S) as response:
                total = int(response.headers.get("Content-Length") or 0)
                data = b""
                while chunk := response.read(1 << 16):
                    data += chunk
                    if len(data) > _MAX_FILE:
                        raise ParameterError(f"{mirror}{name} is larger than it can be")
                    if progress:
                        progress(name, len(data), total)
            return _checked(data, name, mirror + name)
        except (OSError, ValueError) as error:  # URLError and HTTPError are OSErrors
            reason = f"{mirror}: {error}"
    raise ParameterError(
        f"MNIST cannot be downloaded ({reason}): put {', '.join(FILES)} into a folder and name it with --data or EPPML_DATA"
    )
