"""Runs of the whole round that several tests look at, made once."""

from collections.abc import Callable

import pytest
from fl_runs import Run

from fl.cli import main


@pytest.fixture(scope="session")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """Run `eppml run digits` with these options, in a directory of its own; the same options only once."""
    made: dict[tuple[str, ...], Run] = {}

    def make(*options: str) -> Run:
        if options not in made:
            path = tmp_path_factory.mktemp("run") / "run"
            assert main(["run", "digits", "--out", str(path), "--json", *options]) == 0
            made[options] = Run(path)
        return made[options]

    return make
