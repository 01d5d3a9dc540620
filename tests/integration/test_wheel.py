"""The wheel, in an empty environment, from another folder, does the main job."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def call(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    call(sys.executable, "-m", "build", "--wheel", "--outdir", out, ".", cwd=ROOT)
    (built,) = out.glob("eppml-*.whl")
    return built


def environment(where: Path, *requirements: str) -> Path:
    venv.create(where, with_pip=True)
    call(
        where / "bin/python",
        "-m",
        "pip",
        "install",
        "-q",
        "-c",
        ROOT / "constraints.txt",
        *requirements,
        cwd=where,
    )
    return where


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_installed_command_trains_and_audits(wheel: Path, tmp_path: Path) -> None:
    home = environment(tmp_path / "full", f"{wheel}[fl]")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    eppml = home / "bin/eppml"
    cache = str(tmp_path / "cache")
    call(eppml, "run", "digits", "--rounds", "1", cwd=elsewhere, EPPML_CACHE=cache)
    run = elsewhere / "runs/digits"
    assert (run / "report.html").stat().st_size > 10_000
    assert json.loads(call(eppml, "audit", run, "--json", cwd=elsewhere, EPPML_CACHE=cache))["passed"] is True
    assert "mcl" in call(eppml, "doctor", cwd=elsewhere, EPPML_CACHE=cache)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_cryptography_needs_neither_torch_nor_a_chain(wheel: Path, tmp_path: Path) -> None:
    home = environment(tmp_path / "small", str(wheel))
    python = home / "bin/python"
    call(python, "-c", "import mpc, he, zk, chain_adapter", cwd=tmp_path)
    absent = "import importlib.util as u; assert not any(u.find_spec(m) for m in ('torch', 'web3', 'pyrevm', 'sklearn'))"
    call(python, "-c", absent, cwd=tmp_path)
    failed = subprocess.run(
        [home / "bin/eppml", "run", "digits"], cwd=tmp_path, capture_output=True, text=True
    )
    assert failed.returncode == 2 and "eppml[fl]" in failed.stderr and "Traceback" not in failed.stderr
