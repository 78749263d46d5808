"""The stages of one sweep, by hand-computed values."""

from __future__ import annotations

import itertools

import pytest
from swarm_cases import make_plan

from swarm.stages import Place, ladder_turns, probe_stage, sweep_stages, trial_stages

PLACE = Place("one", "front", 2, 5)


def rates(**stages: object) -> list[float | None]:
    return [stage.rate_rps for stage in sweep_stages(make_plan(stages=dict(stages)), PLACE, 0)]


def test_a_ramp_has_equal_steps() -> None:
    assert rates(kind="ramp", from_rps=100.0, to_rps=400.0, steps=4) == [100, 200, 300, 400]


def test_steps_stand_as_they_are_written() -> None:
    assert rates(kind="steps", rates_rps=[30.0, 10.0, 20.0]) == [30, 10, 20]


def test_a_spike_returns_to_its_base() -> None:
    assert rates(kind="spike", base_rps=50.0, peak_rps=500.0) == [50, 500, 50]


def test_a_soak_is_one_long_stage() -> None:
    stages = sweep_stages(make_plan(stages={"kind": "soak", "rate_rps": 70.0, "measure_s": 3600}), PLACE, 0)
    assert [(s.rate_rps, s.measure_s) for s in stages] == [(70, 3600)]


def test_a_listed_stage_in_users_asks_users_times_their_rate() -> None:
    listed = [{"name": "low", "rate_rps": 10.0, "measure_s": 4}, {"name": "many", "users": 800, "warmup_s": 2}]
    low, many = sweep_stages(make_plan(stages={"kind": "list", "list": listed}), PLACE, 0)
    assert (low.name, low.rate_rps, low.users, low.measure_s) == ("low", 10, None, 4)
    assert (many.name, many.rate_rps, many.users, many.warmup_s) == ("many", 200, 800, 2)


def test_stages_after_a_probe_stand_at_fractions_of_the_limit() -> None:
    plan = make_plan(stages={"fractions": [0.1, 0.5, 1.2]})
    stages = sweep_stages(plan, PLACE, 7, limit_rps=1000.0)
    assert [(s.id, s.name, s.rate_rps) for s in stages] == [(7, "at-0.1", 100), (8, "at-0.5", 500), (9, "at-1.2", 1200)]
    assert {(s.twin, s.endpoint, s.pair, s.block, s.kind) for s in stages} == {("one", "front", 2, 5, "measure")}


def test_a_ramp_takes_the_change_in_users_over_the_spawn_rate() -> None:
    # 100 rps are 400 users at 0.25 rps each; 1,600 users a second: 0.25 s; then 300 rps more: 0.75 s.
    plan = make_plan(stages={"kind": "steps", "rates_rps": [100.0, 400.0]}, swarm={"spawn_rate": 1_600.0})
    assert [stage.ramp_s for stage in sweep_stages(plan, PLACE, 0)] == [0.25, 0.75]


def test_a_warm_up_is_lengthened_where_a_found_rate_needs_a_longer_ramp() -> None:
    plan = make_plan(stages={"fractions": [1.0]}, swarm={"spawn_rate": 1_600.0})
    (stage,) = sweep_stages(plan, PLACE, 0, limit_rps=1_000.0)
    assert (stage.ramp_s, stage.warmup_s) == (2.5, 3)


@pytest.mark.parametrize("limit_rps", [None, 0.0, -1.0, float("nan")])
def test_fractions_of_no_limit_are_refused(limit_rps: float | None) -> None:
    with pytest.raises(ValueError, match="rough limit above 0"):
        sweep_stages(make_plan(), PLACE, 0, limit_rps=limit_rps)


def test_a_probe_asks_every_seat_to_go_on_at_once() -> None:
    stage = probe_stage(make_plan(), PLACE, 3)
    assert (stage.id, stage.kind, stage.rate_rps, stage.warmup_s, stage.measure_s) == (3, "probe", None, 1, 3)


NATIVE = {"swarm": {"sender": "native-schedule", "spawn_rate": 100_000.0}}


