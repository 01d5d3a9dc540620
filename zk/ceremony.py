"""A ceremony: many parties re-randomise a circuit's keys one after the other; one honest one is enough.

    folder            transcript.json (who did what, with proofs), and the current keys
    a contribution    new delta, eta, sigma; a proof of knowledge of the factors, bound to all that went before
    the beacon        a last contribution with factors anybody computes from a public value nobody could foresee

Anyone with the circuit, the powers of tau and the folder verifies the whole: the keys are those of the circuit, every
step was made by somebody who knew its factors, and the names and digests are the ones contributors announced.

Assumes: one contributor forgot the factors; nobody knows the secrets behind the powers of tau.
Source: Bowe, Gabizon, Miers 2017 (ePrint 2017/1050), section 6; Kohlweiss, Maller, Siim, Volkhov 2021 (ePrint
2021/219) on why soundness does not rest on the beacon.
"""

import json
import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from mpc.errors import DecodeError, ParameterError, ProofRejected
from mpc.prg import Stream
from zk import commit_prove, keycache
from zk.commit_prove import Keys
from zk.contribution import Beacon, Contribution, Shown, check_name, replay
from zk.formats.bulk import g1_bulk
from zk.formats.ptau import decode_powers
from zk.formats.strict_json import fields, hex_bytes, items, parse
from zk.phase2 import Factors, SetupKeys, check_consistent, new_keys, rerandomise
from zk.r1cs import R1CS

__all__ = ["Report", "beacon", "contribute", "keys_of", "new", "verify"]

TRANSCRIPT = "transcript.json"
MAX_CONTRIBUTIONS = 10_000


@dataclass(frozen=True, slots=True)
class _State:
    """What `transcript.json` says."""

    circuit: bytes
    powers: bytes
    start: bytes
    contributions: tuple[Contribution, ...]

    @property
    def closed(self) -> bool:
        """Whether the beacon has been applied."""
        return bool(self.contributions) and self.contributions[-1].beacon is not None


@dataclass(frozen=True, slots=True)
class Report:
    """What `verify` found: contributors in order with the digests they announced, and whether a beacon closed it."""

    contributors: tuple[tuple[str, str], ...]
    closed: bool
    powers: str


def new(folder: Path, statement: keycache.Provable, powers: Path) -> None:
    """Start a ceremony for a statement's circuit from powers of tau, which are checked.

    Raises: ParameterError for a folder that holds one, or powers that do not reach the circuit's size; DecodeError for
        powers that are malformed or not powers.
    """
    if (folder / TRANSCRIPT).exists():
        raise ParameterError(f"{folder} holds a ceremony already")
    keys, start = _initial(statement, powers)
    r1cs, _ = statement.circuit()
    _store(folder, _State(r1cs.digest, _file_digest(powers), start, ()), keys, statement)


def contribute(folder: Path, statement: keycache.Provable, name: str, randomness: Stream) -> str:
    """Add a step with fresh factors, which are forgotten on return; gives the digest to announce.

    The points received are checked before a secret touches them.

    Raises: ParameterError when the beacon has closed the ceremony; DecodeError or ProofRejected for a damaged folder.
    """
    state, keys, shown, previous = _open(folder, statement)
    factors = Factors.draw(randomness, len(shown.eta))
    step = Contribution.make(check_name(name), shown, previous, factors, randomness)
    return _append(folder, state, step, previous, rerandomise(keys, factors), statement)


def beacon(folder: Path, statement: keycache.Provable, name: str, value: Beacon) -> str:
    """Close the ceremony with a public value; gives the digest.

    Raises: ParameterError when it is closed already or nobody has contributed; otherwise as `contribute`.
    """
    state, keys, shown, previous = _open(folder, statement)
    if not state.contributions:
        raise ParameterError("a beacon alone keeps no secret: somebody must contribute first")
    step = Contribution.of_beacon(check_name(name), shown, previous, value)
    factors = value.factors(previous, len(shown.eta))
    return _append(folder, state, step, previous, rerandomise(keys, factors), statement)


def verify(folder: Path, statement: keycache.Provable, powers: Path) -> Report:
    """Check a ceremony from its first to its last byte.

    Raises: ProofRejected naming what does not hold; DecodeError for malformed files.
    """
    state, final = _load(folder, statement)
    if state.powers != _file_digest(powers):
        raise ProofRejected("the ceremony started from other powers of tau")
    initial, start = _initial(statement, powers)
    if start != state.start:
        raise ProofRejected("the ceremony started from other keys than the circuit's")
    if not any(step.proof is not None for step in state.contributions):
        raise ProofRejected("nobody contributed: the secrets are public")
    shown, digest = Shown.start(len(final[1])), start
    contributors = []
    for i, step in enumerate(state.contributions):
        if step.beacon is not None and i != len(state.contributions) - 1:
            raise ProofRejected(f"{step.name}: a beacon in the middle")
        step.verify(shown, digest)
        shown, digest = step.shown, step.digest(digest)
        contributors.append((step.name, digest.hex()))
    if not shown.matches(final):
        raise ProofRejected("the keys show other secrets than the last contribution")
    check_consistent(initial, final)
    _assembled(final, statement).vk.check()
    return Report(tuple(contributors), state.closed, state.powers.hex())


def keys_of(folder: Path, statement: keycache.Provable) -> Keys:
    """The keys a ceremony has reached; `verify` them first.

    Raises: DecodeError for damaged or unsound keys.
    """
    _, final = _load(folder, statement)
    keys = _assembled(final, statement)
    keys.vk.check()
    return keys


