"""The same aggregation in two libraries: this one's, and Flower's SecAgg+ (flwr 1.42), on the same graph.

Ours is a whole run, its sum checked. Flower's client is its own stage functions, one after the other; its
server is the loop of its unmask stage over its own Shamir, key agreement and mask functions, where a few of
many equal operations are timed and the time is multiplied by how many there are.
"""

import importlib
import os
import sys
from collections.abc import Callable, Iterable
from time import process_time
from typing import Any

import numpy as np

from mpc.prg import Stream
from mpc.runtime import Network, run_local
from mpc.secagg import IdentityKey, Parameters, client, parameters, server

MOD = "flwr.client.mod.secure_aggregation.secaggplus_mod"
COMMON = "flwr.common.secure_aggregation"


def complete_graph(n: int, dim: int) -> Parameters:
    """Every client with every other, a third corrupt: the setting of Bonawitz et al."""
    needed = 2 * n // 3 + 1
    return Parameters(tuple(range(1, n + 1)), n - 1, needed, dim=dim, quorum=needed, session=b"bench")


def sparse_graph(n: int, dim: int) -> Parameters:
    """A fifth corrupt, a tenth dropping out, 40 bits."""
    return parameters(range(1, n + 1), corrupt=0.2, dropout=0.1, dim=dim, session=b"bench")


class Ours:
    """One whole run, checked and recorded; then any one party's part can be played again and timed."""

    def __init__(self, params: Parameters, dropouts: Iterable[int] = ()) -> None:
        self.params = params
        self.root = Stream(bytes(32), b"bench")
        self.keys = {i: IdentityKey.generate(self.root.derive("identity", i)) for i in params.clients}
        self.identities = {i: k.public() for i, k in self.keys.items()}
        self.row = self.root.derive("row").uint32(params.dim).astype(np.int64) >> 20
        parties: dict[int, Any] = {i: self._client(i) for i in params.clients}
        parties[0] = server(params, self.identities)
        gone = dict.fromkeys(dropouts, 5)
        result = run_local(parties, network=Network(vanish=gone), raise_errors=True, record=True)
        aggregate = result.results[0]
        if not (aggregate.total == self.row * len(aggregate.included)).all():
            raise AssertionError("the sum is wrong")
        self.rounds = result.rounds
        self.upload_bytes = result.costs[1].bytes_sent
        self.download_bytes = result.costs[1].bytes_received
        self.server_bytes = result.costs[0].bytes_sent
        self.inboxes: dict[int, list[dict[int, bytes]]] = {
            me: [
                {m.sender: m.data for m in result.messages if m.round == number and m.receiver == me}
                for number in range(1, result.rounds + 1)
            ]
            for me in (0, 1)
        }

    def _client(self, i: int) -> Any:
        blindings = [i] * self.params.field_dim
        stream = self.root.derive("client", i)
        return client(i, self.params, self.keys[i], self.identities, self.row, blindings, randomness=stream)

    def _replay(self, me: int, party: Any) -> float:
        start = process_time()
        next(party)
        for inbox in self.inboxes[me]:
            try:
                party.send(inbox)
            except StopIteration:
                break
        return process_time() - start

    def client_seconds(self) -> float:
        """All that client 1 computes."""
        return self._replay(1, self._client(1))

    def server_seconds(self, workers: int = 1) -> float:
        """All that the server computes."""
        return self._replay(0, server(self.params, self.identities, workers=workers))


