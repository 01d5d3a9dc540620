"""Files of a data set: looked for, downloaded once, and compared with what their publisher put out.

A digest is written `algorithm:hexadecimal`, in whichever algorithm the publisher gave. Weak ones guard against damage
only; what a run trained on is pinned by the SHA-256 of the loaded data in its plan.
"""

import hashlib
import os
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from fl.cache import data_directory
from mpc.errors import ParameterError

__all__ = ["Files", "Progress", "is_published"]

Progress = Callable[[str, int, int], None]

_CHUNK = 1 << 18
_TIMEOUT_S = 30.0


def is_published(content: bytes, digest: str) -> bool:
    """Whether `content` has the `digest`.

    >>> is_published(b"", "md5:d41d8cd98f00b204e9800998ecf8427e")
    True
    """
    algorithm, _, value = digest.partition(":")
    return hashlib.new(algorithm, content, usedforsecurity=False).hexdigest() == value


class Files:
    """The files of one data set: where they are, and which of them were not the published ones.

    `directory` is searched (itself and `folder` in it) and never written to; without it the cache is used and what it
    lacks is downloaded. With `allow_unverified` a file that is not the published one is accepted and remembered in
    `unverified`. `progress(name, bytes_so_far, bytes_in_all)` is called while downloading.
    """

    def __init__(
        self,
        title: str,
        folder: str,
        directory: Path | None,
        *,
        mirrors: Sequence[str],
        progress: Progress | None = None,
        allow_unverified: bool = False,
    ) -> None:
        self.title, self.directory, self.mirrors = title, directory, mirrors
        self.cache = data_directory() / folder
        self.places = [directory, directory / folder] if directory else [data_directory(), self.cache]
        self.unverified: list[str] = []
        self._progress, self._allow_unverified = progress, allow_unverified

    def find(self, name: str) -> Path | None:
        """Where the file `name` is, or None."""
        return next((place / name for place in self.places if (place / name).is_file()), None)

    def read(self, path: Path, digest: str) -> bytes:
        """The bytes of a file that was found.

        Raises: ParameterError when it is not the published file, unless that is allowed.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ParameterError(f"{path} cannot be read: {error.strerror}") from error
        if is_published(content, digest):
            return content
        if not self._allow_unverified:
            raise ParameterError(
                f"{path} is corrupt: it is not the published file ({digest}); replace it, "
                "or accept it with --allow-unverified, which the record will say"
            )
        self.unverified.append(path.name)
        return content

    def fetch(self, name: str, digest: str, max_bytes: int) -> Path:
        """Download the file `name` into the cache from the first mirror that has the published one.

        Raises: ParameterError when `directory` was to hold it, or no mirror has it.
        """
        if self.directory:
            raise ParameterError(
                f"{self.directory} does not hold {name}: put the {self.title} files there or leave --data away to download"
            )
        reason = "no mirror is configured"
        for mirror in self.mirrors:
            try:
                return self._download(mirror + name, name, digest, max_bytes)
            except (OSError, ValueError) as error:  # URLError and HTTPError are OSErrors
                reason = f"{mirror}: {error}"
        raise ParameterError(
            f"{self.title} cannot be downloaded ({reason}): put {name} into a folder and name it with --data or EPPML_DATA"
        )

    def store(self, name: str, content: bytes) -> None:
        """Put a file into the cache, whole or not at all."""
        self.cache.mkdir(parents=True, exist_ok=True)
        partial = self.cache / f".{name}.{os.getpid()}"
        partial.write_bytes(content)
        partial.replace(self.cache / name)

    def _download(self, url: str, name: str, digest: str, max_bytes: int) -> Path:
        self.cache.mkdir(parents=True, exist_ok=True)
        partial, target = self.cache / f".{name}.{os.getpid()}", self.cache / name
        algorithm, _, wanted = digest.partition(":")
        seen = hashlib.new(algorithm, usedforsecurity=False)
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response, partial.open("wb") as out:
                total, received = int(response.headers.get("Content-Length") or 0), 0
                while chunk := response.read(_CHUNK):
                    received += len(chunk)
                    if received > max_bytes:
                        raise ParameterError(f"{url} is larger than it can be")
                    seen.update(chunk)
                    out.write(chunk)
                    if self._progress:
                        self._progress(name, received, total)
            if seen.hexdigest() != wanted:
                raise ParameterError(f"what {url} sent is corrupt: it is not the published file ({digest})")
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        return target
