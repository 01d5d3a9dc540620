"""Write the corpus anew from valid files of snarkjs, ZoKrates and our own.

`python -m zk.corpus.build FOLDER > groth16.v1.json` is deterministic: the same files in FOLDER give the same bytes,
which a test compares with what is shipped.
"""

import json
import sys
from pathlib import Path
from typing import Any

from zk import backends
from zk.corpus.committed import add_committed
from zk.corpus.other_formats import add_other_formats
from zk.corpus.sheet import ACCEPT, INVALID, MALFORMED, Sheet, edited
from zk.curve import Fq2, Q, R
from zk.formats import snarkjs
from zk.formats.compressed import twist_point
from zk.groth16 import Proof

__all__ = ["build"]


def build(folder: Path) -> bytes:
    """The corpus, from a folder with `external/snarkjs`, `external/zokrates` and `own/commit_and_prove` in it."""
    sheet = Sheet()
    base = folder / "external" / "snarkjs"
    for name, file in (("vk", "verification_key"), ("proof", "proof"), ("public", "public")):
        sheet.store(name, (base / f"{file}.json").read_bytes())
    _valid(sheet, base)
    _publics(sheet, json.loads((base / "public.json").read_bytes()))
    _proofs(sheet, json.loads((base / "proof.json").read_bytes()), (base / "proof.json").read_bytes())
    _keys(sheet, base)
    add_other_formats(sheet, folder / "external")
    add_committed(sheet, folder / "own" / "commit_and_prove")
    return sheet.to_json()


def _valid(sheet: Sheet, base: Path) -> None:
    sheet.case("honest_proof", "a proof as snarkjs made it", ACCEPT)
    second = (base / "proof_second_same_statement.json").read_bytes()
    sheet.case("second_proof_of_the_same_statement", "proofs are randomised", ACCEPT, proof=second)
    negated = (base / "malleated_negA_negB_VALID.json").read_bytes()
    why = "(-A, -B, C) is as good as (A, B, C): proof bytes are no nullifier"
    sheet.case("rerandomised_by_negation", why, ACCEPT, proof=negated)
    proof = snarkjs.decode_proof((base / "proof.json").read_bytes())
    lib = backends.get()
    scaled = Proof(lib.g1_mul(proof.a, pow(7, -1, R)), lib.g2_mul(proof.b, 7), proof.c)
    why = "(A/k, kB, C) is as good as (A, B, C): proof bytes are no nullifier"
    sheet.case("rerandomised_by_scaling", why, ACCEPT, proof=snarkjs.encode_proof(scaled))


def _publics(sheet: Sheet, publics: list[str]) -> None:
    h, s, b = publics

    def case(name: str, why: str, exit_code: int, value: Any) -> None:
        raw = value if isinstance(value, bytes) else json.dumps(value).encode("utf-8")
        sheet.case(name, why, exit_code, public=raw)

    case("public_changed", "another statement", INVALID, [str(int(h) + 1), s, b])
    case("publics_swapped", "order matters", INVALID, [h, b, s])
    case(
        "public_plus_r", "the same residue spelt twice is a double spend", MALFORMED, [h, s, str(int(b) + R)]
    )
    case("public_equal_to_r", "r is zero spelt otherwise", MALFORMED, [h, s, str(R)])
    case("public_minus_r", "the same residue spelt with a sign", MALFORMED, [h, s, str(int(b) - R)])
    case("public_negative", "no sign is canonical", MALFORMED, [h, s, f"-{b}"])
    case("public_plus_sign", "no sign is canonical", MALFORMED, [h, s, f"+{b}"])
    case("public_leading_zero", "one spelling only", MALFORMED, [h, s, f"0{b}"])
    case("public_with_blank", "one spelling only", MALFORMED, [h, s, f" {b}"])
    case("public_with_newline", "one spelling only", MALFORMED, [h, s, f"{b}\n"])
    case("public_with_underscore", "Python's int() reads it", MALFORMED, [h, s, f"{b[0]}_{b[1:]}"])
    arabic = "".join(chr(0x660 + int(digit)) for digit in b)
    case("public_in_arabic_digits", "Python's int() reads it", MALFORMED, [h, s, arabic])
    case("public_hexadecimal", "one spelling only", MALFORMED, [h, s, hex(int(b))])
    case("public_empty_string", "nothing is not zero", MALFORMED, [h, s, ""])
    case("public_a_number", "JSON numbers lose digits", MALFORMED, [h, s, int(b)])
    case("public_a_float", "a float is no field element", MALFORMED, [h, s, float(b)])
    case("public_a_bool", "true is not one", MALFORMED, [h, s, True])
    case("public_null", "null is not zero", MALFORMED, [h, s, None])
    case("public_nested", "a list is no number", MALFORMED, [h, s, [b]])
    case("public_of_5000_digits", "a number nobody should parse", MALFORMED, [h, s, "9" * 5000])
    case("publics_too_few", "one is missing", MALFORMED, [h, s])
    case("publics_too_many", "one more, ignored by careless verifiers", MALFORMED, [h, s, b, "0"])
    case("publics_none", "none at all", MALFORMED, [])
    case("publics_with_the_constant", "the constant one is not the caller's", MALFORMED, ["1", h, s, b])
    case("publics_an_object", "not a list", MALFORMED, {"0": h, "1": s, "2": b})
    honest = json.dumps(publics).encode("ascii")
    case("publics_trailing_bytes", "bytes after the end", MALFORMED, honest + b"[]")
    case("publics_cut_short", "bytes missing", MALFORMED, honest[:-1])
    case("publics_nested_deeply", "a stack overflow", MALFORMED, b"[" * 5_000)


