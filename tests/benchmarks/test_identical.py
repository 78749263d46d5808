"""Identical twins: the plan that they run by, what counts as a false claim, and the count with its interval."""

from __future__ import annotations

import pytest

from benchmarks.identical import PLAN, RATIOS, Claim, claim_of, settings, shown, summed_up
from records.plan_file import read_plan

HONEST, WRONG = Claim(1.01, 0.97, 1.05, 4, 50.0), Claim(1.04, 1.01, 1.07, 4, 55.0)


@pytest.mark.parametrize("ratio", RATIOS)
def test_both_twins_are_the_baseline_with_one_endpoint_and_one_ratio(ratio: str) -> None:
    shipped = read_plan(PLAN, environ={})
    ports = range(20_001, 20_007)
    plan = read_plan(PLAN, sets=settings(shipped, ratio, "statistics", ports, None), environ={})
    one, two = plan.twins.values()
    assert (one.command, one.env, one.cpu_set) == (two.command, two.env, two.cpu_set)
    assert [i.command for i in one.instances] == [i.command for i in two.instances]
    assert [i.address for twin in (one, two) for i in twin.instances] == [f"127.0.0.1:{port}" for port in ports]
    assert plan.sweeps == ("statistics",)
    assert plan.verdict.ask == [ratio]
    assert plan.stages.kind == "probe"


def test_a_rough_limit_that_is_known_saves_the_probes_but_for_a_search() -> None:
    shipped = read_plan(PLAN, environ={})

    def stages(ratio: str) -> tuple[str, list[float] | None]:
        given = settings(shipped, ratio, "balance", range(20_001, 20_007), 1000.0)
        found = read_plan(PLAN, sets=given, environ={}).stages
        return found.kind, found.rates_rps

    assert stages("saturation") == ("steps", [1250.0])
    assert stages("cpu_s_per_1k") == ("steps", [700.0])
    assert stages("capacity") == ("probe", None)


def summary(**ratio: object) -> dict[str, object]:
    found = {"value": 1.04, "lo": 1.01, "hi": 1.07, "pairs": 4, "interval": "t95"} | ratio
    return {"ratios": {"balance": {"saturation": found, "capacity": None}}}


def test_an_interval_without_one_in_it_is_a_false_claim() -> None:
    assert claim_of(summary(), "saturation", "balance", 55.0) == WRONG
    assert WRONG.is_false
    assert not HONEST.is_false
    assert not claim_of(summary(lo=0.99), "saturation", "balance", 1.0).is_false


def test_a_range_of_under_three_pairs_and_no_ratio_claim_nothing() -> None:
    ranged = claim_of(summary(interval="range", pairs=2), "saturation", "balance", 1.0)
    assert (ranged.is_known, ranged.is_false) == (False, False)
    none = claim_of(summary(), "capacity", "balance", 1.0)
    assert (none.is_known, none.is_false) == (False, False)
    assert "no interval (2 pairs)" in shown(1, ranged)
    assert "no ratio (0 pairs)" in shown(1, none)


def test_false_claims_are_counted_with_an_exact_interval() -> None:
    said = summed_up([HONEST] * 19 + [WRONG])
    assert said.startswith("1 of 20 called different: 5 % (95 % interval 0.1 to 24.9 %)")  # Clopper and Pearson
    assert "half-width 4.0 %" in said
    assert said.endswith("longest 55 s")
    assert summed_up([Claim(None, None, None, 0, 9.0)]) == "1 runs, none with an interval"


def test_a_line_names_the_verdict() -> None:
    assert shown(3, WRONG) == "run  3: 1.040 (1.010 to 1.070, 4 pairs) CALLED DIFFERENT, 55 s"
    assert "not told apart" in shown(3, HONEST)
