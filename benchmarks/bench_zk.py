"""Groth16 and the statements about updates, alone and beside their peers.

`Verify`, `Prove` and `Statements` time this project's own work, `Sizes` tracks rows, keys and proofs. `Ratios` runs a peer
and this project in one process, one after the other, and tracks the quotient, so that other load on the machine cancels.
snarkjs is a program and runs on the very key and witness used here; its start-up is measured alone and taken off.
`python benchmarks/bench_zk.py` prints the table. Peers (extra `bench`, and npm's snarkjs) are loaded where they are used; a
missing one gives nan.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from mpc.prg import Stream
from zk import backends, groth16, keycache
from zk.circuit import Circuit
from zk.field import R
from zk.linear import concatenate
from zk.statements import NormBound, SgdStep

NAN = float("nan")
PUBLICS = [1, 2, 5]
CONTEXT = b"bench"


def seconds(work: Callable[[], object], repeat: int = 3) -> float:
    """The median wall time of `work`."""
    spent = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        spent.append(time.perf_counter() - start)
    return median(spent)


def chain(rows: int) -> Any:
    """x <- x^2 + i: every wire is a full-size scalar and stands in both matrices, the worst case for a prover."""
    circuit = Circuit()
    _, seed, _ = circuit.public("out"), circuit.public("seed"), circuit.public("more")
    start = circuit.private("start", 1, lambda s: s + 1, seed)

    def walk(x: Any) -> Any:
        values, v = [], int(x[0])
        for i in range(rows):
            v = (v * v + i) % R
            values.append(v)
        return np.array(values, dtype=object)

    after = circuit.private("after", rows, walk, start)
    before = concatenate([start, after[:-1]])
    circuit.enforce(before, before, after - np.arange(rows), "step")
    return circuit.finish()


@cache
def plain(rows: int) -> Any:
    """Circuit, keys, witness and proof of a chain."""
    r1cs, program = chain(rows)
    stream = Stream(bytes(32), b"bench")
    pk, vk = groth16.setup(r1cs, stream, unsafe_single_party=True)
    witness = program.commit_phase({"out": PUBLICS[:1], "seed": PUBLICS[1:2], "more": PUBLICS[2:]})
    return r1cs, pk, vk, witness, groth16.prove(pk, r1cs, witness, stream)


@cache
def bounded(dim: int) -> Any:
    """Statement, keys, update, proof and blinding for 16-bit updates."""
    statement = NormBound(dim=dim, bits=16)
    keys = keycache.load_or_create(statement, tempfile.mkdtemp(), unsafe_single_party=True)
    values = np.random.default_rng(1).integers(-statement.limit, statement.limit + 1, dim)
    proof, blinding = prove_bound(statement, keys, values)
    return statement, keys, values, proof, blinding


def prove_bound(statement: NormBound, keys: Any, values: Any) -> Any:
    """One proof with the loosest bound."""
    bound = statement.max_norm_sq
    return statement.prove(
        keys.pk, values, l2_bound_sq=bound, context=CONTEXT, randomness=Stream(bytes(32), b"bench")
    )


def digits_step() -> SgdStep:
    """A step of softmax regression on scikit-learn's digits."""
    return SgdStep.for_learning_rate(
        "softmax", features=64, classes=10, batch=32, learning_rate=0.05, clip=1.0
    )


class Verify:
    """One proof, a batch, and the opening of a sum."""

    def setup(self) -> None:
        _, _, self.vk, _, self.proof = plain(100)
        groth16.verify(self.vk, PUBLICS, self.proof)
        self.batch = [(PUBLICS, self.proof)] * 100
        self.statement, self.keys, self.values, self.update_proof, self.blinding = bounded(650)
        self.updates = [(self.update_proof, self.statement.max_norm_sq, CONTEXT)] * 100
        self.statement.verify_batch(self.keys.vk, self.updates[:1])

    def time_groth16(self) -> None:
        groth16.verify(self.vk, PUBLICS, self.proof)

    def time_groth16_without_a_compiled_library(self) -> None:
        groth16.verify(self.vk, PUBLICS, self.proof, backend=backends.get("gmpy2"))

    def time_groth16_batch_of_100(self) -> None:
        groth16.verify_batch(self.vk, self.batch)

    def time_norm_bound(self) -> None:
        bound = self.statement.max_norm_sq
        self.statement.verify(self.keys.vk, self.update_proof, l2_bound_sq=bound, context=CONTEXT)

    def time_norm_bound_batch_of_100(self) -> None:
        self.statement.verify_batch(self.keys.vk, self.updates)

    def time_combine_100(self) -> None:
        self.statement.combine([self.update_proof.commitment] * 100)

    def time_open_sum(self) -> None:
        self.statement.open_sum(self.keys.vk, self.update_proof.commitment, self.values, self.blinding)


