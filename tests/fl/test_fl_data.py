"""Loading real data: IDX files from a directory or over HTTP, checked before use."""

import gzip
import hashlib
import struct
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl import data
from fl.data import adult, cifar10, mnist
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
        sums[name] = (
            f"md5:{hashlib.md5(packed).hexdigest()}",
            f"sha256:{hashlib.sha256(content).hexdigest()}",
        )
    monkeypatch.setattr(mnist, "FILES", sums)
    monkeypatch.setenv("EPPML_DATA", str(tmp_path / "cache"))
    return folder


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """An HTTP server on this machine with the files of `folder`."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def __init__(self, *arguments: object, **named: object) -> None:
            super().__init__(*arguments, directory=str(folder), **named)  # type: ignore[arg-type]

    server = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def mirror(published: Path) -> Iterator[str]:
    with serving(published) as url:
        yield url


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
    with pytest.raises(ParameterError, match="corrupt.*--allow-unverified"):
        mnist.load_mnist(plain)
    accepted = mnist.load_mnist(plain, allow_unverified=True)
    assert accepted.unverified == (victim.name,) and accepted.test_y[-1] == 7


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


CIFAR_RECORDS = 4


@pytest.fixture
def batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The archive and the loose batches of a small data set in CIFAR-10's format; its sums stand for the published ones."""
    folder = tmp_path / "published"
    loose = folder / "cifar-10-batches-bin"
    loose.mkdir(parents=True)
    rng = np.random.default_rng(2)
    sums = {}
    with tarfile.open(folder / cifar10.ARCHIVE[0], "w:gz") as archive:
        for name in cifar10.BATCHES:
            records = rng.integers(0, 256, (CIFAR_RECORDS, 3073)).astype(np.uint8)
            records[:, 0] %= 10
            (loose / name).write_bytes(records.tobytes())
            algorithm = cifar10.BATCHES[name].partition(":")[0]
            sums[name] = f"{algorithm}:{hashlib.new(algorithm, records.tobytes()).hexdigest()}"
            archive.add(loose / name, f"cifar-10-batches-bin/{name}")
    packed = (folder / cifar10.ARCHIVE[0]).read_bytes()
    monkeypatch.setattr(cifar10, "BATCHES", sums)
    monkeypatch.setattr(cifar10, "ARCHIVE", (cifar10.ARCHIVE[0], f"md5:{hashlib.md5(packed).hexdigest()}"))
    monkeypatch.setenv("EPPML_DATA", str(tmp_path / "cache"))
    return folder


