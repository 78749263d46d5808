"""One whole capacity search in virtual time: the product's own schedule, search, judge and analysis on a known target.

Only the sender and the wire are missing: a trial's counts come out of the target's arrivals and departures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.capacity import BlockCapacity, block_capacities
from analysis.standing import standing_of
from benchmarks.truth.targets import Answered, Bools, Floats, Target
from records.plan import Plan
from records.stage import Stage, StageLine
from swarm.capacity_pairs import Standing
from swarm.schedule import Answers, Scope, campaign
from swarm.stages import overhead_s
from swarm.trials import Counts, Half, Trial

CONNECTIONS = 64
ENDPOINT = "known"


@dataclass(frozen=True, slots=True)
class VirtualRun:
    """What a run found, how long it took on the virtual clock, and its trials."""

    blocks: tuple[BlockCapacity, ...]
    took_s: float
    trials: int
    ended: str


def make_plan(limit_ms: float, *, seed: int, time_limit_s: float, ratio_width: float, trial_s: int = 2) -> Plan:
    """Return a plan of two twins and one endpoint, in the mode "capacity"."""
    twins = {
        name: {"start": "external", "instances": [{"name": f"{name}-1", "address": address, "serves": [ENDPOINT]}]}
        for name, address in (("baseline", "127.0.0.1:18001"), ("candidate", "127.0.0.1:18002"))
    }
    tree = {
        "schema": 1,
        "twins": twins,
        "workload": [{"name": ENDPOINT, "path": "/{user_id}", "hot": True}],
        "stages": {"kind": "probe", "fractions": [0.2, 0.5, 0.8], "warmup_s": 1, "measure_s": 2},
        "slo": {"p99_ms": limit_ms},
        "search": {"mode": "capacity", "seed": seed, "time_limit_s": time_limit_s, "ratio_width": ratio_width,
                   "trial_s": trial_s},
        "verdict": {"ask": ["capacity"]},
    }  # fmt: skip
    return Plan.model_validate(tree)


@dataclass(slots=True)
class VirtualDriver:
    """Drives the schedule: its clock moves by what each sweep would take. `known` trials stand behind `blocks`."""

    plan: Plan
    targets: Mapping[str, Target]
    rng: np.random.Generator
    now_s: float = 0.0
    counted: dict[int, Counts] = field(default_factory=dict)
    blocks: list[BlockCapacity] = field(default_factory=list)
    known: int = 0
    told: list[str] = field(default_factory=list)

    def run(self) -> VirtualRun:
        """Drive a whole run."""
        begun_s = self.now_s
        answers = Answers(lambda line: self.counted.pop(line.stage.id), self._enough)
        schedule = campaign(
            self.plan, Scope.of(self.plan), clock=lambda: self.now_s, tell=lambda note: self.told.append(note.text),
            answers=answers,
        )  # fmt: skip
        lines: tuple[StageLine, ...] | None = None
        while True:
            try:
                sweep = next(schedule) if lines is None else schedule.send(lines)
            except StopIteration:
                return VirtualRun(tuple(self.blocks), self.now_s - begun_s, self.known, self.told[-1])
            self.counted.clear()  # as a campaign forgets the seconds of sweeps that are over
            lines = tuple(self.stage(stage) for stage in sweep)
            self.now_s += overhead_s(self.plan)

    def _enough(self, trials: Sequence[Trial]) -> Standing:
        """Judge what there is; blocks that are over stay as they are."""
        self.blocks += block_capacities(trials[self.known :], self.plan)
        self.known = len(trials)
        return standing_of(self.blocks, (), self.plan)

    def stage(self, stage: Stage) -> StageLine:
        """Drive one stage and return its line."""
        target, begun_s = self.targets[stage.twin], self.now_s
        self.now_s += stage.length_s
        if stage.rate_rps is None:
            done = int(target.saturation_rps * self.rng.normal(1, 0.02) * stage.measure_s)
            return StageLine(0, "", stage, "virtual", 1, int(begun_s), None, done, done)
        if stage.kind == "rest":
            return StageLine(0, "", stage, "virtual", 1, int(begun_s), 0.0, 0, 0, valid=True)
        run = target.run(self.rng, stage.rate_rps, stage.length_s, begun_s)
        if stage.kind == "measure":
            curve = counts_of(run, stage, target.limit_ms)
            return StageLine(
                0, "", stage, "virtual", 1, int(begun_s), curve.arrivals, curve.requests, curve.answered,
                {"status": curve.lost} if curve.lost else {}, valid=True,
            )  # fmt: skip
        counts = self.counted[stage.id] = counts_of(run, stage, target.limit_ms)
        return StageLine(
            0, "", stage, "virtual", 1, int(begun_s), counts.arrivals, counts.requests, counts.answered, valid=True
        )


def counts_of(run: Answered, stage: Stage, limit_ms: float) -> Counts:
    """Return what a trial book would have counted of a run."""
    start, end = float(stage.warmup_s), float(stage.length_s)
    left_s, first = run.departure_s, int(np.searchsorted(run.arrival_s, start))
    took_s, failed = left_s - run.arrival_s, run.failed[first:]
    late = took_s > limit_ms / 1000
    middle = start + stage.measure_s // 2
    early = (left_s >= start) & (left_s < middle)
    later = (left_s >= middle) & (left_s < end)
    mine = len(left_s) - first
    return Counts(
        requests=mine,
        late=int(np.count_nonzero(late[first:])),
        lost=int(np.count_nonzero(failed)),
        arrivals=float(mine),
        answered=int(np.count_nonzero(early) + np.count_nonzero(later)),
        halves=(_half(took_s[early], late[early]), _half(took_s[later], late[later])) if stage.measure_s > 1 else None,
        connections=CONNECTIONS,
    )


def _half(took_s: Floats, late: Bools) -> Half:
    """Return a half's figures; its median is the lower one of two, as a histogram's is."""
    count = len(took_s)
    if not count:
        return Half(0, 0, None)
    middle = (count - 1) // 2
    return Half(count, int(np.count_nonzero(late)), float(np.partition(took_s, middle)[middle]) * 1000)
