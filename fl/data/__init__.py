"""Data sets, each loaded by one function and checked before use.

digits   scikit-learn's bundled 8x8 digits: 1,797 real images, nothing to download
mnist    the four IDX files, from a directory or fetched from a public mirror, md5 checked
"""

from pathlib import Path

from fl.data.dataset import Dataset
from fl.data.digits import load_digits
from fl.data.mnist import load_mnist
from mpc.errors import ParameterError

__all__ = ["Dataset", "load"]


def load(name: str, directory: Path | None = None) -> Dataset:
    """The data set `name`; `directory` holds its files already, or is None to use the cache and download.

    Raises: ParameterError for an unknown name, a missing or a corrupt file.
    """
    if name == "digits":
        return load_digits()
    if name == "mnist":
        return load_mnist(directory)
    raise ParameterError(f"unknown dataset {name!r}: there are digits and mnist")
