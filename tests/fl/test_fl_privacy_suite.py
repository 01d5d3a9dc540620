"""The privacy experiments on the bundled digits: what their rows say, and that they play the round of a run."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from fl.learning import algorithm_of
from fl.plan import terms_from_dict, update_codec, update_noise
from fl.privacy.budget import check
from fl.suite.privacy import Client, Local, client_curve, client_terms, measure, measure_local, record_terms
from mpc.errors import ParameterError

torch.set_num_threads(1)

ROW = {"accuracy", "epsilon", "delta", "unit", "neighbours", "mechanism", "trust", "seed", "seconds"}


def short(plan: dict, rounds: int = 12) -> dict:
    return plan | {"rounds": rounds}


def test_records_are_protected_at_a_price_that_grows_with_the_promise() -> None:
    found = {e: measure(short(record_terms("digits-patches", e, 1))) for e in (2.9, 30.0)}
    exact = measure(short(record_terms("digits-patches", 2.9, 1)), noisy=False)
    for promised, one in found.items():
        assert ROW <= set(one.row) and one.row["unit"] == "record"
        assert promised * 0.98 < one.row["epsilon"] <= promised
        assert len(one.curve) == 12 and one.curve[-1] == one.row["accuracy"]
    assert found[2.9].curve[-1] < found[30.0].curve[-1] <= exact.curve[-1] + 0.02
    assert exact.row["epsilon"] is None and exact.curve[-1] > 0.9
    again = measure(short(record_terms("digits-patches", 2.9, 1)))
    assert again.curve == found[2.9].curve


def test_whole_clients_are_protected_and_pay_more() -> None:
    how = Client(20, 10.0, 1.0, 5.0)
    one = next(client_curve("digits-patches", [how], 1))
    assert one.row["unit"] == "client" and 9.8 < one.row["epsilon"] <= 10 and one.row["clients"] == 20
    exact = measure(client_terms("digits-patches", how, 1), noisy=False)
    assert exact.row["epsilon"] is None and one.row["accuracy"] < exact.row["accuracy"]
    json.dumps([one.row, exact.row], allow_nan=False)


@pytest.mark.parametrize("mechanism", ["discrete-gaussian", "skellam"])
def test_these_plans_are_ones_that_a_run_accepts(mechanism: str) -> None:
    plans = [record_terms("mnist-patches", 2.9, 1, mechanism)]
    plans += [
        client_terms("mnist-patches", Client(n, e, 1.0, 20.0), 1) for n in (100, 1000) for e in (1.0, 20.0)
    ]
    for plan in plans:
        terms = terms_from_dict(plan)
        algorithm_of(terms)
        terms.privacy.verify_learning(
            algorithm=terms.training.algorithm, compression=terms.compression.kind, rule="none"
        )
        if terms.privacy.noise_multiplier == 0:
            terms = replace(terms, privacy=replace(terms.privacy, noise_multiplier=10.9))
        noise = update_noise(terms, 2010, 1, 3000)
        assert noise is not None and noise.shares == round(0.7 * terms.clients)
        assert noise.room * update_codec(terms, 1).step >= min(terms.update.l2_clip, terms.update.clip / 2)
        check(noise, range(3))


def test_a_plan_that_protects_nobody_is_not_measured() -> None:
    plan = {"name": "x", "dataset": "digits", "clients": 5, "rounds": 1, "weights": "equal"}
    with pytest.raises(ParameterError, match="plans with privacy"):
        measure(plan)


def test_clients_that_trust_no_sum_pay_for_it() -> None:
    how = Local(clients=5, rounds=2, steps=2, rate=0.5, learning_rate=20.0)
    found = measure_local("digits-patches", how, 8.0, 1)
    assert ROW <= set(found.row) and 7 < found.row["epsilon"] <= 8.0
    assert "nobody" in found.row["trust"] and len(found.curve) == 2
    assert np.isfinite(found.row["accuracy"])
