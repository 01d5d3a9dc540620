"""Loading real data: IDX files from a directory or over HTTP, checked before use."""

import gzip
import hashlib
import struct
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl import data
from fl.data import mnist
from fl.partition import split
from fl.plan import Partition
from mpc.errors import DecodeError, ParameterError


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small data set in MNIST's format; its sums take the place of the published ones."""
    folder = tmp_path / "published"
    folder.mkdir()
    rng = np.random.default_rng(1)
    sums = {}
    for name in mnist.FILES:
        count = 30 if name.startswith("train") else 10
        shape = (count, 28, 28) if "images" in name else (count,)
        content = idx(rng.integers(0, 10, shape).astype(np.uint8))
        packed = gzip.compress(content)
        (folder / name).write_bytes(packed)
        sums[name] = (hashlib.md5(packed).hexdigest(), hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(mnist, "FILES", sums)
    monkeypatch.setenv("EPPML_DATA", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def mirror(published: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def __init__(self, *arguments: object, **named: object) -> None:
            super().__init__(*arguments, directory=str(published), **named)  # type: ignore[arg-type]

    server = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_downloads_once_then_works_offline(published: Path, mirror: str, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    first = mnist.load_mnist(mirrors=[mirror], progress=lambda *step: seen.append(step))
    assert first.train_x.shape == (30, 784) and first.test_y.shape == (10,)
    assert {name for name, _, _ in seen} == set(mnist.FILES) and all(
        0 < got <= total for _, got, total in seen
    )
    again = mnist.load_mnist(mirrors=[])
    assert again.sha256 == first.sha256


def test_a_second_mirror_is_tried_when_the_first_has_damaged_files(published: Path, mirror: str) -> None:
    assert mnist.load_mnist(mirrors=[mirror + "nowhere/", mirror]).classes == 10


def test_what_the_user_reads_when_nothing_can_be_downloaded(published: Path) -> None:
    with pytest.raises(ParameterError, match="--data or EPPML_DATA"):
        mnist.load_mnist(mirrors=["http://127.0.0.1:9/"])


def test_a_directory_is_read_and_never_written_to(published: Path) -> None:
    before = sorted(published.iterdir())
    mnist.load_mnist(published)
    assert sorted(published.iterdir()) == before


def test_decompressed_files_are_found_and_checked(published: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    for name in mnist.FILES:
        (plain / name.removesuffix(".gz")).write_bytes(gzip.decompress((published / name).read_bytes()))
    assert mnist.load_mnist(plain).classes == 10
    victim = plain / "t10k-labels-idx1-ubyte"
    victim.write_bytes(victim.read_bytes()[:-1] + b"\x07")
    with pytest.raises(ParameterError, match="corrupt"):
        mnist.load_mnist(plain)


def test_one_changed_byte_is_noticed(published: Path) -> None:
    victim = published / "train-labels-idx1-ubyte.gz"
    content = bytearray(victim.read_bytes())
    content[-9] ^= 1
    victim.write_bytes(bytes(content))
    with pytest.raises(ParameterError, match="train-labels.*corrupt"):
        mnist.load_mnist(published)


def test_a_missing_file_is_named(published: Path) -> None:
    (published / "t10k-images-idx3-ubyte.gz").unlink()
    with pytest.raises(ParameterError, match="t10k-images"):
        mnist.load_mnist(published)


@given(st.binary(max_size=64))
def test_any_bytes_are_idx_or_refused(raw: bytes) -> None:
    try:
        array = mnist.parse_idx(raw, "x")
    except DecodeError:
        return
    assert idx(array) == raw


def test_an_idx_header_that_announces_gigabytes_is_refused() -> None:
    with pytest.raises(DecodeError):
        mnist.parse_idx(b"\0\0\x08\x03" + b"\xff" * 12, "x")


def test_digits_are_the_bundled_ones() -> None:
    digits = data.load("digits")
    assert len(digits.train_y) + len(digits.test_y) == 1797
    assert digits.train_x.max() == 1.0 and digits.inputs == 64


def test_an_unknown_dataset_is_refused() -> None:
    with pytest.raises(ParameterError, match="unknown dataset"):
        data.load("imagenet")


@settings(deadline=None)
@given(st.integers(1, 40), st.sampled_from(["iid", "dirichlet"]), st.integers(0, 99))
def test_a_partition_gives_every_sample_to_one_client_and_every_client_a_sample(
    clients: int, kind: str, seed: int
) -> None:
    labels = np.arange(400) % 10
    parts = split(labels, clients, Partition(kind=kind, alpha=0.3), seed, 16)
    assert len(parts) == clients and min(map(len, parts)) >= 1
    assert sorted(np.concatenate(parts).tolist()) == list(range(400))
    again = split(labels, clients, Partition(kind=kind, alpha=0.3), seed, 16)
    assert all(np.array_equal(a, b) for a, b in zip(parts, again, strict=True))


def test_more_clients_than_samples_is_refused() -> None:
    with pytest.raises(ParameterError, match="more than the 5 training samples"):
        split(np.zeros(5, dtype=np.int64), 6, Partition(), 1, 16)