def _outside_subgroup() -> tuple[Fq2, Fq2]:
    """The first point of the twist, counted by x, that has another order than R."""
    k = 1
    while (point := twist_point((k, 0))) is None or backends.get().g2_in_subgroup(point):
        k += 1
    return point.x, point.y


def _g2(x: Fq2, y: Fq2) -> list[list[str]]:
    return [[str(x[0]), str(x[1])], [str(y[0]), str(y[1])], ["1", "0"]]


def _proofs(sheet: Sheet, proof: dict[str, Any], raw: bytes) -> None:
    def case(name: str, why: str, exit_code: int, path: tuple[str | int, ...], value: Any) -> None:
        sheet.case(name, why, exit_code, proof=edited(proof, path, value))

    for point, path in (("A", ("pi_a", 0)), ("A_y", ("pi_a", 1)), ("C", ("pi_c", 0))):
        plus_q = str(int(proof[path[0]][path[1]]) + Q)
        case(f"proof_{point}_plus_q", "the same coordinate spelt twice", MALFORMED, path, plus_q)
    plus_q = str(int(proof["pi_b"][0][0]) + Q)
    case("proof_B_plus_q", "the same coordinate spelt twice", MALFORMED, ("pi_b", 0, 0), plus_q)
    for point, key in (("A", "pi_a"), ("C", "pi_c")):
        off = str((int(proof[key][1]) + 1) % Q)
        case(f"proof_{point}_off_curve", "computing on another curve", MALFORMED, (key, 1), off)
        negative = str(Q - int(proof[key][1]))
        case(f"proof_{point}_negated", "not a proof", INVALID, (key, 1), negative)
        case(f"proof_{point}_infinity", "the neutral element", MALFORMED, (key,), ["0", "1", "0"])
        case(
            f"proof_{point}_all_zero",
            "the neutral element, spelt as zeros",
            MALFORMED,
            (key,),
            ["0", "0", "0"],
        )
        case(f"proof_{point}_not_affine", "one point, many spellings", MALFORMED, (key, 2), "2")
        case(f"proof_{point}_short", "a coordinate missing", MALFORMED, (key,), proof[key][:1])
    off = str((int(proof["pi_b"][1][0]) + 1) % Q)
    case("proof_B_off_twist", "computing on another curve", MALFORMED, ("pi_b", 1, 0), off)
    outside = _g2(*_outside_subgroup())
    case("proof_B_outside_subgroup", "pairings of such points mean nothing", MALFORMED, ("pi_b",), outside)
    infinity = [["0", "0"], ["1", "0"], ["0", "0"]]
    case("proof_B_infinity", "the neutral element", MALFORMED, ("pi_b",), infinity)
    swapped = [proof["pi_b"][0][::-1], proof["pi_b"][1][::-1], ["1", "0"]]
    case("proof_B_halves_swapped", "c1 before c0, as the EVM wants it", MALFORMED, ("pi_b",), swapped)
    case("proof_coordinate_a_number", "JSON numbers lose digits", MALFORMED, ("pi_a", 0), 1)
    case("proof_of_another_protocol", "a PLONK proof", MALFORMED, ("protocol",), "plonk")
    case("proof_of_another_curve", "BLS12-381", MALFORMED, ("curve",), "bls12381")
    case("proof_with_unknown_key", "content that nobody checks", MALFORMED, ("pi_d",), proof["pi_a"])
    exchanged = {**proof, "pi_a": proof["pi_c"], "pi_c": proof["pi_a"]}
    sheet.case("proof_A_and_C_exchanged", "not a proof", INVALID, proof=json.dumps(exchanged).encode("ascii"))
    without = {key: value for key, value in proof.items() if key != "pi_c"}
    sheet.case("proof_without_C", "a point missing", MALFORMED, proof=json.dumps(without).encode("ascii"))
    twice = raw.rstrip()[:-1] + b', "pi_a": ' + json.dumps(proof["pi_c"]).encode("ascii") + b"}"
    sheet.case("proof_with_A_twice", "readers disagree which one counts", MALFORMED, proof=twice)
    sheet.case("proof_trailing_bytes", "bytes after the end", MALFORMED, proof=raw + b"{}")
    sheet.case("proof_cut_short", "bytes missing", MALFORMED, proof=raw[:-5])
    sheet.case("proof_with_byte_order_mark", "one spelling only", MALFORMED, proof=b"\xef\xbb\xbf" + raw)
    sheet.case("proof_not_utf8", "no text at all", MALFORMED, proof=b'{"\xff": 1}')
    sheet.case("proof_is_a_list", "not an object", MALFORMED, proof=b"[]")
    sheet.case("proof_empty", "no bytes", MALFORMED, proof=b"")


