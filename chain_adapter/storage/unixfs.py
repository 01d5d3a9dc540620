"""Files as trees of blocks, cut and joined as `ipfs add` does it, with the standard library alone.

A file is cut into chunks of one size, each a raw block; chunks are joined under balanced UnixFS nodes of bounded
width. The same bytes have one CID per profile, so the profile is written down with the CID.
Source: UnixFS specification; IPIP-499 for the profiles.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from chain_adapter.storage.cid import DAG_PB, RAW, Cid
from mpc.errors import DecodeError, ParameterError

__all__ = [
    "DEEPEST",
    "PROFILES",
    "Profile",
    "build",
    "build_stream",
    "cid_of",
    "links",
    "profile_named",
    "read",
]

DEEPEST = 8
LARGEST_NODE = 2**20


@dataclass(frozen=True, slots=True)
class Profile:
    """How a file becomes a tree of blocks. Units: `chunk` in bytes, `width` in links per node."""

    name: str
    chunk: int
    width: int


PROFILES = {
    "kubo-v1": Profile("kubo-v1", 256 * 1024, 174),  # ipfs add --cid-version=1
    "unixfs-v1-2025": Profile(
        "unixfs-v1-2025", 1024 * 1024, 1024
    ),  # the newer default of helia and kubo's profile
}


def cid_of(data: bytes, profile: str = "kubo-v1") -> str:
    """The CID `ipfs add` would print for these bytes.

    >>> cid_of(b"hello world")
    'bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e'
    """
    (root,) = deque((cid for cid, _block in build(data, profile)), maxlen=1)
    return str(root)


def build(data: bytes, profile: str = "kubo-v1") -> Iterator[tuple[Cid, bytes]]:
    """Every block of the file's tree, children before parents, the root last.

    Raises: ParameterError when no such profile exists.
    """
    shape = profile_named(profile)
    chunks = (data[i : i + shape.chunk] for i in range(0, max(len(data), 1), shape.chunk))
    yield from build_stream(chunks, shape)


def profile_named(name: str) -> Profile:
    """Raises: ParameterError when no such profile exists."""
    if name not in PROFILES:
        raise ParameterError(f"no CID profile {name!r}; there are {', '.join(sorted(PROFILES))}")
    return PROFILES[name]


def build_stream(chunks: Iterable[bytes], shape: Profile) -> Iterator[tuple[Cid, bytes]]:
    """As `build`, from chunks already cut to `shape.chunk` bytes (the last may be shorter)."""
    level: list[tuple[Cid, int, int]] = []  # (CID, bytes of file below, bytes of blocks below)
    for chunk in chunks:
        cid = Cid.of_block(RAW, chunk)
        yield cid, chunk
        level.append((cid, len(chunk), len(chunk)))
    while len(level) > 1:
        parents = []
        for start in range(0, len(level), shape.width):
            children = level[start : start + shape.width]
            block = _file_node(children)
            cid = Cid.of_block(DAG_PB, block)
            yield cid, block
            parents.append((cid, sum(c[1] for c in children), len(block) + sum(c[2] for c in children)))
        level = parents


def read(cid: Cid, get_block: Callable[[Cid], bytes], depth: int = DEEPEST) -> Iterator[bytes]:
    """The file under a CID, chunk by chunk, from blocks that `get_block` has verified.

    Raises: DecodeError when the tree is deeper or its nodes are other than `build` makes them.
    """
    block = get_block(cid)
    if cid.codec == RAW:
        yield block
        return
    if depth == 0:
        raise DecodeError(f"the tree under {cid} is deeper than {DEEPEST} levels")
    for child in links(block):
        yield from read(child, get_block, depth - 1)


def _file_node(children: list[tuple[Cid, int, int]]) -> bytes:
    total = sum(size for _cid, size, _tree in children)
    unixfs = (
        b"\x08\x02\x18" + _varint(total) + b"".join(b"\x20" + _varint(size) for _cid, size, _tree in children)
    )
    links = b"".join(
        _field(0x12, _field(0x0A, cid.raw) + b"\x12\x00\x18" + _varint(tree)) for cid, _size, tree in children
    )
    return links + _field(0x0A, unixfs)


def links(block: bytes) -> tuple[Cid, ...]:
    """The CIDs a UnixFS file node points to, in file order.

    Raises: DecodeError unless the block is exactly how `build` would have written such a node.
    """
    if len(block) > LARGEST_NODE:
        raise DecodeError(f"a file node of {len(block)} bytes is larger than any this project writes")
    position, children = 0, []
    while position < len(block) and block[position] == 0x12:
        link, position = _read_field(block, position + 1)
        if link[:2] != b"\x0a\x24" or link[38:41] != b"\x12\x00\x18":
            raise DecodeError("not a UnixFS file node: a link is malformed")
        tree, end = _read_varint(link, 41)
        if end != len(link):
            raise DecodeError("not a UnixFS file node: a link is too long")
        children.append((Cid.from_raw(link[2:38]), tree))
    if position >= len(block) or block[position] != 0x0A or not children:
        raise DecodeError("not a UnixFS file node")
    unixfs, position = _read_field(block, position + 1)
    sizes = _sizes(unixfs)
    whole = [(cid, size, tree) for (cid, tree), size in zip(children, sizes, strict=False)]
    if position != len(block) or len(sizes) != len(children) or _file_node(whole) != block:
        raise DecodeError("not a UnixFS file node in its canonical form")
    return tuple(cid for cid, _tree in children)


def _sizes(unixfs: bytes) -> list[int]:
    if unixfs[:3] != b"\x08\x02\x18":
        raise DecodeError("not a UnixFS file node: it is not of type file")
    _total, position = _read_varint(unixfs, 3)
    sizes = []
    while position < len(unixfs):
        if unixfs[position] != 0x20:
            raise DecodeError("not a UnixFS file node: unknown field")
        size, position = _read_varint(unixfs, position + 1)
        sizes.append(size)
    return sizes


def _field(tag: int, content: bytes) -> bytes:
    return bytes([tag]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 63, 7):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, position
    raise DecodeError("not a UnixFS file node: a number is cut off or too long")


def _read_field(data: bytes, position: int) -> tuple[bytes, int]:
    length, position = _read_varint(data, position)
    if length > len(data) - position:
        raise DecodeError("not a UnixFS file node: a field is cut off")
    return data[position : position + length], position + length