def test_a_probe_of_the_engine_has_a_user_for_every_connection_to_the_twin() -> None:
    instances = [
        {"name": "a", "address": "127.0.0.1:18001", "serves": ["front"]},
        {"name": "b", "address": "127.0.0.1:18002", "serves": ["front"]},
        {"name": "c", "address": "127.0.0.1:18003", "serves": ["back"]},
    ]
    two = {"start": "external", "instances": [{"name": "d", "address": "127.0.0.1:18004", "serves": ["front", "back"]}]}
    twins = {"one": {"start": "external", "instances": instances}, "two": two}
    plan = make_plan(**NATIVE, twins=twins, engine={"connections": 10})
    probes = [probe_stage(plan, Place(twin, endpoint, 0, 0), 0) for twin, endpoint in (
        ("one", "front"), ("one", "back"), ("one", "mix"), ("two", "front"),
    )]  # fmt: skip
    assert [probe.users for probe in probes] == [20, 10, 30, 10]
    assert {(probe.loop, probe.rate_rps) for probe in probes} == {("closed", None)}


def test_measured_stages_of_the_engine_are_an_open_loop() -> None:
    plan = make_plan(**NATIVE, stages={"kind": "steps", "rates_rps": [50.0, 80.0]})
    stages = sweep_stages(plan, Place("one", "front", 0, 0), 0)
    assert [(stage.loop, stage.rate_rps, stage.users) for stage in stages] == [
        ("open", 50.0, None),
        ("open", 80.0, None),
    ]


def test_a_closed_loop_of_the_engine_has_users_and_no_rate() -> None:
    listed = [{"name": "few", "users": 30}, {"name": "many", "users": 60}]
    plan = make_plan(**NATIVE, engine={"loop": "closed"}, stages={"kind": "list", "list": listed})
    stages = sweep_stages(plan, Place("one", "front", 0, 0), 0)
    assert [(stage.loop, stage.rate_rps, stage.users, stage.ramp_s) for stage in stages] == [
        ("closed", None, 30, 0.0), ("closed", None, 60, 0.0),
    ]  # fmt: skip


def test_users_of_an_open_loop_send_at_their_rate() -> None:
    plan = make_plan(**NATIVE, stages={"kind": "list", "list": [{"name": "few", "users": 40}]})
    (stage,) = sweep_stages(plan, Place("one", "front", 0, 0), 0)
    assert (stage.loop, stage.rate_rps, stage.users) == ("open", 10.0, 40)


@pytest.mark.parametrize("loop", ["open", "closed"])
def test_a_live_stage_has_no_plan_of_its_own(loop: str) -> None:
    plan = make_plan(**NATIVE, engine={"loop": loop}, stages={"kind": "live", "warmup_s": 2, "measure_s": 60})
    (stage,) = sweep_stages(plan, Place("one", "front", 0, 0), 5)
    assert (stage.id, stage.live, stage.loop, stage.rate_rps, stage.users) == (5, True, loop, None, None)
    assert (stage.kind, stage.warmup_s, stage.measure_s) == ("measure", 2, 60)


def test_a_ladder_takes_turns_of_a_low_load_and_a_high_one() -> None:
    assert ladder_turns((1.0, 2.0, 3.0, 4.0)) == ((1.0, 4.0), (2.0, 3.0))
    assert ladder_turns((1.0, 2.0, 3.0, 4.0, 5.0)) == ((1.0, 5.0), (2.0, 4.0), (3.0,))
    assert ladder_turns((1.0, 2.0, 3.0)) == ((1.0, 2.0, 3.0),)
    assert ladder_turns(()) == ()


def test_the_trials_of_a_turn_are_driven_back_to_back() -> None:
    plan = make_plan(search={"trial_s": 2})
    turn = trial_stages(plan, PLACE, itertools.count(7), (100.0, 400.0), rests=False)
    assert [(one.kind, one.rate_rps) for one in turn] == [("trial", 100.0), ("trial", 400.0)]
    assert [one.id for one in turn] == [7, 8]
    assert [one.measure_s for one in turn] == [10, 3]  # 1,000 requests each


def test_where_every_trial_may_be_bad_all_but_the_last_are_followed_by_a_rest() -> None:
    plan = make_plan(search={"trial_s": 2})
    pair = trial_stages(plan, PLACE, itertools.count(), (1000.0, 1100.0), rests=True)
    assert [one.kind for one in pair] == ["trial", "rest", "trial"]
    assert [one.kind for one in trial_stages(plan, PLACE, itertools.count(), (1000.0,), rests=True)] == ["trial"]
    assert trial_stages(plan, PLACE, itertools.count(), (), rests=True) == ()
