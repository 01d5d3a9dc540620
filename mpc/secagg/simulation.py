"""Many parties in one process: a signature that one of them checked is not checked again by the others.

A hundred clients check one another's signatures, the same public bytes against the same public key, some twelve
thousand times a sum; only three hundred of those checks differ. What a party learns does not depend on who computed
it, so the protocol does not know of this: a simulation hands it identities that remember. No secret is shared.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter

from mpc.runtime.meter import count_seconds
from mpc.secagg.identity import PublicIdentity

__all__ = ["shared_checks"]

Check = tuple[bytes, bytes, str, bytes, bytes]


@dataclass(frozen=True, slots=True)
class _Remembering(PublicIdentity):
    """An identity that answers a question it was asked before from memory, for the price of the first answer."""

    answers: dict[Check, tuple[bool, float]] = field(default_factory=dict, repr=False, compare=False)

    def is_valid(self, signature: bytes, purpose: str, context: bytes, body: bytes) -> bool:
        question = (self.raw, signature, purpose, context, body)
        if question in self.answers:
            valid, seconds = self.answers[question]
            count_seconds(seconds)
            return valid
        begin = perf_counter()
        # the decorator made a new class, which `super()` without arguments does not know
        valid = PublicIdentity.is_valid(self, signature, purpose, context, body)
        self.answers[question] = valid, perf_counter() - begin
        return valid


def shared_checks(identities: Mapping[int, PublicIdentity]) -> dict[int, PublicIdentity]:
    """The same identities for the parties of one run in one process, to be passed to every `client` and `server`.

    Each party is still billed (`Cost.compute_seconds`) for every check it asked for, so costs per client stay those of
    a client that runs alone. Make new ones for each run: what was checked is remembered as long as they live.

    >>> from mpc.prg import Stream
    >>> from mpc.secagg.identity import IdentityKey
    >>> key = IdentityKey.generate(Stream(bytes(32)))
    >>> known = shared_checks({1: key.public()})[1]
    >>> signature = key.sign("greeting", b"session", b"hello")
    >>> [known.is_valid(signature, "greeting", b"session", body) for body in (b"hello", b"hello", b"jello")]
    [True, True, False]
    """
    answers: dict[Check, tuple[bool, float]] = {}
    return {index: _Remembering(identity.raw, answers) for index, identity in identities.items()}
