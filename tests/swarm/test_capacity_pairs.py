"""The order of a capacity search over pairs: trials apart, same load, balance, time; on targets in virtual time."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.truth.targets import Target, exponential, falling, fixed
from benchmarks.truth.virtual import ENDPOINT, VirtualDriver, make_plan
from records.plan import Plan
from records.stage import Stage, StageLine
from swarm.capacity_pairs import Standing, pair_order
from swarm.schedule import Answers, Scope, campaign


class Noting(VirtualDriver):
    """Keeps the stages it drives."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.sweeps: list[tuple[Stage, ...]] = []

    def stage(self, stage: Stage) -> StageLine:
        """Drive one stage."""
        self.sweeps.append((stage,))
        return super().stage(stage)


@pytest.fixture
def driven() -> tuple[Noting, list[tuple[Stage, ...]]]:
    """A run of three pairs on two fixed servers, with its sweeps."""
    targets: dict[str, Target] = {"baseline": fixed(1000, 20), "candidate": fixed(1600, 20)}
    plan = make_plan(20, seed=4, time_limit_s=900, ratio_width=0.05)
    driver = Noting(plan, targets, np.random.default_rng(4))
    driver.run()
    return driver, driver.sweeps


def test_the_planned_stages_come_once_and_later_pairs_have_one_at_the_same_load_for_both(
    driven: tuple[Noting, list[tuple[Stage, ...]]],
) -> None:
    planned = [s for (s,) in driven[1] if s.kind == "measure"]
    # 0.7 of the smaller rough limit, about 1,000: 0.5 of the larger one, 1,600, is within 20 % of it and makes way
    assert [s.name for s in planned if s.pair == 0] == ["at-0.25", "same-load", "at-0.8", "at-1.1"] * 2
    same = {(s.pair, s.twin): s.rate_rps for s in planned if s.name == "same-load"}
    assert len(same) == 6
    assert len(set(same.values())) == 1
    assert next(iter(same.values())) == pytest.approx(700, rel=0.1)
    assert all(s.name == "same-load" for s in planned if s.pair)


def same_load_of(plan: Plan) -> list[Stage]:
    """Return the stages at the same load of two pairs on fixed servers."""
    driver = Noting(plan, {"baseline": fixed(1000, 20), "candidate": fixed(1600, 20)}, np.random.default_rng(4))
    driver.run()
    measured = [s for (s,) in driver.sweeps if s.kind == "measure"]
    return [s for s in measured if s.name == "same-load" or s.pair]


def test_the_same_load_is_measured_for_longer_where_cpu_is_asked_for() -> None:
    plan = make_plan(20, seed=4, time_limit_s=900, ratio_width=0.05)
    assert {s.measure_s for s in same_load_of(plan)} == {plan.stages.measure_s}
    asked = plan.model_copy(update={"verdict": plan.verdict.model_copy(update={"ask": ["capacity", "cpu_s_per_1k"]})})
    assert {s.measure_s for s in same_load_of(asked)} == {4}


def test_without_rough_limits_the_same_load_is_the_largest_planned_one_that_the_first_pair_allows() -> None:
    plan = make_plan(20, seed=4, time_limit_s=900, ratio_width=0.05)
    rates = {"kind": "steps", "rates_rps": [300.0, 700.0, 900.0, 1200.0]}
    fixed_rates = plan.model_copy(update={"stages": plan.stages.model_copy(update=rates)})
    later = {s.rate_rps for s in same_load_of(fixed_rates)}
    assert later == {700.0}  # 900 is above 0.8 of what the smaller twin carried


def test_a_same_load_that_was_invalid_is_driven_once_more_in_the_first_pair_too() -> None:
    plan = make_plan(20, seed=4, time_limit_s=900, ratio_width=0.05)
    driver = VirtualDriver(plan, {"baseline": fixed(1000, 20), "candidate": fixed(1600, 20)}, np.random.default_rng(4))
    answers = Answers(lambda line: driver.counted.pop(line.stage.id), lambda _: Standing(True, "one is enough"))
    run = campaign(plan, Scope.of(plan), clock=lambda: 0.0, tell=lambda _: None, answers=answers)
    driven: list[Stage] = []
    sweep = next(run)
    while True:
        lines = [driver.stage(s) for s in sweep]
        driven += [s for s in sweep if s.kind == "measure"]
        bad = [replace(line, valid=line.stage.name not in ("same-load", "at-0.25")) for line in lines]
        try:
            sweep = run.send(tuple(bad))
        except StopIteration:
            break
    for twin in plan.twins:
        assert [s.name for s in driven if s.twin == twin] == ["at-0.25", "same-load", "at-0.8", "at-1.1", "same-load"]
    assert len({s.id for s in driven}) == len(driven)


