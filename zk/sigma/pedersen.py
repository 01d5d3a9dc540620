"""Pedersen commitments to vectors: C = sum v_j B_j + r H.

Perfectly hiding for a uniform r, binding as long as nobody knows a relation between the bases; the bases come out of a
hash, so nobody can have chosen them. Commitments add up: to the sums of values under the sum of blindings.

Source: Pedersen 1991; as a vector commitment Bootle, Cerulli, Chaidos, Groth, Petit 2016, section 2.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

from mpc.errors import ParameterError, ProofRejected
from mpc.prg import Stream
from zk.sigma.groups import Element, PrimeGroup

__all__ = ["PedersenKey"]


@dataclass(frozen=True, slots=True)
class PedersenKey(Generic[Element]):
    """The bases of a commitment.

    >>> from zk.sigma import BABYJUBJUB
    >>> key = PedersenKey.derive(BABYJUBJUB, b"doc", 2)
    >>> key.is_opening(key.combine([key.commit([1, 2], 5), key.commit([3, 4], 6)]), [4, 6], 11)
    True
    """

    group: PrimeGroup[Element]
    bases: tuple[Element, ...]
    blinding_base: Element

    @classmethod
    def derive(cls, group: PrimeGroup[Element], label: bytes, length: int) -> "PedersenKey[Element]":
        """The key everybody derives from a label; keys of different labels have unrelated bases.

        Raises: ParameterError without a base.
        """
        if length < 1:
            raise ParameterError("a commitment needs at least one base")
        bases = tuple(group.independent(label, index + 1) for index in range(length))
        return cls(group, bases, group.independent(label, 0))

    def blinding(self, randomness: Stream) -> int:
        """A fresh blinding; use each once."""
        return randomness.below(self.group.order)

    def commit(self, values: Sequence[int], blinding: int) -> Element:
        """The commitment to `values`, which count mod the order of the group.

        Raises: ParameterError for another number of values than bases.
        Leakage: nothing about the values, if `blinding` is uniform and used once.
        """
        if len(values) != len(self.bases):
            raise ParameterError(f"this key commits to {len(self.bases)} values, got {len(values)}")
        return self.group.sum_of_products([*self.bases, self.blinding_base], [*values, blinding])

    def combine(self, commitments: Sequence[Element]) -> Element:
        """The commitment to the sum of all values under the sum of all blindings."""
        return self.group.sum_of_products(commitments, [1] * len(commitments))

    def is_opening(self, commitment: Element, values: Sequence[int], blinding: int) -> bool:
        """Whether `commitment` holds `values` under `blinding`."""
        return self.commit(values, blinding) == commitment

    def verify_opening(self, commitment: Element, values: Sequence[int], blinding: int) -> None:
        """Check an opening.

        Raises: ProofRejected unless `commitment` holds `values` under `blinding`.
        """
        if not self.is_opening(commitment, values, blinding):
            raise ProofRejected("the opening does not match the commitment")