class Prove:
    """Setup and prover on dense circuits."""

    params = [2**12, 2**15]
    param_names = ["rows"]
    timeout = 300

    def setup(self, rows: int) -> None:
        self.r1cs, self.pk, _, self.witness, _ = plain(rows - 8)
        self.stream = Stream.from_os()

    def time_setup(self, rows: int) -> None:
        groth16.setup(self.r1cs, self.stream, unsafe_single_party=True)

    def time_prove(self, rows: int) -> None:
        groth16.prove(self.pk, self.r1cs, self.witness, self.stream)


class Statements:
    """Proofs about updates of 16 bits."""

    params = [650, 7850, 60000]
    param_names = ["dim"]
    timeout = 300

    def setup(self, dim: int) -> None:
        self.statement, self.keys, self.values, self.proof, _ = bounded(dim)

    def time_prove(self, dim: int) -> None:
        prove_bound(self.statement, self.keys, self.values)

    def peakmem_prove(self, dim: int) -> None:
        prove_bound(self.statement, self.keys, self.values)

    def time_verify(self, dim: int) -> None:
        bound = self.statement.max_norm_sq
        self.statement.verify(self.keys.vk, self.proof, l2_bound_sq=bound, context=CONTEXT)

    def time_build_circuit(self, dim: int) -> None:
        from zk.statements import norm_bound

        norm_bound._build.__wrapped__(self.statement)


class Step:
    """A whole training step of softmax regression, proved."""

    timeout = 300

    def setup(self) -> None:
        self.statement = digits_step()
        self.keys = self.statement.setup(Stream.from_os(), unsafe_single_party=True)
        rng = np.random.default_rng(2)
        self.features = rng.integers(0, 129, (32, 64))
        self.labels = np.eye(10, dtype=np.int64)[rng.integers(0, 10, 32)]
        self.model = rng.integers(-(2**14), 2**14, (65, 10))

    def time_prove(self) -> None:
        self.statement.prove(
            self.keys.pk, self.features, self.labels, self.model, context=CONTEXT, randomness=Stream.from_os()
        )


class Sizes:
    """What does not depend on the machine."""

    params = [650, 7850, 60000]
    param_names = ["dim"]

    def track_rows_per_coordinate(self, dim: int) -> float:
        return NormBound(dim=dim, bits=16).cost().rows_per_value

    def track_rows_per_coordinate_by_bits(self, dim: int) -> float:
        return NormBound(dim=dim, bits=16, lookup=False).cost().rows_per_value

    def track_key_bytes(self, dim: int) -> int:
        return NormBound(dim=dim, bits=16).cost().key_bytes

    def track_proof_bytes(self, dim: int) -> int:
        return NormBound(dim=dim, bits=16).cost().proof_bytes

    def track_rows_of_a_digits_step(self, dim: int) -> int:
        return digits_step().cost().rows


class Ratios:
    """A peer's seconds divided by ours, measured one after the other."""

    timeout = 900

    def ours(self) -> float:
        """One verification."""
        _, _, vk, _, proof = plain(100)
        groth16.verify(vk, PUBLICS, proof)
        return seconds(lambda: groth16.verify(vk, PUBLICS, proof), 51)

    def track_verify_py_ecc(self) -> float:
        """The same check written with py_ecc's pairing, four pairings and one final exponentiation."""
        _, _, vk, _, proof = plain(100)
        slow = backends.get("py_ecc")
        groth16.prepare(vk, backend=slow)
        return seconds(lambda: groth16.verify(vk, PUBLICS, proof, backend=slow), 3) / self.ours()

    def track_verify_zksnake(self) -> float:
        """zksnake's own verifier on a proof of its own for x^3 = y."""
        try:
            from zksnake.arithmetization import R1CS, ConstraintSystem, Var
            from zksnake.groth16 import Groth16
        except ImportError:
            return NAN
        system = ConstraintSystem(["x"], ["y"], R)
        x, y, square = Var("x"), Var("y"), Var("square")
        system.add_constraint(square == x * x)
        system.add_constraint(y == square * x)
        system.set_public(y)
        r1cs = R1CS(system)
        r1cs.compile()
        peer = Groth16(r1cs)
        peer.setup()
        public, private = r1cs.generate_witness(r1cs.solve({"x": 3}))
        proof = peer.prove(public, private)
        assert peer.verify(proof, public)
        return seconds(lambda: peer.verify(proof, public), 51) / self.ours()

    def track_verify_groth16py(self) -> float:
        """groth16py's verifier on our key and proof."""
        return groth16py_seconds() / self.ours()

    def track_prove_snarkjs_at_32k_rows(self) -> float:
        """snarkjs on our key and witness, CPU seconds of all threads, start-up taken off."""
        return self.prover_ratio(2**15 - 8)[1]

    def track_prove_snarkjs_at_32k_rows_wall(self) -> float:
        """The same in wall time, which depends on who else is using the machine."""
        return self.prover_ratio(2**15 - 8)[0]

    def track_prove_snarkjs_at_4k_rows(self) -> float:
        """The same for a small circuit, CPU seconds."""
        return self.prover_ratio(2**12 - 8)[1]

    def track_prove_groth16py_at_32k_rows(self) -> float:
        """groth16py (arkworks) on our key and witness, CPU seconds."""
        prover = groth16py_prover(2**15 - 8)
        if prover is None:
            return NAN
        r1cs, pk, _, witness, _ = plain(2**15 - 8)
        stream = Stream.from_os()
        spent = []
        for work in (prover, lambda: groth16.prove(pk, r1cs, witness, stream)):
            work()
            start = time.process_time()
            for _ in range(3):
                work()
            spent.append(time.process_time() - start)
        return spent[0] / spent[1]

    @staticmethod
    @cache
    def prover_ratio(rows: int) -> tuple[float, float]:
        """Wall and CPU seconds of snarkjs divided by ours."""
        r1cs, pk, _, witness, _ = plain(rows)
        stream = Stream.from_os()
        groth16.prove(pk, r1cs, witness, stream)
        wall, cpu = snarkjs_seconds(pk, witness)
        start, start_cpu = time.perf_counter(), time.process_time()
        for _ in range(3):
            groth16.prove(pk, r1cs, witness, stream)
        ours, ours_cpu = time.perf_counter() - start, time.process_time() - start_cpu
        return 3 * wall / ours, 3 * cpu / ours_cpu


