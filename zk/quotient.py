"""The quotient of a proof: (A B - C) at the odd roots of the double domain, compiled for large circuits."""

import numpy as np

from zk import kernels
from zk.backends.base import Limbs, usable_threads
from zk.fft import Values, fft, inverse_fft, powers
from zk.field import R, root_of_unity
from zk.keys import ProvingKey
from zk.limbs import to_limbs

__all__ = ["plain_quotient", "quotient"]

# below this the plain transform is done before numba is loaded
_WORTH_COMPILING = 1 << 11


def quotient(key: ProvingKey, witness: Values, threads: int | None = None) -> Limbs:
    """The scalars of the bases `key.h`.

    Shapes: witness (n_wires,) of residues, result (domain, 4).
    """
    a, b = key.matrix_a.evaluate(witness), key.matrix_b.evaluate(witness)
    if key.domain < _WORTH_COMPILING or not kernels.available():
        return to_limbs(plain_quotient(a, b).tolist())
    from zk.kernels.transform import quotient_limbs

    return quotient_limbs(to_limbs(a.tolist()), to_limbs(b.tolist()), usable_threads(threads))


def plain_quotient(a: Values, b: Values) -> Values:
    """The plain twin of `zk.kernels.transform.quotient_limbs`.

    Shapes: a, b, result (n,) of residues.
    """
    n = len(a)
    shift = powers(root_of_unity(n.bit_length()), n)
    on_coset = [fft(inverse_fft(side) * shift % R) for side in (a, b, a * b % R)]
    return np.asarray((on_coset[0] * on_coset[1] - on_coset[2]) % R)
