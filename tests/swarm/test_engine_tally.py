"""What the engine's threads told: parts, what is past, and the threads' own figures, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from records.second import StatusCount
from swarm.engine_plan import END, EngineLine, EngineStatus, ThreadReport, ThreadSecond
from swarm.engine_tally import EngineTally
from swarm.tally import Part, Sending


def line(second: int, *, stage: int = 0, done: int = 1, **fields: Any) -> EngineLine:
    values: dict[str, Any] = {
        "endpoint": 0, "phase": "measure", "offered": done, "sent": done, "dropped": 0, "backlog_max": 0,
        "send_lag": ((7, done),) if done else (),
        "status": (EngineStatus("2xx", done, {}, ((100, done),), ((110, done),), 10 * done),) if done else (),
    }  # fmt: skip
    return EngineLine(second=second, stage=stage, **{**values, **fields})


def report(through: int, *lines: EngineLine, seconds: tuple[ThreadSecond, ...] = ()) -> ThreadReport:
    return ThreadReport(through, 0, 0, lines, seconds)


def tally(threads: int = 1, *, is_open: bool = True, offset: int = 900) -> EngineTally:
    """Stages 0 and 1; the machine's second 100 is the conductor's 1,000."""
    made = EngineTally(offset, {0: is_open, 1: is_open})
    made.expect(0, threads, 100)
    return made


def test_threads_and_endpoints_merge_into_one_part_of_a_second() -> None:
    made = tally(2)
    failed = EngineStatus("5xx", 1, {"status-500": 1}, ((200, 1),), ((230, 1),), 3)
    made.take(0, [
        report(101, line(100, backlog_max=3, checked=1), line(100, endpoint=1, done=2, backlog_max=1)),
        report(101, line(100, offered=3, dropped=1, sent=2, status=(failed,), done=1, send_lag=((9, 2),))),
    ])  # fmt: skip
    assert made.parts() == (
        Part(
            1_000, 0, "measure", 5,
            {"2xx": StatusCount(3, {}, ((100, 3),), ((110, 3),), 30),
             "5xx": StatusCount(1, {"status-500": 1}, ((200, 1),), ((230, 1),), 3)},
            offered=6, dropped=1, checked=1, send_lag=((7, 3), (9, 2)), backlog_max=4,
        ),
    )  # fmt: skip
    assert made.parts() == ()


def test_a_closed_loop_offers_nothing_by_itself_and_has_no_latency() -> None:
    made = tally(is_open=False)
    made.take(0, [report(101, line(100))])
    (part,) = made.parts()
    assert (part.offered, part.send_lag, part.checked) == (None, None, None)
    assert part.status["2xx"].latency is None


def test_a_second_is_told_when_the_slowest_thread_has_told_it() -> None:
    made = tally(2)
    assert made.through(2_000) == 1_000
    made.take(0, [report(103), report(101)])
    assert made.through(2_000) == 1_001
    made.take(0, [report(END), report(104)])
    assert (made.through(2_000), made.is_over) == (1_004, False)
    made.take(0, [report(END), report(END)])
    assert (made.through(2_000), made.is_over) == (2_001, True)


def test_a_stage_is_past_when_all_that_was_offered_has_ended_or_was_dropped() -> None:
    made = tally()
    made.take(0, [report(102, line(100, offered=5, sent=2, done=2), line(101, offered=0, sent=1, dropped=1, done=0))])
    assert not made.is_past(0, 1_002)
    assert made.is_past(1, 1_002)
    made.take(0, [report(103, line(102, offered=0, sent=1, dropped=0, done=2))])
    assert made.is_past(0, 1_003)
    assert not made.is_past(0, 1_002)  # its last second is not told yet


def test_everything_is_past_when_all_threads_have_ended() -> None:
    made = tally()
    made.take(0, [report(END, line(101, offered=2))])
    assert not made.is_past(0, 1_001)
    assert made.is_past(0, 1_002)


def test_a_second_schedule_is_waited_for_from_its_begin_on() -> None:
    made = tally()
    made.take(0, [report(105)])
    made.expect(1, 1, 104)
    assert made.through(2_000) == 1_004
    made.take(1, [report(106, line(105))])
    made.take(0, [report(END, line(105))])
    assert made.through(2_000) == 1_006
    assert [part.sent for part in made.parts()] == [2]


def test_a_threads_cpu_is_the_difference_of_two_seconds_and_a_gap_is_shared() -> None:
    made = tally()
    made.take(0, [report(101, seconds=(ThreadSecond(101, 9_000_000, 4),))])
    assert made.sending() == (Sending(1_000, 4, None),)  # of its first second nobody knows the CPU
    made.take(0, [report(104, seconds=(ThreadSecond(102, 259_000_000, 5), ThreadSecond(104, 459_000_000, 5)))])
    assert made.sending() == (Sending(1_001, 1, 0.25), Sending(1_002, 0, 0.1), Sending(1_003, 0, 0.1))
    made.take(0, [report(END, seconds=(ThreadSecond(END, 500_000_000, 7),))])
    assert made.sending() == (Sending(1_004, 2, None),)


def test_the_busiest_thread_counts_and_connections_add_up() -> None:
    assert Sending(5, 2, 0.3).merged(Sending(5, 1, None)) == Sending(5, 3, 0.3)
    assert Sending(5, 2, 0.3).merged(Sending(5, 0, 0.8)) == Sending(5, 2, 0.8)
    assert Sending(5, 0, None).merged(Sending(5, 0, None)).cpu_ratio is None


def test_a_thread_that_was_not_expected_is_an_error() -> None:
    with pytest.raises(KeyError):
        tally(1).take(0, [report(101), report(101)])
