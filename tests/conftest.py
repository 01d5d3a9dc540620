"""What every test can rely on: keys cached for the session only, and nothing of the user's own caches touched."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EPPML_CACHE", str(cache))
        patch.delenv("EPPML_DATA", raising=False)
        yield cache
