"""What is installed, which backends work, and what to do about the rest."""

import importlib
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from rich.console import Console
from rich.table import Table

from zk import backends

__all__ = ["Finding", "examine", "show"]

# module, distribution, what it is for, what to do without it
_MODULES = (
    ("numpy", "numpy", "arrays", "pip install eppml"),
    ("gmpy2", "gmpy2", "big integers", "pip install eppml"),
    ("cryptography", "cryptography", "AES, ChaCha20, X25519, Ed25519, TLS", "pip install eppml"),
    ("numba", "numba", "fast field arithmetic", "pip install 'eppml[fast]'"),
    ("torch", "torch", "training", "pip install 'eppml[fl]'"),
    ("sklearn", "scikit-learn", "the bundled digits", "pip install 'eppml[fl]'"),
    ("dp_accounting", "dp-accounting", "privacy accounting", "pip install 'eppml[fl]'"),
    ("ray", "ray", "training and actors on a cluster", "pip install 'eppml[ray]'"),
    (
        "mpc.crypten",
        "crypten",
        "secure tensors",
        "pip install 'eppml[crypten]'; pip install --no-deps crypten==0.4.1",
    ),
    ("pyrevm", "pyrevm", "the embedded ledger", "pip install 'eppml[chain]'"),
    ("web3", "web3", "ledgers on other machines", "pip install 'eppml[chain]'"),
    ("coincurve", "coincurve", "fast signatures", "pip install 'eppml[chain]'"),
    ("tenseal", "tenseal", "CKKS vectors", "pip install 'eppml[he-ckks]'"),
)
_PROGRAMS = (("anvil", "a development chain, for tests and trials", "npm install @foundry-rs/anvil"),)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: whether it works, and what to do when it does not."""

    what: str
    works: bool
    detail: str
    advice: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def examine() -> list[Finding]:
    """Look at the interpreter, the packages, the pairing backends and the programs."""
    findings = [
        Finding("python", sys.version_info >= (3, 11), sys.version.split()[0], "install Python 3.11 or newer")
    ]
    for module, distribution, purpose, advice in _MODULES:
        try:
            importlib.import_module(module)
            findings.append(Finding(distribution, True, f"{version(distribution)}: {purpose}"))
        except (
            Exception
        ) as error:  # a broken package may raise anything, and that is what we are here to report
            findings.append(Finding(distribution, False, f"{purpose} ({type(error).__name__})", advice))
    chosen = backends.get().name
    for name, usable, reason in backends.available():
        detail = reason + (" (in use)" if name == chosen else "")
        findings.append(Finding(f"zk backend {name}", usable, detail, "" if usable else "see docs/how-to"))
    for program, purpose, advice in _PROGRAMS:
        path = shutil.which(program)
        findings.append(Finding(program, path is not None, path or purpose, "" if path else advice))
    return findings


def show(findings: Sequence[Finding], console: Console) -> None:
    table = Table(show_edge=False)
    for heading in ("", "what", "found", "what to do"):
        table.add_column(heading)
    for finding in findings:
        mark = "ok" if finding.works else "--"
        table.add_row(mark, finding.what, finding.detail, "" if finding.works else finding.advice)
    console.print(table)