def _forgery(base: Path, publics: list[int], sign: int) -> bytes:
    """A = alpha, B = beta, C = -sign * IC(x): a proof of anything when delta = sign * gamma."""
    key = snarkjs.decode_verifying_key((base / "verification_key.json").read_bytes())
    lib = backends.get()
    total = lib.g1_sum([key.ic[0], *(lib.g1_mul(p, x) for p, x in zip(key.ic[1:], publics, strict=True))])
    return snarkjs.encode_proof(Proof(key.alpha_g1, key.beta_g2, -total if sign > 0 else total))


def _keys(sheet: Sheet, base: Path) -> None:
    key = json.loads((base / "verification_key.json").read_bytes())

    def case(name: str, why: str, path: tuple[str | int, ...], value: Any) -> None:
        sheet.case(name, why, MALFORMED, vk=edited(key, path, value))

    lies = [999, 1, 1]
    public = json.dumps([str(value) for value in lies]).encode("ascii")
    why = "phase 2 skipped: A = alpha, B = beta, C = -IC(x) proves anything"
    skipped = edited(key, ("vk_delta_2",), key["vk_gamma_2"])
    sheet.case(
        "key_gamma_equals_delta_forgery",
        why,
        MALFORMED,
        vk=skipped,
        proof=_forgery(base, lies, 1),
        public=public,
    )
    (x0, x1), (y0, y1), z = key["vk_gamma_2"]
    negative = [[x0, x1], [str(Q - int(y0)), str(Q - int(y1))], z]
    why = "delta = -gamma: A = alpha, B = beta, C = IC(x) proves anything"
    sheet.case(
        "key_gamma_equals_minus_delta_forgery",
        why,
        MALFORMED,
        vk=edited(key, ("vk_delta_2",), negative),
        proof=_forgery(base, lies, -1),
        public=public,
    )
    for name in ("vk_alpha_1", "IC"):
        path: tuple[str | int, ...] = (name,) if name != "IC" else ("IC", 1)
        point = key[name] if name != "IC" else key["IC"][1]
        label = name.removeprefix("vk_").removesuffix("_1")
        case(f"key_{label}_infinity", "the neutral element", path, ["0", "1", "0"])
        case(f"key_{label}_off_curve", "another curve", path, [point[0], str((int(point[1]) + 1) % Q), "1"])
        case(f"key_{label}_plus_q", "two spellings", path, [str(int(point[0]) + Q), point[1], "1"])
    outside = _g2(*_outside_subgroup())
    for name in ("vk_beta_2", "vk_gamma_2", "vk_delta_2"):
        label = name.removeprefix("vk_").removesuffix("_2")
        case(f"key_{label}_infinity", "the neutral element", (name,), [["0", "0"], ["1", "0"], ["0", "0"]])
        case(f"key_{label}_outside_subgroup", "pairings mean nothing", (name,), outside)
        case(f"key_{label}_off_twist", "another curve", (name, 1, 0), str((int(key[name][1][0]) + 1) % Q))
        halves = [key[name][0][::-1], key[name][1][::-1], ["1", "0"]]
        case(f"key_{label}_halves_swapped", "c1 before c0, as the EVM wants it", (name,), halves)
    case("key_IC_too_short", "a public input without a point", ("IC",), key["IC"][:-1])
    case("key_IC_too_long", "a point without a public input", ("IC",), [*key["IC"], key["IC"][1]])
    case("key_IC_empty", "not even the constant", ("IC",), [])
    case("key_nPublic_of_gigabytes", "a size no file backs", ("nPublic",), 999_999_999)
    case("key_nPublic_negative", "a negative size", ("nPublic",), -1)
    case("key_nPublic_a_bool", "true is not one", ("nPublic",), True)
    case("key_nPublic_a_string", "a string is no size", ("nPublic",), "3")
    case("key_nPublic_too_small", "public inputs that nobody checks", ("nPublic",), 2)
    case("key_of_another_protocol", "a PLONK key", ("protocol",), "plonk")
    case("key_of_another_curve", "BLS12-381", ("curve",), "bls12381")
    case("key_with_unknown_key", "content that nobody checks", ("vk_epsilon_2",), key["vk_beta_2"])
    for i in (0, 1):
        others = [*key["IC"]]
        others[i], others[i + 1] = others[i + 1], others[i]
        why = "points of public inputs in another order"
        sheet.case(f"key_IC_{i}_and_{i + 1}_swapped", why, INVALID, vk=edited(key, ("IC",), others))
    raw = (base / "verification_key.json").read_bytes()
    sheet.case("key_trailing_bytes", "bytes after the end", MALFORMED, vk=raw + b" x")
    sheet.case("key_cut_short", "bytes missing", MALFORMED, vk=raw[:-10])
    sheet.case("key_is_the_proof", "the wrong file", MALFORMED, vk="proof")
    sheet.case("proof_is_the_key", "the wrong file", MALFORMED, proof="vk")


if __name__ == "__main__":
    sys.stdout.buffer.write(build(Path(sys.argv[1])))
