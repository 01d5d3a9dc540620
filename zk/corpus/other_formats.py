"""Cases of the corpus in the files of other tools than snarkjs."""

import json
from pathlib import Path

from zk.corpus.sheet import ACCEPT, INVALID, MALFORMED, Sheet, edited
from zk.curve import G1_GENERATOR, Q, R
from zk.formats import arkworks, evm, gnark, snarkjs
from zk.formats.zkey import read_proving_key

__all__ = ["add_other_formats"]


def add_other_formats(sheet: Sheet, folder: Path) -> None:
    """Add ZoKrates, calldata, arkworks and gnark cases to `sheet`."""
    _zokrates(sheet, folder / "zokrates")
    base = folder / "snarkjs"
    _calldata(sheet, base)
    _compressed(sheet, base)


def _zokrates(sheet: Sheet, base: Path) -> None:
    vk = sheet.store("zokrates.vk", (base / "verification.key").read_bytes())
    raw = (base / "proof.json").read_bytes()
    proof = json.loads(raw)

    def case(name: str, why: str, exit_code: int, content: bytes) -> None:
        sheet.case(f"zokrates_{name}", why, exit_code, format="zokrates", vk=vk, proof=content, public=None)

    case("honest_proof", "a proof as ZoKrates made it", ACCEPT, raw)
    tampered = (base / "proof_tampered_input.json").read_bytes()
    case("input_changed", "another statement", INVALID, tampered)
    plus_r = f"0x{int(proof['inputs'][0], 16) + R:064x}"
    case("input_plus_r", "the same residue spelt twice", MALFORMED, edited(proof, ("inputs", 0), plus_r))
    case("input_short_hex", "one spelling only", MALFORMED, edited(proof, ("inputs", 0), "0x5"))
    upper = "0x" + proof["proof"]["a"][0][2:].upper()
    case("upper_case_hex", "one spelling only", MALFORMED, edited(proof, ("proof", "a", 0), upper))
    case("input_decimal", "one spelling only", MALFORMED, edited(proof, ("inputs", 0), "5"))
    case("inputs_swapped", "order matters", INVALID, edited(proof, ("inputs",), proof["inputs"][::-1]))
    case("inputs_too_few", "one is missing", MALFORMED, edited(proof, ("inputs",), proof["inputs"][:1]))
    case(
        "inputs_too_many",
        "one more",
        MALFORMED,
        edited(proof, ("inputs",), [*proof["inputs"], proof["inputs"][0]]),
    )
    halves = [pair[::-1] for pair in proof["proof"]["b"]]
    case("B_halves_swapped", "c1 before c0", MALFORMED, edited(proof, ("proof", "b"), halves))
    zero = "0x" + "0" * 64
    case("C_infinity", "the neutral element", MALFORMED, edited(proof, ("proof", "c"), [zero, zero]))
    plus_q = f"0x{int(proof['proof']['a'][0], 16) + Q:064x}"
    case("A_plus_q", "the same coordinate spelt twice", MALFORMED, edited(proof, ("proof", "a", 0), plus_q))
    case("of_another_scheme", "a GM17 proof", MALFORMED, edited(proof, ("scheme",), "gm17"))
    key = json.loads((base / "verification.key").read_bytes())
    sheet.case(
        "zokrates_key_gamma_equals_delta",
        "phase 2 skipped",
        MALFORMED,
        format="zokrates",
        vk=edited(key, ("delta",), key["gamma"]),
        proof=raw,
        public=None,
    )


def _calldata(sheet: Sheet, base: Path) -> None:
    text = (base / "calldata.txt").read_bytes()
    proof, publics = evm.decode_calldata_text(text)

    def case(name: str, why: str, exit_code: int, content: bytes) -> None:
        sheet.case(f"calldata_{name}", why, exit_code, format="calldata", proof=content, public=None)

    words = evm.encode_calldata(proof, publics)
    case("text", "as snarkjs prints it", ACCEPT, text)
    case("words", "the words alone", ACCEPT, words)
    case("call", "the words behind the selector", ACCEPT, evm.encode_calldata(proof, publics, call=True))
    case("with_another_selector", "a call of something else", MALFORMED, b"\0\1\2\3" + words)
    swapped = words[:64] + words[96:128] + words[64:96] + words[160:192] + words[128:160] + words[192:]
    case("B_halves_swapped", "c0 before c1", MALFORMED, swapped)
    plus_r = words[:-32] + (publics[-1] + R).to_bytes(32, "big")
    case("public_plus_r", "ecMul of the EVM accepts it", MALFORMED, plus_r)
    plus_q = (proof.a.x + Q).to_bytes(32, "big") + words[32:]
    case("A_plus_q", "the same coordinate spelt twice", MALFORMED, plus_q)
    case("infinity", "the neutral element", MALFORMED, bytes(64) + words[64:])
    case("trailing_byte", "one byte more", MALFORMED, words + b"\0")
    case("cut_short", "one byte less", MALFORMED, words[:-1])
    case("one_word_more", "one more public input", MALFORMED, words + bytes(32))


