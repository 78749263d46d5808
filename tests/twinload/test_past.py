"""A schedule that goes on from a folder: wherever it was cut, it asks for what is left and for nothing twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from swarm_cases import make_plan

from analysis.standing import standing
from records.clock import NS
from records.event import Event
from records.manifest import HostFacts
from records.plan import Plan
from records.segment import Segment
from records.stage import Stage, StageLine
from swarm.schedule import Answers, Note, Scope, campaign
from swarm.trials import Counts
from twinload.past import Past, finished, past_of

LIMITS = {"one": 1_000.0, "two": 2_300.0}
HOST = HostFacts("box", "6.1", "cpu", 2, 1 << 30, 20_000, 28_000, 0.5)


class Cut(Exception):  # noqa: N818 - what kills the run
    """The run is killed here."""


@dataclass
class World:
    """A run folder in memory, and targets that carry their limit and not a request more."""

    plan: Plan
    lines: list[StageLine] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    counts: dict[int, Counts] = field(default_factory=dict)
    now_s: float = 0.0
    driven: int = 0

    def past(self) -> Past:
        ids = [line.stage.id for line in self.lines]
        return past_of(self.lines, self.events, self.segments, self.counts, next_id=max(ids, default=-1) + 1)

    def go(self, cut_after: int | None = None, *, tear: bool = False) -> None:
        """Drive as a campaign does, until the end or until so many more stages; `tear` cuts the last one short."""
        past, load_s, left = self.past(), 0.0, cut_after
        if self.lines or self.segments:
            self.now_s += 50.0
            t_ns = round(self.now_s * NS)
            self.segments.append(
                Segment(len(self.segments) + 2, t_ns, "u", 0, 0, 0, (), None, None, {}, HOST, ()),
            )  # fmt: skip
        self.now_s += 7.0
        begun_s = self.now_s
        self.events.append(Event(round(begun_s * NS), "u", "counters", "before"))

        def tell(note: Note) -> None:
            if not past.was_told(note):
                self.events.append(Event(round(self.now_s * NS), "u", note.kind, note.text, note.stage))

        def count(line: StageLine) -> Counts:
            return past.counts(line.stage.id) or self.counts[line.stage.id]

        answers = Answers(count, lambda trials: standing(trials, (), self.plan))
        scope = replace(Scope.of(self.plan), first_id=past.next_id)
        schedule = campaign(self.plan, scope, clock=lambda: load_s, tell=tell, answers=answers)
        try:
            stages = next(schedule)
            while True:
                given_lines = past.take(stages)
                for line in given_lines:
                    load_s = max(load_s, past.load_s_of(line.stage.id))
                lines = list(given_lines)
                for stage in stages[len(given_lines) :]:
                    if left == 0:
                        if tear:
                            self.lines.append(replace(self.drive(stage), complete=False))
                        raise Cut
                    left = None if left is None else left - 1
                    lines.append(self.drive(stage))
                    self.lines.append(lines[-1])
                    load_s = max(load_s, past.load_s + self.now_s - begun_s)
                stages = schedule.send(tuple(lines))
        except StopIteration:
            self.events.append(Event(round(self.now_s * NS), "u", "finished", "done"))
        except Cut:
            self.now_s += 0.7

    def drive(self, stage: Stage) -> StageLine:
        start = int(self.now_s) + 2
        self.now_s = start + stage.length_s + 0.25
        self.driven += 1
        limit = LIMITS[stage.twin]
        rate = stage.rate_rps or limit
        requests = round(rate * stage.measure_s)
        late = requests if rate > limit else 0
        self.counts[stage.id] = Counts(requests, late, 0, float(requests), requests)
        done = round(min(rate, limit) * stage.measure_s)
        return StageLine(round(self.now_s * NS), "u", stage, "fasthttp", 8, start, float(requests), requests, done)


def asked(world: World) -> list[Stage]:
    """Return what counts in the end, without ids."""
    return [replace(line.stage, id=0) for line in finished(world.lines, world.events)]


def told(world: World) -> list[str]:
    """Return what the schedule told, but for how long the rest would have taken: a beginning costs its time."""
    return [e.text.partition(" (one takes")[0] for e in world.events if e.kind in ("probe", "search")]


def plan_of(mode: str) -> Plan:
    sections: dict[str, dict[str, Any]] = {
        "curve": {"stages": {"kind": "probe", "fractions": [0.5, 1.1]}, "search": {"pairs": 3, "time_limit_s": 115.0}},
        "capacity": {
            "stages": {"kind": "steps", "rates_rps": [300.0, 600.0]},
            "search": {"mode": "capacity", "time_limit_s": 4000.0, "capacity_width": 0.05},
        },
    }[mode]
    return make_plan(**sections)


@pytest.mark.parametrize("mode", ["curve", "capacity"])
def test_a_run_cut_once_anywhere_ends_as_one_that_was_not(mode: str) -> None:
    whole = World(plan_of(mode))
    whole.go()
    assert whole.driven > 10
    for cut in range(0, whole.driven, max(1, whole.driven // 12)):
        world = World(plan_of(mode))
        world.go(cut)
        assert len(world.lines) == cut
        world.go()
        assert asked(world) == asked(whole), cut
        assert world.driven == whole.driven
        assert told(world) == told(whole)


@settings(max_examples=30, deadline=None)
@given(
    mode=st.sampled_from(["curve", "capacity"]), cuts=st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=5)
)  # fmt: skip
def test_cut_again_and_again_no_stage_is_done_twice(mode: str, cuts: list[tuple[int, bool]]) -> None:
    whole, world = World(plan_of(mode)), World(plan_of(mode))
    whole.go()
    for cut, tear in cuts:
        if world.events and world.events[-1].kind == "finished":
            break
        world.go(cut, tear=tear)
    world.go()
    assert asked(world) == asked(whole)
    ids = Counter(line.stage.id for line in world.lines)
    assert set(ids.values()) == {1}


def test_a_stage_that_lost_a_worker_is_done_and_one_cut_short_is_not() -> None:
    world = World(plan_of("curve"))
    world.go(3)
    lines = [replace(line, complete=False) for line in world.lines]
    lost = Event(1, "u", "worker-lost", "worker 1 was lost", lines[1].stage.id)
    assert finished(lines, [lost]) == (lines[1],)


def test_the_time_of_the_load_stands_still_between_segments() -> None:
    world = World(plan_of("curve"))
    world.go(2)
    first = world.past().load_s
    assert first == pytest.approx((world.lines[1].t_ns - world.events[0].t_ns) / NS)
    world.go(1)
    again = next(e for e in reversed(world.events) if e.kind == "counters")
    assert world.past().load_s == pytest.approx(first + (world.lines[2].t_ns - again.t_ns) / NS)


def test_a_stage_that_is_not_what_is_asked_for_is_not_taken() -> None:
    world = World(plan_of("curve"))
    world.go(1)
    stage = world.lines[0].stage
    assert world.past().take((replace(stage, id=70, measure_s=stage.measure_s + 1),)) == ()
    past = world.past()
    (line,) = past.take((replace(stage, id=71),))
    assert line.stage.id == 71
    assert past.stages == 0
