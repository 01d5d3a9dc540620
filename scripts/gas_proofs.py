"""Proofs for `gas_scenarios`, made by the library itself; fixed seeds, so that their bytes do not change the gas."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np

from chain_adapter.groth16_calldata import KeyBlob, key_blob
from chain_adapter.update_key import update_key
from mpc.prg import Stream
from zk import commit_prove, groth16
from zk.circuit import Circuit
from zk.commit_prove import Keys
from zk.setup import Trapdoor, keys_from_trapdoor
from zk.statements import NormBound

__all__ = ["PlainProof", "UpdateProofs"]


def _stream(purpose: str) -> Stream:
    return Stream(sha256(b"gas table").digest(), purpose.encode())


@dataclass(frozen=True)
class PlainProof:
    """A proof about three public inputs and, perhaps, some commitments."""

    key: KeyBlob
    publics: list[int]
    commitments: bytes
    proof: bytes

    @classmethod
    def make(cls, *, commitments: int = 0, unit_gamma: bool = False) -> PlainProof:
        """x_i are three 254-bit numbers; each commitment holds two numbers."""
        circuit = Circuit()
        x = circuit.public("x", 3)
        circuit.multiply(x, x, "square")
        for i in range(commitments):
            wires = circuit.committed(f"w{i}", 2, group=f"group {i}")
            circuit.multiply(wires, wires, f"square of w{i}")
        r1cs, program = circuit.finish()
        publics = [_stream(f"x{i}").below(2**253) for i in range(3)]
        inputs: dict[str, list[int]] = {"x": publics} | {f"w{i}": [3, 4] for i in range(commitments)}
        secret = Trapdoor.draw(_stream("setup"), commitments, r1cs.domain, unsafe_single_party=True)
        base, groups = keys_from_trapdoor(r1cs, replace(secret, gamma=1) if unit_gamma else secret)
        if commitments:
            keys = commit_prove.assemble(base, groups, challenges=0, circuit=r1cs.digest)
            proof, _ = commit_prove.prove(keys.pk, r1cs, program, inputs, _stream("prove"))
            commit_prove.verify(keys.vk, publics, proof)
            points = b"".join(d.to_bytes() for d in proof.commitments)
            parts = (proof.a, proof.b, proof.c, proof.pok)
            encoded = b"".join(p.to_bytes() for p in parts)
        else:
            plain = groth16.prove(base, r1cs, program.commit_phase(inputs), _stream("prove"))
            points, encoded = b"", plain.a.to_bytes() + plain.b.to_bytes() + plain.c.to_bytes()
        blob = key_blob(
            base.alpha_g1.to_bytes(),
            base.beta_g2.to_bytes(),
            base.gamma_g2.to_bytes(),
            base.delta_g2.to_bytes(),
            [point.to_bytes() for point in base.ic],
            sigmas=[group.sigma_g2.to_bytes() for group in groups],
        )
        return cls(blob, publics, points, encoded)


@dataclass(frozen=True)
class UpdateProofs:
    """A small bounded-update statement with its keys."""

    statement: NormBound
    keys: Keys
    bound: int

    @classmethod
    def make(cls, *, lookup: bool = False) -> UpdateProofs:
        """Eight entries of eight bits; the bound is on the norm itself."""
        statement = NormBound(dim=8, bits=8, lookup=lookup)
        return cls(statement, statement.setup(_stream("update"), unsafe_single_party=True), 100)

    @property
    def key(self) -> KeyBlob:
        return update_key(self.statement, self.keys.vk)

    def prove(self, plan: bytes, number: int, client: str) -> tuple[bytes, bytes]:
        """Commitment and proof of an update of this client in this round."""
        body = plan + number.to_bytes(8, "big") + bytes.fromhex(client[2:])
        proof, _ = self.statement.prove(
            self.keys.pk,
            np.arange(8),
            l2_bound_sq=self.bound**2,
            context=sha256(b"eppml/update-context/1" + body).digest(),
            randomness=_stream(client),
        )
        return proof.commitment, proof.proof