def test_cifar10_downloads_its_archive_once_then_works_offline(batches: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    with serving(batches) as url:
        first = cifar10.load_cifar10(mirrors=[url], progress=lambda *step: seen.append(step))
    assert {name for name, _, _ in seen} == {cifar10.ARCHIVE[0]} and seen[-1][1] == seen[-1][2]
    assert first.train_x.shape == (5 * CIFAR_RECORDS, 3072) and first.shape == (32, 32, 3)
    assert cifar10.load_cifar10(mirrors=[]).sha256 == first.sha256
    assert data.load("cifar10", batches).sha256 == first.sha256


def test_cifar10_pixels_are_where_the_format_puts_them(batches: Path) -> None:
    """Red, green and blue planes of 1,024 bytes in row-major order, after a label byte."""
    raw = (batches / "cifar-10-batches-bin" / "data_batch_2.bin").read_bytes()
    loaded = cifar10.load_cifar10(batches)
    image = loaded.train_x[CIFAR_RECORDS + 1].reshape(32, 32, 3)
    start = 3073 + 1
    for row, column, channel in ((0, 0, 0), (5, 9, 1), (31, 31, 2)):
        byte = raw[start + channel * 1024 + row * 32 + column]
        assert image[row, column, channel] == np.float32(byte) / np.float32(255)
    assert loaded.train_y[CIFAR_RECORDS + 1] == raw[3073]


def test_an_unverified_batch_is_refused_or_named(batches: Path) -> None:
    victim = batches / "cifar-10-batches-bin" / "test_batch.bin"
    content = bytearray(victim.read_bytes())
    content[100] ^= 255
    victim.write_bytes(bytes(content))
    with pytest.raises(ParameterError, match="test_batch.bin is corrupt.*sha1:"):
        data.load("cifar10", batches)
    accepted = data.load("cifar10", batches, allow_unverified=True)
    assert accepted.unverified == ("test_batch.bin",)


def test_the_archive_is_read_where_it_lies_and_kept(batches: Path, tmp_path: Path) -> None:
    loose = data.load("cifar10", batches)
    only = tmp_path / "only"
    only.mkdir()
    (batches / cifar10.ARCHIVE[0]).rename(only / cifar10.ARCHIVE[0])
    assert data.load("cifar10", only).sha256 == loose.sha256
    assert [path.name for path in only.iterdir()] == [cifar10.ARCHIVE[0]]


def test_a_missing_batch_is_named(batches: Path) -> None:
    (batches / cifar10.ARCHIVE[0]).unlink()
    (batches / "cifar-10-batches-bin" / "data_batch_4.bin").unlink()
    with pytest.raises(ParameterError, match="data_batch_4.bin"):
        data.load("cifar10", batches)


def test_a_damaged_download_leaves_nothing_behind(batches: Path, tmp_path: Path) -> None:
    archive = batches / cifar10.ARCHIVE[0]
    archive.write_bytes(archive.read_bytes()[:-5])
    with serving(batches) as url, pytest.raises(ParameterError, match="not the published file"):
        cifar10.load_cifar10(mirrors=[url])
    assert list((tmp_path / "cache").rglob("*.*")) == []


@pytest.mark.parametrize("raw", [b"", bytes(3072), bytes([10]) + bytes(3072), bytes(3074)])
def test_malformed_cifar_records_are_refused(raw: bytes) -> None:
    with pytest.raises(DecodeError):
        cifar10.parse_batch(raw, "x")


RECORD = "39, State-gov, 77516, Bachelors, 13, Never-married, Adm-clerical, Wife, White, Male, 2174, 0, 40, Cuba, <=50K"
MISSING = "90, ?, 77516, Masters, 14, Divorced, ?, Unmarried, Black, Female, 0, 0, 99, ?, >50K."


def adult_group(name: str) -> slice:
    """The inputs of one attribute."""
    widths = {c.name: len(c.values) if isinstance(c, adult.Category) else 1 for c in adult.COLUMNS}
    start = sum(list(widths.values())[: list(widths).index(name)])
    return slice(start, start + widths[name])


def test_adult_records_become_numbers_by_public_constants_alone() -> None:
    features, labels = adult.parse_adult(f"{RECORD}\n\n{MISSING}\n".encode(), "x")
    alone, _ = adult.parse_adult(f"{MISSING}\n".encode(), "x")
    assert features.shape == (2, 105) and labels.tolist() == [0, 1]
    assert np.array_equal(features[1:], alone)
    assert 0 <= features.min() and features.max() <= 1
    assert features[0, adult_group("age")] == pytest.approx((39 - 17) / (90 - 17))
    assert features[:, adult_group("workclass")].sum(axis=1).tolist() == [1, 0]
    assert features[:, adult_group("sex")].tolist() == [[0, 1], [1, 0]]
    assert features[1, adult_group("age")] == features[1, adult_group("hours-per-week")] == 1


def test_the_junk_line_of_adults_test_file_is_skipped() -> None:
    features, labels = adult.parse_adult(f"|1x3 Cross validator\n{MISSING}\n".encode(), "adult.test")
    assert len(features) == 1 and labels.tolist() == [1]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "holds no records"),
        ("\xff", "not a text file"),
        (RECORD.replace("Cuba, ", ""), "line 1 of x is no record"),
        (RECORD.replace("<=50K", "rich"), "line 1 of x is no record"),
        (RECORD.replace("Cuba", "Atlantis"), "native-country.*Atlantis"),
        (RECORD.replace("39", "young"), "age cannot be read"),
        (RECORD.replace("39", "nan"), "age cannot be read"),
    ],
)
def test_malformed_adult_records_are_refused_by_name(text: str, complaint: str) -> None:
    with pytest.raises(DecodeError, match=complaint):
        adult.parse_adult(text.encode("latin-1"), "x")


def test_adult_is_downloaded_file_by_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = tmp_path / "served"
    served.mkdir()
    sums = {}
    for name in adult.FILES:
        (served / name).write_text(f"{RECORD}\n{MISSING}\n")
        sums[name] = f"sha256:{hashlib.sha256((served / name).read_bytes()).hexdigest()}"
    monkeypatch.setattr(adult, "FILES", sums)
    monkeypatch.setenv("EPPML_DATA", str(tmp_path / "cache"))
    with serving(served) as url:
        first = adult.load_adult(mirrors=[url])
    assert adult.load_adult(mirrors=[]).sha256 == first.sha256
    assert first.classes == 2 and first.shape == (105,) and first.unverified == ()


def test_a_dataset_whose_parts_do_not_belong_together_is_refused() -> None:
    x, y = np.zeros((3, 4), dtype=np.float32), np.zeros(3, dtype=np.int64)
    data.Dataset("x", 2, (2, 2, 1), x, y, x, y)
    with pytest.raises(ParameterError, match="differ in number"):
        data.Dataset("x", 2, (2, 2, 1), x, y[:2], x, y)
    with pytest.raises(ParameterError, match="shape"):
        data.Dataset("x", 2, (3, 1), x, y, x, y)
