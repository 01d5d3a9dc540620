"""Data sets, each loaded by one function and checked before use.

digits   scikit-learn's bundled 8x8 digits: 1,797 real images, nothing to download
mnist    the four IDX files, from a directory or fetched from a public mirror, md5 checked
cifar10  the six batches of the binary version, loose or in the publisher's archive
adult    census records, 14 attributes as 105 inputs; two classes
*-patches  cifar10, digits or mnist as fixed patch features, for a linear head
"""

from pathlib import Path

from fl.data.adult import load_adult
from fl.data.cifar10 import load_cifar10
from fl.data.dataset import Dataset
from fl.data.digits import load_digits
from fl.data.fetch import Progress
from fl.data.mnist import load_mnist
from fl.data.patched import SUFFIX, patched
from mpc.errors import ParameterError

__all__ = ["Dataset", "load"]

_LOADERS = {"adult": load_adult, "cifar10": load_cifar10, "mnist": load_mnist}


def load(
    name: str,
    directory: Path | None = None,
    allow_unverified: bool = False,
    *,
    progress: Progress | None = None,
) -> Dataset:
    """The data set `name`; `directory` holds its files already, or is None to use the cache and download.

    With `allow_unverified`, files that are not the published ones are accepted and named in `Dataset.unverified`.
    Raises: ParameterError for an unknown name, a missing or a corrupt file; DecodeError for a malformed one.
    """
    if name.endswith(SUFFIX):
        return patched(load(name.removesuffix(SUFFIX), directory, allow_unverified, progress=progress))
    if name == "digits":
        return load_digits()
    if name not in _LOADERS:
        raise ParameterError(f"unknown dataset {name!r}: there are digits, {', '.join(sorted(_LOADERS))}")
    return _LOADERS[name](directory, progress=progress, allow_unverified=allow_unverified)
