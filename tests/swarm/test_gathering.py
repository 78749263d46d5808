"""Open-loop parts of several workers gathered into seconds and a stage line, by hand."""

from __future__ import annotations

from typing import Any

from swarm_cases import make_stage

from records.clock import Clock
from records.second import StatusCount
from swarm.gathering import Gathering, Sender
from swarm.proof import prover
from swarm.tally import Part, Report, Sending

STAGE = make_stage(0, 10.0, loop="open")  # second 100 is its warm-up, 101 and 102 are measured


def gathering(crew: tuple[int, ...] = (0, 1), *stages: Any) -> Gathering:
    sender = Sender("native-schedule", 300, prover(0))
    return Gathering(stages or (STAGE,), 100, crew, Clock(0, 0), sender=sender)


def part(second: int, offered: int, *, sent: int, done: int, phase: Any = "measure", **fields: Any) -> Part:
    status = {"2xx": StatusCount(done, {}, ((5, done),), ((6, done),), 0)} if done else {}
    lag = ((3, sent),) if sent else ()
    return Part(second, 0, phase, sent, status, offered=offered, send_lag=lag, backlog_max=0, **fields)


def report(worker: int, through: int, *parts: Part, past: tuple[int, ...] = (), sending: Any = ()) -> Report:
    return Report(worker, 1, 0, 0, 150, through, parts, past, None, sending)


def test_workers_add_up_and_what_was_offered_is_what_the_engine_counted() -> None:
    made = gathering()
    made.take(report(0, 103, part(101, 6, sent=5, done=5, dropped=1), sending=(Sending(101, 3, 0.2),)))
    assert [row.second for row in made.seconds()] == []  # the other worker has told nothing
    made.take(report(1, 103, part(101, 4, sent=4, done=4), sending=(Sending(101, 1, 0.5),)))
    _, row, empty = made.seconds()
    assert (row.offered, row.sent, row.done, row.dropped) == (10.0, 9, 9, 1)
    assert (row.send_lag, row.status["2xx"].latency) == (((3, 9),), ((6, 9),))
    assert (row.opened, row.sender_cpu_ratio) == (4, 0.5)
    assert (empty.offered, empty.sent, empty.send_lag, empty.opened) == (0.0, 0, None, None)


def test_backlogs_of_workers_add_up_to_an_upper_bound() -> None:
    made = gathering()
    waiting = Part(101, 0, "measure", 0, {}, offered=0, backlog_max=7)
    made.take(report(0, 103, waiting))
    made.take(report(1, 103, waiting))
    assert [row.backlog_max for row in made.seconds()] == [None, 14, None]


def test_the_stage_line_counts_its_measured_seconds_and_carries_its_proof() -> None:
    made = gathering((0,))
    parts = (
        part(100, 9, sent=9, done=9, phase="warmup"),
        part(101, 12, sent=10, done=10, dropped=1, checked=2),
        part(102, 11, sent=12, done=11),
        part(103, 0, sent=0, done=1, phase="drain"),
    )
    made.take(report(0, 104, *parts, past=(0,), sending=(Sending(99, 64, None), Sending(101, 2, 0.1),
                                                         Sending(102, 0, 0.3))))  # fmt: skip
    rows = made.seconds()
    (line,) = made.lines(0)
    assert (line.offered, line.sent, line.done, line.dropped) == (23.0, 22, 21, 1)
    assert line.proof is not None
    assert (line.proof.opened, line.proof.checked, line.proof.lag_max_us) == (2, 2, 3.0)
    assert line.proof.cpu_ratio is not None
    assert abs(line.proof.cpu_ratio - 0.2) < 1e-12
    assert rows[0].opened == 64  # opened before the sweep began
    assert made.over


def test_the_threads_figures_stand_with_the_phase_under_way() -> None:
    made = gathering((0,))
    late = part(101, 0, sent=0, done=1, phase="warmup")
    made.take(report(0, 102, late, part(101, 3, sent=3, done=3), sending=(Sending(101, 1, 0.5),)))
    assert [(row.second, row.phase, row.opened) for row in made.seconds()] == [
        (100, "warmup", None), (101, "warmup", None), (101, "measure", 1),
    ]  # fmt: skip


def test_a_live_stage_offers_what_the_engine_counted() -> None:
    made = gathering((0,), make_stage(0, None, kind="measure", live=True, loop="open"))
    made.take(report(0, 103, part(101, 4, sent=4, done=4), past=(0,)))
    made.seconds()
    (line,) = made.lines(0)
    assert line.offered == 4.0


def test_a_loss_that_is_taken_over_touches_only_what_had_begun() -> None:
    made = gathering((0, 1), make_stage(0, 10.0, loop="open"), make_stage(1, 10.0, loop="open"))
    assert made.lose(1, 101, taken_over=True) == (0,)
    made.take(report(0, 106, past=(0, 1)))
    made.seconds()
    assert [(line.stage.id, line.complete) for line in made.lines(0)] == [(0, False), (1, True)]


def test_a_stage_is_not_over_while_a_second_of_its_drain_is_not_written() -> None:
    made = gathering()
    made.take(report(0, 105, part(102, 4, sent=4, done=3), part(104, 0, sent=0, done=1, phase="drain"), past=(0,)))
    made.take(report(1, 104, past=(0,)))
    assert sum(row.done for row in made.seconds()) == 3
    assert made.lines(0) == ()
    made.take(report(1, 105))
    assert sum(row.done for row in made.seconds()) == 1
    assert [line.stage.id for line in made.lines(0)] == [0]
