"""One whole capacity search in virtual time: the product's own schedule, search, judge and analysis on a known target.

Only the sender and the wire are missing: a trial's counts come out of the target's arrivals and departures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.capacity import BlockCapacity, block_capacities
from analysis.standing import standing
from benchmarks.truth.targets import Answered, Target
from records.plan import Plan
from records.stage import Stage, StageLine
from swarm.capacity_pairs import Standing
from swarm.schedule import Answers, Scope, campaign
from swarm.stages import OVERHEAD_S
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
    """Drives the schedule: its clock moves by what each sweep would take."""

    plan: Plan
    targets: Mapping[str, Target]
    rng: np.random.Generator
    now_s: float = 0.0
    counted: dict[int, Counts] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def run(self) -> VirtualRun:
        """Drive a whole run."""
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
                blocks = block_capacities(self.trials, self.plan)
                return VirtualRun(blocks, self.now_s, len(self.trials), self.told[-1])
            lines = tuple(self.stage(stage) for stage in sweep)
            self.now_s += OVERHEAD_S

    def _enough(self, trials: Sequence[Trial]) -> Standing:
        self.trials = list(trials)
        return standing(trials, (), self.plan)

    def stage(self, stage: Stage) -> StageLine:
        """Drive one stage and return its line."""
        target, begun_s = self.targets[stage.twin], self.now_s
        self.now_s += stage.length_s
        if stage.rate_rps is None:
            done = int(target.saturation_rps * self.rng.normal(1, 0.02) * stage.measure_s)
            return StageLine(0, "", stage, "virtual", 1, int(begun_s), None, done, done)
        if stage.kind in ("measure", "rest"):  # the curve's stages leave no mark on the search
            count = int(stage.rate_rps * stage.measure_s)
            return StageLine(0, "", stage, "virtual", 1, int(begun_s), float(count), count, count, valid=True)
        run = target.run(self.rng, stage.rate_rps, stage.length_s, begun_s)
        counts = self.counted[stage.id] = counts_of(run, stage, target.limit_ms)
        return StageLine(
            0, "", stage, "virtual", 1, int(begun_s), counts.arrivals, counts.requests, counts.answered, valid=True
        )


def counts_of(run: Answered, stage: Stage, limit_ms: float) -> Counts:
    """Return what a trial book would have counted of a run."""
    start, end = float(stage.warmup_s), float(stage.length_s)
    took_s = run.departure_s - run.arrival_s
    mine = run.arrival_s >= start
    in_window = (run.departure_s >= start) & (run.departure_s < end)
    middle = start + stage.measure_s // 2
    halves = tuple(
        _half(took_s[(run.departure_s >= a) & (run.departure_s < b)], limit_ms)
        for a, b in ((start, middle), (middle, end))
    )
    return Counts(
        requests=int(mine.sum()),
        late=int((took_s[mine] > limit_ms / 1000).sum()),
        lost=int(run.failed[mine].sum()),
        arrivals=float(mine.sum()),
        answered=int(in_window.sum()),
        halves=(halves[0], halves[1]) if stage.measure_s > 1 else None,
        connections=CONNECTIONS,
    )


def _half(took_s: np.typing.NDArray[np.float64], limit_ms: float) -> Half:
    late = int((took_s > limit_ms / 1000).sum())
    return Half(len(took_s), late, float(np.median(took_s)) * 1000 if len(took_s) else None)
