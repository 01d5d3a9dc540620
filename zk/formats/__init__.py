"""Files of other zero-knowledge tools, read strictly and written canonically.

sniff        load_verifying_key, load_proof, load_publics: whichever tool wrote the file
snarkjs      verification_key.json, proof.json, public.json          zokrates    verification.key, proof.json
zkey         proving keys           wtns   witnesses                 evm         calldata words, imaginary half first
arkworks, gnark                     compressed bytes                 compressed  their two spellings of a point
strict_json, iden3, bulk, named     text, containers, point arrays and error names the readers share
"""

from zk.formats.sniff import (
    Source,
    load_any_key,
    load_committed_proof,
    load_proof,
    load_publics,
    load_verifying_key,
)

__all__ = [
    "Source",
    "load_any_key",
    "load_committed_proof",
    "load_proof",
    "load_publics",
    "load_verifying_key",
]
