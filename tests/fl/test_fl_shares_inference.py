"""Labels from servers that learn neither input nor label: right, private, and answered for on the ledger."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fl_runs import Run

from fl.audit import audit_run
from fl.cli import main
from fl.shared.inference import (
    Floats,
    Service,
    ask,
    commitments_digest,
    deal_answers,
    lend,
    plain_labels,
    serve,
)
from fl.shared.requests import input_digest
from fl.shared.serving import layers_of, serve_local
from mpc.errors import FaultyParty, ParameterError, PartyTimeout
from mpc.prg import Stream
from mpc.runtime import Network, Protocol, run_local

Change = Callable[[int, int, bytes], bytes | None]
Layers = list[tuple[Floats, Floats]]


def stream(*labels: bytes | int | str) -> Stream:
    return Stream(bytes(range(32)), b"inference test").derive(*labels)


def model(*sizes: int, seed: int = 0) -> Layers:
    rng = np.random.default_rng(seed)
    return [
        (rng.normal(size=(a, b)) * 0.8, 0.1 * rng.normal(size=b))
        for a, b in zip(sizes, sizes[1:], strict=False)
    ]


def inputs(rows: int, columns: int, seed: int = 1) -> Floats:
    return np.random.default_rng(seed).uniform(-1, 1, size=(rows, columns))


def service(servers: int, sizes: tuple[int, ...], rows: int) -> Service:
    return Service(1, 2, (3, 4, 5)[:servers], sizes, 6 if servers == 2 else None, rows)


def parties_of(s: Service, layers: Layers, features: Floats, seed: int = 0) -> dict[int, Protocol[Any]]:
    parties: dict[int, Protocol[Any]] = {
        1: ask(s, features, stream("client", seed)),
        2: lend(s, layers, stream("owner", seed)),
    }
    parties |= {server: serve(s, server, stream("server", server, seed)) for server in s.servers}
    return parties | ({s.dealer: deal_answers(s, stream("dealer", seed))} if s.dealer else {})


@pytest.mark.parametrize("servers", [2, 3])
@pytest.mark.parametrize("sizes", [(12, 2), (64, 10), (20, 9, 5), (8, 12, 12, 4)])
def test_labels_are_those_of_the_plain_model(servers: int, sizes: tuple[int, ...]) -> None:
    layers, features = model(*sizes), inputs(60, sizes[0])
    answer, result, s = serve_local(layers, features, servers, stream("run"))
    plain = plain_labels(layers, features)
    assert np.mean(answer.labels == plain) > 0.98
    assert len(set(plain.tolist())) > 1
    assert answer.digest == commitments_digest([result.results[server] for server in s.servers])


@pytest.mark.parametrize("servers", [2, 3])
def test_of_equal_logits_the_first_class_wins(servers: int) -> None:
    layers = [(np.zeros((3, 4)), np.array([0.5, 1.0, 1.0, 0.25]))]
    assert serve_local(layers, inputs(2, 3), servers, stream("tie"))[0].labels.tolist() == [1, 1]


@pytest.mark.parametrize("servers", [2, 3])
def test_only_the_client_learns_the_label(servers: int) -> None:
    """What a server or the owner receives, of two inputs with different labels: a classifier is at chance."""
    from sklearn.linear_model import LogisticRegression

    layers: Layers = [(np.array([[1.0, -1.0]]), np.zeros(2))]
    s = service(servers, (1, 2), 1)
    seen, labels = [], []
    for trial in range(80):
        for label, value in enumerate((0.9, -0.9)):
            parties = parties_of(s, layers, np.array([[value]]), 2 * trial + label)
            result = run_local(parties, raise_errors=True, record=True)
            assert result.results[1].labels.tolist() == [label]
            assert not result.view(2)
            words = np.frombuffer(
                b"".join(m.data[: len(m.data) // 8 * 8] for m in result.view(3) if m.sender != 2), dtype="<u8"
            )
            seen.append(((words[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)).mean(axis=0))
            labels.append(label)
    x, y = np.array(seen), np.array(labels)
    assert 0.3 < LogisticRegression().fit(x[:80], y[:80]).score(x[80:], y[80:]) < 0.7


def changed(honest: Protocol[Any], change: Change) -> Protocol[Any]:
    outbox, number = next(honest), 1
    while True:
        sent = {to: change(number, to, data) for to, data in outbox.items()}
        inbox = yield {to: data for to, data in sent.items() if data is not None}
        try:
            outbox, number = honest.send(inbox), number + 1
        except StopIteration as stop:
            return stop.value


@pytest.mark.parametrize("servers", [2, 3])
@pytest.mark.parametrize("bad", [1, 2, 6])
def test_malformed_shares_and_triples_name_who_sent_them(servers: int, bad: int) -> None:
    s = service(servers, (4, 3), 1)
    if bad == 6 and servers == 3:
        return
    parties = parties_of(s, model(4, 3), inputs(1, 4))
    parties[bad] = changed(parties[bad], lambda number, to, data: data[:-1])
    errors = run_local(parties).errors
    assert {e.party for i, e in errors.items() if i in s.servers and isinstance(e, FaultyParty)} == {bad}


@pytest.mark.parametrize("servers", [2, 3])
def test_a_server_that_falls_silent_or_answers_nonsense_is_named(servers: int) -> None:
    s = service(servers, (4, 3), 1)
    last = s.servers[-1]
    silent = run_local(parties_of(s, model(4, 3), inputs(1, 4)), network=Network(vanish={last: 3}))
    assert isinstance(silent.errors[1], PartyTimeout)
    for wrong in (lambda data: data[:-1], lambda data: data[:-1] + bytes([data[-1] ^ 64])):
        parties = parties_of(s, model(4, 3), inputs(1, 4))
        parties[last] = changed(parties[last], lambda number, to, data, w=wrong: w(data) if to == 1 else data)
        assert isinstance(run_local(parties).errors[1], FaultyParty)


def test_bad_services_models_and_inputs_are_refused() -> None:
    s = service(3, (4, 3), 2)
    refused: list[Callable[[], object]] = [
        lambda: Service(1, 1, (3, 4, 5), (4, 3)),
        lambda: Service(1, 2, (3, 4), (4, 3)),
        lambda: Service(1, 2, (3, 4, 5), (4, 3), 6),
        lambda: Service(1, 2, (3,), (4, 3), 6),
        lambda: Service(1, 2, (3, 4, 5), (4,)),
        lambda: Service(1, 2, (3, 4, 5), (4, 1)),
        lambda: next(ask(s, inputs(1, 4), stream("x"))),
        lambda: next(ask(s, 2 * np.ones((2, 4)), stream("x"))),
        lambda: next(ask(s, np.full((2, 4), np.nan), stream("x"))),
        lambda: next(lend(s, model(4, 2), stream("x"))),
        lambda: next(lend(s, [(np.full((4, 3), 1e6), np.zeros(3))], stream("x"))),
        lambda: next(deal_answers(s, stream("x"))),
        lambda: serve_local(model(4, 3), inputs(1, 4), 4, stream("x")),
        lambda: layers_of("lenet", 784, 10, np.zeros(28_874, np.float32)),
        lambda: layers_of("softmax", 64, 10, np.zeros(649, np.float32)),
        lambda: input_digest(inputs(1, 4), b"short"),
    ]
    for call in refused:
        with pytest.raises(ParameterError):
            call()


def test_the_layers_of_a_flat_vector_are_the_models_own() -> None:
    import torch

    from fl.models import model_for

    for name in ("softmax", "mlp"):
        made = model_for(name, 64, 10)
        flat, rows = made.initial(5), inputs(30, 64)
        tensors = torch.from_numpy(flat)[None], torch.from_numpy(rows.astype(np.float32))[None]
        logits = made.logits(*tensors)[0].numpy()
        assert np.array_equal(plain_labels(layers_of(name, 64, 10, flat), rows), logits.argmax(axis=1))


@pytest.mark.parametrize("dealer", [True, False])
def test_parties_started_from_files_label_as_well(dealer: bool, tmp_path: Path) -> None:
    from fl.models import model_for, to_safetensors
    from fl.shared.by_file import label

    flat, rows = model_for("softmax", 6, 3).initial(2), inputs(2, 6)
    (tmp_path / "model").write_bytes(to_safetensors(flat))
    common: dict[str, Any] = {"sizes": [6, 3], "inputs": 2, "dealer": dealer}
    own: dict[int, dict[str, Any]] = {1: {"features": rows.tolist()}, 2: {"model": str(tmp_path / "model")}}
    parties = {
        me: label(me, (1, 2, 3, 4, 5), common | own.get(me, {}), stream("file", me)) for me in range(1, 6)
    }
    result = run_local(parties, raise_errors=True)
    assert result.results[1] == plain_labels(layers_of("softmax", 6, 3, flat), rows).tolist()
    for wrong in ({"sizes": 3}, common | {"features": [["a"]]}, common | {"dealer": 1}):
        with pytest.raises(ParameterError):
            next(label(1, (1, 2, 3, 4, 5), wrong, stream("x")))
    with pytest.raises(ParameterError):
        next(label(2, (1, 2, 3, 4, 5), common | {"model": "nowhere"}, stream("x")))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with updates shared among two servers and the cone test, nobody's proofs, and two attackers."""
    folder = tmp_path_factory.mktemp("shares")
    lines = [
        'name = "shared"',
        'dataset = "digits"',
        "clients = 12",
        "rounds = 2",
        "[aggregation]",
        'mode = "shares"',
        "servers = 2",
        "[robustness]",
        'rule = "cone"',
        "[proofs]",
        'kind = "none"',
    ]
    (folder / "plan.toml").write_text("\n".join(lines))
    out = folder / "run"
    assert (
        main(["run", str(folder / "plan.toml"), "--attack", "sign-flip=2", "--out", str(out), "--json"]) == 0
    )
    return Run(out)


