"""Attacks on Groth16 and on its commitments, each named after what it tries; the defence is that it fails.

Where an attack works against a weaker verifier, the test first shows that it does.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from mpc.errors import DecodeError, InsecureError, ParameterError, ProofRejected
from mpc.prg import Stream
from zk import backends, commit_prove, groth16
from zk.circuit import Circuit, Program
from zk.commit_prove import Blindings, CommittedProof, Keys
from zk.curve import G1, G1_GENERATOR, G1_INFINITY, G2, G2_GENERATOR, G2_INFINITY, Q, R
from zk.groth16 import Proof, ProvingKey, VerifyingKey
from zk.limbs import g1_points
from zk.pairing_check import Claim
from zk.r1cs import R1CS, WitnessError
from zk.setup import Trapdoor, keys_from_trapdoor

LIB = backends.get()
# on the twist, outside the subgroup of order R
OUTSIDE = G2(
    (2, 1),
    (
        7292567877523311580221095596750716176434782432868683424513645834767876293070,
        19659275751359636165940301690575149581329631496732780143538578556285923319774,
    ),
)


def cubic() -> tuple[R1CS, Program]:
    """x^3 + shift = out, with an input `context` that no row mentions."""
    circuit = Circuit()
    circuit.public("context")
    out, shift = circuit.public("out"), circuit.public("shift")
    x = circuit.private("x", 1, lambda o, s: np.array([3], dtype=object), out, shift)
    square = circuit.multiply(x, x, "square")
    circuit.enforce(square, x, out - shift, "cube")
    return circuit.finish()


@dataclass(frozen=True)
class Plain:
    r1cs: R1CS
    pk: ProvingKey
    vk: VerifyingKey
    witness: Any
    publics: list[int]
    proof: Proof


@pytest.fixture(scope="module")
def plain() -> Plain:
    r1cs, program = cubic()
    stream = Stream.from_os()
    pk, vk = groth16.setup(r1cs, stream, unsafe_single_party=True)
    publics = [99, 27 + 5, 5]
    witness = program.commit_phase({"context": publics[:1], "out": publics[1:2], "shift": publics[2:]})
    proof = groth16.prove(pk, r1cs, witness, stream)
    groth16.verify(vk, publics, proof)
    return Plain(r1cs, pk, vk, witness, publics, proof)


# --- public inputs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "alias", [lambda x: x + R, lambda x: x - R, lambda x: x + 2 * R, lambda x: float(x), str]
)
def test_public_input_in_another_spelling(plain: Plain, alias: Any) -> None:
    publics = [alias(plain.publics[0]), *plain.publics[1:]]
    with pytest.raises(DecodeError):
        groth16.verify(plain.vk, publics, plain.proof)
    assert not groth16.is_valid(plain.vk, publics, plain.proof)


def test_public_input_is_a_bool(plain: Plain) -> None:
    with pytest.raises(DecodeError, match="bool"):
        groth16.verify(plain.vk, [True, 1, 1], plain.proof)


def test_public_input_is_a_numpy_integer(plain: Plain) -> None:
    with pytest.raises(DecodeError, match="int64"):
        groth16.verify(plain.vk, [np.int64(99), *plain.publics[1:]], plain.proof)  # type: ignore[list-item]


@pytest.mark.parametrize("count", [0, 2, 4])
def test_too_few_and_too_many_public_inputs(plain: Plain, count: int) -> None:
    with pytest.raises(DecodeError, match="public inputs"):
        groth16.verify(plain.vk, [*plain.publics, 0][:count], plain.proof)


def test_swapped_public_inputs(plain: Plain) -> None:
    a, b, c = plain.publics
    for publics in ([b, a, c], [a, c, b], [c, b, a]):
        with pytest.raises(ProofRejected):
            groth16.verify(plain.vk, publics, plain.proof)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_changed_public_input_even_if_no_row_uses_it(plain: Plain, position: int) -> None:
    publics = list(plain.publics)
    publics[position] += 1
    with pytest.raises(ProofRejected):
        groth16.verify(plain.vk, publics, plain.proof)


def test_ic_points_of_unused_inputs_are_not_trivial(plain: Plain) -> None:
    """Without consistency rows the point of an unused input would be infinity, and the input free to change."""
    assert all(not p.is_infinity for p in plain.vk.ic)
    assert len(set(plain.vk.ic)) == len(plain.vk.ic)


# --- points ---------------------------------------------------------------------------------------------------------


def points_with(proof: Proof) -> dict[str, Proof]:
    a, b, c = proof.a, proof.b, proof.c
    return {
        "a_plus_q": replace(proof, a=G1(a.x + Q, a.y)),
        "c_plus_q": replace(proof, c=G1(c.x, c.y + Q)),
        "b_plus_q": replace(proof, b=G2((b.x[0] + Q, b.x[1]), b.y)),
        "a_off_curve": replace(proof, a=G1(a.x, (a.y + 1) % Q)),
        "c_off_curve": replace(proof, c=G1((c.x + 1) % Q, c.y)),
        "b_off_twist": replace(proof, b=G2(b.x, (b.y[0], (b.y[1] + 1) % Q))),
        "b_outside_subgroup": replace(proof, b=OUTSIDE),
        "b_halves_swapped": replace(proof, b=G2((b.x[1], b.x[0]), (b.y[1], b.y[0]))),
        "a_infinity": replace(proof, a=G1_INFINITY),
        "b_infinity": replace(proof, b=G2_INFINITY),
        "c_infinity": replace(proof, c=G1_INFINITY),
        "all_infinity": Proof(G1_INFINITY, G2_INFINITY, G1_INFINITY),
        "a_float": replace(proof, a=G1(float(a.x), a.y)),  # type: ignore[arg-type]
    }


@pytest.mark.parametrize("name", sorted(points_with(Proof(G1_GENERATOR, G2_GENERATOR, G1_GENERATOR))))
def test_malformed_point(plain: Plain, name: str) -> None:
    proof = points_with(plain.proof)[name]
    with pytest.raises(DecodeError):
        groth16.verify(plain.vk, plain.publics, proof)
    with pytest.raises(groth16.BatchRejected) as caught:
        groth16.verify_batch(plain.vk, [(plain.publics, plain.proof), (plain.publics, proof)])
    assert caught.value.failed == (1,)


def test_negated_and_exchanged_points(plain: Plain) -> None:
    p = plain.proof
    wrong = [replace(p, a=-p.a), replace(p, b=-p.b), replace(p, c=-p.c), replace(p, a=p.c, c=p.a)]
    for proof in wrong:
        with pytest.raises(ProofRejected):
            groth16.verify(plain.vk, plain.publics, proof)
    with pytest.raises(groth16.BatchRejected) as caught:
        groth16.verify_batch(plain.vk, [(plain.publics, proof) for proof in [p, *wrong, p]])
    assert caught.value.failed == (1, 2, 3, 4)


def test_rerandomised_proof_is_valid_so_it_must_never_be_a_nullifier(plain: Plain) -> None:
    p, vk, k, t = plain.proof, plain.vk, 12345, 999
    scaled = Proof(LIB.g1_mul(p.a, pow(k, -1, R)), LIB.g2_mul(p.b, k), p.c)
    shifted = Proof(
        p.a,
        LIB.g2_sum([p.b, LIB.g2_mul(vk.delta_g2, t)]),
        LIB.g1_sum([p.c, LIB.g1_mul(p.a, t)]),
    )
    for other in (Proof(-p.a, -p.b, p.c), scaled, shifted):
        assert other != p
        groth16.verify(vk, plain.publics, other)


def test_cancelling_errors_in_a_batch(plain: Plain) -> None:
    """C + D in one proof and C - D in the next cancel in a plain product; random coefficients keep them apart."""
    p, d = plain.proof, LIB.g1_mul(G1_GENERATOR, 77)
    pair = [replace(p, c=LIB.g1_sum([p.c, d])), replace(p, c=LIB.g1_sum([p.c, -d]))]
    point = LIB.g1_sum(
        [plain.vk.ic[0], *(LIB.g1_mul(q, x) for q, x in zip(plain.vk.ic[1:], plain.publics, strict=True))]
    )
    together = [(q.a, q.b) for q in pair]
    for q in pair:
        together += [
            (-plain.vk.alpha_g1, plain.vk.beta_g2),
            (-point, plain.vk.gamma_g2),
            (-q.c, plain.vk.delta_g2),
        ]
    assert LIB.pairing_product_is_one(together)
    with pytest.raises(groth16.BatchRejected) as caught:
        groth16.verify_batch(plain.vk, [(plain.publics, q) for q in pair])
    assert caught.value.failed == (0, 1)


# --- keys -----------------------------------------------------------------------------------------------------------


def test_gamma_equal_to_delta_lets_anyone_forge_so_the_key_is_refused(plain: Plain) -> None:
    vk = replace(plain.vk, delta_g2=plain.vk.gamma_g2)
    publics = [1, 2, 3]
    point = LIB.g1_sum([vk.ic[0], *(LIB.g1_mul(p, x) for p, x in zip(vk.ic[1:], publics, strict=True))])
    forged = Proof(vk.alpha_g1, vk.beta_g2, -point)
    equation = [
        (forged.a, forged.b),
        (-vk.alpha_g1, vk.beta_g2),
        (-point, vk.gamma_g2),
        (-forged.c, vk.delta_g2),
    ]
    assert LIB.pairing_product_is_one(equation)
    with pytest.raises(DecodeError, match="gamma equals delta"):
        groth16.verify(vk, publics, forged)


@pytest.mark.parametrize("place", ["alpha_g1", "beta_g2", "gamma_g2", "delta_g2", "ic"])
def test_infinity_in_the_key(plain: Plain, place: str) -> None:
    bad: Any = G1_INFINITY if place == "alpha_g1" else G2_INFINITY
    if place == "ic":
        bad = (plain.vk.ic[0], G1_INFINITY, *plain.vk.ic[2:])
    with pytest.raises(DecodeError, match="infinity"):
        groth16.verify(replace(plain.vk, **{place: bad}), plain.publics, plain.proof)


@pytest.mark.parametrize("place", ["beta_g2", "gamma_g2", "delta_g2"])
def test_key_point_outside_the_subgroup(plain: Plain, place: str) -> None:
    with pytest.raises(DecodeError, match="subgroup"):
        replace(plain.vk, **{place: OUTSIDE}).check()


def test_key_with_a_wrong_number_of_points(plain: Plain) -> None:
    plain.vk.check(n_public=3)
    with pytest.raises(DecodeError, match="IC points"):
        plain.vk.check(n_public=2)
    with pytest.raises(DecodeError, match="IC point"):
        replace(plain.vk, ic=()).check()
    with pytest.raises(DecodeError, match="public inputs"):
        groth16.verify(replace(plain.vk, ic=plain.vk.ic[:-1]), plain.publics, plain.proof)


def test_another_setup_of_the_same_circuit(plain: Plain) -> None:
    _, other = groth16.setup(plain.r1cs, Stream.from_os(), unsafe_single_party=True)
    assert not groth16.is_valid(other, plain.publics, plain.proof)


def test_a_setup_by_one_party_must_be_asked_for(plain: Plain) -> None:
    with pytest.raises(InsecureError):
        groth16.setup(plain.r1cs, Stream.from_os(), unsafe_single_party=False)
    secret = Trapdoor.draw(Stream.from_os(), 2, 8, unsafe_single_party=True)
    assert repr(secret) == "Trapdoor()"


def test_whoever_kept_the_trapdoor_forges(plain: Plain) -> None:
    """What a single-party setup means: its secrets prove any statement, without a witness."""
    secret = Trapdoor.draw(Stream.from_os(), 0, plain.r1cs.domain, unsafe_single_party=True)
    pk, _ = keys_from_trapdoor(plain.r1cs, secret)
    vk = VerifyingKey(pk.alpha_g1, pk.beta_g2, pk.gamma_g2, pk.delta_g2, pk.ic)
    groth16.verify(vk, [7, 7, 8], simulate(vk, secret, [7, 7, 8], Stream.from_os()))


# --- witnesses and zero-knowledge ------------------------------------------------------------------------------------


def test_a_witness_that_breaks_a_row_raises_before_proving(plain: Plain) -> None:
    witness = plain.witness.copy()
    witness[-1] += 1
    with pytest.raises(WitnessError, match="square"):
        groth16.prove(plain.pk, plain.r1cs, witness, Stream.from_os())
    short = plain.witness[:-1]
    with pytest.raises(WitnessError, match="wires"):
        groth16.prove(plain.pk, plain.r1cs, short, Stream.from_os())


def test_the_constant_is_not_the_callers_to_supply(plain: Plain) -> None:
    witness = plain.witness.copy() * 2 % R
    with pytest.raises(WitnessError, match="first of them one"):
        groth16.prove(plain.pk, plain.r1cs, witness, Stream.from_os())


def test_a_bad_witness_forced_through_the_prover_does_not_verify(plain: Plain) -> None:
    from zk.prover import prove_points

    witness = plain.witness.copy()
    witness[2] = 40
    proof = Proof(*prove_points(plain.pk, witness, Stream.from_os()))
    assert not groth16.is_valid(plain.vk, [int(x) for x in witness[1:4]], proof)


def simulate(
    vk: VerifyingKey, secret: Trapdoor, publics: list[int], stream: Stream, committed: int = 0
) -> Proof:
    """A proof from the trapdoor and without a witness: A, B random, C what the equation asks for.

    `committed` is the discrete logarithm of the sum of the commitments.
    """
    a, b = stream.below(R), stream.below(R)
    terms = [LIB.g1_mul(p, x) for p, x in zip(vk.ic[1:], publics, strict=True)]
    point = LIB.g1_sum([vk.ic[0], *terms, LIB.g1_mul(G1_GENERATOR, committed)])
    free = LIB.g1_mul(G1_GENERATOR, a * b - secret.alpha * secret.beta)
    rest = LIB.g1_mul(point, -secret.gamma)
    c = LIB.g1_mul(LIB.g1_sum([free, rest]), pow(secret.delta, -1, R))
    return Proof(LIB.g1_mul(G1_GENERATOR, a), LIB.g2_mul(G2_GENERATOR, b), c)


def test_simulated_proofs_are_distributed_like_real_ones() -> None:
    """Two-sample chi-square on the marginals of A, B and C, 16 cells each; the limit is passed once in 10^6 runs."""
    r1cs, program = cubic()
    stream = Stream(b"m" * 32)
    secret = Trapdoor.draw(stream, 0, r1cs.domain, unsafe_single_party=True)
    pk, _ = keys_from_trapdoor(r1cs, secret)
    vk = VerifyingKey(pk.alpha_g1, pk.beta_g2, pk.gamma_g2, pk.delta_g2, pk.ic)
    publics = [1, 27 + 2, 2]
    witness = program.commit_phase({"context": [1], "out": [29], "shift": [2]})
    n = 400
    real = [groth16.prove(pk, r1cs, witness, stream) for _ in range(n)]
    fake = [simulate(vk, secret, publics, stream) for _ in range(n)]
    groth16.verify_batch(vk, [(publics, p) for p in real + fake])
    for part in (
        lambda p: p.a.x,
        lambda p: p.a.y,
        lambda p: p.b.x[0],
        lambda p: p.b.y[1],
        lambda p: p.c.x,
    ):
        # 15 degrees of freedom
        assert chi_square([part(p) for p in real], [part(p) for p in fake]) < 56.5
    assert len({p.a for p in real}) == len({p.c for p in real}) == n


def chi_square(real: list[int], fake: list[int]) -> float:
    """Two-sample statistic over 16 equal cells of [0, Q)."""
    counts = [np.bincount([16 * x // Q for x in side], minlength=16) for side in (real, fake)]
    expected = (counts[0] + counts[1]) / 2
    return float(sum(((c - expected) ** 2 / expected).sum() for c in counts))


def test_simulated_commitments_are_distributed_like_real_ones() -> None:
    """The simulator commits to nothing in particular: D random, Pi from sigma, C what the equation asks for."""
    r1cs, program = committed_circuit()
    stream = Stream(b"c" * 32)
    secret = Trapdoor.draw(stream, 2, r1cs.domain, unsafe_single_party=True)
    keys = commit_prove.assemble(*keys_from_trapdoor(r1cs, secret), challenges=1, circuit=r1cs.digest)
    publics, n = [5, 14], 250
    inputs = {"context": [5], "norm": [14], "x": [1, 2, 3]}
    real = [commit_prove.prove(keys.pk, r1cs, program, inputs, stream)[0] for _ in range(n)]
    fake = []
    for _ in range(n):
        d = [stream.below(R), stream.below(R)]
        commitments = tuple(LIB.g1_mul(G1_GENERATOR, k) for k in d)
        pok = LIB.g1_mul(G1_GENERATOR, sum(s * k for s, k in zip(secret.sigma, d, strict=True)))
        full = [*publics, *commit_prove.challenge(keys.vk, publics, commitments)]
        rest = simulate(keys.vk.base, secret, full, stream, sum(d))
        fake.append(CommittedProof(commitments, rest.a, rest.b, rest.c, pok))
    commit_prove.verify_batch(keys.vk, [(publics, p) for p in real + fake])
    for part in (
        lambda p: p.commitments[0].x,
        lambda p: p.commitments[1].y,
        lambda p: p.pok.x,
        lambda p: p.a.x,
        lambda p: p.c.y,
    ):
        assert chi_square([part(p) for p in real], [part(p) for p in fake]) < 56.5


# --- commitments ------------------------------------------------------------------------------------------------------


def committed_circuit() -> tuple[R1CS, Program]:
    """sum x_i^2 = norm, y = 2x committed apart, and the challenge enters one row; `context` is in none."""
    circuit = Circuit()
    circuit.public("context")
    norm = circuit.public("norm")
    x = circuit.committed("x", 3, group="update")
    y = circuit.committed("y", 3, lambda v: 2 * v, x, group="aux")
    alpha = circuit.challenge()
    circuit.equal(y, x * 2, "double")
    circuit.equal(circuit.multiply(x, x, "square").sum(), norm, "norm")
    circuit.multiply(y, alpha, "use")
    return circuit.finish()


@dataclass(frozen=True)
class Committed:
    r1cs: R1CS
    program: Program
    keys: Keys
    publics: list[int]
    proof: CommittedProof
    blindings: Blindings

    def prove(self, values: list[int], context: int = 5) -> tuple[CommittedProof, Blindings]:
        inputs = {"context": [context], "norm": [sum(v * v for v in values)], "x": values}
        return commit_prove.prove(self.keys.pk, self.r1cs, self.program, inputs, Stream.from_os())


@pytest.fixture(scope="module")
def committed() -> Committed:
    r1cs, program = committed_circuit()
    keys = commit_prove.setup(r1cs, Stream.from_os(), unsafe_single_party=True, challenges=1)
    made = Committed(r1cs, program, keys, [5, 14], None, None)  # type: ignore[arg-type]
    proof, blindings = made.prove([1, 2, 3])
    commit_prove.verify(keys.vk, [5, 14], proof)
    return replace(made, proof=proof, blindings=blindings)


def checks(committed: Committed, publics: list[int], proof: CommittedProof) -> tuple[bool, bool]:
    """Whether the equation of Groth16 holds, and whether the proof of knowledge does."""
    prepared = commit_prove.prepare(committed.keys.vk)
    claim = prepared.claim(publics, proof)
    return prepared.checker.holds(claim), prepared.checker.knows(claim)


def refused(committed: Committed, publics: list[int], proof: CommittedProof, reason: str) -> None:
    with pytest.raises(ProofRejected, match=reason):
        commit_prove.verify(committed.keys.vk, publics, proof)
    with pytest.raises(groth16.BatchRejected) as caught:
        good = (committed.publics, committed.proof)
        commit_prove.verify_batch(committed.keys.vk, [good, (publics, proof), good])
    assert caught.value.failed == (1,)


def without_challenge() -> tuple[R1CS, Program]:
    """x_0 + x_1 = total; no challenge, so a change of the commitment leaves the inputs alone."""
    circuit = Circuit()
    circuit.public("context")
    total = circuit.public("total")
    x = circuit.committed("x", 2, group="update")
    square = circuit.multiply(x, x, "square")
    circuit.equal(x.sum() + square.sum(), total, "total")
    return circuit.finish()


@pytest.fixture(scope="module")
def simple() -> Committed:
    r1cs, program = without_challenge()
    keys = commit_prove.setup(r1cs, Stream.from_os(), unsafe_single_party=True)
    inputs = {"context": [5], "total": [3 + 4 + 9 + 16], "x": [3, 4]}
    proof, blindings = commit_prove.prove(keys.pk, r1cs, program, inputs, Stream.from_os())
    commit_prove.verify(keys.vk, [5, 32], proof)
    return Committed(r1cs, program, keys, [5, 32], proof, blindings)


@pytest.mark.parametrize("position", [0, 1])
def test_commitment_shifted_by_ic_changes_a_public_input_unless_knowledge_is_proved(
    simple: Committed, position: int
) -> None:
    """D - t IC_1 with the input x_1 + t satisfies the equation of Groth16: any public input could be changed."""
    t = 1000
    ic = simple.keys.vk.base.ic[1 + position]
    publics = list(simple.publics)
    publics[position] += t
    shifted = LIB.g1_sum([simple.proof.commitments[0], LIB.g1_mul(ic, -t)])
    proof = replace(simple.proof, commitments=(shifted,))
    assert checks(simple, publics, proof) == (True, False)
    refused(simple, publics, proof, "proof of knowledge")


def test_b_plus_gamma_with_d_plus_a_unless_knowledge_is_proved(simple: Committed) -> None:
    """(B + e gamma, D + e A) satisfies the equation with a commitment that nobody can open."""
    e, p, vk = 31337, simple.proof, simple.keys.vk
    proof = replace(
        p,
        b=LIB.g2_sum([p.b, LIB.g2_mul(vk.base.gamma_g2, e)]),
        commitments=(LIB.g1_sum([p.commitments[0], LIB.g1_mul(p.a, e)]),),
    )
    assert checks(simple, simple.publics, proof) == (True, False)
    refused(simple, simple.publics, proof, "proof of knowledge")


def test_missing_proof_of_knowledge(simple: Committed) -> None:
    with pytest.raises(DecodeError, match="infinity"):
        commit_prove.verify(simple.keys.vk, simple.publics, replace(simple.proof, pok=G1_INFINITY))
    refused(simple, simple.publics, replace(simple.proof, pok=G1_GENERATOR), "proof of knowledge")
    refused(simple, simple.publics, replace(simple.proof, pok=-simple.proof.pok), "proof of knowledge")


def test_another_clients_proof_of_knowledge(committed: Committed) -> None:
    other, _ = committed.prove([4, 5, 6])
    assert commit_prove.is_valid(committed.keys.vk, [5, 77], other)
    refused(committed, committed.publics, replace(committed.proof, pok=other.pok), "proof of knowledge")


def test_another_clients_commitment_with_its_proof_of_knowledge(committed: Committed) -> None:
    other, _ = committed.prove([1, 2, 3])
    proof = replace(committed.proof, commitments=other.commitments, pok=other.pok)
    refused(committed, committed.publics, proof, "pairing equation")


def test_value_moved_between_the_commitments(committed: Committed) -> None:
    """D_1 + X and D_2 - X leave the sum, so only the proof of knowledge and the challenge keep them apart."""
    x = LIB.g1_mul(committed.keys.vk.groups[0].eta, 77)
    first, second = committed.proof.commitments
    proof = replace(committed.proof, commitments=(LIB.g1_sum([first, x]), LIB.g1_sum([second, -x])))
    assert checks(committed, committed.publics, proof) == (False, False)
    refused(committed, committed.publics, proof, "proof of knowledge")
    swapped = replace(committed.proof, commitments=(second, first))
    refused(committed, committed.publics, swapped, "proof of knowledge")


def test_bases_of_one_commitment_used_in_the_other(committed: Committed) -> None:
    """A commitment to the group "update" made from the bases of "aux" has no proof of knowledge."""
    pk = committed.keys.pk
    aux = pk.groups[1]
    d = LIB.g1_sum([g1_points(aux.bases)[0], LIB.g1_mul(aux.eta, 5)])
    pok = LIB.g1_sum([g1_points(aux.pok_bases)[0], LIB.g1_mul(aux.pok_eta, 5)])
    checker = commit_prove.prepare(committed.keys.vk).checker
    p = committed.proof
    inside = Claim(p.a, p.b, p.c, (0, 0, 0), (p.commitments[0], d), LIB.g1_sum([pok, p.pok]))
    assert not checker.knows(inside)
    zero = LIB.g1_mul(pk.groups[0].eta, 3), LIB.g1_mul(pk.groups[0].pok_eta, 3)
    assert checker.knows(Claim(p.a, p.b, p.c, (0, 0, 0), (zero[0], d), LIB.g1_sum([zero[1], pok])))
    assert not checker.knows(Claim(p.a, p.b, p.c, (0, 0, 0), (d, zero[0]), LIB.g1_sum([zero[1], pok])))


def test_the_challenge_covers_the_key_all_inputs_and_all_commitments(committed: Committed) -> None:
    vk, (first, second) = committed.keys.vk, committed.proof.commitments
    other_vk = replace(vk, circuit=bytes(32))
    seen = {
        commit_prove.challenge(key, publics, commitments)[0]
        for key, publics, commitments in [
            (vk, [5, 14], [first, second]),
            (vk, [6, 14], [first, second]),
            (vk, [5, 15], [first, second]),
            (vk, [5, 14], [-first, second]),
            (vk, [5, 14], [first, -second]),
            (vk, [5, 14], [second, first]),
            (vk, [5, 14], [first]),
            (other_vk, [5, 14], [first, second]),
        ]
    }
    assert len(seen) == 8


@pytest.mark.parametrize("position", [0, 1])
def test_a_commitment_replaced_after_the_challenge(committed: Committed, position: int) -> None:
    """The prover adds its own blinding after the fact, keeping knowledge: the challenge moves and the proof is void."""
    group = committed.keys.pk.groups[position]
    commitments = list(committed.proof.commitments)
    commitments[position] = LIB.g1_sum([commitments[position], LIB.g1_mul(group.eta, 9)])
    proof = replace(
        committed.proof,
        commitments=tuple(commitments),
        pok=LIB.g1_sum([committed.proof.pok, LIB.g1_mul(group.pok_eta, 9)]),
        c=LIB.g1_sum([committed.proof.c, LIB.g1_mul(group.eta_delta, -9)]),
    )
    assert checks(committed, committed.publics, proof) == (False, True)
    refused(committed, committed.publics, proof, "pairing equation")


def test_a_blinding_changed_without_a_challenge_is_only_a_rerandomisation(simple: Committed) -> None:
    group = simple.keys.pk.groups[0]
    p = simple.proof
    proof = replace(
        p,
        commitments=(LIB.g1_sum([p.commitments[0], LIB.g1_mul(group.eta, 9)]),),
        pok=LIB.g1_sum([p.pok, LIB.g1_mul(group.pok_eta, 9)]),
        c=LIB.g1_sum([p.c, LIB.g1_mul(group.eta_delta, -9)]),
    )
    commit_prove.verify(simple.keys.vk, simple.publics, proof)
    key, v = simple.keys.vk.groups[0], simple.blindings.values[0]
    commit_prove.verify_opening(key, proof.commitments[0], [3, 4], v + 9)
    with pytest.raises(ProofRejected):
        commit_prove.verify_opening(key, proof.commitments[0], [4, 3], v + 9)


def test_a_reused_blinding_shows_the_difference_so_each_proof_draws_its_own(committed: Committed) -> None:
    key = committed.keys.vk.group("update")
    first, second = commit_prove.commit(key, [1, 2, 3], 42), commit_prove.commit(key, [1, 2, 9], 42)
    difference = commit_prove.combine([second, -first])
    assert difference == commit_prove.commit(key, [0, 0, 6], 0)
    proofs = [committed.prove([1, 2, 3])[0] for _ in range(3)]
    assert len({p.commitments[0] for p in proofs} | {p.commitments[1] for p in proofs}) == 6
    apart = commit_prove.combine([proofs[1].commitments[0], -proofs[0].commitments[0]])
    assert apart != commit_prove.commit(key, [0, 0, 0], 0) == G1_INFINITY


def test_commitments_are_blinded(committed: Committed) -> None:
    """Guessing the values does not confirm them without the blinding (CVE-2024-45040 was its absence)."""
    key = committed.keys.vk.group("update")
    assert commit_prove.commit(key, [1, 2, 3], 0) != committed.proof.commitments[0]
    opened = commit_prove.commit(key, [1, 2, 3], committed.blindings.values[0])
    assert opened == committed.proof.commitments[0]
    assert "Blindings()" == repr(committed.blindings)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_wrong_number_of_commitments(committed: Committed, count: int) -> None:
    first, second = committed.proof.commitments
    proof = replace(committed.proof, commitments=(first, second, first)[:count])
    with pytest.raises(DecodeError, match="commitments"):
        commit_prove.verify(committed.keys.vk, committed.publics, proof)


def test_the_challenge_is_not_the_callers_to_supply(committed: Committed) -> None:
    alpha = commit_prove.challenge(committed.keys.vk, committed.publics, committed.proof.commitments)
    with pytest.raises(DecodeError, match="public inputs"):
        commit_prove.verify(committed.keys.vk, [*committed.publics, *alpha], committed.proof)


@pytest.mark.parametrize("bad", [G1_INFINITY, G1(1, 3), G1(1 + Q, 2)])
def test_malformed_commitment(committed: Committed, bad: G1) -> None:
    for commitments in ((bad, committed.proof.commitments[1]), (committed.proof.commitments[0], bad)):
        with pytest.raises(DecodeError):
            commit_prove.verify(
                committed.keys.vk, committed.publics, replace(committed.proof, commitments=commitments)
            )


def test_committed_key_with_bad_points(committed: Committed) -> None:
    vk = committed.keys.vk
    group = vk.groups[0]
    hole = group.bases.copy()
    hole[1] = 0
    bent = group.bases.copy()
    bent[1, 0] ^= np.uint64(1)
    for broken in (
        replace(group, bases=hole),
        replace(group, bases=bent),
        replace(group, bases=group.bases[:0]),
        replace(group, eta=G1_INFINITY),
        replace(group, sigma_g2=OUTSIDE),
        replace(group, sigma_g2=G2_INFINITY),
        replace(group, sigma_g2=-G2_GENERATOR),
        replace(group, sigma_g2=vk.groups[1].sigma_g2),
        replace(group, eta=G1_GENERATOR),
        replace(group, eta=-vk.groups[1].eta),
    ):
        with pytest.raises(DecodeError):
            replace(vk, groups=(broken, vk.groups[1])).check()


def test_every_committed_wire_has_a_base_of_its_own(committed: Committed) -> None:
    bases = [p for g in committed.keys.vk.groups for p in (*g1_points(g.bases), g.eta)]
    assert len(set(bases)) == len(bases)
    assert G1_INFINITY not in bases


def test_the_challenge_is_the_one_a_contract_derives(committed: Committed) -> None:
    from chain_adapter import groth16_calldata

    vk, publics, commitments = committed.keys.vk, committed.publics, committed.proof.commitments
    on_chain = groth16_calldata.challenge(vk.digest, publics, [d.to_bytes() for d in commitments])
    assert commit_prove.challenge(vk, publics, commitments) == [on_chain]
    several = commit_prove.challenge(replace(vk, challenges=3), publics, commitments)
    assert len(set(several)) == 3 and on_chain not in several


def test_a_key_with_more_challenges_than_inputs(committed: Committed) -> None:
    for challenges in (-1, 4, 200):
        with pytest.raises(DecodeError, match="challenges do not fit"):
            replace(committed.keys.vk, challenges=challenges).check()
    with pytest.raises(DecodeError, match="challenges do not fit"):
        replace(committed.keys.vk, groups=()).check()


def test_a_proving_key_of_another_circuit(committed: Committed, simple: Committed) -> None:
    inputs = {"context": [5], "total": [32], "x": [3, 4]}
    with pytest.raises(ParameterError, match="another circuit"):
        commit_prove.prove(committed.keys.pk, simple.r1cs, simple.program, inputs, Stream.from_os())