def test_stage_ids_never_repeat_and_rise(driven: tuple[Noting, list[tuple[Stage, ...]]]) -> None:
    ids = [stage.id for (stage,) in driven[1]]
    assert ids == sorted(set(ids))


def test_a_trial_has_a_thousand_requests_where_ten_seconds_allow_it(
    driven: tuple[Noting, list[tuple[Stage, ...]]],
) -> None:
    trials = [s for (s,) in driven[1] if s.kind == "trial"]
    assert all((s.rate_rps or 0) * s.measure_s >= 1000 for s in trials)


def test_of_two_pairs_each_twin_begins_one() -> None:
    for seed in range(10):
        firsts = [pair_order(("one", "two"), pair, seed)[0] for pair in range(6)]
        assert all(set(firsts[i : i + 2]) == {"one", "two"} for i in (0, 2, 4))


def test_the_run_ends_before_a_pair_that_would_not_fit_and_says_so() -> None:
    plan = make_plan(20, seed=4, time_limit_s=200, ratio_width=0.001)
    twins = {"baseline": falling(1000, 20), "candidate": falling(1600, 20)}
    run = VirtualDriver(plan, twins, np.random.default_rng(4)).run()
    assert run.took_s <= 200
    assert "time limit of 200 s" in run.ended


def test_without_answers_the_planned_stages_are_driven_whatever_the_mode() -> None:
    plan = make_plan(20, seed=4, time_limit_s=200, ratio_width=0.05)
    run = campaign(plan, Scope.of(plan), clock=lambda: 0.0, tell=lambda _: None)
    sweep = next(run)
    while True:
        lines = tuple(StageLine(0, "", s, "x", 1, 0, None, 0, 3000) for s in sweep)
        assert all(stage.kind != "trial" for stage in sweep)
        try:
            sweep = run.send(lines)
        except StopIteration:
            break


def test_a_generator_that_cannot_go_on_leaves_at_least() -> None:
    plan = make_plan(20, seed=4, time_limit_s=900, ratio_width=0.05)
    counted = VirtualDriver(plan, {"baseline": fixed(1e6, 20), "candidate": fixed(1e6, 20)}, np.random.default_rng(1))
    told: list[str] = []
    answers = Answers(lambda line: counted.counted.pop(line.stage.id), lambda _: Standing(True, "one is enough"))
    run = campaign(plan, Scope.of(plan), clock=lambda: 0.0, tell=lambda note: told.append(note.text), answers=answers)
    sweep = next(run)
    while True:
        lines = []
        for stage in sweep:
            if stage.rate_rps is None:
                lines.append(StageLine(0, "", stage, "x", 1, 0, None, 0, 1000 * stage.measure_s))
                continue
            line = counted.stage(stage)
            lines.append(StageLine(0, "", stage, "x", 1, line.start_second, None, 0, 0, valid=stage.rate_rps < 1200))
        try:
            sweep = run.send(tuple(lines))
        except StopIteration:
            break
    assert [text for text in told if "at least" in text]


def test_a_stage_at_the_same_load_that_was_invalid_is_driven_once_more() -> None:
    class Disturbed(Noting):
        def stage(self, stage: Stage) -> StageLine:
            line = super().stage(stage)
            is_disturbed = stage.kind == "measure" and (stage.pair, stage.twin) == (1, "candidate")
            return replace(line, valid=False) if is_disturbed else line

    targets: dict[str, Target] = {"baseline": fixed(1000, 20), "candidate": fixed(1600, 20)}
    driver = Disturbed(make_plan(20, seed=4, time_limit_s=900, ratio_width=0.05), targets, np.random.default_rng(4))
    driver.run()
    later = [(s.pair, s.twin) for (s,) in driver.sweeps if s.kind == "measure" and s.pair]
    assert Counter(later) == {(1, "baseline"): 1, (1, "candidate"): 2, (2, "baseline"): 1, (2, "candidate"): 1}


