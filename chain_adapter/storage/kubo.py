"""A Kubo node (the reference IPFS daemon) as a block store, over its RPC, with the standard library alone.

The node is asked, not believed: a file is read block by block, and each block is hashed as it arrives; an added file's
CID is computed here as well and must be the one the node names. The RPC gives whoever reaches it control over the
node, so only a loopback address is accepted unless you say otherwise.
Source: Kubo RPC API v0 (add, block/get, block/stat, pin/add, pin/rm, version).
"""

import http.client
import secrets
from collections.abc import Iterable, Iterator
from io import BytesIO
from ipaddress import ip_address
from itertools import chain
from typing import Any, BinaryIO
from urllib.parse import urlencode, urlsplit

from chain_adapter.errors import BlockCorrupt, BlockMissing, ChainError, ChainUnreachable, StorageFull
from chain_adapter.storage.cid import Cid
from chain_adapter.storage.unixfs import build_stream, profile_named, read
from mpc.errors import DecodeError, ParameterError
from mpc.json_text import read_json

__all__ = ["KuboStore"]

LARGEST_BLOCK = 2 * 2**20
LARGEST_ANSWER = 2**20


class KuboStore:
    """The blocks of a Kubo node.

    Units: `timeout` in seconds for each step of an answer. Raises: ParameterError when the URL cannot be used.
    Leakage: everyone who knows or guesses a CID can fetch it from the network; seal files to members first.
    """

    def __init__(
        self, url: str = "http://127.0.0.1:5001", *, token: str | None = None, profile: str = "kubo-v1",
        allow_remote: bool = False, timeout: float = 30.0,
    ) -> None:  # fmt: skip
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ParameterError(f"{url!r} is not an http:// or https:// address of a Kubo node")
        if not allow_remote and not _is_loopback(parts.hostname):
            raise ParameterError(
                f"the RPC of a Kubo node at {parts.hostname} would be open to the network; "
                "use a tunnel to 127.0.0.1, or allow_remote=True with a token"
            )
        self._parts = parts
        self._token = token
        self._timeout = timeout
        self.profile = profile_named(profile)

    def __repr__(self) -> str:
        return f"KuboStore({self._parts.hostname}:{self._parts.port}, profile={self.profile.name})"

    def put(self, data: bytes, *, pin: bool = True) -> str:
        """Add a file and return its CID. Raises: BlockCorrupt when the node names another CID; ChainUnreachable."""
        return self.put_file(BytesIO(data), pin=pin)

    def put_file(self, file: BinaryIO, *, pin: bool = True) -> str:
        """As `put`, a chunk at a time, from a file that is read twice: for its CID, then for the node."""
        start = file.tell()
        expected, size = "", 0
        for cid, _block in build_stream(self._chunks(file), self.profile):
            expected = str(cid)
        size = file.tell() - start
        file.seek(start)
        boundary = secrets.token_hex(16)
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n\r\n'.encode()
        )
        tail = f"\r\n--{boundary}--\r\n".encode()
        question = {
            "cid-version": "1", "raw-leaves": "true", "chunker": f"size-{self.profile.chunk}",
            "max-file-links": str(self.profile.width), "pin": str(pin).lower(), "quieter": "true",
        }  # fmt: skip
        headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(head) + size + len(tail)),
        }
        answer = self._ask("add", question, chain([head], self._chunks(file), [tail]), headers)
        found = str(_json(answer.splitlines()[-1] if answer else b"").get("Hash"))
        if found != expected:
            raise BlockCorrupt(expected, found)
        return expected

    def _chunks(self, file: BinaryIO) -> Iterator[bytes]:
        first = True
        while (chunk := file.read(self.profile.chunk)) or first:
            first = False
            yield chunk

    def get(self, cid: str) -> bytes:
        """The file under a CID. Raises: DecodeError, BlockMissing, BlockCorrupt, ChainUnreachable."""
        return b"".join(self.stream(cid))

    def stream(self, cid: str) -> Iterator[bytes]:
        """The file under a CID chunk by chunk; each chunk was verified before it is handed out."""
        return read(Cid.parse(cid), self.get_block)

    def get_block(self, cid: Cid) -> bytes:
        """One block, verified. Raises: BlockMissing, BlockCorrupt, ChainUnreachable."""
        block = self._ask("block/get", {"arg": str(cid)}, bound=LARGEST_BLOCK, missing=str(cid))
        if (found := Cid.of_block(cid.codec, block)) != cid:
            raise BlockCorrupt(str(cid), str(found))
        return block

    def has(self, cid: str) -> bool:
        """Whether the node itself holds the root block (without looking for it on the network)."""
        try:
            self._ask("block/stat", {"arg": str(Cid.parse(cid)), "offline": "true"}, missing=cid)
        except BlockMissing:
            return False
        return True

    def pin(self, cid: str) -> None:
        """Keep the CID and everything below it. Raises: BlockMissing."""
        self._ask("pin/add", {"arg": str(Cid.parse(cid))}, missing=cid)

    def unpin(self, cid: str) -> None:
        """Let the node's garbage collection take the CID; nothing happens when it is not pinned."""
        try:
            self._ask("pin/rm", {"arg": str(Cid.parse(cid))}, missing=cid)
        except BlockMissing:
            return

    def version(self) -> str:
        """What the node calls itself. Raises: ChainUnreachable when it is no Kubo node."""
        return str(_json(self._ask("version", {})).get("Version"))

    def _ask(
        self, command: str, question: dict[str, str], body: bytes | Iterable[bytes] = b"",
        headers: dict[str, str] | None = None, *, bound: int = LARGEST_ANSWER, missing: str = "",
    ) -> bytes:  # fmt: skip
        headers = dict(headers or {})
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        secure = self._parts.scheme == "https"
        connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = connect(self._parts.hostname or "", self._parts.port, timeout=self._timeout)
        path = f"{self._parts.path.rstrip('/')}/api/v0/{command}?{urlencode(question)}"
        try:
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            answer = response.read(bound + 1)
        except TimeoutError as error:
            if missing:
                raise BlockMissing(
                    missing
                ) from error  # a node looks for unknown blocks on the network without end
            raise ChainUnreachable(f"{self} does not answer (it takes too long)") from error
        except (OSError, http.client.HTTPException) as error:
            raise ChainUnreachable(f"{self} does not answer ({type(error).__name__})") from error
        finally:
            connection.close()
        if len(answer) > bound:
            raise ChainError(f"{self} answers {command} with more than {bound} bytes")
        if response.status != 200:
            raise self._refusal(command, response.status, answer, missing)
        return answer

    def _refusal(self, command: str, status: int, answer: bytes, missing: str) -> ChainError:
        if status in (401, 403):
            return ChainUnreachable(f"{self} refuses {command} with HTTP {status}: it wants another token")
        text = str(_json(answer).get("Message"))
        if "no space" in text:
            return StorageFull(f"{self} has no disk space left")
        if missing and ("not found" in text or "not pinned" in text):
            return BlockMissing(missing)
        return ChainError(f"{self} refuses {command} with HTTP {status}: {text[:200]}")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _json(text: bytes) -> dict[str, Any]:
    try:
        document = read_json(text, max_bytes=LARGEST_ANSWER)
    except DecodeError as error:
        raise ChainUnreachable("what answers there is not the RPC of a Kubo node") from error
    if not isinstance(document, dict):
        raise ChainUnreachable("what answers there is not the RPC of a Kubo node")
    return document
