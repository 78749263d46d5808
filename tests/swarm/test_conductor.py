"""The conductor with a crew and a driver of straw: what it does when workers die, recorders fail, people stop it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from swarm_cases import make_stage

from records.clock import NS, Clock
from records.event import Event
from records.second import Second
from records.stage import Stage, StageLine
from swarm.conductor import Conductor, Outcome, Terms, describe
from swarm.station import Order, Station
from swarm.tally import Report


@dataclass
class StrawCrew:
    """Workers that report every half second and send nothing."""

    stations: dict[int, Station]
    orders: list[Order] = field(default_factory=list)
    cuts: int = 0
    broken: str | None = None
    dead: set[int] = field(default_factory=set)
    silent: set[int] = field(default_factory=set)

    def members(self) -> tuple[int, ...]:
        return tuple(number for number in self.stations if number not in self.dead)

    def seats(self) -> tuple[int, int]:
        return 4, 4

    def begin(self, order: Order) -> None:
        known = any(order.number == earlier.number for earlier in self.orders)
        self.orders.append(order)
        for number in order.crew if not known else ():  # a station that has no engine cannot take over
            self.stations[number].begin(order)

    def cut(self) -> None:
        self.cuts += 1
        for station in self.stations.values():
            station.cut()

    def reports(self) -> tuple[Report, ...]:
        return tuple(self.stations[n].report() for n in self.members() if n not in self.silent)

    def pids(self) -> tuple[int, ...]:
        return (1, 2)

    def fault(self) -> str | None:
        return self.broken


@dataclass
class StrawDriver:
    """Hands out sweeps and keeps what it is told."""

    sweeps: list[tuple[Stage, ...]]
    lines: list[StageLine] = field(default_factory=list)
    seconds: list[Second] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    stop: str | None = None
    awake: bool = True

    def ready(self, pids: tuple[int, ...], seats: int) -> None:
        self.log.append(f"ready {pids} {seats}")

    def next_sweep(self) -> tuple[Stage, ...] | None:
        return self.sweeps.pop(0) if self.sweeps and self.awake else None

    def wake(self) -> None:
        self.awake = False

    def stop_wanted(self) -> str | None:
        return self.stop

    def counted(self, second: Second) -> None:
        self.seconds.append(second)

    def stage_done(self, line: StageLine) -> None:
        self.lines.append(line)

    def told(self, event: Event) -> None:
        self.events.append(event)

    def sweep_done(self) -> None:
        self.log.append("sweep done")

    def closed(self, outcome: Outcome, text: str) -> None:
        self.log.append(f"closed {outcome}: {text}")


class Stage0:
    """A conductor on a fake clock; `at` runs something when the time has come."""

    def __init__(self, sweeps: list[tuple[Stage, ...]], workers: int = 2, *, takes_over: bool = False) -> None:
        self.now_ns = 500 * NS
        self.at: dict[float, object] = {}
        ids = [f"u{n}" for n in range(20)]
        stations = {
            n: Station(ids, np.ones(20, dtype=np.int64), seats=2, worker=n, run=1, clock=lambda: self.now_ns)
            for n in range(workers)
        }
        self.crew = StrawCrew(stations)
        self.driver = StrawDriver(sweeps)
        terms = Terms((), "fasthttp", 1, 5.0, takes_over=takes_over)
        self.conductor = Conductor(self.crew, self.driver, terms, lambda: self.now_ns, self.sleep, Clock(0, 0))

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * NS)
        for at_s in [at for at in self.at if 500 * NS + at * NS <= self.now_ns]:
            self.at.pop(at_s)()  # type: ignore[operator]


SWEEP = (make_stage(0), make_stage(1))


def test_sweeps_follow_one_another_and_the_end_is_told() -> None:
    straw = Stage0([SWEEP, (make_stage(2),)])
    straw.conductor.run()
    assert [line.stage.id for line in straw.driver.lines] == [0, 1, 2]
    assert straw.driver.log == [
        "ready (1, 2) 4", "sweep done", "sweep done", "closed finished: all sweeps were driven",
    ]  # fmt: skip
    assert straw.conductor.over
    assert [order.number for order in straw.crew.orders] == [0, 1]


@pytest.mark.parametrize(
    ("workers", "ms_past", "begins"),
    [(2, 300, (502, 1_700_000_000)), (1, 300, (501, 700_000_000)), (1, 700, (502, 1_300_000_000))],
)
def test_a_sweep_begins_on_a_whole_second_that_leaves_time_to_prepare(
    workers: int, ms_past: int, begins: tuple[int, int]
) -> None:
    straw = Stage0([SWEEP], workers=workers)
    straw.now_ns += ms_past * 1_000_000
    straw.conductor.run()
    (order,) = straw.crew.orders
    assert (order.start_second, order.begins_in_ns) == begins


def test_twins_of_a_pair_get_the_same_seed_and_others_do_not() -> None:
    sweeps = [(make_stage(i, twin=t, endpoint=e, pair=p),) for i, (t, e, p) in enumerate(
        [("one", "front", 0), ("two", "front", 0), ("one", "back", 0), ("one", "front", 1)]
    )]  # fmt: skip
    straw = Stage0(list(sweeps))
    straw.conductor.run()
    one, two, *others = [order.seed for order in straw.crew.orders]
    assert one == two
    assert len({one, *others}) == 3


def test_each_sweep_of_a_block_draws_anew_and_the_other_twin_draws_the_same() -> None:
    trials = [(replace(make_stage(i, twin=t, endpoint="front", pair=1), kind="trial"),) for i, t in enumerate(
        ["one", "one", "two", "two"]
    )]  # fmt: skip
    straw = Stage0(list(trials))
    straw.conductor.run()
    first, second, *others = [order.seed for order in straw.crew.orders]
    assert first != second
    assert others == [first, second]


def test_a_worker_that_dies_is_told_and_the_others_finish() -> None:
    straw = Stage0([SWEEP, (make_stage(2),)])
    straw.at[3.0] = lambda: straw.crew.dead.add(1)
    straw.conductor.run()
    assert [(line.stage.id, line.complete) for line in straw.driver.lines] == [(0, False), (1, False), (2, True)]
    assert [(event.kind, event.stage) for event in straw.driver.events] == [("worker-lost", 0), ("worker-lost", 1)]
    assert [order.crew for order in straw.crew.orders] == [(0, 1), (0,)]


def test_where_the_others_take_over_they_get_a_smaller_crew_within_the_sweep() -> None:
    straw = Stage0([SWEEP, (make_stage(2),)], workers=3, takes_over=True)
    straw.at[3.0] = lambda: straw.crew.dead.add(1)
    straw.conductor.run()
    assert [(line.stage.id, line.complete) for line in straw.driver.lines] == [(0, False), (1, True), (2, True)]
    assert [(event.kind, event.stage) for event in straw.driver.events] == [("worker-lost", 0)]
    first, second, third = straw.crew.orders
    assert [first.crew, second.crew, third.crew] == [(0, 1, 2), (0, 2), (0, 2)]
    assert [first.number, second.number, third.number] == [0, 0, 1]
    assert (second.stages, second.start_second) == (first.stages, first.start_second)
    assert second.begins_in_ns == -1 * NS  # it began at 502 s, the loss is seen at 503 s
    assert second.seed != first.seed


def test_nobody_takes_over_when_nobody_is_left_or_a_person_ends_the_sweep() -> None:
    alone = Stage0([SWEEP], workers=1, takes_over=True)
    alone.at[3.0] = lambda: alone.crew.dead.add(0)
    alone.conductor.run()
    assert len(alone.crew.orders) == 1
    ended = Stage0([SWEEP], takes_over=True)
    ended.at[3.0] = lambda: ended.conductor.end("stopped by hand")
    ended.at[3.0 + 0.05] = lambda: ended.crew.dead.add(1)
    ended.conductor.run()
    assert len(ended.crew.orders) == 1


def test_a_worker_that_falls_silent_is_given_up_after_a_while() -> None:
    straw = Stage0([SWEEP])
    straw.at[3.0] = lambda: straw.crew.silent.add(1)
    straw.conductor.run()
    assert straw.conductor.outcome == "finished"
    assert [line.complete for line in straw.driver.lines] == [False, False]
    assert {event.kind for event in straw.driver.events} == {"worker-lost"}


def test_a_failed_recorder_ends_the_run_as_failed() -> None:
    straw = Stage0([SWEEP])
    straw.at[3.0] = lambda: setattr(straw.crew.stations[1], "fault", "ValueError: broken")
    straw.conductor.run()
    assert straw.conductor.outcome == "failed"
    assert straw.crew.cuts == 1
    assert [event.kind for event in straw.driver.events] == ["failed"]
    assert "worker 1: ValueError: broken" in straw.driver.events[0].text


def test_a_lost_report_ends_the_run_as_failed() -> None:
    straw = Stage0([SWEEP])
    straw.at[3.0] = lambda: setattr(straw.crew, "broken", "report 4 of worker 0 was lost")
    straw.conductor.run()
    assert straw.conductor.outcome == "failed"


def test_a_person_ends_the_sweep_and_what_was_counted_is_kept() -> None:
    straw = Stage0([SWEEP, (make_stage(2),)])
    straw.at[6.0] = lambda: straw.conductor.end("stopped by hand")
    straw.conductor.run()
    assert straw.conductor.outcome == "interrupted"
    assert [(line.stage.id, line.complete, line.why) for line in straw.driver.lines] == [
        (0, True, ()), (1, False, ("stopped by hand",)),
    ]  # fmt: skip
    assert straw.driver.log[-1] == "closed interrupted: stopped by hand"


def test_the_driver_ends_one_sweep_and_the_next_goes_on() -> None:
    straw = Stage0([SWEEP, (make_stage(2),)])
    straw.at[3.0] = lambda: setattr(straw.driver, "stop", "an instance died")
    straw.at[6.0] = lambda: setattr(straw.driver, "stop", None)
    straw.driver.sweep_done = lambda: straw.sleep(4.0)  # type: ignore[method-assign]
    straw.conductor.run()
    assert [(line.stage.id, line.complete) for line in straw.driver.lines] == [(0, False), (2, True)]


def test_a_driver_that_can_be_told_nothing_is_closed_all_the_same() -> None:
    straw = Stage0([SWEEP])

    def full(_: object) -> None:
        raise OSError("no space left")

    straw.driver.counted = straw.driver.told = full  # type: ignore[method-assign,assignment]
    straw.conductor.run()
    assert straw.driver.log[-1] == "closed failed: OSError: no space left"
    assert straw.conductor.over
    assert straw.conductor.outcome == "failed"


def test_a_foreseen_error_fails_the_run_in_its_own_words() -> None:
    straw = Stage0([SWEEP])
    straw.conductor.foreseen = (LookupError,)

    def nothing() -> None:
        raise KeyError("front")

    straw.driver.next_sweep = nothing  # type: ignore[method-assign]
    straw.conductor.run()
    assert isinstance(straw.conductor.error, KeyError)
    assert [(event.kind, event.text) for event in straw.driver.events] == [("failed", "'front'")]


def test_a_stage_is_described_by_what_was_offered_and_achieved() -> None:
    line = StageLine(
        0, "", make_stage(0, 100.0), "fasthttp", 4, 0, 200.0, 200, 190, {"timeout": 2}, complete=False, why=("x",)
    )
    assert describe(line) == "one front s0: 95 rps of 100 rps offered, 2 failed [incomplete: x]"
    assert "as fast as it goes" in describe(StageLine(0, "", make_stage(0, None), "fasthttp", 4, 0, None, 9, 9))