def test_three_pairs_share_a_time_that_is_short_of_three_exact_ones() -> None:
    targets: dict[str, Target] = {"baseline": exponential(1000, 20), "candidate": exponential(1600, 20)}
    for seed in range(5):
        driver = Noting(
            make_plan(20, seed=seed, time_limit_s=180, ratio_width=0.05), targets, np.random.default_rng(seed)
        )
        run = driver.run()
        assert len({block.pair for block in run.blocks}) == 3, seed
        assert run.took_s <= 180 + 3, seed


class Sweeping(VirtualDriver):
    """Drives so many pairs and returns their sweeps; `gentle` is what the analysis says after each."""

    def sweeps(self, plan: Plan, *, pairs: int = 1, gentle: frozenset[str] = frozenset()) -> list[tuple[Stage, ...]]:
        """Return the sweeps driven, probes left out."""
        over = itertools.count(1)
        answers = Answers(
            lambda line: self.counted.pop(line.stage.id), lambda _: Standing(next(over) >= pairs, "", gentle)
        )
        run = campaign(plan, Scope.of(plan), clock=lambda: 0.0, tell=lambda _: None, answers=answers)
        driven: list[tuple[Stage, ...]] = []
        sweep = next(run)
        while True:
            driven += [sweep] if sweep[0].kind != "probe" else []
            try:
                sweep = run.send(tuple(self.stage(stage) for stage in sweep))
            except StopIteration:
                return driven


def sweeps_of(plan: Plan, *, pairs: int = 1, gentle: frozenset[str] = frozenset()) -> list[tuple[Stage, ...]]:
    """Return the sweeps of fixed servers."""
    targets: dict[str, Target] = {"baseline": fixed(1000, 20), "candidate": fixed(1600, 20)}
    return Sweeping(plan, targets, np.random.default_rng(4)).sweeps(plan, pairs=pairs, gentle=gentle)


def first_pair(plan: Plan) -> list[str]:
    """Return whose sweeps the first pair had, one after the other, a letter each."""
    return [sweep[0].twin[0] for sweep in sweeps_of(plan)]


def test_the_blocks_of_a_pair_take_turns_whose_order_turns_round() -> None:
    plan = make_plan(20, seed=4, time_limit_s=900, ratio_width=0.05)
    one, other = (twin[0] for twin in pair_order(tuple(plan.twins), 0, 4))
    assert first_pair(plan)[:4] == [one, other, other, one]


@pytest.mark.parametrize(("gentle", "trials"), [(frozenset[str](), {1}), (frozenset({ENDPOINT}), {2})])
def test_later_blocks_walk_a_trial_a_turn_but_where_lateness_grows_gently(
    gentle: frozenset[str], trials: set[int]
) -> None:
    plan = make_plan(20, seed=4, time_limit_s=900, ratio_width=0.05)
    later = [sweep for sweep in sweeps_of(plan, pairs=2, gentle=gentle) if sweep[0].pair == 1]
    assert {len([stage for stage in sweep if stage.kind == "trial"]) for sweep in later[:4]} == trials


def test_a_block_that_hooks_prepare_stays_whole() -> None:
    plan = make_plan(20, seed=4, time_limit_s=900, ratio_width=0.05)
    hooks = plan.hooks.model_copy(update={"before_block": [["./reset"]]})
    driven = first_pair(plan.model_copy(update={"hooks": hooks}))
    assert [twin for twin, _ in itertools.groupby(driven)] == [twin[0] for twin in pair_order(tuple(plan.twins), 0, 4)]
    assert len(driven) >= 4


def test_probes_that_met_a_slow_moment_do_not_leave_a_search_below_the_limit() -> None:
    # Both probes find half of what there is; the curve, of up to 1.1 times the larger, answers 880 of the candidate's.
    slow = {"baseline": replace(fixed(1000, 20), saturation_rps=500.0)}
    slow["candidate"] = replace(fixed(1600, 20), saturation_rps=800.0)
    driver = Noting(make_plan(20, seed=4, time_limit_s=330, ratio_width=0.05), slow, np.random.default_rng(4))
    run = driver.run()
    first = {twin: next(s for (s,) in driver.sweeps if s.kind == "trial" and s.twin == twin) for twin in slow}
    assert all(0.8 < (first[twin].rate_rps or 0) / 880 < 1 for twin in slow), "below 0.95 of what the curve answered"
    assert {block.twin for block in run.blocks if block.bounds.upper_rps} == set(slow), "both limits were seen"