def test_a_run_by_shares_refuses_what_the_same_run_in_the_clear_refuses(
    finished: Run, tmp_path: Path
) -> None:
    plan = (finished.path.parent / "plan.toml").read_text()
    (tmp_path / "plain.toml").write_text(plan.replace('"shares"', '"plain"').replace("servers = 2\n", ""))
    out = tmp_path / "run"
    options = ["--attack", "sign-flip=2", "--out", str(out), "--json"]
    assert main(["run", str(tmp_path / "plain.toml"), *options]) == 0
    plain, shared = Run(out).records(), finished.records()
    assert [record.included for record in shared] == [record.included for record in plain]
    assert all(len(record.included) == 10 for record in shared)
    assert finished.model == Run(out).model
    assert audit_run(finished.path).passed


def test_the_receipt_names_what_servers_learn_and_who_could_see_updates(finished: Run) -> None:
    receipt = json.loads((finished.path / "receipt.json").read_text())
    assert receipt["aggregation"]["parameters"] == [{"servers": 2, "rule": "cone"}]
    assert "passed the test" in receipt["aggregation"]["justification"]
    assert {"each server", "the dealer"} <= {view["who"] for view in receipt["who_saw_what"]}
    assert any("follow the protocol" in sentence for sentence in receipt["insecure"])


