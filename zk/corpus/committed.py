"""Cases of the corpus about proofs over commitments: what goes wrong where the proof of knowledge is not checked."""

import json
from dataclasses import replace
from pathlib import Path

from zk import backends
from zk.commit_prove import CommittedProof, VerifierKey
from zk.corpus.sheet import ACCEPT, INVALID, MALFORMED, Sheet, edited
from zk.curve import G1_GENERATOR, G2_GENERATOR, Q, R
from zk.formats import committed, snarkjs

__all__ = ["add_committed"]

FORMAT = "commit-and-prove"


def add_committed(sheet: Sheet, folder: Path) -> None:
    """Add the cases to `sheet`, from keys and proofs in `folder` (one without, one with a challenge)."""
    for kind in ("simple", "challenge"):
        _Cases(sheet, folder / kind, kind).add()


class _Cases:
    def __init__(self, sheet: Sheet, folder: Path, kind: str) -> None:
        self.sheet, self.prefix = sheet, f"committed_{kind}"
        raw = {name: (folder / f"{name}.json").read_bytes() for name in ("key", "proof", "other", "public")}
        self.vk = sheet.store(f"{self.prefix}.vk", raw["key"])
        self.public = sheet.store(f"{self.prefix}.public", raw["public"])
        self.raw_key, self.raw_proof = raw["key"], raw["proof"]
        self.key: VerifierKey = committed.decode_verifier_key(raw["key"])
        self.proof: CommittedProof = committed.decode_proof(raw["proof"])
        self.other: CommittedProof = committed.decode_proof(raw["other"])
        self.publics = snarkjs.decode_publics(raw["public"])

    def case(
        self,
        name: str,
        why: str,
        code: int,
        *,
        proof: CommittedProof | bytes | None = None,
        publics: list[int] | None = None,
        vk: bytes | None = None,
    ) -> None:
        body = committed.encode_proof(proof) if isinstance(proof, CommittedProof) else proof or self.raw_proof
        self.sheet.case(
            f"{self.prefix}_{name}",
            why,
            code,
            format=FORMAT,
            vk=vk or self.vk,
            proof=body,
            public=self.public if publics is None else snarkjs.encode_publics(publics),
        )

    def add(self) -> None:
        self.case("honest", "a proof with its commitments and their proof of knowledge", ACCEPT)
        self.case("other_honest", "another client's proof in the same round", ACCEPT, proof=self.other)
        self._knowledge()
        self._known_sigma()
        self._replay()
        self._malformed()

    def _knowledge(self) -> None:
        lib, p, base = backends.get(), self.proof, self.key.base
        why = "the proof of knowledge of somebody else"
        self.case("pok_of_another_client", why, INVALID, proof=replace(p, pok=self.other.pok))
        why = "no proof of knowledge, a generator in its place"
        self.case("pok_missing", why, INVALID, proof=replace(p, pok=G1_GENERATOR))
        why = "another client's commitment, own proof"
        self.case("commitment_of_another", why, INVALID, proof=replace(p, commitments=self.other.commitments))
        why = "another client's commitment with its proof of knowledge"
        taken = replace(p, commitments=self.other.commitments, pok=self.other.pok)
        self.case("commitment_and_pok_of_another", why, INVALID, proof=taken)
        first, *rest = p.commitments
        for i in range(len(self.publics)):
            shifted = lib.g1_sum([first, lib.g1_mul(base.ic[1 + i], R - 1000)])
            publics = [x + 1000 if j == i else x for j, x in enumerate(self.publics)]
            why = "D - t IC_i with x_i + t: satisfies the equation where no challenge covers D"
            changed = replace(p, commitments=(shifted, *rest))
            self.case(f"D_shifted_by_IC_{i + 1}", why, INVALID, proof=changed, publics=publics)
        e = 31337
        why = "(B + e gamma, D + e A): a commitment nobody can open"
        moved = replace(
            p,
            b=lib.g2_sum([p.b, lib.g2_mul(base.gamma_g2, e)]),
            commitments=(lib.g1_sum([first, lib.g1_mul(p.a, e)]), *rest),
        )
        self.case("B_plus_gamma_D_plus_A", why, INVALID, proof=moved)
        if rest:
            why = "commitments in another order"
            self.case(
                "commitments_swapped", why, INVALID, proof=replace(p, commitments=(rest[0], first, *rest[1:]))
            )
            why = "a value moved from one commitment to the other: their sum is the same"
            t = lib.g1_mul(G1_GENERATOR, 5)
            moved = replace(p, commitments=(lib.g1_sum([first, t]), lib.g1_sum([rest[0], -t]), *rest[1:]))
            self.case("value_moved_between_commitments", why, INVALID, proof=moved)

    def _known_sigma(self) -> None:
        """Keys whose sigma nobody hid: the proof of knowledge can then be computed from the commitments."""
        lib, key, p = backends.get(), json.loads(self.raw_key), self.proof
        first, *rest = p.commitments
        shifted = lib.g1_sum([first, lib.g1_mul(self.key.base.ic[1], R - 1000)])
        publics = [self.publics[0] + 1000, *self.publics[1:]]
        for name, point in (("one", G2_GENERATOR), ("minus_one", -G2_GENERATOR)):
            for group in key["groups"]:
                group["sigma_g2"] = point.to_bytes().hex()
            total = lib.g1_sum([shifted, *rest])
            forged = replace(p, commitments=(shifted, *rest), pok=total if name == "one" else -total)
            why = "sigma is known, so Pi = sigma D is the sum of the commitments, whatever they hold"
            vk = json.dumps(key).encode("ascii")
            self.case(f"key_sigma_{name}_forgery", why, MALFORMED, proof=forged, publics=publics, vk=vk)
        if rest:
            why = "with one sigma for both commitments a value moves from one to the other unseen"
            honest = json.loads(self.raw_key)
            same = edited(honest, ("groups", 1, "sigma_g2"), honest["groups"][0]["sigma_g2"])
            self.case("key_sigmas_equal", why, MALFORMED, vk=same)

    def _replay(self) -> None:
        for i in range(len(self.publics)):
            publics = [x + 1 if j == i else x for j, x in enumerate(self.publics)]
            why = "the same proof for another context (round, client, plan) or bound"
            self.case(f"public_{i}_changed", why, INVALID, publics=publics)
            publics = [x + R if j == i else x for j, x in enumerate(self.publics)]
            self.case(f"public_{i}_plus_r", "the same residue spelt twice", MALFORMED, publics=publics)
        self.case("publics_too_few", "one is missing", MALFORMED, publics=self.publics[:-1])
        why = "one more: the challenge is not the prover's to supply"
        self.case("publics_too_many", why, MALFORMED, publics=[*self.publics, 0])

    def _malformed(self) -> None:
        proof, key = json.loads(self.raw_proof), json.loads(self.raw_key)
        commitments = proof["commitments"]

        def proof_case(name: str, why: str, place: str, value: object) -> None:
            self.case(name, why, MALFORMED, proof=edited(proof, (place,), value))

        def key_case(name: str, why: str, path: tuple[str | int, ...], value: object) -> None:
            self.case(name, why, MALFORMED, vk=edited(key, path, value))

        zero = "00" * 64
        plus_q = (int(commitments[0][:64], 16) + Q).to_bytes(32, "big").hex() + commitments[0][64:]
        off = commitments[0][:-2] + f"{int(commitments[0][-2:], 16) ^ 1:02x}"
        proof_case(
            "commitment_infinity", "the commitment to nothing", "commitments", [zero, *commitments[1:]]
        )
        proof_case("commitment_plus_q", "a coordinate spelt twice", "commitments", [plus_q, *commitments[1:]])
        proof_case("commitment_off_curve", "another curve", "commitments", [off, *commitments[1:]])
        proof_case("commitments_too_few", "one is missing", "commitments", commitments[:-1])
        proof_case(
            "commitments_too_many", "one that nobody checks", "commitments", [*commitments, commitments[0]]
        )
        proof_case("pok_infinity", "the proof of knowledge of nothing", "pok", zero)
        proof_case("upper_case_hex", "one spelling only", "pok", proof["pok"].upper())
        proof_case("of_another_version", "a format that is not known", "version", 2)
        key_case("key_eta_infinity", "commitments that hide nothing", ("groups", 0, "eta"), zero)
        key_case("key_base_infinity", "a value that can be anything", ("groups", 0, "bases", 0), zero)
        key_case(
            "key_sigma_infinity", "every proof of knowledge holds", ("groups", 0, "sigma_g2"), "00" * 128
        )
        key_case("key_without_bases", "a commitment to nothing", ("groups", 0, "bases"), [])
        key_case("key_challenges_a_bool", "true is not one", ("challenges",), True)
        key_case("key_challenges_of_gigabytes", "a count no file backs", ("challenges",), 999_999_999)
        gamma = key["base"]["vk_gamma_2"]
        key_case("key_gamma_equals_delta", "phase 2 skipped", ("base", "vk_delta_2"), gamma)
