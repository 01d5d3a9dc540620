"""The named sigma protocols, each one line of `LinearStatement`.

    discrete_log          Schnorr: I know x with X = x B
    equal_discrete_logs   Chaum-Pedersen: I know x with X = x B and Y = x C
    knowledge_of_opening  Okamoto: I know the values and the blinding in this commitment
    same_values           the values in two commitments are equal, their blindings need not be

Source: Schnorr 1989; Chaum and Pedersen 1992; Okamoto 1992, section 3; Camenisch and Stadler 1997.
"""

from mpc.errors import ParameterError
from zk.sigma.groups import Element, PrimeGroup
from zk.sigma.linear import LinearStatement
from zk.sigma.pedersen import PedersenKey

__all__ = ["discrete_log", "equal_discrete_logs", "knowledge_of_opening", "same_values"]


def discrete_log(group: PrimeGroup[Element], base: Element, image: Element) -> LinearStatement[Element]:
    """I know x with image = x base. Secrets: x."""
    return LinearStatement(group, b"discrete logarithm", ((base,),), (image,))


def equal_discrete_logs(
    group: PrimeGroup[Element], bases: tuple[Element, Element], images: tuple[Element, Element]
) -> LinearStatement[Element]:
    """I know one x with images[i] = x bases[i] for both i. Secrets: x."""
    return LinearStatement(group, b"equal discrete logarithms", tuple((base,) for base in bases), images)


def knowledge_of_opening(key: PedersenKey[Element], commitment: Element) -> LinearStatement[Element]:
    """I know values and blinding of `commitment`. Secrets: the values, then the blinding."""
    row = (*key.bases, key.blinding_base)
    return LinearStatement(key.group, b"knowledge of an opening", (row,), (commitment,))


def same_values(
    keys: tuple[PedersenKey[Element], PedersenKey[Element]], commitments: tuple[Element, Element]
) -> LinearStatement[Element]:
    """I know values that both commitments hold. Secrets: the values, the first blinding, the second blinding.

    Raises: ParameterError for keys of different groups or lengths.
    """
    first, second = keys
    if first.group is not second.group or len(first.bases) != len(second.bases):
        raise ParameterError("both keys must commit to as many values in the same group")
    rows = ((*first.bases, first.blinding_base, None), (*second.bases, None, second.blinding_base))
    return LinearStatement(first.group, b"same values", rows, commitments)
