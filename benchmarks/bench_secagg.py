"""Secure aggregation: what a client and the server compute and send, and the same in Flower's SecAgg+.

100 clients, ten of them lost after sharing their keys. `complete` is every client with every other; `sparse`
the graph that `parameters` chooses.
"""

from types import ModuleType

from .secagg_peers import Flower, Ours, complete_graph, sparse_graph
from .side_by_side import comparison, ratio

FLOWER = "flwr.client.mod.secure_aggregation.secaggplus_mod"

N, GONE = 100, 10
GRAPHS = {"complete": complete_graph, "sparse": sparse_graph}


class Run:
    """One recorded run over 100,000 coordinates; each party's part is played again to time it."""

    params = ["complete", "sparse"]
    param_names = ["graph"]
    timeout = 600
    dim = 100_000

    def setup(self, graph: str) -> None:
        self.run = Ours(GRAPHS[graph](N, self.dim), range(N - GONE + 1, N + 1))

    def time_client(self, graph: str) -> None:
        self.run.client_seconds()

    def time_server(self, graph: str) -> None:
        self.run.server_seconds()

    def time_server_on_two_threads(self, graph: str) -> None:
        self.run.server_seconds(workers=2)

    def track_rounds(self, graph: str) -> int:
        return self.run.rounds

    def track_upload(self, graph: str) -> int:
        return self.run.upload_bytes

    def track_upload_over_float32(self, graph: str) -> float:
        return self.run.upload_bytes / (4 * self.dim)

    def track_download(self, graph: str) -> int:
        return self.run.download_bytes

    track_rounds.unit = "rounds"  # type: ignore[attr-defined]
    track_upload.unit = "bytes"  # type: ignore[attr-defined]
    track_upload_over_float32.unit = "x"  # type: ignore[attr-defined]
    track_download.unit = "bytes"  # type: ignore[attr-defined]


class FlowerRatios:
    """A million coordinates on the complete graph, Flower's SecAgg+ with as many neighbours and shares
    needed.

    On a sparse graph both sides mask less and the rest counts more: `track_client_on_a_sparse_graph`. There
    our clients draw their own neighbours, and so mask with about half as many more as Flower's, whose server
    chooses.
    """

    timeout = 1800
    dim = 1_000_000

    def setup(self) -> None:
        self.sides: dict[str, tuple[Ours, Flower]] = {}

    def _sides(self, graph: str) -> tuple[Ours, Flower]:
        if graph not in self.sides:
            params = GRAPHS[graph](N, self.dim)
            ours = Ours(params, range(N - GONE + 1, N + 1))
            self.sides[graph] = ours, Flower(params.degree, params.threshold, self.dim)
        return self.sides[graph]

    def _client(self, graph: str) -> float:
        ours, flower = self._sides(graph)
        return ratio(ours.client_seconds, lambda: flower.client_seconds(GONE), turns=5, ours_a_turn=3)

    def _server(self, graph: str) -> float:
        ours, flower = self._sides(graph)
        return flower.server_seconds(N, GONE) / sorted(ours.server_seconds() for _ in range(3))[1]

    @comparison(FLOWER, target=20)
    def track_client(self, _: ModuleType) -> float:
        return self._client("complete")

    @comparison(FLOWER, target=50)
    def track_server(self, _: ModuleType) -> float:
        return self._server("complete")

    @comparison(FLOWER, target=1.98)
    def track_upload(self, _: ModuleType) -> float:
        ours, flower = self._sides("complete")
        flower.client_seconds(GONE)
        return flower.upload_bytes / ours.upload_bytes

    @comparison(FLOWER, target=5)
    def track_client_on_a_sparse_graph(self, _: ModuleType) -> float:
        return self._client("sparse")

    @comparison(FLOWER, target=20)
    def track_server_on_a_sparse_graph(self, _: ModuleType) -> float:
        return self._server("sparse")
