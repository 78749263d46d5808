"""When a search knows enough: three pairs within the width, of every ratio asked for; what is not narrow is named."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from analysis.figures import StageFigures
from analysis.standing import LoadCost, cost_logs, load_costs, standing
from benchmarks.truth.virtual import make_plan
from records.stage import Stage, StageLine
from swarm.capacity_pairs import Standing
from swarm.trials import Counts, Trial

CAPACITY = make_plan(20.0, seed=1, time_limit_s=360, ratio_width=0.05)
BOTH = CAPACITY.model_copy(
    update={"verdict": CAPACITY.verdict.model_copy(update={"ask": ["capacity", "cpu_s_per_1k"]})}
)


def trials(factors: tuple[float, ...], *, limited: bool = True) -> list[Trial]:
    """Return settled blocks, a pair a factor: bounds 2 % apart, each tried twice."""
    out: list[Trial] = []
    for pair, factor in enumerate(factors):
        for place, (twin, lower) in enumerate((("baseline", 1000.0), ("candidate", 1000.0 * factor))):
            for rate, late in ((lower, 0), (lower * 1.02, 200)) * 2:
                number = len(out)
                stage = Stage(number, "trial", "trial", twin, "known", pair, 2 * pair + place, rate, 1, 2)
                line = StageLine(0, "", stage, "x", 1, 100 * number, None, 0, 0, valid=limited or not late)
                out.append(Trial(line, Counts(2000, late, 0, 2000, 2000, None, 0)))
    return out


def costs(rate_rps: float, *ratios: float) -> list[LoadCost]:
    return [
        LoadCost(twin, "known", pair, rate_rps, cost)
        for pair, ratio in enumerate(ratios)
        for twin, cost in (("baseline", 2.0), ("candidate", 2.0 * ratio))
    ]


def test_three_narrow_pairs_are_enough_and_two_or_wide_ones_are_not() -> None:
    assert standing(trials((2.0, 2.0)), (), CAPACITY) == Standing(
        False, "not within ± 5 %: known capacity 2.000 (2 of 3 pairs)"
    )
    wide = standing(trials((1.8, 2.0, 2.2)), (), CAPACITY)
    assert not wide.is_enough
    assert "known capacity 1.99" in wide.text
    said = standing(trials((1.99, 2.0, 2.01)), (), CAPACITY)
    assert said.is_enough
    assert "within ± 5 %: known capacity 2.000" in said.text


def test_a_narrow_capacity_waits_for_a_wide_cost_which_is_named_alone() -> None:
    found = standing(trials((2.0, 2.0, 2.0)), costs(500, 0.5, 0.4, 0.6), BOTH)
    assert not found.is_enough
    assert found.text.startswith("not within ± 5 %: known cpu_s_per_1k 0.49")
    assert "capacity" not in found.text
    assert standing(trials((2.0, 2.0, 2.0)), costs(500, 0.5, 0.5, 0.501), BOTH).is_enough


def test_what_is_not_in_sight_in_three_pairs_is_waited_for_no_longer() -> None:
    assert standing(trials((2.0, 2.0, 2.0)), (), BOTH).is_enough
    assert not standing(trials((2.0, 2.0)), (), BOTH).is_enough
    assert standing(trials((2.0, 2.0, 2.0), limited=False), (), CAPACITY) == Standing(True, "no ratio is in sight")


def test_endpoints_where_lateness_grows_gently_with_the_rate_are_named() -> None:
    # From 0.2 % late to 5 % over 16 % of the rate, a factor of 1.5 every 2 %: no limit, but a slope.
    sharp, gentle = trials((2.0, 2.0)), list[Trial]()
    for number, trial in enumerate(sharp):
        stage = trial.line.stage
        rate_rps = 1000 * (2 if stage.twin == "candidate" else 1) * (0.92 + 0.04 * (number % 5))
        late = round(2000 * 0.01 * math.exp(20 * math.log(rate_rps / 1000 / (2 if stage.twin == "candidate" else 1))))
        line = replace(trial.line, stage=replace(stage, rate_rps=rate_rps))
        gentle.append(Trial(line, Counts(2000, late, 0, 2000, 2000, None, 0)))
    assert standing(gentle, (), CAPACITY).gentle == {"known"}
    assert standing(sharp, (), CAPACITY).gentle == frozenset()
    one = [g if g.line.stage.twin == "baseline" else s for g, s in zip(gentle, sharp, strict=True)]
    assert standing(one, (), CAPACITY).gentle == {"known"}, "one twin is enough: both search alike"


def test_costs_are_compared_at_the_highest_rate_that_three_pairs_have() -> None:
    many, once = costs(400, 0.5, 0.5, 0.5), costs(800, 0.9)
    assert cost_logs([*many, *once], "known", BOTH) == pytest.approx([math.log(0.5)] * 3)
    assert cost_logs([*many[:2], *once], "known", BOTH) == pytest.approx([math.log(0.9)])
    assert cost_logs(many[:3], "known", BOTH) == pytest.approx([math.log(0.5)])  # the second pair has one twin alone
    assert cost_logs([], "known", BOTH) == []


def measured(figures: StageFigures, *, valid: bool = True, kind: str = "measure") -> tuple[LoadCost, ...]:
    stage = Stage(1, "same-load", kind, "baseline", "known", 2, 4, 250.0, 1, 6, loop="open")  # type: ignore[arg-type]
    return load_costs(StageLine(0, "", stage, "x", 1, 100, 1500.0, 1500, 1500, valid=valid), figures)


def test_a_stage_costs_its_cpu_by_its_answers_where_both_are_known_and_it_was_carried() -> None:
    figures = StageFigures(250.0, 250.0, 20.0, 50.0, 0.5, 50.0, 0.0, (), (), offered_rps=250.0)
    assert measured(figures) == (LoadCost("baseline", "known", 2, 250.0, 2.0),)  # 0.5 s for 250 answers
    assert measured(figures, valid=False) == ()
    assert measured(figures, kind="trial") == ()
    assert measured(replace(figures, target_cores=None)) == ()
    assert measured(replace(figures, target_cores=0.0)) == ()
    assert measured(replace(figures, achieved_rps=240.0, answered_rps=240.0)) == ()  # 4 % were not answered
    at_limit = replace(figures, target_percent=99.0, answered_rps=247.0, achieved_rps=247.0, edge_rps=3.0)
    assert measured(at_limit) == ()  # past saturation there is no allowance for edges
