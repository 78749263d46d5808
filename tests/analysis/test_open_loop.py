"""The figures of a drawn open loop with overload, worked out by hand from what was drawn.

Go gives 800 a second. At 1,000 offered it leaves 200 a second waiting; at 2,000 it leaves 1,200 more each.
"""

from collections.abc import Callable

import pytest

from analysis.findings import Findings
from analysis.summary import summarise
from analysis.summary_schema import StageSummary

FindDrawn = Callable[..., Findings]


def stages_of(findings: Findings, twin: str = "go") -> tuple[StageSummary, ...]:
    return summarise(findings).twins[twin]["balance"].stages


def test_overload_achieves_what_the_twin_gives(find_drawn: FindDrawn) -> None:
    findings = find_drawn(loop="open")
    stages = stages_of(findings)
    assert [s.offered_rps for s in stages] == [s.arrived_rps for s in stages] == [200, 400, 600, 700, 1_000, 2_000]
    assert [s.achieved_rps for s in stages] == [200, 400, 600, 700, 800, 800]
    assert [s.past_saturation for s in stages] == [False] * 4 + [True] * 2
    assert all(s.valid and s.loop == "open" for s in stages)
    saturation = summarise(findings).twins["go"]["balance"].saturation_rps
    assert saturation is not None
    assert (saturation.value, saturation.at_least) == (800, False)


def test_backlog_adds_up_second_by_second(find_drawn: FindDrawn) -> None:
    # three seconds at 1,000 leave 600; three at 2,000 leave 3,600 more
    assert [s.backlog_max for s in stages_of(find_drawn(loop="open"))] == [0, 0, 0, 0, 600, 4_200]


def test_latency_counts_the_wait_and_service_time_does_not(find_drawn: FindDrawn) -> None:
    stages = stages_of(find_drawn(loop="open"))
    assert (stages[3].p50_ms, stages[3].p99_ms, stages[3].service_p99_ms) == (4.001, 20.015, 20.015)
    last = stages[5]
    # 2,000 a second behind 600 that wait: the measured arrivals are answered 3 to 6 s after they came
    assert last.p50_ms is not None
    assert last.p99_ms is not None
    assert 3_000 < last.p50_ms < last.p99_ms < 6_100
    assert (last.service_p50_ms, last.service_p99_ms) == (4.001, 20.015)


def test_the_senders_figures_are_read_from_the_seconds(find_drawn: FindDrawn) -> None:
    stage = stages_of(find_drawn(loop="open", checked_ratio=0.1))[1]
    assert (stage.send_lag_p50_ms, stage.send_lag_p99_ms, stage.send_lag_max_ms) == (0.02, 0.02, 0.02)
    assert (stage.sender_cpu_percent, stage.generator_cpu_percent) == (pytest.approx(35.0), pytest.approx(50.0))
    assert (stage.connections_opened, stage.dropped_ratio, stage.stolen_ratio) == (0, 0.0, 0.0)
    assert (stage.checked, stage.differed) == (2 * 2 * 40, 0)  # a tenth of 400 for 2 s in 2 blocks


def test_a_percentile_of_the_lag_needs_ten_sends_beyond(find_drawn: FindDrawn) -> None:
    stage = stages_of(find_drawn(loop="open"))[0]
    assert (stage.samples, stage.send_lag_p50_ms, stage.send_lag_p99_ms) == (800, 0.02, None)


def test_arrivals_dropped_from_the_queue_are_counted(find_drawn: FindDrawn) -> None:
    stages = stages_of(find_drawn(loop="open", queue_limit_s=3))
    assert [s.dropped_ratio for s in stages[:5]] == [0.0] * 5
    # of the 2,000 a second: none waits longer than 3 s, so those of the second and third second find no room in time
    assert stages[5].dropped_ratio is not None
    assert 0.2 < stages[5].dropped_ratio < 0.6
    assert stages[5].valid


def test_late_sends_busy_threads_and_few_connections_are_told_apart(find_drawn: FindDrawn) -> None:
    run = find_drawn(
        loop="open", late_stages=frozenset({4}), busy_thread=frozenset({3}), few_connections=frozenset({2})
    ).run
    assert [s.why for s in run.stages[1:7]] == [
        (),
        (
            "the connections were the limit: answered 200 of 400 requests a second offered while the twin's CPU stood "
            "at 30 %, up to 600 arrivals waited for one of 128 connections: raise engine.connections",
        ),
        ("the generator was the limit: its busiest sending thread used 95 % of a core (limit 90 %)",),
        ("the generator was the limit: it sent late, send lag p99 8 ms (limit 5 ms: engine.send_lag_p99_ms)",),
        (),
        (),
    ]


def test_same_load_stands_where_both_carry_what_in_fact_arrived(find_drawn: FindDrawn) -> None:
    same = find_drawn(loop="open").same_load["balance"]
    assert same is not None
    assert same.rate_rps == 700.0


def test_seconds_that_tell_nothing_leave_the_sender_unknown(find_drawn: FindDrawn) -> None:
    stage = stages_of(find_drawn(loop="open", told=False))[2]
    assert (stage.p99_ms, stage.achieved_rps, stage.valid) == (20.015, 600.0, True)
    unknown = (stage.send_lag_p99_ms, stage.backlog_max, stage.connections_opened, stage.sender_cpu_percent)
    assert unknown == (None,) * 4


def test_bodies_that_differ_are_counted_over_the_whole_run(find_drawn: FindDrawn) -> None:
    findings = find_drawn(loop="open", checked_ratio=0.1, differed=frozenset({3}), rates_rps=(200.0, 400.0, 600.0))
    run = summarise(findings).run
    told = run.bodies["go"]
    assert told is not None
    # 20 + 40 + 60 bodies a second, 3 s each, 2 endpoints, 2 blocks; one a second differed in stage 3's three seconds
    assert (told.compared, told.differed) == (120 * 3 * 2 * 2, 3)
    assert "Go: 1,440 bodies compared with the gate's answers, 3 differed" in run.notes
    assert summarise(find_drawn(loop="open")).run.bodies == {"go": None, "rust": None}


def test_receiving_in_batches_is_disclosed(find_drawn: FindDrawn) -> None:
    run = summarise(find_drawn(loop="open", coalesce_us=200, rates_rps=(200.0,))).run
    assert run.coalesce_us == 200
    assert "answers were received in batches of 200 µs; times from the kernel" in run.notes
    assert summarise(find_drawn(loop="open")).run.coalesce_us == 0


def test_users_without_a_rate_stand_at_the_rate_they_achieve(find_drawn: FindDrawn) -> None:
    findings = find_drawn(user_stages=True)
    points = findings.curves["go", "balance"].points
    assert [(p.users, p.offered_rps, p.at_rps) for p in points][:5] == [
        (64, None, 200), (128, None, 400), (192, None, 600), (256, None, 700), (320, None, 800),
    ]  # fmt: skip
    assert findings.same_load["balance"] is None
    saturation = findings.saturation["go", "balance"]
    assert saturation is not None
    assert (saturation.interval.value, saturation.at_least) == (800.0, False)


def test_a_live_stage_stands_at_the_arrivals_counted_with_its_users(find_drawn: FindDrawn) -> None:
    findings = find_drawn(loop="open", live_users=1_200, rates_rps=(700.0,))
    (stage,) = stages_of(findings)
    assert (stage.live, stage.users, stage.offered_rps, stage.achieved_rps) == (True, 1_200, 700.0, 700.0)
    assert findings.same_load["balance"] is None
