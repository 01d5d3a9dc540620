"""No insecure randomness is reachable from the packages: their syntax trees are searched for it.

Secrets come from `mpc.prg.Stream`. Python's `random`, numpy's and torch's generators are fast, predictable,
and fine for shuffling training data: one listed module makes those, from a seed tree that is no secret, and
nothing else may.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("mpc", "he", "zk", "fl", "chain_adapter")

# module -> why it may make a predictable generator
TRAINING = {"fl/seeds.py": "the seed tree of training: shuffles, initial weights, sampling"}
# a generator that was made there may be named in annotations of the same package
ANNOTATIONS = {"fl": {"numpy.random.Generator", "torch.Generator"}}

MODULES = ("random", "numpy.random", "torch.random", "scipy.stats", "torch.distributions")
NAMES = {
    *(
        f"torch.{n}"
        for n in ("rand", "randn", "randint", "randperm", "rand_like", "randn_like", "randint_like")
    ),
    *(
        f"torch.{n}"
        for n in ("manual_seed", "seed", "Generator", "normal", "bernoulli", "multinomial", "poisson")
    ),
    *(f"gmpy2.{n}" for n in ("random_state", "mpz_random", "mpz_urandomb", "mpz_rrandomb", "mpfr_random")),
    *(f"gmpy2.{n}" for n in ("mpfr_grandom", "mpfr_nrandom", "mpc_random")),
    "uuid.uuid1",
}
METHODS = {
    "random_",
    "normal_",
    "uniform_",
    "bernoulli_",
    "exponential_",
    "geometric_",
    "cauchy_",
    "log_normal_",
}
ALIASES = {"np": "numpy"}


def _is_forbidden(name: str) -> bool:
    return name in NAMES or any(name == m or name.startswith(m + ".") for m in MODULES)


def _dotted(node: ast.AST) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None


def _annotated(tree: ast.AST) -> set[int]:
    """Ids of all nodes inside annotations."""
    inside: set[int] = set()
    for node in ast.walk(tree):
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if annotation is not None:
                inside |= {id(child) for child in ast.walk(annotation)}
    return inside


def findings(source: str, path: str) -> Iterator[str]:
    """Where `source` touches a predictable generator."""
    if path in TRAINING:
        return
    tree = ast.parse(source)
    aliases = dict(ALIASES)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    aliases[alias.asname] = alias.name
                if _is_forbidden(alias.name):
                    yield f"{path}:{node.lineno}: import {alias.name}"
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                aliases[alias.asname or alias.name] = name
                if _is_forbidden(name) or _is_forbidden(node.module):
                    yield f"{path}:{node.lineno}: from {node.module} import {alias.name}"
    allowed = ANNOTATIONS.get(path.split("/")[0], set())
    annotated = _annotated(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = _dotted(node.func) or ""
            first = node.args[0] if node.args else None
            by_name = called in ("__import__", "import_module", "importlib.import_module")
            if by_name and isinstance(first, ast.Constant) and _is_forbidden(str(first.value)):
                yield f"{path}:{node.lineno}: {called}({first.value!r})"
            if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
                yield f"{path}:{node.lineno}: .{node.func.attr}()"
        if isinstance(node, ast.Attribute):
            name = _dotted(node)
            if name is None:
                continue
            head, _, rest = name.partition(".")
            name = f"{aliases.get(head, head)}.{rest}"
            if name in allowed and id(node) in annotated:
                continue
            # the inner nodes of an allowed annotation are met on their own
            if id(node) in annotated and any(a.startswith(name + ".") for a in allowed):
                continue
            if _is_forbidden(name):
                yield f"{path}:{node.lineno}: {name}"


@pytest.mark.parametrize("package", PACKAGES)
def test_no_package_reaches_insecure_randomness(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files, f"{package} is gone"
    found = [f for file in files for f in findings(file.read_text(), file.relative_to(ROOT).as_posix())]
    assert not found, "use mpc.prg.Stream:\n" + "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "import random",
        "from random import choice",
        "import random as harmless\nharmless.random()",
        "import numpy as np\nnp.random.default_rng(0)",
        "import numpy\nx = numpy.random.randint(5)",
        "import numpy as hidden\nhidden.random.seed(1)",
        "from numpy import random",
        "from numpy import random as r\nr.rand()",
        "from numpy.random import default_rng",
        "import numpy.random",
        "import torch\ntorch.randn(3)",
        "import torch as t\nt.manual_seed(0)",
        "from torch import randperm",
        "import torch\ntorch.empty(3).uniform_()",
        "from torch.distributions import Normal",
        "import gmpy2\ngmpy2.random_state(42)",
        "from gmpy2 import mpz_urandomb",
        "__import__('random')",
        "import importlib\nimportlib.import_module('numpy.random')",
        "import uuid\nuuid.uuid1()",
        "def f():\n    import random\n    return random.random()",
        "import numpy as np\ndef f(rng: np.random.Generator) -> None: ...",
    ],
)
def test_the_search_finds_what_it_is_for(source: str) -> None:
    assert list(findings(source, "mpc/example.py"))


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("from mpc.prg import Stream\nStream.from_os().bytes(32)", "mpc/example.py"),
        ("import os\nos.urandom(32)", "mpc/example.py"),
        ("import numpy as np\nnp.zeros(3)\nrandomness = 1\nrandomness.bit_length()", "mpc/example.py"),
        ("import numpy as np\nnp.random.default_rng(0)", "fl/seeds.py"),
        (
            "import numpy as np\ndef f(rng: np.random.Generator) -> None:\n    rng.permutation(3)",
            "fl/example.py",
        ),
    ],
)
def test_the_search_leaves_the_rest_alone(source: str, path: str) -> None:
    assert not list(findings(source, path))


def test_the_training_generator_is_not_for_secrets() -> None:
    # a package below `fl` cannot reach the seed tree; within `fl`, only what trains may
    for package in PACKAGES:
        if package != "fl":
            for file in (ROOT / package).rglob("*.py"):
                assert "fl.seeds" not in file.read_text(), file