def snarkjs() -> list[str] | None:
    """The command that runs snarkjs, from node_modules or the PATH."""
    modules = Path(os.environ.get("EPPML_NODE_MODULES", Path(__file__).parents[1] / "node_modules"))
    script, node = modules / "snarkjs" / "build" / "cli.cjs", shutil.which("node")
    if node and script.exists():
        return [node, str(script)]
    program = shutil.which("snarkjs")
    return [program] if program else None


def snarkjs_seconds(pk: Any, witness: Any) -> tuple[float, float]:
    """Wall and CPU seconds of snarkjs on a key and a witness, means of three, start-up taken off; nan without it."""
    command = snarkjs()
    if command is None:
        return NAN, NAN
    from zk.formats.wtns import encode_witness
    from zk.formats.zkey import encode_zkey

    def spent(arguments: list[str]) -> tuple[float, float]:
        before, start = os.times(), time.perf_counter()
        for _ in range(3):
            subprocess.run([*command, *arguments], capture_output=True)
        after = os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return (time.perf_counter() - start) / 3, cpu / 3

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "c.zkey").write_bytes(encode_zkey(pk))
        (root / "c.wtns").write_bytes(encode_witness([int(v) for v in witness]))
        files = [str(root / name) for name in ("c.zkey", "c.wtns", "proof.json", "public.json")]
        idle, idle_cpu = spent(["--version"])
        wall, cpu = spent(["groth16", "prove", *files])
        if not (root / "proof.json").exists():
            return NAN, NAN
        return wall - idle, cpu - idle_cpu


def groth16py_prover(rows: int) -> Callable[[], bytes] | None:
    """groth16py's prover on our key and witness; None without the package."""
    try:
        import groth16py
    except ImportError:
        return None
    from zk.formats.wtns import encode_witness
    from zk.formats.zkey import encode_zkey

    _, pk, _, witness, _ = plain(rows)
    root = Path(tempfile.mkdtemp())
    key, values = root / "c.zkey", root / "c.wtns"
    key.write_bytes(encode_zkey(pk))
    values.write_bytes(encode_witness([int(v) for v in witness]))
    proving, _ = groth16py.import_zkey(str(key))
    return lambda: groth16py.prove_wtns(proving, str(values))


def groth16py_seconds() -> float:
    """Median seconds of groth16py's verifier on our key and a proof it made itself; nan without the package."""
    prover = groth16py_prover(100)
    if prover is None:
        return NAN
    import groth16py

    from zk.formats.snarkjs import encode_verifying_key

    _, _, vk, _, _ = plain(100)
    verifier = groth16py.Verifier(groth16py.VerifyingKey.from_snarkjs(encode_verifying_key(vk).decode()))
    proof = prover()
    assert verifier.verify(proof, PUBLICS)
    return seconds(lambda: verifier.verify(proof, PUBLICS), 51)


def table() -> None:
    """Print ratios and times."""
    ratios = Ratios()
    for name in sorted(n for n in dir(ratios) if n.startswith("track_")):
        print(f"{name[6:]:32} {getattr(ratios, name)():10.1f}")
    for dim in Statements.params:
        statement, keys, values, proof, _ = bounded(dim)
        prove = seconds(lambda s=statement, k=keys, v=values: prove_bound(s, k, v), 5)
        items = [(proof, statement.max_norm_sq, CONTEXT)] * 100
        verify = seconds(lambda s=statement, k=keys, i=items: s.verify_batch(k.vk, i[:1]), 11)
        batch = seconds(lambda s=statement, k=keys, i=items: s.verify_batch(k.vk, i), 3) / 100
        print(
            f"d = {dim:6}: prove {prove:7.3f} s, verify {1000 * verify:6.2f} ms, in a batch {1000 * batch:6.3f} ms"
        )


if __name__ == "__main__":
    sys.exit(table())
