"""One Paillier aggregation, as every party must know it."""

from dataclasses import dataclass
from dataclasses import field as attribute
from hashlib import sha256

from he.packing import Packing
from he.threshold import ThresholdKey
from he.wire import Reader, Writer
from mpc.errors import DecodeError, InsecureError, ParameterError
from mpc.secagg import BN254_SCALAR_FIELD

__all__ = ["COORDINATOR", "MAX_CLIENTS", "Parameters"]

MAGIC = b"EPPML paillier aggregation 1\n"
COORDINATOR = 0
MAX_CLIENTS = 1 << 16
MAX_DIM = 1 << 32


@dataclass(frozen=True, slots=True)
class Parameters:
    """Who sums what, under which committee's key, in which session.

    The coordinator is party 0, clients are distinct indices from 1, and member i of the committee is the i-th
    of `committee`, by default party max(clients) + i. Every client sends `dim` integers of magnitude at most
    `bound` and `field_dim` residues mod `field`. `session` names this run and no other: plan, round, attempt.
    A member sends its part only after `quorum` members, itself among them, signed the same list of uploads;
    by default so many that no coordinator, together with `key.threshold.needed - 1` members, gets two lists
    decrypted. A smaller quorum survives more absent members and tolerates `tolerated` corrupt ones.

    Raises: ParameterError for a combination that cannot work.
    """

    key: ThresholdKey
    clients: tuple[int, ...]
    dim: int
    bound: int
    field_dim: int = 0
    field: int = BN254_SCALAR_FIELD
    session: bytes = b""
    quorum: int = 0
    committee: tuple[int, ...] = ()
    packing: Packing = attribute(init=False, repr=False, compare=False)
    field_packing: Packing = attribute(init=False, repr=False, compare=False)
    context: bytes = attribute(init=False, repr=False, compare=False)
    """A digest of everything agreed on: every signature and every proof is bound to it."""

    def __post_init__(self) -> None:
        clients, threshold = self.clients, self.key.threshold
        if not clients or list(clients) != sorted(set(clients)) or clients[0] < 1 or clients[-1] >= 1 << 31:
            raise ParameterError("clients must be increasing indices, at least 1 and below 2^31")
        if not self.min_clients <= len(clients) <= MAX_CLIENTS:
            raise ParameterError(
                f"{len(clients)} clients, but the committee's key asks for {self.min_clients}"
            )
        if min(self.dim, self.field_dim) < 0 or not 0 < self.dim + self.field_dim <= MAX_DIM:
            raise ParameterError("there is nothing to aggregate, or too much")
        if self.bound < 1 or self.field < 3:
            raise ParameterError("the bound is at least 1 and the field a prime")
        if (self.bound * len(clients)).bit_length() > 61:
            raise ParameterError(f"{len(clients)} values up to {self.bound} do not fit 62 bits")
        if not self.quorum:
            object.__setattr__(self, "quorum", (threshold.parties + threshold.needed - 1) // 2 + 1)
        if not threshold.needed <= self.quorum <= threshold.parties:
            raise ParameterError(
                f"a quorum of {self.quorum} is not between {threshold.needed} and {threshold.parties} members"
            )
        if 2 * self.quorum <= threshold.parties:
            # two disjoint groups of honest members could each confirm and decrypt a list of their own
            raise ParameterError(
                f"a quorum of {self.quorum} is not a majority of {threshold.parties} members"
            )
        if not self.committee:
            members = range(clients[-1] + 1, clients[-1] + threshold.parties + 1)
            object.__setattr__(self, "committee", tuple(members))
        parties = self.committee
        increasing = list(parties) == sorted(set(parties) - set(clients))
        if len(parties) != threshold.parties or not increasing or not 0 < parties[0] <= parties[-1] < 1 << 32:
            raise ParameterError(
                f"the committee is {threshold.parties} increasing parties that are not clients"
            )
        bits = self.key.public.bits
        for name, bound in (("packing", self.bound), ("field_packing", self.field - 1)):
            object.__setattr__(self, name, Packing.for_bound(bound * len(clients), bits))
        object.__setattr__(self, "context", sha256(self.to_bytes()).digest())

    @property
    def min_clients(self) -> int:
        """The committee decrypts no sum of fewer clients."""
        return self.key.min_contributions

    @property
    def tolerated(self) -> int:
        """How many members may be corrupt, together with the coordinator, before two lists could be
        decrypted."""
        threshold = self.key.threshold
        return min(threshold.needed - 1, 2 * self.quorum - threshold.parties - 1)

    @property
    def ciphertexts(self) -> int:
        """How many ciphertexts one client sends."""
        return self.packing.ciphertexts(self.dim) + self.field_packing.ciphertexts(self.field_dim)

    def client_context(self, client: int) -> bytes:
        """What a client's proof is bound to."""
        return self.context + client.to_bytes(4, "big")

    def to_bytes(self) -> bytes:
        writer = Writer(MAGIC).blob(self.key.to_bytes()).number(len(self.clients))
        for client in self.clients:
            writer.number(client)
        writer.number(self.dim, 8).integer(self.bound).number(self.field_dim, 8).integer(self.field)
        writer.blob(self.session).number(self.quorum)
        for party in self.committee:
            writer.number(party)
        return writer.done()

    @classmethod
    def from_bytes(cls, data: bytes, *, allow_insecure: bool = False) -> "Parameters":
        """Raises: DecodeError for anything but the one encoding; InvalidKey; InsecureError."""
        reader = Reader(data, MAGIC)
        key = ThresholdKey.from_bytes(reader.blob(), allow_insecure=allow_insecure)
        clients = tuple(reader.number() for _ in range(reader.number(below=MAX_CLIENTS + 1)))
        dim, bound, field_dim, field = reader.number(8), reader.integer(), reader.number(8), reader.integer()
        session, quorum = reader.blob(), reader.number()
        committee = tuple(reader.number() for _ in range(key.threshold.parties))
        reader.end()
        if not quorum:
            raise DecodeError("a quorum of nobody")
        try:
            return cls(key, clients, dim, int(bound), field_dim, int(field), session, quorum, committee)
        except InsecureError:
            raise
        except ParameterError as error:
            raise DecodeError(f"no aggregation has these parameters: {error}") from None