class Flower:
    """SecAgg+ where every client shares with `neighbours` others and with itself."""

    def __init__(self, neighbours: int, threshold: int, dim: int) -> None:
        importlib.import_module(MOD)
        self.mod = sys.modules[MOD]
        self.shamir = importlib.import_module(f"{COMMON}.crypto.shamir")
        self.symmetric = importlib.import_module(f"{COMMON}.crypto.symmetric_encryption")
        self.utils = importlib.import_module(f"{COMMON}.secaggplus_utils")
        self.arithmetic = importlib.import_module(f"{COMMON}.ndarrays_arithmetic")
        self.common = importlib.import_module("flwr.common")
        self.key = key = importlib.import_module(f"{COMMON}.secaggplus_constants").Key
        self.nodes = list(range(1, neighbours + 2))
        self.threshold, self.dim = threshold, dim
        self.update = (Stream(bytes(32), b"update").unit(dim) - 0.5).astype(np.float32)
        self.config = {
            key.SAMPLE_NUMBER: len(self.nodes),
            key.SHARE_NUMBER: len(self.nodes),
            key.THRESHOLD: threshold,
            key.CLIPPING_RANGE: 1.0,
            key.TARGET_RANGE: 1 << 16,
            key.MOD_RANGE: 1 << 32,
            key.MAX_WEIGHT: 1000.0,
        }
        self.states = {i: self.mod.SecAggPlusState() for i in self.nodes}
        for i, state in self.states.items():
            state.nid = i
        self.published = {i: self.mod._setup(s, dict(self.config)) for i, s in self.states.items()}

    def client_seconds(self, dead: int) -> float:
        """One client's four stages."""
        key, me = self.key, self.states[1]
        start = process_time()
        self.published[1] = self.mod._setup(me, dict(self.config))
        keys = {str(i): (p[key.PUBLIC_KEY_1], p[key.PUBLIC_KEY_2]) for i, p in self.published.items()}
        dealt = self.mod._share_keys(me, keys)
        spent = process_time() - start
        # what the neighbours would have sent: shares as long, under the same pairwise keys
        others = self.nodes[1:]
        shares = me.rd_seed_share_dict[1], me.sk1_share_dict[1]
        ciphertexts = [
            self.symmetric.encrypt(me.ss2_dict[i], self.utils.share_keys_plaintext_concat(i, 1, *shares))
            for i in others
        ]
        start = process_time()
        update = self.common.ndarrays_to_parameters([self.update])
        inbox = {key.CIPHERTEXT_LIST: ciphertexts, key.SOURCE_LIST: others}
        masked = self.mod._collect_masked_vectors(me, inbox, 500, update)
        alive, gone = self.nodes[: len(self.nodes) - dead], self.nodes[len(self.nodes) - dead :]
        self.mod._unmask(me, {key.ACTIVE_NODE_ID_LIST: alive, key.DEAD_NODE_ID_LIST: gone})
        spent += process_time() - start
        self.upload_bytes = sum(map(len, masked[key.MASKED_PARAMETERS])) + sum(
            map(len, dealt[key.CIPHERTEXT_LIST])
        )
        return spent

    def server_seconds(self, clients: int, dead: int, sample: int = 3) -> float:
        """Adding `clients - dead` vectors up and taking all masks off."""
        me = self.states[1]
        me.sk1 = self.mod.private_key_to_bytes(self.mod.generate_key_pairs()[0])
        shape = [(1,), (self.dim,)]
        vector = self.utils.pseudo_rand_gen(bytes(32), 1 << 32, shape)
        alive_holders = len(self.nodes) * (clients - dead) // clients
        seed_shares = self.shamir.create_shares(os.urandom(32), self.threshold, len(self.nodes))[
            :alive_holders
        ]
        key_shares = self.shamir.create_shares(me.sk1, self.threshold, len(self.nodes))[:alive_holders]
        public = self.published[2][self.key.PUBLIC_KEY_1]

        def expand(seed: bytes) -> None:
            mask = self.utils.pseudo_rand_gen(seed, 1 << 32, shape)
            self.arithmetic.parameters_subtraction(vector, mask)

        def agree_and_expand() -> None:
            private = self.mod.bytes_to_private_key(me.sk1)
            expand(self.symmetric.generate_shared_key(private, self.mod.bytes_to_public_key(public)))

        def each(operation: Callable[[], object]) -> float:
            times = []
            for _ in range(sample):
                start = process_time()
                operation()
                times.append(process_time() - start)
            return float(np.median(times))

        alive = clients - dead
        return (
            alive * each(lambda: self.arithmetic.parameters_addition(vector, vector))
            + alive * each(lambda: self.shamir.combine_shares(seed_shares))
            + alive * each(lambda: expand(bytes(32)))
            + dead * each(lambda: self.shamir.combine_shares(key_shares))
            + dead * (len(self.nodes) - 1) * each(agree_and_expand)
        )
