"""Sigma protocols and Pedersen commitments: completeness, extraction, simulation, and proofs that must not verify."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.errors import DecodeError, ParameterError, ProofRejected
from mpc.prg import Stream
from mpc.transcript import Transcript
from zk.babyjubjub import GENERATOR, P, Point
from zk.curve import G1
from zk.sigma import (
    BABYJUBJUB,
    BN254_G1,
    LinearProof,
    LinearStatement,
    PedersenKey,
    discrete_log,
    equal_discrete_logs,
    knowledge_of_opening,
    same_values,
)

GROUPS: list[Any] = [BN254_G1, BABYJUBJUB]
each_group = pytest.mark.parametrize("group", GROUPS, ids=lambda g: g.name.decode())


def stream(label: bytes = b"") -> Stream:
    return Stream(bytes(32), label)


def times(group: Any, element: Any, k: int) -> Any:
    return group.sum_of_products([element], [k])


def cases(group: Any) -> list[tuple[LinearStatement[Any], list[int]]]:
    """One true statement of each protocol with its secrets."""
    g, h = group.generator, group.independent(b"test", 9)
    keys = PedersenKey.derive(group, b"one", 3), PedersenKey.derive(group, b"two", 3)
    values = [5, group.order - 1, 7]
    commitments = keys[0].commit(values, 11), keys[1].commit(values, 13)
    return [
        (discrete_log(group, g, times(group, g, 42)), [42]),
        (equal_discrete_logs(group, (g, h), (times(group, g, 42), times(group, h, 42))), [42]),
        (knowledge_of_opening(keys[0], commitments[0]), [*values, 11]),
        (same_values(keys, commitments), [*values, 11, 13]),
    ]


def transcript(context: bytes = b"round 1") -> Transcript:
    t = Transcript(b"test")
    t.absorb(b"context", context)
    return t


@each_group
@pytest.mark.parametrize("which", range(4))
def test_honest_proof_verifies_and_survives_bytes(group: Any, which: int) -> None:
    statement, secrets = cases(group)[which]
    proof = statement.prove(secrets, transcript(), stream())
    statement.verify(proof, transcript())
    again = LinearProof.from_bytes(proof.to_bytes(), group.order, statement.n_secrets)
    assert again == proof


@each_group
@pytest.mark.parametrize("which", range(4))
def test_replay_in_another_context(group: Any, which: int) -> None:
    statement, secrets = cases(group)[which]
    proof = statement.prove(secrets, transcript(), stream())
    with pytest.raises(ProofRejected):
        statement.verify(proof, transcript(b"round 2"))


@each_group
def test_proof_of_one_protocol_is_none_of_another(group: Any) -> None:
    """Same equation, another name: transcripts are separated."""
    statement, secrets = cases(group)[0]
    proof = statement.prove(secrets, transcript(), stream())
    renamed = LinearStatement(group, b"something else", statement.bases, statement.images)
    assert not renamed.is_valid(proof, transcript())


@each_group
@pytest.mark.parametrize("which", range(4))
def test_changed_proof_or_statement(group: Any, which: int) -> None:
    statement, secrets = cases(group)[which]
    proof = statement.prove(secrets, transcript(), stream())
    other_images = tuple(group.sum_of_products([y, group.generator], [1, 1]) for y in statement.images)
    assert not LinearStatement(group, statement.name, statement.bases, other_images).is_valid(
        proof, transcript()
    )
    bumped = (proof.challenge + 1) % group.order
    responses = (*proof.responses[:-1], (proof.responses[-1] + 1) % group.order)
    for bad in (
        LinearProof(bumped, proof.responses),
        LinearProof(proof.challenge, responses),
        LinearProof(proof.challenge, proof.responses[:-1]),
        LinearProof(proof.challenge + group.order, proof.responses),
        LinearProof(proof.challenge, (*proof.responses[:-1], proof.responses[-1] + group.order)),
        LinearProof(proof.challenge, (*proof.responses[:-1], proof.responses[-1] - group.order)),
        LinearProof(0, proof.responses),
    ):
        assert not statement.is_valid(bad, transcript())


@each_group
def test_unequal_logarithms_have_no_proof(group: Any) -> None:
    """The forgery that works when the images are not in the transcript: choose the images after the challenge."""
    g, h = group.generator, group.independent(b"test", 1)
    t = transcript()
    announcements = [times(group, g, 5), times(group, h, 6)]
    for announcement in announcements:
        t.absorb(b"announcement", group.encode(announcement))
    c, z = t.challenge(b"challenge", group.order), 77
    inverse = pow(c, -1, group.order)
    images = tuple(
        group.sum_of_products([base, a], [z * inverse, -inverse])
        for base, a in zip((g, h), announcements, strict=True)
    )
    statement = equal_discrete_logs(group, (g, h), images)
    assert statement._map([z], c) == announcements
    assert not statement.is_valid(LinearProof(c, (z,)), transcript())


def test_small_order_point_in_an_image() -> None:
    """X + T with 2 T = 0: whenever the challenge is even the proof for X would pass for it as well."""
    base, small = BABYJUBJUB.generator, Point(0, P - 1)
    image = 42 * base
    assert 2 * small == BABYJUBJUB.identity and (image + small) != image
    for images, bases in (((image, image + small), (base, base)), ((image, image), (base, base + small))):
        with pytest.raises(ParameterError, match="outside"):
            equal_discrete_logs(BABYJUBJUB, bases, images)
    with pytest.raises(ParameterError, match="outside"):
        discrete_log(BN254_G1, BN254_G1.generator, G1(1, 3))


@each_group
def test_prover_refuses_wrong_secrets(group: Any) -> None:
    for statement, secrets in cases(group):
        for bad in ([secrets[0] + 1, *secrets[1:]], secrets[:-1], [*secrets, 1]):
            with pytest.raises(ParameterError):
                statement.prove(bad, transcript(), stream())


@each_group
def test_identity_and_unused_secrets_make_no_statement(group: Any) -> None:
    g = group.generator
    for call in (
        lambda: discrete_log(group, group.identity, g),
        lambda: equal_discrete_logs(group, (g, group.identity), (g, g)),
        lambda: LinearStatement(group, b"x", ((g, None),), (g,)),
        lambda: LinearStatement(group, b"x", (), ()),
        lambda: LinearStatement(group, b"x", ((g,), (g, g)), (g, g)),
        lambda: LinearStatement(group, b"x", ((g,),), (g, g)),
    ):
        with pytest.raises(ParameterError):
            call()


@each_group
def test_two_answers_to_one_announcement_give_the_secret_away(group: Any) -> None:
    """Special soundness, executed: why a nonce must never serve two challenges."""
    statement, secrets = cases(group)[2]
    nonces = [101 + i for i in range(statement.n_secrets)]
    c1, c2 = 3, 5
    z1 = [(k + c1 * s) % group.order for k, s in zip(nonces, secrets, strict=True)]
    z2 = [(k + c2 * s) % group.order for k, s in zip(nonces, secrets, strict=True)]
    assert statement._map(z1, c1) == statement._map(z2, c2) == statement._map(nonces, 0)
    inverse = pow(c1 - c2, -1, group.order)
    assert [(a - b) * inverse % group.order for a, b in zip(z1, z2, strict=True)] == [
        s % group.order for s in secrets
    ]


@each_group
def test_a_repeated_stream_does_not_repeat_nonces(group: Any) -> None:
    """The same randomness for two statements: with a plain nonce the two proofs would reveal the secret."""
    g = group.generator
    statements = [discrete_log(group, g, times(group, g, x)) for x in (42, 43)]
    proofs = [s.prove([x], transcript(), stream()) for s, x in zip(statements, (42, 43), strict=True)]
    nonces = [(p.responses[0] - p.challenge * x) % group.order for p, x in zip(proofs, (42, 43), strict=True)]
    assert nonces[0] != nonces[1]
    fresh = stream()
    first, second = (statements[0].prove([42], transcript(), fresh) for _ in range(2))
    assert first != second


@each_group
def test_transcript_binds_proofs_made_one_after_the_other(group: Any) -> None:
    (first, a), (second, b) = cases(group)[:2]
    t = transcript()
    proofs = first.prove(a, t, stream()), second.prove(b, t, stream())
    t = transcript()
    first.verify(proofs[0], t)
    second.verify(proofs[1], t)
    assert not second.is_valid(proofs[1], transcript())


@each_group
def test_bytes_of_a_proof_are_canonical(group: Any) -> None:
    statement, secrets = cases(group)[0]
    raw = statement.prove(secrets, transcript(), stream()).to_bytes()
    above = group.order.to_bytes(32, "big")
    for bad in (raw[:-1], raw + b"\0", above + raw[32:], raw[:32] + above):
        with pytest.raises(DecodeError):
            LinearProof.from_bytes(bad, group.order, 1)


@each_group
def test_group_encodings(group: Any) -> None:
    for element in (group.identity, group.generator, group.independent(b"x", 0)):
        assert group.decode(group.encode(element)) == element
    size = len(group.encode(group.generator))
    for bad in (b"", bytes(size + 1), b"\xff" * size):
        with pytest.raises(DecodeError):
            group.decode(bad)


def test_babyjubjub_points_of_composite_order_are_refused() -> None:
    with pytest.raises(DecodeError, match="subgroup"):
        BABYJUBJUB.decode(GENERATOR.to_circom())


@each_group
def test_independent_generators_differ_and_have_the_right_order(group: Any) -> None:
    points = {group.encode(group.independent(label, i)) for label in (b"a", b"b") for i in range(4)}
    assert len(points) == 8
    assert times(group, group.independent(b"a", 0), group.order) == group.identity


@each_group
def test_pedersen_openings(group: Any) -> None:
    key = PedersenKey.derive(group, b"update", 4)
    blinding = key.blinding(stream())
    commitment = key.commit([1, -2, 3, 0], blinding)
    key.verify_opening(commitment, [1, group.order - 2, 3, 0], blinding)
    wrong: list[Callable[[], None]] = [
        lambda: key.verify_opening(commitment, [1, -2, 3, 1], blinding),
        lambda: key.verify_opening(commitment, [1, -2, 3, 0], blinding + 1),
        lambda: key.verify_opening(commitment, [-2, 1, 3, 0], blinding),
    ]
    for call in wrong:
        with pytest.raises(ProofRejected):
            call()
    for values in ([1, 2, 3], [1, 2, 3, 4, 5]):
        with pytest.raises(ParameterError):
            key.commit(values, 0)
    with pytest.raises(ParameterError):
        PedersenKey.derive(group, b"update", 0)
    with pytest.raises(ParameterError):
        same_values((key, PedersenKey.derive(group, b"other", 3)), (commitment, commitment))


@each_group
@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(*[st.integers(-(2**40), 2**40)] * 3), min_size=1, max_size=4))
def test_commitments_add_up(group: Any, rows: list[tuple[int, int, int]]) -> None:
    key = PedersenKey.derive(group, b"sum", 2)
    total = key.combine([key.commit(row[:2], row[2]) for row in rows])
    assert key.is_opening(total, [sum(r[0] for r in rows), sum(r[1] for r in rows)], sum(r[2] for r in rows))