def test_evidence_that_was_changed_fails_the_audit(finished: Run, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(finished.path, copy)
    record = finished.records()[1]
    evidence = next(p for p in (copy / "blocks").rglob(record.opened[0].evidence) if p.stat().st_size)
    content = bytearray(evidence.read_bytes())
    content[len(content) // 2] ^= 1
    evidence.write_bytes(bytes(content))
    assert any(f.round == 1 and f.aspect == "sum" for f in audit_run(copy).failures)


def test_the_command_labels_and_asks_on_the_ledger(finished: Run, capsys: pytest.CaptureFixture[str]) -> None:
    samples = ["--sample", "3", "--sample", "7", "--json"]
    printed = []
    for options in ([], ["--secure"], ["--secure", "--servers", "2", "--ledger", "--fee", "5"]):
        capsys.readouterr()
        assert main(["infer", str(finished.path), *samples, *options]) == 0
        printed.append(json.loads(capsys.readouterr().out))
    assert printed[0]["labels"] == printed[1]["labels"] == printed[2]["labels"]
    assert printed[2]["request"] == 0 and printed[1]["rounds"] > 10
    assert audit_run(finished.path).passed


def test_the_command_refuses_what_cannot_work(
    finished: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(finished.path)
    np.save(tmp_path / "wrong.npy", np.zeros((1, 5)))
    (tmp_path / "text.npy").write_text("no numbers")
    for options in (
        [path, "--sample", "100000"],
        [path, "--ledger"],
        [path, "--secure", "--servers", "4"],
        [path, "--input", str(tmp_path / "wrong.npy")],
        [path, "--input", str(tmp_path / "text.npy")],
        [str(tmp_path)],
    ):
        assert main(["infer", *options]) == 2
    assert "Traceback" not in capsys.readouterr().err
