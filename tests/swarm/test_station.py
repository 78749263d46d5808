"""The station and the gathering together, in simulated time: every start is counted once, in its stage and phase."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from swarm_cases import make_stage

from records.clock import NS, Clock
from records.hdr import total
from records.second import Second
from records.stage import Stage, StageLine
from swarm.gathering import Gathering, Sender
from swarm.seats import Seat
from swarm.station import Hit, Order, Station, decode_order, encode_order
from swarm.tally import Outcome, Part, Report, Tally, decode_report, encode_report

START_NS = 1_000 * NS


class Simulation:
    """Stations of a crew driven through one sweep by a fake clock; answers take `service_s` (drawn around it)."""

    def __init__(self, stages: tuple[Stage, ...], *, workers: int = 1, seats: int = 5, service_s: float = 0.01) -> None:
        self.now_ns = START_NS
        self.rng = random.Random(5)
        self.service_s = service_s
        ids = [f"u{n}" for n in range(200)]
        self.stations = [
            Station(ids, np.arange(1, 201), seats=seats, worker=w, run=1, clock=lambda: self.now_ns)
            for w in range(workers)
        ]
        crew = tuple(range(workers))
        self.gathering = Gathering(stages, 1_002, crew, Clock(START_NS, 0), sender=Sender("fasthttp", seats * workers))
        self.order = Order(0, stages, 1_002, 2 * NS, crew, "seed", ())
        self.seconds: list[Second] = []
        self.lines: list[StageLine] = []
        self.starts: list[tuple[float, int]] = []
        self.queue: list[Any] = []
        self.serial = 0

    def run(self, *, until_s: float = 60.0) -> None:
        """Drive until the gathering is over or this much time has passed since the beginning; may be called again."""
        if not self.queue:
            for station in self.stations:
                station.begin(self.order)
                while (seat := station.sit_down()) is not None:
                    self.push(0.0, "wake", station, seat)
                self.push(0.3, "report", station, seat)
        while not self.gathering.over and self.now_ns < START_NS + until_s * NS:
            self.now_ns, _, what, station, seat, hit = heapq.heappop(self.queue)
            if what == "report":
                self.report(station)
                self.push(1.0, "report", station, None)
            elif what == "end":
                station.ended(hit, Outcome("2xx", None, (self.now_ns - hit.start_ns) // 1000, 10))
                self.push(station.wait_s(seat), "wake", station, seat)
            elif (hit := station.turn(seat)) is None:
                self.push(max(station.wait_s(seat), 1e-6), "wake", station, seat)
            else:
                self.starts.append(((self.now_ns - START_NS) / NS - 2, hit.user))
                self.push(self.rng.uniform(0.5, 1.5) * self.service_s, "end", station, seat, hit)

    def push(self, wait_s: float, what: str, station: Station, seat: Seat | None, hit: Hit | None = None) -> None:
        """Let something happen later."""
        self.serial += 1
        heapq.heappush(self.queue, (self.now_ns + round(wait_s * NS), self.serial, what, station, seat, hit))

    def report(self, station: Station) -> None:
        """Take one station's report and keep what became whole."""
        self.gathering.take(decode_report(encode_report(station.report())))
        self.seconds += self.gathering.seconds()
        self.lines += self.gathering.lines(self.now_ns)


def test_every_start_is_counted_once_and_ends_once() -> None:
    run = Simulation((make_stage(0, 40.0), make_stage(1, 80.0)), workers=2)
    run.run()
    assert sum(second.sent for second in run.seconds) == len(run.starts)
    assert sum(second.done for second in run.seconds) == len(run.starts)
    assert sum(total(c.service) for second in run.seconds for c in second.status.values()) == len(run.starts)
    assert [line.complete for line in run.lines] == [True, True]


