"""Attacks on Groth16 verifiers, shipped as data, and a runner that tries a verifier on them.

groth16.v1.json   files (keys, proofs, public inputs; as text or hex) and cases, each named after its attack
runner            load_corpus, run_corpus: our verifier, or any program that takes three files and exits with 0
"""

from zk.corpus.runner import Case, Outcome, external_verifier, load_corpus, run_corpus

__all__ = ["Case", "Outcome", "external_verifier", "load_corpus", "run_corpus"]
