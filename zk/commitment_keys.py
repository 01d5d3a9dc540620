"""Keys of commit-and-prove Groth16, and what can be checked about one without its circuit."""

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from mpc.errors import DecodeError, ParameterError
from zk import groth16
from zk.backends.base import Limbs
from zk.curve import G1, G1_GENERATOR, G2, G2_GENERATOR, parse_g1, parse_g2
from zk.keys import ProvingKey
from zk.limbs import g1_points
from zk.r1cs import R1CS
from zk.setup import GroupKeys

__all__ = ["CommitmentKey", "Keys", "ProverKey", "VerifierKey"]

_MAX_CHALLENGES = 128


@dataclass(frozen=True, slots=True, eq=False)
class CommitmentKey:
    """Bases of one commitment, and what checks that a commitment is made from them.

    Shapes: bases (n, 8).
    """

    name: str
    bases: Limbs
    eta: G1
    sigma_g2: G2

    def __post_init__(self) -> None:
        # digests and prepared forms are remembered
        self.bases.setflags(write=False)


@dataclass(frozen=True, eq=False)
class VerifierKey:
    """What a verifier needs: the key of Groth16, and one commitment key for each group of committed wires."""

    base: groth16.VerifyingKey
    groups: tuple[CommitmentKey, ...]
    challenges: int
    circuit: bytes

    def check(self) -> None:
        """Check every point of the key.

        Raises: DecodeError as `zk.groth16.VerifyingKey.check`, for a group without bases, and for a sigma or eta
            of +-1 or one that two groups share.
        """
        self.base.check()
        for group in self.groups:
            if not len(group.bases):
                raise DecodeError(f"the commitment {group.name!r} has no bases")
            parse_g1(*group.eta)
            parse_g2(*group.sigma_g2)
            for point in g1_points(group.bases):
                parse_g1(*point)
        if not 0 <= self.challenges < min(len(self.base.ic), _MAX_CHALLENGES) or (
            self.challenges and not self.groups
        ):
            raise DecodeError(f"{self.challenges} challenges do not fit this key")
        self._check_second_phase()

    def check_circuit(self, r1cs: R1CS, challenges: int) -> None:
        """Check that the key says it is for this circuit, and has its shape.

        Raises: DecodeError otherwise.
        """
        shape = [(g.name, len(g.bases)) for g in self.groups]
        wanted = [(g.name, g.stop - g.start) for g in r1cs.groups]
        sizes = (len(self.base.ic) - 1, self.challenges)
        if self.circuit != r1cs.digest or shape != wanted or sizes != (r1cs.n_public, challenges):
            raise DecodeError("this key is for another circuit")

    def _check_second_phase(self) -> None:
        """A sigma of one, or one for two groups, makes Pi follow from the commitments, whatever they hold; an eta of
        one puts [1/delta]_1 into the proving key, which the proof of soundness does not allow for.
        """
        sigmas: list[G2] = [G2_GENERATOR, *(group.sigma_g2 for group in self.groups)]
        etas = [G1_GENERATOR, *(group.eta for group in self.groups)]
        distinct = len({s for p in sigmas for s in (p, -p)}) + len({s for p in etas for s in (p, -p)})
        if distinct != 2 * len(sigmas) + 2 * len(etas):
            raise DecodeError(
                "sigma or eta of a commitment is known or that of another: its second phase was skipped"
            )

    @property
    def digest(self) -> bytes:
        """32 bytes that name this key: circuit, all points, how many inputs are challenges."""
        return _digest(self)

    def group(self, name: str) -> CommitmentKey:
        """The commitment key of this name.

        Raises: ParameterError if there is none.
        """
        for group in self.groups:
            if group.name == name:
                return group
        raise ParameterError(f"this key has no commitment {name!r}")


@lru_cache(maxsize=64)
def _digest(key: VerifierKey) -> bytes:
    state = sha256(b"eppml commit-and-prove key v1" + bytes([key.challenges]) + key.circuit)
    state.update(key.base.to_bytes() + len(key.groups).to_bytes(8, "big"))
    for group in key.groups:
        state.update(len(group.bases).to_bytes(8, "big") + group.bases.astype("<u8").tobytes())
        state.update(group.eta.to_bytes() + group.sigma_g2.to_bytes())
    return state.digest()


@dataclass(frozen=True, slots=True, eq=False)
class ProverKey:
    """What a prover needs: the arrays of Groth16 and the bases of the commitments."""

    base: ProvingKey
    groups: tuple[GroupKeys, ...]
    verifier: VerifierKey


@dataclass(frozen=True, slots=True, eq=False)
class Keys:
    """A pair of keys from one setup."""

    pk: ProverKey
    vk: VerifierKey