def _assembled(keys: SetupKeys, statement: keycache.Provable) -> Keys:
    r1cs, program = statement.circuit()
    return commit_prove.assemble(*keys, challenges=program.challenges, circuit=r1cs.digest)


def _file_digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            state = sha256()
            while block := file.read(1 << 20):
                state.update(block)
            return state.digest()
    except OSError as error:
        raise DecodeError(f"cannot read {path}: {error.strerror}") from None


def _initial(statement: keycache.Provable, powers: Path) -> tuple[SetupKeys, bytes]:
    r1cs, _ = statement.circuit()
    given = decode_powers(powers, r1cs.domain.bit_length() - 1)
    given.check()
    keys = new_keys(r1cs, given)
    return keys, _digest(r1cs, keys)


def _digest(r1cs: R1CS, keys: SetupKeys) -> bytes:
    key, groups = keys
    state = sha256(b"eppml ceremony start v1" + r1cs.digest)
    state.update(
        key.beta_g2.to_bytes() + b"".join(p.to_bytes() for p in (key.alpha_g1, key.beta_g1, *key.ic))
    )
    for array in (key.a, key.b1, key.b2, key.c, key.h, *(group.bases for group in groups)):
        state.update(len(array).to_bytes(8, "big") + array.astype("<u8").tobytes())
    return state.digest()


def _key_path(folder: Path, state: _State) -> Path:
    return folder / f"keys-{len(state.contributions):04d}.zkkey"


def _store(folder: Path, state: _State, keys: SetupKeys, statement: keycache.Provable) -> None:
    """Keys first, then the transcript that speaks of them: a crash in between leaves the old state."""
    folder.mkdir(parents=True, exist_ok=True)
    path = _key_path(folder, state)
    path.unlink(missing_ok=True)
    keycache.save(path, _assembled(keys, statement))
    document = {
        "format": "eppml ceremony",
        "version": 1,
        "circuit": state.circuit.hex(),
        "powers": state.powers.hex(),
        "start": state.start.hex(),
        "contributions": [step.to_json() for step in state.contributions],
    }
    temporary = folder / f".{TRANSCRIPT}.new"
    temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, folder / TRANSCRIPT)


def _append(
    folder: Path,
    state: _State,
    step: Contribution,
    previous: bytes,
    keys: SetupKeys,
    statement: keycache.Provable,
) -> str:
    after = _State(state.circuit, state.powers, state.start, (*state.contributions, step))
    _store(folder, after, keys, statement)
    _key_path(folder, state).unlink()
    return step.digest(previous).hex()


def _load(folder: Path, statement: keycache.Provable) -> tuple[_State, SetupKeys]:
    r1cs, _ = statement.circuit()
    try:
        raw = (folder / TRANSCRIPT).read_bytes()
    except OSError as error:
        raise DecodeError(f"cannot read {folder / TRANSCRIPT}: {error.strerror}") from None
    names = ("format", "version", "circuit", "powers", "start", "contributions")
    found = fields(parse(raw), "transcript", names)
    if (found["format"], found["version"]) != ("eppml ceremony", 1):
        raise DecodeError("not the transcript of a ceremony of version 1")
    entries = items(found["contributions"], "contributions")
    if len(entries) > MAX_CONTRIBUTIONS:
        raise DecodeError(f"{len(entries)} contributions, at most {MAX_CONTRIBUTIONS} are read")
    circuit, powers, start = (hex_bytes(found[key], key, 32) for key in ("circuit", "powers", "start"))
    if circuit != r1cs.digest:
        raise DecodeError("the ceremony is for another circuit")
    steps = tuple(Contribution.from_json(entry, len(r1cs.groups)) for entry in entries)
    state = _State(circuit, powers, start, steps)
    path = _key_path(folder, state)
    if not path.is_file():
        raise DecodeError(f"{path} is missing")
    keys = keycache.load(path, statement).pk
    final = keys.base, keys.groups
    _check_points(final, r1cs)
    return state, final


def _check_points(keys: SetupKeys, r1cs: R1CS) -> None:
    """Every point on its curve, and as many as the circuit has.

    A secret multiplied onto a point of another curve of small order would be told to whoever put it there.
    """
    key, groups = keys
    first_private = r1cs.groups[-1].stop if r1cs.groups else r1cs.n_public + 1
    sizes = {"C": (key.c, r1cs.n_wires - first_private), "H": (key.h, r1cs.domain)}
    for group, wires in zip(groups, r1cs.groups, strict=True):
        sizes[f"bases of {group.name!r}"] = (group.bases, wires.stop - wires.start)
        sizes[f"proof bases of {group.name!r}"] = (group.pok_bases, wires.stop - wires.start)
    for name, (array, count) in sizes.items():
        g1_bulk(memoryview(array.astype("<u8").tobytes()), count, name, infinity=True)


def _open(folder: Path, statement: keycache.Provable) -> tuple[_State, SetupKeys, Shown, bytes]:
    state, keys = _load(folder, statement)
    if state.closed:
        raise ParameterError("the beacon has closed this ceremony")
    shown, digest = replay(state.contributions, state.start, len(keys[1]))
    if not shown.matches(keys):
        raise ProofRejected("the keys show other secrets than the last contribution")
    return state, keys, shown, digest
