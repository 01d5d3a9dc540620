"""Write docs/reference/<package>.md from the public docstrings; `--check` says whether the pages are up to date."""

import importlib
import inspect
import pkgutil
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[1]
WRITTEN_BY = (3, 11)
PACKAGES = ("mpc", "he", "zk", "chain_adapter", "fl")
# a kernel that exists only with its extra, and command lines, whose help is their reference
SKIPPED = {
    "mpc._numba61",
    "mpc.runtime.cli",
    "zk.cli",
    "zk.ceremony_cli",
    "chain_adapter.cli",
    "fl.cli",
    "fl.suite.cli",
    "fl.infer_cli",
}


def modules(package: str) -> list[ModuleType]:
    """Every public module of a package, the package itself first."""
    root = importlib.import_module(package)
    names = [info.name for info in pkgutil.walk_packages(root.__path__, f"{package}.")]
    public = [
        name for name in names if name not in SKIPPED and not any(p.startswith("_") for p in name.split("."))
    ]
    return [root, *(importlib.import_module(name) for name in sorted(public))]


def text(thing: Any) -> str:
    """A docstring as preformatted text, so that its columns stay columns."""
    doc = inspect.getdoc(thing)
    return f"```text\n{doc}\n```\n" if doc else ""


def signature(name: str, thing: Any) -> str:
    try:
        # a function as a default prints where it lies in memory, another place each time
        return re.sub(r"<function (\S+) at 0x[0-9a-f]+>", r"\1", f"{name}{inspect.signature(thing)}")
    except (TypeError, ValueError):
        return name


def described(name: str, thing: Any) -> str:
    """One public name: a function, a class with its public methods, or a value."""
    if inspect.isclass(thing):
        head = f"### class `{name}`\n\n{text(thing)}"
        rows = []
        for member, value in vars(thing).items():
            target = value.__func__ if isinstance(value, classmethod | staticmethod) else value
            if member.startswith("_") or not (inspect.isfunction(target) or isinstance(value, property)):
                continue
            spelled = member if isinstance(value, property) else signature(member, target)
            first = (inspect.getdoc(value) or "").split("\n\n")[0].replace("\n", " ").replace("|", "\\|")
            rows.append(f"- `{spelled}` {first}".rstrip())
        return head + ("\n" + "\n".join(rows) + "\n" if rows else "")
    if callable(thing):
        return f"### `{signature(name, thing)}`\n\n{text(thing)}"
    return f"### `{name}`\n"


def page(package: str) -> str:
    parts = [f"# Reference: `{package}`\n\nGenerated from the docstrings by `scripts/reference.py`.\n"]
    for module in modules(package):
        own = []
        for name in getattr(module, "__all__", ()):
            thing = getattr(module, name, None)
            if (
                not isinstance(thing, ModuleType)
                and getattr(thing, "__module__", module.__name__) == module.__name__
            ):
                own.append(described(name, thing))
        if own or module.__name__ == package:
            parts += [f"## `{module.__name__}`\n\n{text(module)}", *own]
    return "\n".join(parts)


def main() -> int:
    if "--check" in sys.argv and sys.version_info[:2] != WRITTEN_BY:
        print(
            "the pages are written by Python 3.11, whose spelling of signatures they have: not checked here"
        )
        return 0
    stale = []
    for package in PACKAGES:
        target = ROOT / "docs" / "reference" / f"{package}.md"
        content = page(package)
        if "--check" in sys.argv:
            if not target.is_file() or target.read_text(encoding="utf-8") != content:
                stale.append(str(target.relative_to(ROOT)))
        else:
            target.write_text(content, encoding="utf-8")
    if stale:
        print(f"out of date, run scripts/reference.py: {', '.join(stale)}", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
