"""What the comparison of processes and containers makes of its readings."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from benchmarks.containers import ROOT, SATURATION, Reading, Table, shown, tables, words_of
from records.plan_compose import faults_of_compose
from records.plan_file import read_plan


def readings(form: str, *rps: tuple[float, float]) -> list[Reading]:
    """Return readings of (go, rust) by round at one endpoint."""
    return [
        Reading(number, form, twin, "balance", value, 0.5, saturated=True)
        for number, pair in enumerate(rps)
        for twin, value in zip(("go", "rust"), pair, strict=True)
    ]


PROCESSES = readings("processes", (100.0, 200.0), (100.0, 220.0), (50.0, 100.0))
CONTAINERS = readings("containers", (90.0, 180.0), (100.0, 200.0), (40.0, 88.0))
FOUND = Table((*CONTAINERS, *PROCESSES), "go", "rust")


def test_a_ratio_is_of_one_round_and_its_interval_over_rounds() -> None:
    assert FOUND.forms == ("processes", "containers")
    assert FOUND.by_round(SATURATION, "processes", "balance") == {0: 2.0, 1: 2.2, 2: 2.0}
    found = FOUND.ratio(SATURATION, "processes", "balance")
    assert found is not None
    assert (found.kind, found.count) == ("t95", 3)
    assert found.value == pytest.approx((2.0 * 2.2 * 2.0) ** (1 / 3))


def test_forms_are_compared_within_rounds() -> None:
    found = FOUND.between(SATURATION, "containers", "balance")
    assert found is not None
    assert found.value == pytest.approx(math.exp((math.log(2.0 / 2.2) + math.log(2.2 / 2.0)) / 3))
    kept = FOUND.kept(SATURATION, "containers", "go", "balance")
    assert kept is not None
    assert kept.value == pytest.approx((0.9 * 1.0 * 0.8) ** (1 / 3))


def test_an_invalid_stage_takes_its_round_out_and_is_told() -> None:
    found = replace(FOUND, readings=(*CONTAINERS, replace(PROCESSES[0], why=("too noisy",)), *PROCESSES[1:]))
    assert list(found.by_round(SATURATION, "processes", "balance")) == [1, 2]
    text = "\n".join(tables(found, {"go": "Go", "rust": "Rust"}))
    assert "1 of 12 stages show no saturation" in text
    assert "round 1, processes, go balance: too noisy" in text
    assert "Rust ÷ Go" in text
    assert "range of 2" in text


def test_a_twin_below_its_limit_shows_no_saturation_but_what_a_cpu_second_answers() -> None:
    idle = replace(PROCESSES[0], saturated=False)
    assert idle.value(SATURATION) is None
    assert idle.value("per_cpu") == 200.0
    found = replace(FOUND, readings=(*CONTAINERS, idle, *PROCESSES[1:]))
    assert list(found.by_round(SATURATION, "processes", "balance")) == [1, 2]
    assert found.by_round("per_cpu", "processes", "balance") == {0: 2.0, 1: 2.2, 2: 2.0}
    told = "round 1, processes, go balance: the twin was not at its limit: it had 0.50 cores"
    assert told in "\n".join(tables(found, {"go": "Go", "rust": "Rust"}))


def test_without_a_reading_nothing_is_known() -> None:
    assert shown(FOUND.ratio(SATURATION, "bridge", "balance")) == "unknown"


@pytest.mark.parametrize("form", ["processes", "containers", "bridge"])
def test_each_form_is_a_plan_without_faults_of_one_hot_instance_a_twin(form: str) -> None:
    shipped = read_plan(ROOT / "twinload.toml")
    plan = read_plan(ROOT / "twinload.toml", sets=list(words_of(form, 1, 3, shipped)))
    assert list(faults_of_compose(plan)) == []
    assert [len(twin.instances) for twin in plan.twins.values()] == [1, 1]
    assert {twin.start for twin in plan.twins.values()} == {"process" if form == "processes" else "compose"}
    assert (plan.is_closed_loop, plan.search.mode, plan.search.pairs, plan.stages.kind) == (True, "curve", 1, "list")
