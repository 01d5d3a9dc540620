"""Commands of `zk`, mounted by the command line of the project: `eppml verify`.

Exit codes: 0 the proof is valid, 1 it is not, 2 something was malformed or unusable and nothing was decided.
"""

import json as json_module
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from mpc.errors import DecodeError, EppmlError, ProofRejected
from zk import commit_prove, groth16
from zk.commit_prove import VerifierKey
from zk.corpus import Case, Outcome, external_verifier, load_corpus, run_corpus
from zk.formats import Source, load_any_key, load_committed_proof, load_proof, load_publics

__all__ = ["EXIT_INVALID", "EXIT_MALFORMED", "EXIT_VALID", "Verdict", "decide", "verify"]

EXIT_VALID, EXIT_INVALID, EXIT_MALFORMED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `eppml verify` found out, and its exit code."""

    verdict: str
    reason: str
    exit_code: int


def decide(vk: Source, proof: Source, public: Source | None) -> Verdict:
    """Whether a proof is valid; without `public`, its public inputs are those the proof file carries.

    >>> decide(b"{}", b"{}", None).exit_code
    2
    """
    try:
        key = load_any_key(vk)
        if isinstance(key, VerifierKey):
            if public is None:
                raise DecodeError("a commit-and-prove proof needs its public inputs")
            publics = load_publics(public)
            commit_prove.verify(key, publics, load_committed_proof(proof))
        else:
            claim, publics = load_proof(proof), load_publics(proof if public is None else public)
            groth16.verify(key, publics, claim)
    except ProofRejected as error:
        return Verdict("invalid", str(error), EXIT_INVALID)
    except EppmlError as error:
        return Verdict("malformed", str(error), EXIT_MALFORMED)
    return Verdict("valid", f"a Groth16 proof about {len(publics)} public inputs", EXIT_VALID)


def decide_case(case: Case) -> Verdict:
    """`decide` on a case of the corpus."""
    return decide(case.vk, case.proof, case.public)


def verify(
    vk: Annotated[
        Path | None,
        typer.Option(help="Verification key: snarkjs, ZoKrates, .zkey, gnark, arkworks or our own."),
    ] = None,
    proof: Annotated[Path | None, typer.Option(help="Proof of any of these tools, or EVM calldata.")] = None,
    public: Annotated[
        Path | None, typer.Option(help="Public inputs, unless the proof file carries them.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    corpus: Annotated[bool, typer.Option("--corpus", help="Run the shipped attacks instead.")] = False,
    command: Annotated[
        str | None, typer.Option(help="With --corpus: another verifier, e.g. 'tool {vk} {public} {proof}'.")
    ] = None,
    format: Annotated[str | None, typer.Option(help="With --corpus: only cases of this format.")] = None,
) -> None:
    """Verify a Groth16 proof: exit code 0 valid, 1 invalid, 2 malformed or unusable input."""
    if corpus:
        raise typer.Exit(_corpus(command, format, json))
    if vk is None or proof is None:
        typer.echo("give --vk and --proof, or --corpus", err=True)
        raise typer.Exit(EXIT_MALFORMED)
    found = decide(vk, proof, public)
    typer.echo(json_module.dumps(asdict(found)) if json else f"{found.verdict}: {found.reason}")
    raise typer.Exit(found.exit_code)


def _corpus(command: str | None, format: str | None, json: bool) -> int:
    """Run the corpus and print what happened; 1 when the verifier failed a case, 2 when none could be run."""
    try:
        verifier = (
            external_verifier(command) if command else lambda case: decide_case(case).exit_code == EXIT_VALID
        )
        cases = [case for case in load_corpus() if format in (None, case.format)]
        outcomes = list(run_corpus(verifier, cases))
    except (EppmlError, OSError) as error:
        typer.echo(f"cannot run the corpus: {error}", err=True)
        return EXIT_MALFORMED
    if not outcomes:
        typer.echo(f"no case has the format {format!r}", err=True)
        return EXIT_MALFORMED
    failed = [outcome for outcome in outcomes if not outcome.passed]
    if json:
        report = [{"name": o.case.name, "accepted": o.accepted, "passed": o.passed} for o in outcomes]
        typer.echo(json_module.dumps(report))
    else:
        for outcome in outcomes:
            typer.echo(_line(outcome))
        typer.echo(f"{len(outcomes) - len(failed)} of {len(outcomes)} cases as they should be")
    return EXIT_INVALID if failed else EXIT_VALID


def _line(outcome: Outcome) -> str:
    did = "accepted" if outcome.accepted else "refused"
    return f"{'ok  ' if outcome.passed else 'FAIL'} {outcome.case.name}: {did} ({outcome.case.why})"
