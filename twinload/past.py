"""What stands of a run that was cut short: its finished stages, given back when the schedule asks for them again. Pure.

    raw lines of earlier segments --Past--> schedule (as if they had just been driven) --> the stages that are left

The schedule decides by nothing but the lines and counts it is sent and the time that the load took, which is told by
the lines too (`load_s`). So it is begun anew, asks for the same stages in the same order, and each one that has a line
is answered from the folder; the first that has none is driven. The unit is the stage, in a capacity search the trial:
what has a line is done, what has none is driven again from its warm-up, with an id of its own.

A stage that an interrupt or a death cut short has a line and is not done. One that lost a worker is: its sweep went on.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from analysis.standing import LoadCost
from records.clock import NS
from records.event import Event
from records.segment import Segment
from records.stage import Stage, StageLine
from swarm.schedule import Note
from swarm.trials import Counts

_TOLD_ONCE: Final = ("probe", "search")  # what else a schedule tells holds for its segment alone
_SAME_RATE: Final = 1e-9
Place = tuple[str, str, int, int]


@dataclass(slots=True)
class Past:
    """Finished stages by place, in the order driven; empty for a run that begins.

    `next_id` is free for the first stage that is asked for; `load_s` the time under load of all earlier segments.
    """

    next_id: int = 0
    load_s: float = 0.0
    waiting: dict[Place, deque[StageLine]] = field(default_factory=dict)
    trial_counts: Mapping[int, Counts] = field(default_factory=dict)
    load_s_at: Mapping[int, float] = field(default_factory=dict)
    costs_at: Mapping[int, tuple[LoadCost, ...]] = field(default_factory=dict)
    told: Counter[tuple[str, str]] = field(default_factory=Counter)
    taken: dict[int, int] = field(default_factory=dict)

    @property
    def stages(self) -> int:
        """How many finished stages were not asked for yet."""
        return sum(map(len, self.waiting.values()))

    def take(self, asked: Sequence[Stage]) -> tuple[StageLine, ...]:
        """Return the lines of the leading stages of a sweep that are done, as lines of the stages asked for."""
        lines = []
        for stage in asked:
            waiting = self.waiting.get(_place(stage))
            if not waiting or not _alike(waiting[0].stage, stage):
                break
            line = waiting.popleft()
            self.taken[stage.id] = line.stage.id
            lines.append(replace(line, stage=stage))
        return tuple(lines)

    def counts(self, stage: int) -> Counts | None:
        """Return the counts of a trial that was taken; None for any other stage."""
        return self.trial_counts.get(self.taken.get(stage, -1))

    def load_s_of(self, stage: int) -> float:
        """Return how long the load had taken when a stage that was taken was over."""
        return self.load_s_at.get(self.taken[stage], 0.0)

    def costs_of(self, stage: int) -> tuple[LoadCost, ...]:
        """Return what a stage that was taken cost."""
        return self.costs_at.get(self.taken[stage], ())

    def was_told(self, note: Note) -> bool:
        """Say whether a note stands in the folder; each one there answers once."""
        key = (note.kind, note.text)
        if note.kind not in _TOLD_ONCE or not self.told[key]:
            return False
        self.told[key] -= 1
        return True


def past_of(
    lines: Sequence[StageLine],
    events: Sequence[Event],
    segments: Sequence[Segment],
    trial_counts: Mapping[int, Counts],
    *,
    next_id: int,
    costs_at: Mapping[int, tuple[LoadCost, ...]] | None = None,
) -> Past:
    """Return what stands of a run.

    Its lines and events in the order written, its segments, the counts of its trials, and what its stages cost.
    """
    done = finished(lines, events)
    waiting: dict[Place, deque[StageLine]] = {}
    for line in done:
        waiting.setdefault(_place(line.stage), deque()).append(line)
    load_s_at = _load_times(done, events, segments)
    told = Counter[tuple[str, str]]((event.kind, event.text) for event in events if event.kind in _TOLD_ONCE)
    load_s = max(load_s_at.values(), default=0.0)
    return Past(next_id, load_s, waiting, trial_counts, load_s_at, costs_at or {}, told)


def finished(lines: Iterable[StageLine], events: Iterable[Event]) -> tuple[StageLine, ...]:
    """Return the lines of stages that are done: whole ones, and those that lack a worker's part alone."""
    lost = {event.stage for event in events if event.kind == "worker-lost"}
    return tuple(line for line in lines if line.complete or line.stage.id in lost)


def _load_times(lines: Sequence[StageLine], events: Sequence[Event], segments: Sequence[Segment]) -> dict[int, float]:
    """Return by stage how long the load had taken when it was over, in seconds.

    A segment's load begins when it reads the targets' counters, and counts until its last finished stage: neither the
    pause before it nor a stage that was aborted take from the run's time.
    """
    bounds_ns = [0, *(segment.t_ns for segment in segments), math.inf]
    found: dict[int, float] = {}
    before_s = 0.0
    for begin_ns, end_ns in itertools.pairwise(bounds_ns):
        counted = (e.t_ns for e in events if e.kind == "counters" and begin_ns <= e.t_ns < end_ns)
        mine = [line for line in lines if begin_ns <= line.t_ns < end_ns]
        load_ns = min(counted, default=None)
        if load_ns is None or not mine:
            continue
        found |= {line.stage.id: before_s + (line.t_ns - load_ns) / NS for line in mine}
        before_s = max(found.values())
    return found


def _place(stage: Stage) -> Place:
    return stage.twin, stage.endpoint, stage.pair, stage.block


def _alike(one: Stage, two: Stage) -> bool:
    """Say whether two stages are the same but for their ids, and for the last digit of a rate."""
    if one.rate_rps is None or two.rate_rps is None:
        return replace(one, id=two.id) == two
    close = math.isclose(one.rate_rps, two.rate_rps, rel_tol=_SAME_RATE)
    return close and replace(one, id=two.id, rate_rps=two.rate_rps, ramp_s=two.ramp_s) == two
