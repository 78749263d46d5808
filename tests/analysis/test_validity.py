"""The judge: what counts against a stage, and what does not."""

from dataclasses import replace

import pytest

from analysis.figures import edge_requests
from analysis.validity import StageFigures, carried, figures_of, judge, measured_window, past_saturation
from records.clock import NS
from records.instance import Instance
from records.plan_file import check_plan
from records.stage import Proof, Stage, StageKind, StageLine
from records.usage import HostUsage, UsageLine

STAGE = Stage(1, "steps-1", "measure", "go", "balance", 0, 0, 1_000.0, 1, 2)
LINE = StageLine(103 * NS, "", STAGE, "fasthttp", 800, 100, 2_000.0, 2_000, 2_000)
GOOD = StageFigures(1_000.0, 1_000.0, 50.0, 60.0, 0.6, 62.0, 0.0, (0.6,), (1e8,))


# an open loop: 1,000 a second for 2 s, of which 2,010 arrivals came; twin at 60 %, on 2 × 64 connections
PROOF = Proof(8.0, 60.0, 900.0, 12, 0.4, 3)
OPEN = replace(LINE, stage=replace(STAGE, loop="open"), sender="native-schedule", offered=2_010.0, proof=PROOF)
SENT = replace(GOOD, offered_rps=1_005.0, edge_rps=64.0, connections=128, lag_limit_ms=5.0)


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


@pytest.mark.parametrize("kind", ["probe", "rest"])
def test_probes_and_rests_are_not_judged(kind: StageKind) -> None:
    line = replace(LINE, stage=replace(STAGE, kind=kind, rate_rps=None), complete=False)
    assert judge(line, replace(GOOD, generator_percent=99.0)) == ()


def test_past_saturation_is_short_of_the_offer_at_the_cpu_limit() -> None:
    short = replace(GOOD, answered_rps=800.0, achieved_rps=800.0)
    assert past_saturation(LINE, replace(short, target_percent=95.0))
    assert not past_saturation(LINE, replace(short, target_percent=94.9))
    assert past_saturation(LINE, replace(short, target_percent=85.0, cores_busy_percent=97.0))
    assert not past_saturation(LINE, replace(short, target_percent=None))
    assert not past_saturation(LINE, replace(GOOD, target_percent=99.0))


@pytest.mark.parametrize(("lag_us", "blamed"), [(5_000.0, False), (5_001.0, True), (None, False)])
def test_sending_later_than_the_plan_allows_blames_the_generator(lag_us: float | None, blamed: bool) -> None:
    reasons = judge(replace(OPEN, proof=replace(PROOF, lag_p99_us=lag_us)), SENT)
    late = "the generator was the limit: it sent late, send lag p99 5 ms (limit 5 ms: engine.send_lag_p99_ms)"
    assert reasons == ((late,) if blamed else ())


def test_a_late_median_says_the_same_where_sends_are_too_few_for_a_p99() -> None:
    few = replace(PROOF, lag_p50_us=7_000.0, lag_p99_us=None)
    assert "send lag p50 7 ms" in judge(replace(OPEN, proof=few), SENT)[0]


def test_a_sender_without_a_limit_of_lag_is_not_judged_by_it() -> None:
    late = replace(OPEN, proof=replace(PROOF, lag_p99_us=1e6))
    assert judge(late, replace(SENT, lag_limit_ms=None)) == ()


@pytest.mark.parametrize(("ratio", "blamed"), [(0.899, False), (0.9, True), (None, False)])
def test_a_sending_thread_at_ninety_percent_of_a_core_is_blamed(ratio: float | None, blamed: bool) -> None:
    reasons = judge(replace(OPEN, proof=replace(PROOF, cpu_ratio=ratio)), SENT)
    busy = "the generator was the limit: its busiest sending thread used 90 % of a core (limit 90 %)"
    assert reasons == ((busy,) if blamed else ())


def test_the_edges_of_a_window_hide_what_chance_and_the_connections_allow() -> None:
    # 200/s for 2 s: 3 sqrt(400) = 60 of 400; 10,000/s: 3 sqrt(20,000) = 424, but 128 connections hold no more
    assert edge_requests(400, 128) == 60.0
    assert edge_requests(20_000, 128) == 128.0
    assert edge_requests(0, 128) == 0.0


@pytest.mark.parametrize(("answered", "blamed"), [(931.0, False), (930.0, True)])
def test_an_open_loop_is_short_below_the_arrivals_counted_less_the_edges(answered: float, blamed: bool) -> None:
    # 0.99 x 1,005 - 64 = 930.95 of the arrivals counted; the 1,000 planned are no measure
    reasons = judge(OPEN, replace(SENT, answered_rps=answered, achieved_rps=answered))
    assert bool(reasons) is blamed


