"""A directory of blocks named by their CIDs: written atomically, verified on every read.

A name is only ever made from a parsed CID, so no CID, however spelled, reaches a path outside the directory.
"""

import errno
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from chain_adapter.errors import BlockCorrupt, BlockMissing, StorageFull
from chain_adapter.storage.cid import DAG_PB, Cid
from chain_adapter.storage.unixfs import DEEPEST, build_stream, links, profile_named, read
from mpc.errors import ParameterError

__all__ = ["LocalStore"]

PINS = "pins"
BLOCKS = "blocks"
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class LocalStore:
    """Content-addressed storage on this machine's disk.

    Raises: ParameterError when the directory cannot be used.
    Leakage: whoever reads the directory reads the files; encrypt to members first where the plan says so.
    """

    def __init__(self, directory: Path, profile: str = "kubo-v1") -> None:
        self.directory = Path(directory)
        self.profile = profile_named(profile)
        try:
            for part in (BLOCKS, PINS):
                (self.directory / part).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ParameterError(
                f"cannot use {self.directory} as a block store ({error.strerror})"
            ) from error

    def __repr__(self) -> str:
        return f"LocalStore({self.directory}, profile={self.profile.name})"

    def put(self, data: bytes, *, pin: bool = True) -> str:
        """Store the bytes and return their CID. Raises: StorageFull."""
        step = self.profile.chunk
        return self._put((data[i : i + step] for i in range(0, max(len(data), 1), step)), pin)

    def put_file(self, file: BinaryIO, *, pin: bool = True) -> str:
        """As `put`, reading a chunk at a time. Raises: StorageFull."""

        def chunks() -> Iterable[bytes]:
            first = True
            while (chunk := file.read(self.profile.chunk)) or first:
                first = False
                yield chunk

        return self._put(chunks(), pin)

    def _put(self, chunks: Iterable[bytes], pin: bool) -> str:
        root = None
        for root, block in build_stream(chunks, self.profile):
            self.put_block(root, block)
        if root is None:
            raise ParameterError("nothing to store")
        if pin:
            self.pin(str(root))
        return str(root)

    def put_block(self, cid: Cid, block: bytes) -> None:
        """Store one block under its CID. Raises: BlockCorrupt when it hashes to something else."""
        if (found := Cid.of_block(cid.codec, block)) != cid:
            raise BlockCorrupt(str(cid), str(found))
        target = self._path(cid)
        if target.exists() and self._intact(cid, target):
            return
        try:
            target.parent.mkdir(exist_ok=True)
            self._write(target, block)
        except OSError as error:
            if error.errno in NO_SPACE:
                raise StorageFull(f"no disk space left in {self.directory} for {cid}") from error
            raise ParameterError(f"cannot write to {self.directory} ({error.strerror})") from error

    @staticmethod
    def _intact(cid: Cid, target: Path) -> bool:
        try:
            return Cid.of_block(cid.codec, target.read_bytes()) == cid
        except OSError:
            return False

    @staticmethod
    def _write(target: Path, block: bytes) -> None:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".new-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(block)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, target)
        except BaseException:
            os.unlink(name)
            raise

    def get(self, cid: str) -> bytes:
        """The bytes stored under a CID, every block hashed again on the way.

        Raises: DecodeError when it is no CID; BlockMissing; BlockCorrupt naming the block whose bytes were changed.
        """
        return b"".join(read(Cid.parse(cid), self.get_block))

    def get_block(self, cid: Cid) -> bytes:
        """One block, verified. Raises: BlockMissing, BlockCorrupt."""
        try:
            block = self._path(cid).read_bytes()
        except FileNotFoundError as error:
            raise BlockMissing(str(cid)) from error
        if (found := Cid.of_block(cid.codec, block)) != cid:
            raise BlockCorrupt(str(cid), str(found))
        return block

    def damaged(self, cid: str) -> bytes:
        """The bytes of a CID's root block whatever they hash to: for saying what is wrong with them, never for use.

        Raises: BlockMissing.
        """
        try:
            return self._path(Cid.parse(cid)).read_bytes()
        except FileNotFoundError as error:
            raise BlockMissing(cid) from error

    def has(self, cid: str) -> bool:
        """Whether the root block of a CID is here (not whether it is intact: reading says that)."""
        return self._path(Cid.parse(cid)).exists()

    def pin(self, cid: str) -> None:
        """Keep the CID and everything below it through garbage collection."""
        parsed = Cid.parse(cid)
        if not self._path(parsed).exists():
            raise BlockMissing(cid)
        (self.directory / PINS / str(parsed)).touch()

    def unpin(self, cid: str) -> None:
        """Let garbage collection take the CID."""
        (self.directory / PINS / str(Cid.parse(cid))).unlink(missing_ok=True)

    def pins(self) -> tuple[str, ...]:
        """Every pinned CID, sorted."""
        return tuple(sorted(path.name for path in (self.directory / PINS).iterdir()))

    def cids(self) -> tuple[str, ...]:
        """Every block here, sorted."""
        return tuple(sorted(path.name for path in self._files() if not path.name.startswith(".new-")))

    def gc(self) -> tuple[str, ...]:
        """Delete every block no pinned CID reaches, and what a crash left behind; the CIDs deleted.

        Raises: BlockMissing, BlockCorrupt when a pinned tree is damaged: then nothing was deleted.
        """
        kept: set[str] = set()
        for pin in self.pins():
            self._mark(Cid.parse(pin), kept, DEEPEST)
        deleted = []
        for path in sorted(self._files()):
            if path.name not in kept:
                path.unlink()
                if not path.name.startswith(".new-"):
                    deleted.append(path.name)
        return tuple(deleted)

    def _mark(self, cid: Cid, kept: set[str], depth: int) -> None:
        kept.add(str(cid))
        if cid.codec == DAG_PB and depth:
            for child in links(self.get_block(cid)):
                self._mark(child, kept, depth - 1)

    def _files(self) -> Iterable[Path]:
        return (path for shard in (self.directory / BLOCKS).iterdir() for path in shard.iterdir())

    def _path(self, cid: Cid) -> Path:
        text = str(cid)
        return self.directory / BLOCKS / text[-3:-1] / text
