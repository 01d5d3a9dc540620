"""How many neighbours, how many of them needed: chosen from who may be corrupt and who may drop out.

The server is assumed malicious. A neighbour may be asked for a share of a client's own mask, or of its key,
never both; the server gets both secrets only if it holds `threshold` shares of each, that is if 2 * threshold
<= degree + corrupt neighbours. So the threshold is above (degree + corrupt neighbours) / 2, and as many
neighbours must survive.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field as attribute
from hashlib import sha256
from math import ceil

from mpc.errors import ParameterError
from mpc.prg import encode_labels
from mpc.secagg.bounds import bits_of, disconnected, hypergeometric_tail, small_component

__all__ = ["BN254_SCALAR_FIELD", "Parameters", "parameters"]

BN254_SCALAR_FIELD = 21888242871839275222246405745257275088548364400416034343698204186575808495617
"""The order of BN254's group: the field that blindings of update commitments are summed in."""

CORRECTNESS_BITS = 30
MAX_CLIENTS = 1 << 16
# up to here every client masking with every other costs little, and more of them may drop out
SMALL = 32


@dataclass(frozen=True, slots=True)
class Parameters:
    """One aggregation, as every party must know it: who, how many neighbours, what is summed, and where.

    `clients` are distinct indices from 1; the server is party 0. `dim` integers are summed mod `modulus`, a
    power of two, and `field_dim` integers mod the prime `field`. `session` names this run and no other: plan,
    round, attempt. A sum is revealed only over at least `min_clients` clients and after `quorum` of them
    confirmed it.

    Raises: ParameterError for a combination that cannot work.
    """

    clients: tuple[int, ...]
    degree: int
    threshold: int
    dim: int
    field_dim: int = 0
    modulus: int = 2**32
    field: int = BN254_SCALAR_FIELD
    session: bytes = b""
    min_clients: int = 2
    quorum: int = 0
    justification: str = attribute(default="", compare=False, repr=False)
    context: bytes = attribute(init=False, repr=False, compare=False)
    """A digest of everything agreed on: every signature and every ciphertext is bound to it."""

    def __post_init__(self) -> None:
        n = len(self.clients)
        if not 2 <= n <= MAX_CLIENTS:
            raise ParameterError(f"an aggregation has 2 to {MAX_CLIENTS} clients, got {n}")
        if (
            list(self.clients) != sorted(set(self.clients))
            or self.clients[0] < 1
            or self.clients[-1] >= 1 << 32
        ):
            raise ParameterError("clients must be increasing indices, at least 1 and below 2^32")
        if not 1 <= self.threshold <= self.degree <= n - 1:
            raise ParameterError(
                f"want 1 <= threshold <= degree <= clients - 1, got {self.threshold}, {self.degree}, {n - 1}"
            )
        if not 2 <= self.min_clients <= n:
            raise ParameterError(f"min_clients must be between 2 and {n}, got {self.min_clients}")
        if not 0 <= self.quorum <= n:
            raise ParameterError(f"quorum must be between 0 and {n}, got {self.quorum}")
        if self.dim < 0 or self.field_dim < 0 or self.dim + self.field_dim == 0:
            raise ParameterError("there is nothing to aggregate")
        if self.modulus & (self.modulus - 1) or not 2 <= self.modulus <= 1 << 64:
            raise ParameterError(f"modulus must be a power of two up to 2^64, got {self.modulus}")
        if self.field < 3:
            raise ParameterError(f"field must be a prime, got {self.field}")
        if not self.quorum:
            object.__setattr__(self, "quorum", n // 2 + 1)
        numbers = (self.degree, self.threshold, self.dim, self.field_dim, self.modulus, self.field)
        labels: tuple[bytes | int | str, ...] = (
            self.session,
            *numbers,
            self.min_clients,
            self.quorum,
            *self.clients,
        )
        digest = sha256(b"EPPML secagg parameters v1" + encode_labels(labels)).digest()
        object.__setattr__(self, "context", digest)

    @property
    def word_bytes(self) -> int:
        """Bytes of one masked coordinate."""
        return ((self.modulus - 1).bit_length() + 7) // 8

    @property
    def field_bytes(self) -> int:
        """Bytes of one masked field element."""
        return ((self.field - 1).bit_length() + 7) // 8


def parameters(
    clients: Iterable[int],
    *,
    corrupt: float,
    dropout: float,
    security_bits: int = 40,
    dim: int,
    field_dim: int = 0,
    modulus: int = 2**32,
    field: int = BN254_SCALAR_FIELD,
    session: bytes = b"",
    min_clients: int | None = None,
    correctness_bits: int = CORRECTNESS_BITS,
) -> Parameters:
    """The sparsest graph that meets the bounds, else the complete graph, with the reasons in `justification`.

    Units: `corrupt` and `dropout` are fractions of the clients; bits are minus the base-2 logarithm of a
        probability.
    Raises: ParameterError for fractions outside [0, 1), fewer than 3 clients, or dropouts that leave too few.
    """
    members = tuple(sorted(clients))
    n = len(members)
    if n < 3:
        raise ParameterError(f"with {n} clients a sum tells each what the other sent: at least 3 are needed")
    if not (0 <= corrupt < 1 and 0 <= dropout < 1):
        raise ParameterError(f"corrupt and dropout are fractions in [0, 1), got {corrupt}, {dropout}")
    bad, gone = ceil(corrupt * n - 1e-9), ceil(dropout * n - 1e-9)
    if n - gone < 2:
        raise ParameterError(f"{gone} of {n} clients dropping out leaves nothing to sum")
    degree, threshold, tolerated, reasons = _sparse(
        n, bad, gone, security_bits, correctness_bits
    ) or _complete(n, bad, gone)
    least = min_clients if min_clients is not None else max(2, min(tolerated + 2, n - gone))
    wanted = (n + tolerated) // 2 + 1
    quorum = min(wanted, n - gone)
    agreement = (
        f"with at most {tolerated} corrupt, two different lists cannot both find that many"
        if quorum == wanted
        else "as many as survive, which A LYING SERVER can find for two different lists"
    )
    reasons.append(
        f"A sum is revealed over at least {least} clients, and only after {quorum} signed the same list of "
        f"survivors: {agreement}."
    )
    return Parameters(
        clients=members,
        degree=degree,
        threshold=threshold,
        dim=dim,
        field_dim=field_dim,
        modulus=modulus,
        field=field,
        session=session,
        min_clients=least,
        quorum=quorum,
        justification="\n".join(reasons),
    )


Choice = tuple[int, int, int, list[str]]


def _threshold(others: int, bad: int, degree: int, events: int, bits: float) -> int:
    """The smallest threshold above (degree + corrupt neighbours) / 2 for all clients at once."""
    low, high = degree // 2 + 1, degree + 1
    while low < high:
        middle = (low + high) // 2
        if bits_of(hypergeometric_tail(others, bad, degree, 2 * middle - degree), events) >= bits:
            high = middle
        else:
            low = middle + 1
    return low


def _sparse(n: int, bad: int, gone: int, security_bits: int, correctness_bits: int) -> Choice | None:
    if n <= SMALL:
        return None
    others, honest = n - 1, n - bad

    def works(degree: int) -> int:
        # security is split evenly between the two ways to fail
        t = _threshold(others, bad, degree, honest, security_bits + 1)
        if (
            t > degree
            or bits_of(hypergeometric_tail(others, gone, degree, degree - t + 1), n) < correctness_bits
        ):
            return 0
        return t

    # both ends of a draw share a mask: beyond half the clients the complete graph is as cheap
    most = (others - 1) // 2
    high = 8
    while high < most and not (works(high) or works(high + 1)):
        high *= 2
    low, high = 2, min(high, most)
    # feasibility wobbles by parity, so the binary search is finished by a scan
    while low < high:
        middle = (low + high) // 2
        if works(middle) or works(middle + 1):
            high = middle
        else:
            low = middle + 1
    for degree in range(low, most + 1):
        t = works(degree)
        if t and disconnected(others, max(honest - gone, 2), degree) >= security_bits + 1:
            hidden = small_component(others, honest, degree, 2 * t - degree, security_bits)
            return degree, t, bad, _explain_sparse(n, bad, gone, degree, t, hidden, correctness_bits)
        if degree > low + 2 and not t:
            return None
    return None


def _explain_sparse(
    n: int, bad: int, gone: int, k: int, t: int, hidden: int, correctness_bits: int
) -> list[str]:
    others, honest = n - 1, n - bad
    stolen = bits_of(hypergeometric_tail(others, bad, k, 2 * t - k), honest)
    stuck = bits_of(hypergeometric_tail(others, gone, k, k - t + 1), n)
    linked = disconnected(others, max(honest - gone, 2), k)
    return [
        f"{n} clients, at most {bad} corrupt together with the server, at most {gone} dropping out: "
        f"every client draws {k} neighbours, {t} of which recover its secrets.",
        f"Some honest client has {2 * t - k} or more corrupt neighbours, so that the server could learn both "
        f"of its secrets: {_odds(stolen)} (exact hypergeometric tail, union over {honest} clients).",
        f"Honest survivors fall into unconnected parts after random dropouts: {_odds(linked)} (union bound "
        f"over all cuts); if the server picks who drops, every input still hides among {hidden} honest.",
        f"Some client has fewer than {t} live neighbours and the run must be repeated: {_odds(stuck)} "
        f"(at least {correctness_bits} bits asked).",
    ]


def _odds(bits: float) -> str:
    return "impossible" if bits == float("inf") else f"probability at most 2^-{bits:.1f}"


def _complete(n: int, bad: int, gone: int) -> Choice:
    k = n - 1
    live = k - gone
    if live < 1:
        raise ParameterError(f"{gone} of {n} clients dropping out leaves nobody to help")
    wanted = (k + bad) // 2 + 1
    reasons = [
        f"{n} clients, at most {bad} corrupt together with the server, at most {gone} dropping out: "
        f"a sparse graph would not meet the bounds or save nothing, so every client shares with all {k} "
        f"others."
    ]
    if wanted <= live:
        reasons.append(
            f"{wanted} shares recover a secret. The guarantee is unconditional in the counts: a malicious "
            f"server with "
            f"{bad} corrupt clients never has both secrets of one client, and up to {k - wanted} others may "
            f"drop out."
        )
        return k, wanted, bad, reasons
    tolerated = max(0, 2 * live - k - 1)
    if 2 * live > k:
        reasons.append(
            f"{live} shares recover a secret, as many as survive. WEAKER THAN ASKED: against a malicious "
            f"server the "
            f"guarantee holds for at most {tolerated} corrupt clients, against one that follows the protocol "
            f"for "
            f"{live - 1}."
        )
    else:
        reasons.append(
            f"{live} shares recover a secret, as many as survive. WEAKER THAN ASKED: the guarantee holds "
            f"only against "
            f"a server that follows the protocol, together with at most {live - 1} corrupt clients."
        )
    return k, live, min(tolerated, bad), reasons
