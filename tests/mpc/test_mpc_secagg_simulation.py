"""Signatures checked once for all parties of a process: nothing else may change."""

import pytest
from secagg_cases import Case

from mpc.runtime import run_local
from mpc.runtime.meter import Meter, count_seconds
from mpc.secagg import PublicIdentity, server, shared_checks
from mpc.secagg.simulation import _Remembering


def run(case: Case, identities: dict[int, PublicIdentity]):
    parties = {0: server(case.params, identities)}
    parties |= {i: case.client(i, identities=identities) for i in case.keys}
    return run_local(parties, raise_errors=True, record=True)


def test_every_message_is_the_same() -> None:
    case = Case()
    alone, shared = run(case, case.identities), run(case, shared_checks(case.identities))
    assert alone.messages == shared.messages
    assert alone.results[0].total.tolist() == shared.results[0].total.tolist()
    assert alone.results[0].included == shared.results[0].included


def test_each_signature_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[tuple[bytes, bytes]] = []
    real = PublicIdentity.is_valid

    def counting(self: PublicIdentity, signature: bytes, purpose: str, context: bytes, body: bytes) -> bool:
        checked.append((self.raw, signature))
        return real(self, signature, purpose, context, body)

    monkeypatch.setattr(PublicIdentity, "is_valid", counting)
    case = Case()
    run(case, shared_checks(case.identities))
    # advert, dealing and confirmation of every client
    assert len(checked) == len(set(checked)) == 3 * case.n
    checked.clear()
    run(case, case.identities)
    assert len(checked) > 10 * case.n


def test_a_forged_signature_stays_forged() -> None:
    case = Case()
    known = shared_checks(case.identities)
    forged = case.keys[2].sign("advertise", b"context", b"body")
    for _ in range(2):
        assert not known[1].is_valid(forged, "advertise", b"context", b"body")
        assert known[2].is_valid(forged, "advertise", b"context", b"body")
    assert not known[2].is_valid(forged, "share", b"context", b"body")
    assert not known[2].is_valid(forged, "advertise", b"another", b"body")


def test_whoever_asks_again_is_billed_for_the_answer() -> None:
    case = Case(n=3)
    identity = shared_checks(case.identities)[1]
    assert isinstance(identity, _Remembering)
    signature = case.keys[1].sign("greeting", b"", b"")
    identity.is_valid(signature, "greeting", b"", b"")
    ((_, seconds),) = identity.answers.values()
    assert seconds > 0
    meter = Meter()
    with meter.running():
        identity.is_valid(signature, "greeting", b"", b"")
    assert meter.compute_seconds == meter.seconds == seconds
    count_seconds(1.0)  # outside a run there is nobody to bill
    assert meter.seconds == seconds


def test_two_runs_share_nothing() -> None:
    case = Case(n=3)
    first, second = shared_checks(case.identities), shared_checks(case.identities)
    first[1].is_valid(bytes(64), "greeting", b"", b"")
    assert first[2].answers is first[1].answers
    assert not second[1].answers