def _compressed(sheet: Sheet, base: Path) -> None:
    key = snarkjs.decode_verifying_key((base / "verification_key.json").read_bytes())
    proof = snarkjs.decode_proof((base / "proof.json").read_bytes())
    publics = snarkjs.decode_publics((base / "public.json").read_bytes())
    ark = arkworks.encode_verifying_key(key)
    vk = sheet.store("arkworks.vk", ark)
    honest, public = (
        arkworks.encode_proof(proof),
        sheet.store("arkworks.public", arkworks.encode_publics(publics)),
    )

    def case(name: str, why: str, exit_code: int, content: bytes) -> None:
        sheet.case(f"arkworks_{name}", why, exit_code, format="arkworks", vk=vk, proof=content, public=public)

    case("honest_proof", "compressed points", ACCEPT, honest)
    case("trailing_byte", "one byte more", MALFORMED, honest + b"\0")
    case("cut_short", "one byte less", MALFORMED, honest[:-1])
    case("A_y_flipped", "the other root", INVALID, honest[:31] + bytes([honest[31] ^ 0x80]) + honest[32:])
    marked = honest[:31] + bytes([honest[31] & 0x3F | 0x40]) + honest[32:]
    case("A_infinity_flag_with_x", "infinity with a coordinate", MALFORMED, marked)
    case(
        "A_both_flags",
        "flags that mean nothing",
        MALFORMED,
        honest[:31] + bytes([honest[31] | 0xC0]) + honest[32:],
    )
    case("A_infinity", "the neutral element", MALFORMED, bytes(31) + b"\x40" + honest[32:])
    x = next(x for x in range(1, 99) if pow(x**3 + 3, (Q - 1) // 2, Q) != 1)
    case("A_x_of_no_point", "another curve", MALFORMED, x.to_bytes(32, "little") + honest[32:])
    case(
        "A_x_plus_q",
        "the same coordinate spelt twice",
        MALFORMED,
        (proof.a.x + Q).to_bytes(32, "little") + honest[32:],
    )
    huge = ark[:224] + (1 << 61).to_bytes(8, "little") + ark[232:]
    why = "a count that would allocate gigabytes"
    sheet.case(
        "arkworks_key_count_of_gigabytes",
        why,
        MALFORMED,
        format="arkworks",
        vk=huge,
        proof=honest,
        public=public,
    )
    off_by_one = ark[:224] + (len(key.ic) - 1).to_bytes(8, "little") + ark[232:]
    why = "one point more than announced"
    sheet.case(
        "arkworks_key_trailing_point",
        why,
        MALFORMED,
        format="arkworks",
        vk=off_by_one,
        proof=honest,
        public=public,
    )
    _gnark(sheet, base)


def _gnark(sheet: Sheet, base: Path) -> None:
    pk = read_proving_key(base / "fx.zkey")
    key = snarkjs.decode_verifying_key((base / "verification_key.json").read_bytes())
    proof = snarkjs.decode_proof((base / "proof.json").read_bytes())
    publics = snarkjs.decode_publics((base / "public.json").read_bytes())
    encoded = gnark.encode_verifying_key(key, beta_g1=pk.beta_g1, delta_g1=pk.delta_g1)
    vk = sheet.store("gnark.vk", encoded)
    public = sheet.store("gnark.public", gnark.encode_publics(publics))
    honest = gnark.encode_proof(proof)

    def case(name: str, why: str, exit_code: int, content: bytes) -> None:
        sheet.case(f"gnark_{name}", why, exit_code, format="gnark", vk=vk, proof=content, public=public)

    case("honest_proof", "compressed points, no commitment", ACCEPT, honest)
    case("honest_proof_before_0_8", "without the empty list of commitments", ACCEPT, honest[:128])
    case(
        "with_a_commitment",
        "a commitment that Groth16 alone does not check",
        MALFORMED,
        honest[:131] + b"\1" + honest[132:],
    )
    case("A_y_flipped", "the other root", INVALID, bytes([honest[0] ^ 0x40]) + honest[1:])
    case(
        "A_uncompressed_flag", "flags of another encoding", MALFORMED, bytes([honest[0] & 0x3F]) + honest[1:]
    )
    case("trailing_byte", "one byte more", MALFORMED, honest + b"\0")
    other = gnark.encode_verifying_key(key, beta_g1=G1_GENERATOR, delta_g1=pk.delta_g1)
    why = "beta differs between the groups"
    sheet.case(
        "gnark_key_beta_inconsistent", why, MALFORMED, format="gnark", vk=other, proof=honest, public=public
    )
    huge = encoded[:288] + b"\x7f\xff\xff\xff" + encoded[292:]
    why = "a count that would allocate gigabytes"
    sheet.case(
        "gnark_key_count_of_gigabytes", why, MALFORMED, format="gnark", vk=huge, proof=honest, public=public
    )
