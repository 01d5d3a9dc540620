"""One aggregation, ready to run: the parties, their inputs, and what the sum should be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mpc.prg import Stream
from mpc.runtime import Network, run_local
from mpc.secagg import IdentityKey, Parameters, client, parameters, server


@dataclass
class Case:
    """`n` clients with small vectors and huge field elements, everything from one seed."""

    n: int = 8
    dim: int = 50
    field_dim: int = 2
    corrupt: float = 0.2
    dropout: float = 0.2
    session: bytes = b"round 1"
    modulus: int = 2**32
    params: Parameters | None = None
    root: Stream = field(default_factory=lambda: Stream(bytes(32), b"secagg tests"))

    def __post_init__(self) -> None:
        self.keys = {i: IdentityKey.generate(self.root.derive("identity", i)) for i in range(1, self.n + 1)}
        self.identities = {i: key.public() for i, key in self.keys.items()}
        self.params = self.params or parameters(
            self.keys,
            corrupt=self.corrupt,
            dropout=self.dropout,
            dim=self.dim,
            field_dim=self.field_dim,
            modulus=self.modulus,
            session=self.session,
        )
        half = min(self.modulus // (2 * self.n), 1 << 20) - 1
        self.values = {}
        self.field_values = {}
        for i in self.keys:
            draw = self.root.derive("input", i)
            ints = draw.integers_below(2 * half + 1, self.dim)
            self.values[i] = np.array(ints, dtype=np.int64) - half
            self.field_values[i] = draw.integers_below(self.params.field, self.field_dim)

    def client(self, i: int, **changed: Any) -> Any:
        """The honest client `i`, or one that differs in some argument."""
        arguments: dict[str, Any] = {
            "me": i,
            "params": self.params,
            "identity": self.keys[i],
            "identities": self.identities,
            "values": self.values[i],
            "field_values": self.field_values[i],
            "randomness": self.root.derive("client", i, self.session),
            **changed,
        }
        return client(**arguments)

    def run(
        self, replaced: Mapping[int, Any] | None = None, network: Network | None = None, record: bool = False
    ) -> Any:
        """Run everyone, with some parties replaced."""
        parties = {i: self.client(i) for i in self.keys}
        parties[0] = server(self.params, self.identities)
        return run_local({**parties, **(replaced or {})}, network=network, record=record)

    def check(self, aggregate: Any, included: Any) -> None:
        """The aggregate is the exact sum over `included`."""
        assert aggregate.included == tuple(sorted(included))
        assert (aggregate.total == sum(self.values[i] for i in included)).all()
        p = self.params.field
        expected = [sum(self.field_values[i][j] for i in included) % p for j in range(self.field_dim)]
        assert aggregate.field_total == expected
