"""MNIST (LeCun, Cortes, Burges 1998): four gzipped IDX files with published md5 sums."""

import gzip
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fl.data.dataset import Dataset
from fl.data.fetch import Files, Progress
from mpc.errors import DecodeError, ParameterError

__all__ = ["FILES", "MIRRORS", "load_mnist", "parse_idx"]

# name: (published md5 of the gzip file, SHA-256 of what is in it)
FILES = {
    "train-images-idx3-ubyte.gz": (
        "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "sha256:ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    "train-labels-idx1-ubyte.gz": (
        "md5:d53e105ee54ea40749a09fcbcd1e9432",
        "sha256:65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    "t10k-images-idx3-ubyte.gz": (
        "md5:9fb629c4189551a2d022fa330f9573f3",
        "sha256:0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "md5:ec29112dd5afa0611ce80d1b7f02629c",
        "sha256:ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
_MAX_FILE = 16 << 20
_MAX_VALUES = 1 << 26


def load_mnist(
    directory: Path | None = None,
    *,
    mirrors: Sequence[str] = MIRRORS,
    progress: Progress | None = None,
    allow_unverified: bool = False,
) -> Dataset:
    """60,000 training and 10,000 test images of 28x28 pixels; `fl.data.fetch.Files` says where they are looked for.

    Raises: ParameterError when a file is missing, corrupt or cannot be downloaded.
    """
    files = Files(
        "MNIST",
        "mnist",
        directory,
        mirrors=mirrors,
        progress=progress,
        allow_unverified=allow_unverified,
    )
    train_x, train_y, test_x, test_y = (parse_idx(_read(files, name), name) for name in FILES)
    for images in (train_x, test_x):
        if images.ndim != 3 or images.shape[1:] != train_x.shape[1:]:
            raise ParameterError("the MNIST files do not belong together: their images differ in size")

    def flat(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)

    return Dataset(
        name="mnist",
        classes=10,
        shape=(*train_x.shape[1:], 1),
        train_x=flat(train_x),
        train_y=train_y.astype(np.int64),
        test_x=flat(test_x),
        test_y=test_y.astype(np.int64),
        unverified=tuple(files.unverified),
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


def _read(files: Files, name: str) -> bytes:
    """The decompressed file; plain (already decompressed) files are found as well."""
    packed_digest, plain_digest = FILES[name]
    packed = files.find(name)
    if packed is None and (plain := files.find(name.removesuffix(".gz"))):
        return files.read(plain, plain_digest)
    content = files.read(packed or files.fetch(name, packed_digest, _MAX_FILE), packed_digest)
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise ParameterError(f"{name} cannot be decompressed: {error}") from error