def test_waiting_for_a_connection_of_an_idle_twin_blames_the_connections() -> None:
    short = replace(SENT, answered_rps=500.0, achieved_rps=500.0)
    waited = replace(OPEN, proof=replace(PROOF, backlog_max=900), dropped=40)
    assert judge(waited, short) == (
        "the connections were the limit: answered 500 of 1005 requests a second offered and dropped 40 while the "
        "twin's CPU stood at 60 %, up to 900 arrivals waited for one of 128 connections: raise engine.connections",
    )
    nobody = replace(OPEN, proof=replace(PROOF, backlog_max=0))
    assert judge(nobody, short)[0].startswith("the generator was the limit: answered 500 of 1005")


def test_a_short_trial_of_a_twin_that_is_slow_itself_blames_neither_connections_nor_generator() -> None:
    short = replace(SENT, answered_rps=500.0, achieved_rps=500.0)
    for waiting in (0, 900):
        waited = replace(OPEN, proof=replace(PROOF, backlog_max=waiting), dropped=40)
        assert judge(waited, short)
        assert judge(waited, short, is_slow_itself=True) == ()
        assert judge(waited, replace(short, target_percent=None), is_slow_itself=True) == ()


def test_a_twin_that_is_slow_itself_excuses_no_generator_that_sent_late_or_was_busy() -> None:
    short = replace(SENT, answered_rps=500.0, achieved_rps=500.0)
    late = replace(OPEN, proof=replace(PROOF, lag_p99_us=9_000.0))
    assert "sent late" in judge(late, short, is_slow_itself=True)[0]
    busy = replace(short, generator_cores_busy_percent=97.0)
    assert "its cores were 97 % busy" in judge(OPEN, busy, is_slow_itself=True)[0]


def test_drops_are_a_reason_while_the_twin_idles_and_none_at_its_limit() -> None:
    dropped = replace(OPEN, dropped=3)
    assert "dropped 3 arrivals of 1005 a second offered while the twin's CPU stood at 60 %" in judge(dropped, SENT)[0]
    assert judge(dropped, replace(SENT, target_percent=97.0)) == ()
    assert "twin's CPU not watched" in judge(dropped, replace(SENT, target_percent=None))[0]


def test_backlog_past_saturation_invalidates_nothing() -> None:
    waited = replace(OPEN, proof=replace(PROOF, backlog_max=50_000), dropped=400)
    full = replace(SENT, answered_rps=700.0, achieved_rps=700.0, target_percent=98.0)
    assert judge(waited, full) == ()
    assert past_saturation(waited, full)


def test_a_backlog_beside_busy_cores_of_the_generator_blames_it_though_its_lag_looks_small() -> None:
    # more than 1 % of the arrivals and than the 128 that the edges explain
    busy = replace(SENT, generator_cores_busy_percent=97.0)
    for backlog, blamed in ((128, False), (129, True)):
        reasons = judge(replace(OPEN, proof=replace(PROOF, backlog_max=backlog)), busy)
        assert [r.startswith("the generator was the limit: up to 129 arrivals waited") for r in reasons] == [
            True
        ] * blamed


def test_a_generator_that_makes_fewer_arrivals_than_planned_is_blamed() -> None:
    # 5 sqrt(2,000) = 223.6 fewer than 2,000 may be chance
    assert judge(replace(OPEN, offered=1_777.0), replace(SENT, offered_rps=888.5)) == ()
    fewer = judge(replace(OPEN, offered=1_776.0), replace(SENT, offered_rps=888.0))
    assert fewer == ("the generator was the limit: it made 1776 of 2000 arrivals planned",)


def test_at_its_cpu_limit_a_twin_is_past_saturation_without_an_allowance_for_the_edges() -> None:
    near = replace(SENT, answered_rps=990.0, achieved_rps=990.0, target_percent=96.0)
    assert past_saturation(OPEN, near)  # below 0.99 x 1,005 = 994.95
    assert not past_saturation(OPEN, replace(near, answered_rps=995.0))


def test_users_without_a_rate_are_past_saturation_when_the_twin_is_at_its_limit() -> None:
    users = replace(LINE, stage=replace(STAGE, rate_rps=None, users=64), offered=None)
    assert past_saturation(users, replace(GOOD, target_percent=96.0))
    assert not past_saturation(users, replace(GOOD, target_percent=90.0))
    assert judge(users, replace(GOOD, target_percent=20.0)) == ()


def test_a_live_stage_may_end_when_a_person_stops_it() -> None:
    live = replace(LINE, stage=replace(STAGE, rate_rps=None, live=True), offered=None, complete=False)
    assert judge(live, GOOD) == ()
