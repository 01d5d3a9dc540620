"""Try a verifier on every case of the corpus."""

import json
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeAlias

from mpc.errors import ParameterError

__all__ = ["Case", "Outcome", "Verifier", "external_verifier", "load_corpus", "run_corpus"]

Verifier: TypeAlias = Callable[["Case"], bool]
SECONDS_A_CASE = 120


@dataclass(frozen=True, slots=True)
class Case:
    """One key, proof and list of public inputs, and whether a verifier must accept them.

    `format` says which tool's files they are; `exit_code` is what `eppml verify` answers.
    """

    name: str
    why: str
    format: str
    vk: bytes
    proof: bytes
    public: bytes | None
    accept: bool
    exit_code: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a verifier did with a case."""

    case: Case
    accepted: bool

    @property
    def passed(self) -> bool:
        """Whether it did what it must."""
        return self.accepted == self.case.accept


def _content(entry: dict[str, str]) -> bytes:
    return bytes.fromhex(entry["hex"]) if "hex" in entry else entry["text"].encode("utf-8")


def load_corpus(document: bytes | None = None) -> tuple[Case, ...]:
    """The cases shipped with this package, or those of another document of the same form."""
    data: Any = json.loads(document or (files("zk.corpus") / "groth16.v1.json").read_bytes())
    contents = {name: _content(entry) for name, entry in data["files"].items()}

    def case(entry: dict[str, Any]) -> Case:
        public = entry["public"]
        return Case(
            name=entry["name"],
            why=entry["why"],
            format=entry["format"],
            vk=contents[entry["vk"]],
            proof=contents[entry["proof"]],
            public=None if public is None else contents[public],
            accept=entry["exit_code"] == 0,
            exit_code=entry["exit_code"],
        )

    return tuple(case(entry) for entry in data["cases"])


def run_corpus(verifier: Verifier, cases: Sequence[Case]) -> Iterator[Outcome]:
    """Outcomes, one case after the other."""
    for case in cases:
        yield Outcome(case, verifier(case))


def external_verifier(template: str) -> Verifier:
    """A verifier that runs a program; `{vk}`, `{proof}` and `{public}` in `template` become file names.

    Exit code 0 means accepted, anything else refused.

    Raises: ParameterError for a template without `{vk}` and `{proof}`.

    >>> external_verifier("false {vk} {proof}")(load_corpus()[0])
    False
    """
    if "{vk}" not in template or "{proof}" not in template:
        raise ParameterError("the command must hold {vk} and {proof}, and may hold {public}")
    words = shlex.split(template)

    def verifier(case: Case) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            names = {"vk": "verification_key.json", "proof": "proof.json", "public": "public.json"}
            paths = {key: str(Path(folder) / name) for key, name in names.items()}
            for key, body in (("vk", case.vk), ("proof", case.proof), ("public", case.public)):
                if body is not None:
                    Path(paths[key]).write_bytes(body)
            command = [word.format(**paths) for word in words]
            done = subprocess.run(command, capture_output=True, timeout=SECONDS_A_CASE, check=False)
            return done.returncode == 0

    return verifier
