"""The native station over a straw engine: shares, take-over, live load, and what it reports."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from swarm_cases import make_plan, make_stage

from records.clock import NS
from records.instance import Instance
from records.stage import Stage
from swarm.bulk import Asked
from swarm.engine_plan import END, EngineLine, EngineSchedule, Service
from swarm.native_station import NativeKit, NativeStation, Weights, slice_of
from swarm.request_ids import ids_of
from swarm.station import Order
from swarm.targets import Route
from swarm.templates import EntryRequests, Mix

IDS = [f"u{number}" for number in range(200)]
ACTIVITY = np.arange(1, 201, dtype=np.int64)


@dataclass
class StrawSchedule:
    """Tells what a test puts into `told`; keeps what it was asked for."""

    schedule: EngineSchedule
    weights: Weights
    start_ns: int
    from_ns: int | None
    asked: list[tuple[str, float]] = field(default_factory=list)
    told: list[Any] = field(default_factory=list)

    def set_rate(self, rate_rps: float) -> None:
        self.asked.append(("rate", rate_rps))

    def set_users(self, users: int) -> None:
        self.asked.append(("users", users))

    def stop(self) -> None:
        self.asked.append(("stop", 0))

    def abort(self) -> None:
        self.asked.append(("abort", 0))

    def drain(self) -> bytes:
        told, self.told = self.told, []
        return json.dumps(told).encode()


class Straw:
    """A station of worker 0 on a fake clock; 5,000 s on it are second 1,002 of the conductor."""

    def __init__(self, *, loop: str = "open") -> None:
        self.now_ns = 4_998 * NS + 3_000_000
        self.made: list[StrawSchedule] = []
        self.later: list[tuple[float, Callable[[], None]]] = []
        self.counted: list[tuple[list[EngineLine], list[Asked]]] = []
        plan = make_plan(swarm={"sender": "native-schedule"}, engine={"loop": loop}, stages={"kind": "live"})
        entries = {entry.name: EntryRequests(entry, {"user_id": IDS}, {}) for entry in plan.workload}
        service = Service(plan, entries, Mix(tuple(entries.values()), [1, 1]), lambda h, p: f"{h}:{p}", str, {})
        routes = {("one", name): (Route("one", "i", "h", 1, "http://h:1"),) for name in entries}
        kit = NativeKit(
            IDS, ACTIVITY, service, lambda _: routes, self._start, lambda: self.now_ns, self._later, self._count
        )
        self.station = NativeStation(kit, worker=0, run=1)

    def _start(self, schedule: EngineSchedule, weights: Weights, start_ns: int, from_ns: int | None) -> StrawSchedule:
        self.made.append(StrawSchedule(schedule, weights, start_ns, from_ns))
        return self.made[-1]

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        self.later.append((seconds, act))

    def _count(self, lines: Sequence[EngineLine], asked: Sequence[Asked]) -> None:
        self.counted.append((list(lines), list(asked)))

    def order(self, *stages: Stage, crew: tuple[int, ...] = (0,), **fields: Any) -> Order:
        # The message took 3 ms, so the begin is not a whole second of this clock by itself.
        values: dict[str, Any] = {
            "number": 0,
            "begins_in_ns": 2 * NS,
            "seed": "seed",
            "instances": (Instance("i", "target"),),
        }
        made = stages or (make_stage(0, 100.0, loop="open"),)
        return Order(stages=made, start_second=1_002, crew=crew, **{**values, **fields})


def line(second: int, **fields: Any) -> dict[str, Any]:
    return {
        "second": second, "stage": 0, "endpoint": 0, "phase": "measure", "offered": 1, "sent": 1, "dropped": 0,
        "backlog_max": 0, "send_lag": [[5, 1]],
        "status": [{"class": "2xx", "done": 1, "failed": {}, "service": [[9, 1]], "latency": [[9, 1]], "bytes": 1}],
        **fields,
    }  # fmt: skip


def told(through: int, *lines: dict[str, Any]) -> dict[str, Any]:
    return {"through": through, "busy": 0, "waiting": 0, "lines": list(lines), "seconds": []}


@given(workers=st.sets(st.integers(0, 30), min_size=1, max_size=5), users=st.integers(1, 200))
def test_each_user_is_drawn_by_exactly_one_worker_and_shares_add_up(workers: set[int], users: int) -> None:
    crew = tuple(sorted(workers))
    slices = [slice_of(IDS[:users], ACTIVITY[:users], crew, worker) for worker in crew]
    carrying = [one for one in slices if one is not None]
    assert (sum(one.weights for one in carrying) == ACTIVITY[:users]).all()
    assert all(one.weights.any() for one in carrying)
    assert [(one.share.place, one.share.of) for one in carrying] == [(n, len(carrying)) for n in range(len(carrying))]


def test_a_lost_workers_users_move_and_the_others_stay() -> None:
    before = slice_of(IDS, ACTIVITY, (0, 1, 2), 0)
    after = slice_of(IDS, ACTIVITY, (0, 2), 0)
    assert before is not None
    assert after is not None
    assert (after.weights >= before.weights).all()
    assert after.weights.sum() > before.weights.sum()


def test_a_sweep_begins_on_a_whole_second_of_this_clock() -> None:
    straw = Straw()
    straw.station.begin(straw.order())
    (schedule,) = straw.made
    assert (schedule.start_ns, schedule.from_ns) == (5_000 * NS, None)
    assert (schedule.weights == ACTIVITY).all()
    assert schedule.schedule.stages[0].rate_rps == 100.0


def test_both_twins_draw_alike_but_no_request_of_one_has_an_id_of_the_others() -> None:
    straw = Straw()
    straw.station.begin(straw.order(number=0))
    straw.station.cut()
    straw.station.begin(straw.order(number=1))
    first, second = (made.schedule for made in straw.made)
    assert first.seed == second.seed
    assert (first.ids, second.ids) == (ids_of("seed", 0, 1_002, 0), ids_of("seed", 1, 1_002, 0))
    assert first.ids != second.ids


def test_a_report_speaks_in_the_conductors_seconds() -> None:
    straw = Straw()
    straw.station.begin(straw.order())
    straw.made[0].told = [told(5_002, line(5_000), line(5_001))]
    straw.now_ns = 5_002 * NS
    report = straw.station.report()
    assert (report.number, report.through) == (0, 1_004)
    assert [part.second for part in report.parts] == [1_002, 1_003]
    assert (report.past, report.fault) == ((), None)
    ((lines, asked),) = straw.counted
    assert ([one.second for one in lines], asked) == ([5_000, 5_001], [Asked("one", "front", "front", "GET")])
    assert straw.station.report().parts == ()


def test_a_stage_is_past_after_its_end_when_all_has_ended() -> None:
    straw = Straw()
    straw.station.begin(straw.order(make_stage(0, 9.0, loop="open"), make_stage(1, 9.0, loop="open")))
    straw.made[0].told = [told(5_003, line(5_000, offered=2))]
    straw.now_ns = 5_003 * NS
    assert straw.station.report().past == ()
    straw.made[0].told = [told(5_004, line(5_003, offered=0))]
    straw.now_ns = 5_004 * NS
    assert straw.station.report().past == (0,)


def test_after_a_cut_everything_is_past_once_the_engine_has_ended() -> None:
    straw = Straw()
    straw.station.begin(straw.order(make_stage(0, 9.0, loop="open"), make_stage(1, 9.0, loop="open")))
    straw.station.cut()
    assert straw.made[0].asked == [("stop", 0)]
    straw.now_ns = 5_001 * NS
    assert straw.station.report().past == ()
    straw.made[0].told = [told(END)]
    assert straw.station.report().past == (0, 1)


def test_a_worker_that_the_crew_does_not_name_stops() -> None:
    straw = Straw()
    straw.station.begin(straw.order())
    straw.station.begin(straw.order(crew=(1,)))
    assert len(straw.made) == 1
    assert straw.made[0].asked == [("stop", 0)]


def test_a_second_order_of_a_sweep_takes_over_from_a_moment_ahead() -> None:
    straw = Straw()
    straw.station.begin(straw.order(crew=(0, 1)))
    straw.now_ns = 5_001 * NS
    straw.station.begin(straw.order(crew=(0,), begins_in_ns=-1 * NS))
    before, after = straw.made
    assert (after.start_ns, after.from_ns) == (5_000 * NS, 5_001 * NS + 50_000_000)
    assert [before.schedule.stages[0].rate_rps, after.schedule.stages[0].rate_rps] == [50.0, 100.0]
    assert (after.weights == ACTIVITY).all()
    ((seconds, stop),) = straw.later
    assert (seconds, before.asked) == (0.05, [])
    stop()
    assert (before.asked, after.asked) == ([("stop", 0)], [])
    before.told, after.told = [told(END, line(5_001))], [told(5_002, line(5_001))]
    straw.now_ns = 5_002 * NS
    report = straw.station.report()
    assert (report.through, [part.sent for part in report.parts]) == (1_004, [2])


def test_the_next_sweep_ends_what_the_last_one_left() -> None:
    straw = Straw()
    straw.station.begin(straw.order())
    straw.station.begin(straw.order(number=1))
    assert [one.asked for one in straw.made] == [[("abort", 0)], []]


@pytest.mark.parametrize(("loop", "asked"), [("open", ("rate", 0.75)), ("closed", ("users", 3))])
def test_a_live_stage_follows_the_seats_once_it_is_under_way(loop: str, asked: tuple[str, float]) -> None:
    straw = Straw(loop=loop)
    straw.station.begin(straw.order(make_stage(0, None, kind="measure", live=True, loop=loop)))
    for _ in range(3):
        straw.station.sit_down()
    straw.station.pump()
    assert straw.made[0].asked == []  # it has not begun
    straw.now_ns = 5_001 * NS
    straw.station.pump()
    straw.station.pump()
    assert straw.made[0].asked == [asked]
    straw.station.stand_up()
    straw.station.stand_up()
    straw.station.stand_up()
    straw.station.pump()
    assert straw.made[0].asked[1:] == [(asked[0], 0)]


def test_a_thread_that_failed_is_a_fault_of_the_report() -> None:
    straw = Straw()
    straw.station.begin(straw.order())

    def fail() -> bytes:
        raise RuntimeError("a thread failed: bad file descriptor")

    straw.made[0].drain = fail  # type: ignore[method-assign]
    assert straw.station.report().fault == "RuntimeError: a thread failed: bad file descriptor"


def test_a_worker_without_users_sends_nothing_and_is_past_at_the_end() -> None:
    straw = Straw()
    crew = tuple(range(2_000))  # 200 users leave most without any
    empty = next(worker for worker in crew if slice_of(IDS, ACTIVITY, crew, worker) is None)
    straw.station.worker = empty
    straw.station.begin(straw.order(crew=crew))
    straw.now_ns = 5_003 * NS
    report = straw.station.report()
    assert (straw.made, report.through, report.past) == ([], 1_005, (0,))


def test_before_any_order_a_report_says_who_sits() -> None:
    straw = Straw()
    straw.station.sit_down()
    report = straw.station.report()
    assert (report.seats, report.through, report.parts) == (1, 0, ())
