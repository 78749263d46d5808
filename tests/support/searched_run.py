"""A run in the mode "capacity" as a folder: the product's own schedule and search, driven by simulated targets.

The targets are those of the truth test, so the capacity is known. What a sender and a watch would have written is
computed from arrivals and departures: seconds with histograms, judged stages, CPU of `cpu_s` seconds a request, memory.
Samples stand on whole seconds. Whatever the sender is said to be unable to offer (`most_rps`) is an invalid trial.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from drawn_run import MIB, ZERO_S, Drawn, manifest_for

from analysis.standing import standing
from benchmarks.truth.targets import Answered, Target, exponential
from records.clock import NS, Clock
from records.event import Event
from records.hdr import Histogram
from records.manifest import Manifest
from records.plan_file import check_plan, plan_digest, plan_tree
from records.run_folder import RunWriter
from records.second import Second, StatusCount
from records.stage import Proof, Stage, StageLine
from records.usage import HostUsage, UsageLine
from swarm.schedule import Answers, Scope, campaign
from swarm.stages import overhead_s
from swarm.trials import Counts, TrialBook


@dataclass(frozen=True)
class Searched:
    """What to simulate: two targets by twin, and what a request of each costs."""

    targets: dict[str, Target] = field(
        default_factory=lambda: {"go": exponential(500.0, 40.0), "rust": exponential(1_000.0, 40.0)}
    )
    cpu_s: dict[str, float] = field(default_factory=lambda: {"go": 1 / 500, "rust": 1 / 1_000})
    memory_mib: dict[str, float] = field(default_factory=lambda: {"go": 400.0, "rust": 100.0})
    bytes_per_rps: dict[str, float] = field(default_factory=lambda: {"go": 0.0, "rust": 0.0})
    most_rps: float = float("inf")
    time_limit_s: float = 700.0
    ratio_width: float = 0.2
    seed: int = 3
    gate: bool = True
    cost: dict[str, Any] = field(default_factory=lambda: {"fleet_rate_rps": {"balance": 10_000.0}})
    verdict: dict[str, Any] = field(default_factory=dict)


def manifest_of(searched: Searched) -> Manifest:
    """Return the manifest: the drawn run's, with a plan that searches a capacity of one endpoint."""
    drawn = manifest_for(Drawn(endpoints=("balance",), loop="open", gate=searched.gate))
    tree = plan_tree(check_plan(drawn.plan, "searched"))
    limit_ms = next(iter(searched.targets.values())).limit_ms
    tree |= {
        "slo": {"p99_ms": limit_ms},
        "stages": {"kind": "probe", "fractions": [0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2], "warmup_s": 1, "measure_s": 2},
        "search": {"mode": "capacity", "seed": searched.seed, "time_limit_s": searched.time_limit_s,
                   "ratio_width": searched.ratio_width},
        "cost": searched.cost,
        "verdict": searched.verdict,
    }  # fmt: skip
    plan = check_plan(tree, "searched")
    return replace(drawn, plan=plan_tree(plan), plan_digest=plan_digest(plan), sender="native-schedule")


def write_searched(path: Path, searched: Searched) -> Path:
    """Simulate a run, write its folder and return it."""
    manifest = manifest_of(searched)
    with RunWriter(path, manifest) as writer:
        _Driver(searched, manifest, writer).drive()
    return path


