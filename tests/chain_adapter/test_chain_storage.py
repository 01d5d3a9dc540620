"""CIDs against helia's importer, a block store that trusts no byte it reads, files only members can open."""

import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain_adapter.errors import BlockCorrupt, BlockMissing, StorageFull
from chain_adapter.storage import Cid, LocalStore, MailKey, cid_of, open_sealed, seal
from chain_adapter.storage.cid import DAG_PB, RAW
from chain_adapter.storage.unixfs import build, links
from mpc.errors import DecodeError, ParameterError, ProofRejected
from mpc.prg import Stream

ROOT = Path(__file__).parents[2]
HELIA = json.loads((ROOT / "tests/vectors/cid/external/helia/add.v1.json").read_text())["files"]
BIG = bytes(range(256)) * 2049  # three chunks of 256 KiB under a node


def content(size: int) -> bytes:
    """Byte i is (i * 31 + (i >> 8) * 7 + (i >> 16)) mod 251, made in pieces that repeat."""
    ramp = bytes(i * 31 % 251 for i in range(256))
    shifts = [ramp.translate(bytes((b + s) % 251 if b < 251 else b for b in range(256))) for s in range(251)]
    # i = 256 q + r, so i * 31 = q * 7936 + r * 31
    whole = b"".join(shifts[(q * 7936 + q * 7 + (q >> 8)) % 251] for q in range((size + 255) // 256))
    return whole[:size]


@pytest.mark.parametrize("row", HELIA, ids=lambda row: str(row["size"]))
def test_cids_are_those_of_helia_in_both_profiles(row: dict[str, str]) -> None:
    data = content(int(row["size"]))
    for profile in ("kubo-v1", "unixfs-v1-2025"):
        assert cid_of(data, profile) == row[profile]


def test_a_profile_nobody_knows_is_refused() -> None:
    with pytest.raises(ParameterError, match="there are kubo-v1, unixfs-v1-2025"):
        cid_of(b"", "kubo-v9")


@given(st.binary(max_size=50), st.sampled_from([RAW, DAG_PB]))
def test_a_cid_has_one_spelling(data: bytes, codec: int) -> None:
    cid = Cid.of_block(codec, data)
    assert Cid.parse(str(cid)) == cid


@pytest.mark.parametrize(
    "text",
    [
        "", "b", "../../../etc/passwd", "bafy/../../x", cid_of(b"").upper(), "z" + cid_of(b"")[1:], cid_of(b"") + "a",
        cid_of(b"")[:-1], "b" + "a" * 58, "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH", "b" + "é" * 58,
        cid_of(b"")[:-1] + "v", "b" + "0" * 58, "\0" * 59,
    ],
)  # fmt: skip
def test_no_other_text_is_a_cid_or_a_path(text: str, tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    for read in (Cid.parse, store.get, store.has, store.pin, store.unpin):
        with pytest.raises(DecodeError):
            read(text)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["store"]


def test_what_was_put_comes_back_and_is_found_by_name(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    for data in (b"", b"small", BIG):
        cid = store.put(data)
        assert cid == cid_of(data) == store.put(data) == store.put_file(BytesIO(data))
        assert store.get(cid) == data and store.has(cid)
    with pytest.raises(BlockMissing, match=cid_of(b"never")):
        store.get(cid_of(b"never"))
    assert not store.has(cid_of(b"never"))


def test_a_swapped_or_changed_file_is_named_by_its_cid(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    whole, other = store.put(BIG), store.put(b"other")
    children = links(store.get_block(Cid.parse(whole)))
    for victim in (*children, Cid.parse(whole)):
        path = store._path(victim)
        honest = path.read_bytes()
        for swapped in (store._path(Cid.parse(other)).read_bytes(), honest[:-1], honest + b"x", b""):
            path.write_bytes(swapped)
            with pytest.raises(BlockCorrupt) as found:
                store.get(whole)
            assert found.value.cid == str(victim)
        path.unlink()
        with pytest.raises(BlockMissing):
            store.get(whole)
        store.put(BIG)  # putting the file again repairs it
        assert store.get(whole) == BIG


def test_a_node_that_is_not_exactly_as_written_is_refused() -> None:
    *_, (_cid, node) = build(BIG)
    assert len(links(node)) == 3
    for bad in (
        b"",
        node[:-1],
        node + b"\0",
        node[1:],
        b"\x0a\x00",
        b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    ):
        with pytest.raises(DecodeError):
            links(bad)


@given(st.binary(max_size=300))
def test_any_bytes_for_a_node_are_refused_or_canonical(data: bytes) -> None:
    try:
        links(data)
    except DecodeError:
        pass


def test_garbage_collection_keeps_what_is_pinned_and_everything_below_it(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    kept, loose = store.put(BIG), store.put(b"loose", pin=False)
    leftover = next((tmp_path / "blocks").iterdir()) / ".new-crashed"
    leftover.write_bytes(b"half a blo")
    assert set(store.gc()) == {loose}
    assert store.get(kept) == BIG and not leftover.exists()
    store.unpin(kept)
    assert len(store.gc()) == 3 and store.cids() == ()  # two of the three chunks are alike
    with pytest.raises(BlockMissing):
        store.pin(kept)


def test_garbage_collection_of_a_damaged_store_deletes_nothing(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    kept, _loose = store.put(BIG), store.put(b"loose", pin=False)
    store._path(Cid.parse(kept)).write_bytes(b"")
    before = store.cids()
    with pytest.raises(BlockCorrupt):
        store.gc()
    assert store.cids() == before


def test_no_room_left_is_a_sentence_and_leaves_no_half_block(tmp_path: Path) -> None:
    """The operating system refuses to let any file of a child process grow beyond 100 kB."""
    program = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from pathlib import Path
from chain_adapter.storage import LocalStore
store = LocalStore(Path({str(tmp_path)!r}))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    store.put(bytes(200_000))
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("StorageFull no disk space left in "), done.stderr
    assert LocalStore(tmp_path).cids() == ()
    assert issubclass(StorageFull, Exception)


def test_a_store_that_cannot_be_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ParameterError, match="cannot use"):
        LocalStore(tmp_path / "file")


ALICE, BOB, EVE = (MailKey.generate(Stream(bytes([i]) * 32)) for i in (1, 2, 3))


def sealed(data: bytes = b"the plan", context: bytes = b"plan 7") -> bytes:
    return seal(data, [ALICE.public, BOB.public], context, Stream(bytes([9]) * 32))


def test_members_open_a_sealed_file_and_nobody_else() -> None:
    blob = sealed()
    assert open_sealed(blob, ALICE, b"plan 7") == open_sealed(blob, BOB, b"plan 7") == b"the plan"
    assert b"the plan" not in blob
    with pytest.raises(ProofRejected, match="not for this key"):
        open_sealed(blob, EVE, b"plan 7")
    with pytest.raises(ProofRejected, match="another plan"):
        open_sealed(blob, ALICE, b"plan 8")


def test_a_sealed_file_changed_anywhere_does_not_open() -> None:
    blob = sealed()
    for position in range(len(blob)):
        changed = blob[:position] + bytes([blob[position] ^ 1]) + blob[position + 1 :]
        with pytest.raises((DecodeError, ProofRejected)):
            open_sealed(changed, ALICE, b"plan 7")
    for end in range(len(blob)):
        with pytest.raises((DecodeError, ProofRejected)):
            open_sealed(blob[:end], ALICE, b"plan 7")


def test_a_slot_carried_over_to_another_file_does_not_open_it() -> None:
    first = sealed(b"one")
    second = seal(b"two", [ALICE.public, EVE.public], b"plan 7", Stream(bytes([8]) * 32))
    fixed, slot = 15 + 1 + 32, 80
    spliced = second[: fixed + slot] + first[fixed + slot : fixed + 2 * slot] + second[fixed + 2 * slot :]
    with pytest.raises(ProofRejected):
        open_sealed(spliced, BOB, b"plan 7")
    with pytest.raises(ProofRejected):
        open_sealed(spliced, ALICE, b"plan 7")  # the body covers all slots


def test_recipients_are_distinct_usable_and_few_enough() -> None:
    stream = Stream(bytes(32))
    for bad in ([], [ALICE.public] * 2, [bytes(31)], [bytes([i]) * 32 for i in range(256)], [bytes(32)]):
        with pytest.raises(ParameterError):
            seal(b"", bad, b"", stream)
    assert "secret" not in repr(ALICE) and len(repr(ALICE)) < 40
