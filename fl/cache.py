"""Where downloads and proving keys are kept between runs."""

import os
from pathlib import Path

__all__ = ["cache_directory", "data_directory"]


def cache_directory() -> Path:
    """`EPPML_CACHE`, else `eppml` in the user's cache directory."""
    if chosen := os.environ.get("EPPML_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "eppml"


def data_directory() -> Path:
    """Where data sets are looked for and downloaded to: `EPPML_DATA`, else the cache."""
    return Path(os.environ.get("EPPML_DATA", cache_directory() / "data"))