class _Driver:
    def __init__(self, searched: Searched, manifest: Manifest, writer: RunWriter) -> None:
        self.searched, self.manifest, self.writer = searched, manifest, writer
        self.plan = check_plan(manifest.plan, "searched")
        self.clock = Clock(manifest.mono_ns, manifest.wall_ns)
        self.rng = np.random.default_rng([searched.seed, 2])
        self.now_s = ZERO_S + 2
        self.cpu = {one.name: 0.0 for one in manifest.instances}
        self.busy = [0.0, 0.0]
        self.owed_s = defaultdict[int, float](float)  # the loaded twin's CPU seconds, by the second they are spent in
        self.book = TrialBook(self.plan)
        self._sample(ZERO_S, None, 0.0)
        self._sample(ZERO_S + 1, None, 0.0)
        self._event("counters", "the targets' counters before the load")

    def drive(self) -> None:
        answers = Answers(self._counts, lambda trials: standing(trials, (), self.plan))
        schedule = campaign(
            self.plan, Scope.of(self.plan), clock=lambda: float(self.now_s),
            tell=lambda note: self._event(note.kind, note.text), answers=answers,
        )  # fmt: skip
        lines: tuple[StageLine, ...] | None = None
        while True:
            try:
                sweep = next(schedule) if lines is None else schedule.send(lines)
            except StopIteration:
                break
            lines = tuple(self._stage(stage) for stage in sweep)
            for _ in range(int(overhead_s(self.plan))):
                self._idle_second(sweep[0].twin)
        self._event("finished", "the schedule is done")

    def _counts(self, line: StageLine) -> Counts:
        return self.book.counts(line)

    def _stage(self, stage: Stage) -> StageLine:
        target, begun_s = self.searched.targets[stage.twin], self.now_s
        if stage.kind == "rest":
            return self._rest(stage)
        rate = stage.rate_rps or min(target.saturation_rps, self.searched.most_rps)
        run = target.run(self.rng, rate, float(stage.length_s), float(begun_s))
        offered = None if stage.kind == "probe" else self._seconds(stage, run, begun_s)
        if stage.kind == "probe":
            run = replace(run, departure_s=run.arrival_s + 1 / target.saturation_rps)
            self._seconds(stage, run, begun_s)
        self._usage(stage, run, begun_s)
        self.now_s += stage.length_s
        window = (run.departure_s >= stage.warmup_s) & (run.departure_s < stage.length_s)
        invalid = rate > self.searched.most_rps
        why = ("the generator was the limit: it sent late, send lag p99 9 ms (limit 5 ms)",) if invalid else ()
        end_ns = self.now_s * NS
        line = StageLine(
            end_ns, self.clock.utc(end_ns), stage, "native-schedule", 800, begun_s, offered,
            int((run.arrival_s >= stage.warmup_s).sum()), int(window.sum()),
            valid=None if stage.kind == "probe" else not invalid, why=why,
            proof=Proof(20.0, 40.0, 90.0, 0, 0.2, 0),
        )  # fmt: skip
        self.writer.write(line)
        return line

    def _seconds(self, stage: Stage, run: Answered, begun_s: int) -> float:
        """Write a stage's seconds and return the arrivals of its measured part; who stays goes on as the drain."""
        left = run.departure_s
        inside = 0.0
        for at in range(int(min(left.max(initial=0.0), stage.length_s + 8)) + 1):
            for measured in (False, True):
                mine = (run.arrival_s >= stage.warmup_s) == measured
                starts = (
                    int((mine & (run.arrival_s >= at) & (run.arrival_s < at + 1)).sum()) if at < stage.length_s else 0
                )
                ends = mine & (left >= at) & (left < at + 1)
                if not starts and not ends.any():
                    continue
                phase = "probe" if stage.kind == "probe" else "drain" if at >= stage.length_s else (
                    "measure" if measured else "warmup")  # fmt: skip
                inside += starts if measured else 0
                self._second(stage, begun_s + at, phase, starts, run, ends)
        return inside

    def _second(self, stage: Stage, second: int, phase: str, starts: int, run: Answered, ends: Any) -> None:
        took_us = np.maximum((run.departure_s[ends] - run.arrival_s[ends]) * 1e6, 1).astype(int)
        times = Histogram()
        for value in took_us.tolist():
            times.record(value)
        failed = int(run.failed[ends].sum())
        status = {"2xx": StatusCount(len(took_us), {"body": failed} if failed else {}, times.sparse(), times.sparse())}
        line = Second(
            second * NS, self.clock.utc(second * NS), second, stage.id, stage.twin, stage.endpoint, phase,  # type: ignore[arg-type]
            None if phase == "probe" else float(starts), starts, 0, ((20, starts),) if starts else None,
            0 if starts else None, status if len(took_us) else {}, 0 if starts else None, 0.2 if starts else None,
        )  # fmt: skip
        self.writer.write(line)
        self.book.add(line)

    def _rest(self, stage: Stage) -> StageLine:
        begun_s = self.now_s
        for _ in range(stage.length_s):
            self._idle_second(stage.twin)
        end_ns = self.now_s * NS
        line = StageLine(end_ns, self.clock.utc(end_ns), stage, "native-schedule", 800, begun_s, 0.0, 0, 0)
        self.writer.write(line)
        return line

    def _usage(self, stage: Stage, run: Answered, begun_s: int) -> None:
        for second in run.departure_s.astype(int).tolist():
            self.owed_s[begun_s + second] += self.searched.cpu_s[stage.twin]
        for offset in range(stage.length_s):
            rate = stage.rate_rps or 0.0
            self._sample(begun_s + offset, stage.twin, min(0.999, self.owed_s.pop(begun_s + offset, 0.0)), rate)

    def _idle_second(self, twin: str | None = None) -> None:
        """Pass a second without arrivals; what stands in a queue is answered, and costs."""
        self._sample(self.now_s, twin, min(0.999, self.owed_s.pop(self.now_s, 0.0)))
        self.now_s += 1

    def _sample(self, second: int, twin: str | None, cores: float, rate: float = 0.0) -> None:
        instances = self.manifest.instances

        def memory(name: str, owner: str | None) -> int:
            if owner is None or name.endswith("-rest"):
                return 50 * MIB
            grown = self.searched.bytes_per_rps[owner] * rate if owner == twin else 0.0
            return int((self.searched.memory_mib[owner] * MIB + grown) / 2)

        self.writer.write(
            UsageLine(
                second * NS, self.clock.utc(second * NS), second,
                tuple(self.cpu[one.name] for one in instances),
                tuple(memory(one.name, one.twin) for one in instances),
                (None,) * len(instances), (None,) * len(instances),
                HostUsage(sum(self.busy), 0.0, (self.busy[0], self.busy[1]), 1 << 30),
            )
        )  # fmt: skip
        if twin is not None:
            for number in (1, 2):
                self.cpu[f"{twin}-{number}"] += cores / 2
            self.busy[0] += cores
        self.cpu["generator"] += 0.2
        self.busy[1] += 0.2

    def _event(self, kind: str, text: str) -> None:
        now = (ZERO_S + 1 if kind == "counters" else self.now_s) * NS
        self.writer.write(Event(now, self.clock.utc(now), kind, text))  # type: ignore[arg-type]
