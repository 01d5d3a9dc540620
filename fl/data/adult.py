"""Adult, or Census Income (Kohavi and Becker 1996, UCI): 48,842 people, is their income above 50,000 dollars a year?

Numbers are scaled to [0, 1] with constants of the questionnaire (how ages and hours are coded, where gains are cut
off), categories become one input each by the publisher's list of them. Nothing is computed from the records, so the
scaling reveals nothing about them and spends no privacy; means and deviations of the training set would.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fl.data.dataset import Dataset
from fl.data.fetch import Files, Progress
from mpc.errors import DecodeError

__all__ = ["COLUMNS", "FILES", "MIRRORS", "Category", "Number", "load_adult", "parse_adult"]

Floats = NDArray[np.float64]

MIRRORS = ("https://archive.ics.uci.edu/ml/machine-learning-databases/adult/",)
# the publisher gives no digests: these are of the files as they are distributed
FILES = {
    "adult.data": "sha256:5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
    "adult.test": "sha256:a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
}
_MAX_FILE = 16 << 20
_MISSING = "?"
_LABELS = {"<=50K": 0, ">50K": 1}


@dataclass(frozen=True, slots=True)
class Number:
    """An attribute between `low` and `high`; amounts that span decades are scaled by their logarithm."""

    name: str
    low: float
    high: float
    logarithmic: bool = False

    def encode(self, texts: Sequence[str]) -> Floats:
        """Positions in the range, from 0 to 1.

        Shapes: the result is [records, 1].
        Raises: ValueError when one of them is no number.
        """
        values = np.array([float(text) for text in texts])
        if not np.isfinite(values).all():
            raise ValueError("a value is not finite")
        values, low, high = values.clip(self.low, self.high), self.low, self.high
        if self.logarithmic:
            values, low, high = np.log1p(values), math.log1p(low), math.log1p(high)
        scaled: Floats = (values - low) / (high - low)
        return scaled[:, None]


@dataclass(frozen=True, slots=True)
class Category:
    """An attribute with one of `values`, one input each; a missing one (?) is zero in all of them."""

    name: str
    values: tuple[str, ...]

    def encode(self, texts: Sequence[str]) -> Floats:
        """Indicators of the values.

        Shapes: the result is [records, values].
        Raises: ValueError when a text is none of the values.
        """
        place = {value: index for index, value in enumerate((*self.values, _MISSING))}
        try:
            codes = [place[text] for text in texts]
        except KeyError as error:
            raise ValueError(f"{error} is not in the publisher's list") from error
        return np.eye(len(place))[codes, : len(self.values)]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


COLUMNS: tuple[Number | Category, ...] = (
    Number("age", 17, 90),
    Category(
        "workclass",
        _words(
            "Private Self-emp-not-inc Self-emp-inc Federal-gov Local-gov State-gov Without-pay Never-worked"
        ),
    ),
    Number("fnlwgt", 1e4, 2e6, logarithmic=True),
    Category(
        "education",
        _words(
            "Bachelors Some-college 11th HS-grad Prof-school Assoc-acdm Assoc-voc 9th 7th-8th 12th Masters 1st-4th"
            " 10th Doctorate 5th-6th Preschool"
        ),
    ),
    Number("education-num", 1, 16),
    Category(
        "marital-status",
        _words(
            "Married-civ-spouse Divorced Never-married Separated Widowed Married-spouse-absent Married-AF-spouse"
        ),
    ),
    Category(
        "occupation",
        _words(
            "Tech-support Craft-repair Other-service Sales Exec-managerial Prof-specialty Handlers-cleaners"
            " Machine-op-inspct Adm-clerical Farming-fishing Transport-moving Priv-house-serv Protective-serv Armed-Forces"
        ),
    ),
    Category("relationship", _words("Wife Own-child Husband Not-in-family Other-relative Unmarried")),
    Category("race", _words("White Asian-Pac-Islander Amer-Indian-Eskimo Other Black")),
    Category("sex", _words("Female Male")),
    Number("capital-gain", 0, 99_999, logarithmic=True),
    Number("capital-loss", 0, 99_999, logarithmic=True),
    Number("hours-per-week", 1, 99),
    Category(
        "native-country",
        _words(
            "United-States Cambodia England Puerto-Rico Canada Germany Outlying-US(Guam-USVI-etc) India Japan Greece"
            " South China Cuba Iran Honduras Philippines Italy Poland Jamaica Vietnam Mexico Portugal Ireland France"
            " Dominican-Republic Laos Ecuador Taiwan Haiti Columbia Hungary Guatemala Nicaragua Scotland Thailand"
            " Yugoslavia El-Salvador Trinadad&Tobago Peru Hong Holand-Netherlands"
        ),
    ),
)


def load_adult(
    directory: Path | None = None,
    *,
    mirrors: Sequence[str] = MIRRORS,
    progress: Progress | None = None,
    allow_unverified: bool = False,
) -> Dataset:
    """32,561 training and 16,281 test records of 105 inputs; class 1 earns more.

    Raises: ParameterError when a file is missing, corrupt or cannot be downloaded; DecodeError for malformed records.
    """
    files = Files(
        "Adult",
        "adult",
        directory,
        mirrors=mirrors,
        progress=progress,
        allow_unverified=allow_unverified,
    )
    parsed = []
    for name, digest in FILES.items():
        content = files.read(files.find(name) or files.fetch(name, digest, _MAX_FILE), digest)
        parsed.append(parse_adult(content, name))
    (train_x, train_y), (test_x, test_y) = parsed
    return Dataset(
        name="adult",
        classes=len(_LABELS),
        shape=(train_x.shape[1],),
        train_x=train_x,
        train_y=train_y,
        test_x=test_x,
        test_y=test_y,
        unverified=tuple(files.unverified),
    )


def parse_adult(raw: bytes, name: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Features and labels of a file; the test file's first line ("|1x3 Cross validator") and trailing dots are skipped.

    Shapes: features [records, inputs], labels [records].
    Raises: DecodeError naming the line that is no record.
    """
    try:
        lines = raw.decode("ascii").splitlines()
    except UnicodeDecodeError as error:
        raise DecodeError(f"{name} is not a text file") from error
    rows: list[list[str]] = []
    for number, line in enumerate(lines, start=1):
        if not line or (number == 1 and line.startswith("|")):
            continue
        rows.append([field.strip() for field in line.split(",")])
        if len(rows[-1]) != len(COLUMNS) + 1 or rows[-1][-1].removesuffix(".") not in _LABELS:
            raise DecodeError(f"line {number} of {name} is no record: it wants 14 attributes and a label")
    if not rows:
        raise DecodeError(f"{name} holds no records")
    *attributes, labels = zip(*rows, strict=True)
    encoded: list[Floats] = []
    for column, texts in zip(COLUMNS, attributes, strict=True):
        try:
            encoded.append(column.encode(texts))
        except ValueError as error:
            raise DecodeError(f"{name} has a record whose {column.name} cannot be read: {error}") from error
    answers = [_LABELS[label.removesuffix(".")] for label in labels]
    return np.concatenate(encoded, axis=1).astype(np.float32), np.array(answers, dtype=np.int64)