def test_seconds_come_in_order_once_each_with_their_plan() -> None:
    run = Simulation((make_stage(0, 40.0), make_stage(1, 80.0)), workers=3)
    run.run()
    keys = [(s.second, s.stage, s.phase) for s in run.seconds]
    assert len(keys) == len(set(keys))
    assert [s.second for s in run.seconds] == sorted(s.second for s in run.seconds)
    assert sum(s.offered or 0 for s in run.seconds) == 3 * 40 + 3 * 80
    assert {(s.second, s.stage) for s in run.seconds} >= {(1_002 + n, n // 3) for n in range(6)}


def test_the_stage_line_counts_the_measured_part() -> None:
    run = Simulation((make_stage(0, 40.0),), service_s=0.001)
    run.run()
    (line,) = run.lines
    assert (line.start_second, line.offered) == (1_002, 80)
    assert abs(line.sent - 80) <= 1
    assert line.sent == sum(1 for at_s, _ in run.starts if 1 <= at_s < 3)


def test_throughput_of_a_slow_target_is_what_ended_in_the_measured_seconds() -> None:
    # 5 seats, answers of 0.5 s: 10 a second, where 100 were offered; by starts alone the last 5 would be missing.
    run = Simulation((make_stage(0, 100.0),), service_s=0.5)
    run.run()
    (line,) = run.lines
    assert 18 <= line.done <= 22
    drained = [s for s in run.seconds if s.phase == "drain"]
    assert sum(s.done for s in drained) >= 3
    assert sum(s.sent for s in drained) == 0
    assert {s.offered for s in drained} == {0.0}


def test_phases_follow_the_start() -> None:
    run = Simulation((make_stage(0, 30.0),), service_s=0.4)
    run.run()
    sent = Counter[str]()
    for second in run.seconds:
        sent[second.phase] += second.sent
    assert sent["warmup"] == sum(1 for at_s, _ in run.starts if at_s < 1)
    assert sent["measure"] == sum(1 for at_s, _ in run.starts if at_s >= 1)


def test_a_probe_counts_as_probe_and_offers_none() -> None:
    run = Simulation((make_stage(0, None),), service_s=0.05)
    run.run()
    assert {second.phase for second in run.seconds} <= {"probe", "drain"}
    assert {second.offered for second in run.seconds} == {None}
    (line,) = run.lines
    assert line.offered is None
    assert line.done == pytest.approx(5 * 2 / 0.05, rel=0.1)


def test_a_cut_sweep_marks_its_stage_incomplete_and_drops_the_others() -> None:
    run = Simulation((make_stage(0, 40.0), make_stage(1, 40.0), make_stage(2, 40.0)))
    run.run(until_s=2 + 4)  # in the second stage's warm-up
    run.stations[0].cut()
    run.gathering.cut(run.now_ns // NS, "stopped by hand")
    started = len(run.starts)
    run.run()
    assert len(run.starts) == started
    assert [(line.stage.id, line.complete, line.why) for line in run.lines] == [
        (0, True, ()), (1, False, ("stopped by hand",)),
    ]  # fmt: skip
    assert run.gathering.over


def test_a_lost_worker_leaves_its_stages_incomplete_and_the_others_go_on() -> None:
    run = Simulation((make_stage(0, 40.0), make_stage(1, 40.0)), workers=2)
    run.run(until_s=2 + 4.5)
    assert run.gathering.lose(1, run.now_ns // NS) == (1,)
    run.run()
    assert [(line.stage.id, line.complete) for line in run.lines] == [(0, True), (1, False)]
    assert run.lines[1].why == ("worker 1 was lost",)


def test_when_no_worker_is_left_the_sweep_is_over() -> None:
    run = Simulation((make_stage(0, 40.0), make_stage(1, 40.0)))
    run.run(until_s=2 + 1.5)
    run.gathering.lose(0, run.now_ns // NS)
    run.seconds += run.gathering.seconds()
    (line,) = run.gathering.lines(run.now_ns)
    assert (line.stage.id, line.complete) == (0, False)
    assert "no worker is left" in line.why
    assert run.gathering.over


def test_both_twins_of_a_pair_draw_the_same_users_at_the_same_times() -> None:
    one, two = Simulation((make_stage(0, 40.0, twin="one"),)), Simulation((make_stage(9, 40.0, twin="two"),))
    one.run()
    two.run()
    assert one.starts == two.starts


def test_a_request_that_ends_twice_is_an_error_and_not_a_count() -> None:
    run = Simulation((make_stage(0, 40.0),))
    station = run.stations[0]
    station.begin(run.order)
    run.now_ns += int(2.6 * NS)
    seat = station.sit_down()
    assert seat is not None
    station.wait_s(seat)
    hit = station.turn(seat)
    assert hit is not None
    station.ended(hit, Outcome("2xx", None, 5, 0))
    with pytest.raises(RuntimeError, match="ended twice"):
        station.ended(hit, Outcome("2xx", None, 5, 0))


def test_seats_are_taken_once_and_come_back() -> None:
    station = Simulation((make_stage(0),), seats=2).stations[0]
    one, two = station.sit_down(), station.sit_down()
    assert {one, two} != {None}
    assert station.sit_down() is None
    assert one is not None
    station.stand_up(one)
    assert (station.taken, station.sit_down()) == (1, one)


outcomes = st.tuples(
    st.sampled_from(["2xx", "5xx", "none"]), st.sampled_from([None, "timeout", "reset"]), st.integers(1, 10**7),
    st.integers(0, 10**6),
)  # fmt: skip


@given(ends=st.lists(st.tuples(outcomes, st.integers(0, 2), st.integers(0, 3)), max_size=60))
@settings(max_examples=40)
def test_workers_merged_are_the_same_as_one_worker_with_all_requests(
    ends: list[tuple[tuple[str, str | None, int, int], int, int]],
) -> None:
    def gathered(workers: int) -> list[Second]:
        tallies = [Tally() for _ in range(workers)]
        gathering = Gathering(
            (make_stage(0, 40.0),), 1_000, tuple(range(workers)), Clock(0, 0), sender=Sender("fasthttp", 4)
        )
        for outcome, second, owner in ends:
            key = (1_000 + second, 0, "measure")
            tallies[owner % workers].started(key)  # type: ignore[arg-type]
            tallies[owner % workers].ended(key, Outcome(*outcome))  # type: ignore[arg-type]
        for worker, tally in enumerate(tallies):
            gathering.take(Report(worker, 1, 0, 0, 4, 1_003, tally.take(1_003), (0,)))
        return list(gathering.seconds())

    assert gathered(1) == gathered(3)


def test_a_part_is_taken_once_and_only_when_its_second_is_over() -> None:
    tally = Tally()
    tally.started((5, 0, "measure"))
    tally.started((6, 0, "measure"))
    assert [part.second for part in tally.take(6)] == [5]
    assert tally.take(6) == ()
    assert tally.take(7) == (Part(6, 0, "measure", 1, {}),)


def test_an_order_survives_its_journey() -> None:
    order = Simulation((make_stage(0, 40.0), make_stage(1, None))).order
    assert decode_order(encode_order(order)) == order
