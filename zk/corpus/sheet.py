"""The corpus while it is being written: files stored once, cases that refer to them."""

import json
from copy import deepcopy
from typing import Any

__all__ = ["ACCEPT", "INVALID", "MALFORMED", "Sheet", "edited"]

ACCEPT, INVALID, MALFORMED = 0, 1, 2


class Sheet:
    """Files and cases of one corpus."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, str]] = {}
        self.cases: list[dict[str, Any]] = []

    def store(self, name: str, content: bytes) -> str:
        """Keep a file under `name`; as text where it is UTF-8."""
        try:
            self.files[name] = {"text": content.decode("utf-8")}
        except UnicodeDecodeError:
            self.files[name] = {"hex": content.hex()}
        return name

    def case(
        self,
        name: str,
        why: str,
        exit_code: int,
        *,
        format: str = "snarkjs",
        vk: bytes | str = "vk",
        proof: bytes | str = "proof",
        public: bytes | str | None = "public",
    ) -> None:
        """Add a case; bytes become a file of the case's name, strings name a file that is there."""
        refs: dict[str, str | None] = {}
        for role, value in (("vk", vk), ("proof", proof), ("public", public)):
            refs[role] = self.store(f"{name}.{role}", value) if isinstance(value, bytes) else value
        self.cases.append({"name": name, "why": why, "format": format, **refs, "exit_code": exit_code})

    def to_json(self) -> bytes:
        """The document `load_corpus` reads."""
        document = {"corpus": "eppml groth16", "version": 1, "cases": self.cases, "files": self.files}
        return (json.dumps(document, indent=1) + "\n").encode("ascii")


def edited(document: Any, path: tuple[str | int, ...], value: Any) -> bytes:
    """The JSON of `document` with the item at `path` replaced."""
    changed = deepcopy(document)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.dumps(changed).encode("utf-8")
