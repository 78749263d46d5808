"""The judge: what counts against a stage, and what does not."""

from dataclasses import replace

import pytest

from analysis.validity import StageFigures, carried, figures_of, judge, measured_window, past_saturation
from records.clock import NS
from records.instance import Instance
from records.plan_file import check_plan
from records.stage import Stage, StageLine
from records.usage import HostUsage, UsageLine

STAGE = Stage(1, "steps-1", "measure", "go", "balance", 0, 0, 1_000.0, 1, 2)
LINE = StageLine(103 * NS, "", STAGE, "fasthttp", 800, 100, 2_000.0, 2_000, 2_000)
GOOD = StageFigures(1_000.0, 1_000.0, 50.0, 60.0, 0.6, 62.0, 0.0, (0.6,), (1e8,))


def test_a_stage_that_carried_its_load_has_nothing_against_it() -> None:
    assert judge(LINE, GOOD) == ()


def test_the_measured_window_follows_the_warm_up() -> None:
    assert measured_window(LINE) == (101 * NS, 103 * NS)


def test_a_stage_cut_short_ends_where_its_line_was_written() -> None:
    assert measured_window(replace(LINE, complete=False, t_ns=102 * NS)) == (101 * NS, 102 * NS)
    assert measured_window(replace(LINE, complete=False, t_ns=100 * NS)) == (101 * NS, 101 * NS)


@pytest.mark.parametrize(("percent", "blamed"), [(89.9, False), (90.0, True), (100.0, True)])
def test_a_generator_at_ninety_percent_of_its_cores_is_blamed(percent: float, blamed: bool) -> None:
    reasons = judge(LINE, replace(GOOD, generator_percent=percent))
    assert [reason.startswith("the generator was the limit") for reason in reasons] == ([True] if blamed else [])


@pytest.mark.parametrize(
    ("answered", "target", "blamed"),
    [(970.0, 30.0, False), (969.0, 30.0, True), (969.0, 79.9, True), (969.0, 80.0, False), (500.0, 97.0, False)],
)
def test_falling_short_while_the_twin_idles_blames_the_generator(answered: float, target: float, blamed: bool) -> None:
    figures = replace(GOOD, achieved_rps=answered, answered_rps=answered, target_percent=target)
    reasons = judge(LINE, figures)
    assert bool(reasons) is blamed
    assert all(f"answered {answered:.0f} of 1000" in reason for reason in reasons)


def test_an_open_loop_must_carry_ninety_nine_percent() -> None:
    assert carried(970, 1_000, "closed")
    assert not carried(969.9, 1_000, "closed")
    assert carried(990, 1_000, "open")
    assert not carried(989.9, 1_000, "open")


def test_failed_answers_are_the_twins_fault_and_not_the_generators() -> None:
    assert judge(LINE, replace(GOOD, achieved_rps=400.0, answered_rps=1_000.0)) == ()


def test_cores_busy_with_others_blame_the_machine() -> None:
    figures = replace(GOOD, answered_rps=600.0, achieved_rps=600.0, target_percent=60.0, cores_busy_percent=99.0)
    assert [reason.split(":")[0] for reason in judge(LINE, figures)] == ["the machine was the limit"]


@pytest.mark.parametrize(
    ("answered", "busy", "blamed"),
    [(969.0, 95.0, True), (969.0, 94.9, False), (970.0, 100.0, False), (969.0, None, False)],
)
def test_busy_cores_of_the_generator_are_blamed_when_the_load_falls_short(
    answered: float, busy: float | None, blamed: bool
) -> None:
    figures = replace(GOOD, answered_rps=answered, target_percent=97.0, generator_cores_busy_percent=busy)
    expected = ("the generator was the limit: answered 969 of 1000 requests a second offered while its cores were "
                "95 % busy (limit 95 %)",)  # fmt: skip
    assert judge(LINE, figures) == (expected if blamed else ())


def usage(second: int, busy_s: tuple[float, float]) -> UsageLine:
    host = HostUsage(sum(busy_s), 0.0, busy_s, 0)
    return UsageLine(second * NS, "", second, (0.5 * second, 0.6 * second), (1, 1), (None,) * 2, (None,) * 2, host)


@pytest.mark.parametrize(
    ("twin_set", "sender_set", "expected"),
    [((0,), (1,), 97.0), ((0,), (0, 1), 97.0), ((0, 1), (1,), None), ((0,), (), None)],
)
def test_the_generators_cores_are_those_it_has_to_itself(
    twin_set: tuple[int, ...], sender_set: tuple[int, ...], expected: float | None
) -> None:
    # in the two measured seconds core 1 is busy for 0.96 and 0.98 s, of which the generator itself used 0.6 each
    lines = [usage(101, (0.0, 10.0)), usage(102, (0.7, 10.96)), usage(103, (1.4, 11.94))]
    served = {"go": [{"name": "go-1", "address": "127.0.0.1:1", "serves": ["balance"]}]}
    served["rust"] = [{"name": "rust-1", "address": "127.0.0.1:2", "serves": ["balance"]}]
    twins = {
        name: {"start": "process", "command": ["x"], "cpu_set": list(twin_set), "instances": instances}
        for name, instances in served.items()
    }
    workload = [{"name": "balance", "path": "/b/{user_id}", "hot": True}]
    plan = check_plan({"schema": 1, "twins": twins, "workload": workload}, "test")
    instances = (
        Instance("go-1", "target", "go", serves=("balance",), cpu_set=twin_set, watch="process"),
        Instance("generator", "generator", cpu_set=sender_set, watch="process"),
    )
    figures = figures_of(LINE, lines, instances, plan)
    assert figures.generator_cores_busy_percent == (None if expected is None else pytest.approx(expected))


def test_stolen_time_above_five_percent_is_a_reason() -> None:
    assert judge(LINE, replace(GOOD, stolen_ratio=0.05)) == ()
    assert "hypervisor took 5.1 %" in judge(LINE, replace(GOOD, stolen_ratio=0.051))[0]


def test_a_gap_a_death_and_a_cut_are_each_named() -> None:
    figures = replace(GOOD, gaps=("go-2",), died=("go-1",), target_percent=None, answered_rps=10.0)
    assert judge(replace(LINE, complete=False, why=("no worker is left",)), figures) == (
        "no worker is left",
        "the stage was cut short",
        "instance go-1 died",
        "no usage samples of go-2: who was the limit is unknown",
    )


def test_a_twin_nobody_watches_is_valid_below_its_limit_and_open_beyond() -> None:
    unwatched = replace(GOOD, target_percent=None, target_cores=None)
    assert judge(LINE, unwatched) == ()
    assert "twin's CPU not watched" in judge(LINE, replace(unwatched, answered_rps=500.0))[0]


def test_a_probe_is_not_judged() -> None:
    probe = replace(LINE, stage=replace(STAGE, kind="probe", rate_rps=None), complete=False)
    assert judge(probe, replace(GOOD, generator_percent=99.0)) == ()


def test_past_saturation_is_short_of_the_offer_at_the_cpu_limit() -> None:
    short = replace(GOOD, answered_rps=800.0, achieved_rps=800.0)
    assert past_saturation(LINE, replace(short, target_percent=95.0))
    assert not past_saturation(LINE, replace(short, target_percent=94.9))
    assert past_saturation(LINE, replace(short, target_percent=85.0, cores_busy_percent=97.0))
    assert not past_saturation(LINE, replace(short, target_percent=None))
    assert not past_saturation(LINE, replace(GOOD, target_percent=99.0))
