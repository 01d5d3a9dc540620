"""CIFAR-10 (Krizhevsky 2009), the binary version: six batches of 10,000 records, a label byte and 3,072 pixels each."""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fl.data.dataset import Dataset
from fl.data.fetch import Files, Progress
from mpc.errors import DecodeError, ParameterError

__all__ = ["ARCHIVE", "BATCHES", "MIRRORS", "load_cifar10", "parse_batch"]

MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)
# the publisher gives the md5 of the archive; the digests of what is in it let loose files be checked as well
ARCHIVE = ("cifar-10-binary.tar.gz", "md5:c32a1d4ab5d03f1284b67883e8d87530")
BATCHES = {
    "data_batch_1.bin": "sha256:cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "sha256:a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "sha256:bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "sha256:014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "sha256:755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "sha1:67eb016db431130d61cd03c7ad570b013799c88c",
}
_FOLDER = "cifar-10-batches-bin"
_SHAPE = (32, 32, 3)
_RECORD = 1 + 32 * 32 * 3
_MAX_ARCHIVE = 256 << 20
_MAX_BATCH = 64 << 20
# records turned into floats at a time: few enough to stay inside a core's cache
_BLOCK = 128


def load_cifar10(
    directory: Path | None = None,
    *,
    mirrors: Sequence[str] = MIRRORS,
    progress: Progress | None = None,
    allow_unverified: bool = False,
) -> Dataset:
    """50,000 training and 10,000 test images of 32x32 pixels in 3 channels (the last axis).

    The batches are looked for one by one, then the archive; `fl.data.fetch.Files` says where. As floats they take
    740 MB.
    Raises: ParameterError when a file is missing, corrupt or cannot be downloaded; DecodeError for malformed records.
    """
    files = Files(
        "CIFAR-10",
        _FOLDER,
        directory,
        mirrors=mirrors,
        progress=progress,
        allow_unverified=allow_unverified,
    )
    batches = [parse_batch(content, name) for name, content in _contents(files).items()]
    *train, test = batches
    return Dataset(
        name="cifar10",
        classes=10,
        shape=_SHAPE,
        train_x=_features(train),
        train_y=np.concatenate([records[:, 0] for records in train]).astype(np.int64),
        test_x=_features([test]),
        test_y=test[:, 0].astype(np.int64),
        unverified=tuple(files.unverified),
    )


def parse_batch(raw: bytes, name: str) -> NDArray[np.uint8]:
    """The records of a batch, label byte first.

    Shapes: the result is [records, 3073].
    Raises: DecodeError when the length is not a whole number of records or a label is above 9.
    """
    if not raw or len(raw) % _RECORD:
        raise DecodeError(f"{name} has {len(raw)} bytes, which is no whole number of {_RECORD}-byte records")
    records = np.frombuffer(raw, dtype=np.uint8).reshape(-1, _RECORD)
    if records[:, 0].max() > 9:
        raise DecodeError(f"{name} has a label above 9")
    return records


def _contents(files: Files) -> dict[str, bytes]:
    """Every batch by name; batches that are not all there are unpacked from the archive."""
    found = {name: files.find(name) for name in BATCHES}
    if all(found.values()):
        return {name: files.read(path, BATCHES[name]) for name, path in found.items() if path}
    archive, digest = ARCHIVE
    path = files.find(archive)
    if path is None and files.directory and any(found.values()):
        missing = next(name for name, place in found.items() if place is None)
        raise ParameterError(f"{files.directory} does not hold {missing}")
    if path:
        return _unpack(files.read(path, digest), path)
    path = files.fetch(archive, digest, _MAX_ARCHIVE)
    contents = _unpack(files.read(path, digest), path)
    for name, content in contents.items():  # unpacked they load faster, and take the place of the archive
        files.store(name, content)
    path.unlink()
    return contents


def _unpack(packed: bytes, path: Path) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                if name in BATCHES and member.isfile() and member.size <= _MAX_BATCH:
                    reader = archive.extractfile(member)
                    contents[name] = reader.read() if reader else b""
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ParameterError(f"{path} cannot be unpacked: {error}") from error
    if missing := [name for name in BATCHES if name not in contents]:
        raise ParameterError(f"{path} does not hold {missing[0]}")
    return {name: contents[name] for name in BATCHES}


def _features(batches: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Planes of red, green and blue as pixels of three channels, in [0, 1]."""
    height, width, channels = _SHAPE
    out = np.empty((sum(map(len, batches)), height * width, channels), dtype=np.float32)
    row = 0
    for records in batches:
        for start in range(0, len(records), _BLOCK):
            block = records[start : start + _BLOCK, 1:].reshape(-1, channels, height * width)
            np.divide(block.transpose(0, 2, 1), np.float32(255), out=out[row : row + len(block)])
            row += len(block)
    return out.reshape(len(out), -1)
