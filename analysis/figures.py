"""What a finished stage's measured part achieved and cost: what the judge looks at, live and in the report. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from analysis import setting, window
from analysis.containers import HELD_RATIO, ContainerFigures, containers_in
from records.clock import NS
from records.event import Event
from records.instance import Instance
from records.plan import Plan
from records.stage import StageLine
from records.usage import UsageLine

IDLE_PERCENT: Final = 80.0  # a twin below this had CPU to spare
AT_LIMIT_PERCENT: Final = 95.0
EDGE_DEVIATIONS: Final = 3.0


@dataclass(frozen=True, slots=True)
class StageFigures:
    """What a stage's measured part achieved and cost; None is unknown, never zero.

    `achieved_rps` counts good answers, `answered_rps` failed ones too. `target_percent`: CPU of the instances that
    serve ÷ the twin's allotment. `cores_busy_percent`: how busy the twin's cores were, whoever used them (kernel work
    that no process is charged for, too); `generator_cores_busy_percent` the same of the cores that the generator has to
    itself. `cpu_cores` and `memory_bytes` stand in the manifest's order of instances.
    `containers`, in the same order, is what containers showed beside (None of others); `throttled_ratio` the largest
    part of its scheduling periods in which the CPU limit of a serving container held it back.
    `gaps` names watched instances without samples; `died` those dead.
    `offered_rps`: in an open loop the arrivals counted, else what was planned. `edge_rps`: how far the answers may fall
    short of them by chance (`edge_requests`). `connections`: how many the plan allows to the serving instances
    together, and `lag_limit_ms` how late a send may be: both of the native schedule alone.
    """

    achieved_rps: float
    answered_rps: float
    generator_percent: float | None
    target_percent: float | None
    target_cores: float | None
    cores_busy_percent: float | None
    stolen_ratio: float | None
    cpu_cores: tuple[float | None, ...]
    memory_bytes: tuple[float | None, ...]
    generator_cores_busy_percent: float | None = None
    gaps: tuple[str, ...] = ()
    died: tuple[str, ...] = ()
    offered_rps: float | None = None
    edge_rps: float = 0.0
    connections: int | None = None
    lag_limit_ms: float | None = None
    containers: tuple[ContainerFigures | None, ...] = ()
    throttled_ratio: float | None = None

    @property
    def cpu_s_per_1k(self) -> float | None:
        """CPU seconds of the serving instances for 1,000 answers."""
        return cpu_s_per_1k(self.target_cores, self.answered_rps)

    @property
    def at_limit(self) -> bool:
        """Whether the twin was at its CPU limit.

        By its own CPU; by its cores when it used most of them; or because the limit of a container held it back.
        """
        if self.throttled_ratio is not None and self.throttled_ratio >= HELD_RATIO:
            return True
        if self.target_percent is None:
            return False
        if self.target_percent >= AT_LIMIT_PERCENT:
            return True
        return self.target_percent >= IDLE_PERCENT and (self.cores_busy_percent or 0.0) >= AT_LIMIT_PERCENT


def cpu_s_per_1k(cores: float | None, answered_rps: float) -> float | None:
    """Return the CPU seconds that 1,000 answers took, failed ones included; None when either is unknown.

    By hand: 0.5 cores at 250 answers a second are 0.002 CPU-seconds an answer, 2 for 1,000.
    """
    return None if cores is None or not answered_rps else 1000 * cores / answered_rps


def measured_window(line: StageLine) -> tuple[int, int]:
    """Return the measured part of a stage in monotonic ns; a stage cut short ends where its line was written."""
    start = (line.start_second + line.stage.warmup_s) * NS
    end = start + line.stage.measure_s * NS
    return start, end if line.complete else max(start, min(end, line.t_ns))


def measured_seconds(line: StageLine) -> tuple[int, int]:
    """Return the measured part of a stage in whole seconds of the monotonic clock, (first, end)."""
    start, end = measured_window(line)
    return start // NS, -(-end // NS)


def edge_requests(arrivals: float, connections: int) -> float:
    """Return by how many the answers of an open loop's window may differ from its arrivals by chance.

    What arrives in the window and is answered behind it is missing, what arrived before it and is answered in it is
    too many. The difference is what was in the system at the end minus that at the beginning: of a twin that keeps up
    at most one request a connection (what has none waits, and is no chance any more), and of n arrivals at random no
    more than about sqrt(n): three of those are allowed.

    By hand: 200 a second for 2 s on 2 × 64 connections are 400 arrivals, min(128, 3 × 20) = 60 requests; 10,000 a
    second are 20,000 arrivals, min(128, 3 × 141.4) = 128 requests, 0.64 % of them.
    """
    return min(float(connections), EDGE_DEVIATIONS * math.sqrt(max(arrivals, 0.0)))


def figures_of(
    line: StageLine,
    usage_lines: Sequence[UsageLine],
    manifest_instances: Sequence[Instance],
    plan: Plan,
    *,
    events: Iterable[Event] = (),
) -> StageFigures:
    """Return what a stage's measured part cost.

    Args:
        line: the stage as finished.
        usage_lines: samples in order of time, from 2 s before the measured part until 2 s after it where there are any.
        manifest_instances: the instances in the manifest's order, which is that of the samples' arrays.
        plan: the run's plan, for the allotments and the engine's limits.
        events: the run's events so far; deaths of instances are taken from them.
    """
    stage, instances = line.stage, manifest_instances
    start, end = measured_window(line)
    serving = setting.serving(instances, stage.twin, stage.endpoint, plan)
    generators = setting.generators(instances)
    twin_set = setting.twin_cpu_set(instances, serving)
    own_set = sorted(set(setting.generator_cpu_set(instances, plan)) - set(twin_set))
    used = window.usage_in(usage_lines, len(instances), (twin_set, own_set), start, end)
    twin_busy, own_busy = used.busy_ratios
    target_cores = setting.sum_or_none([used.cores[i] for i in serving])
    sent_with = setting.sum_or_none([used.cores[i] for i in generators])
    seconds = (end - start) / NS
    died = _died(events, (start, end), {instances[i].name for i in serving})
    containers = containers_in(usage_lines, instances, start, end)
    held = [one.throttled_ratio for i in serving if (one := containers[i]) is not None]
    watched = [i for i in (*serving, *generators) if instances[i].watch != "none"]
    native = line.sender == "native-schedule"
    connections = plan.engine.connections * max(len(serving), 1)
    return StageFigures(
        achieved_rps=line.good / seconds if seconds else 0.0,
        answered_rps=line.done / seconds if seconds else 0.0,
        generator_percent=_percent(sent_with, setting.generator_cores(instances, plan)),
        target_percent=_percent(target_cores, setting.twin_cores(instances, serving, plan, stage.twin)),
        target_cores=target_cores,
        cores_busy_percent=_percent(twin_busy, 1.0),
        generator_cores_busy_percent=_percent(own_busy, 1.0),
        stolen_ratio=used.stolen_ratio,
        cpu_cores=used.cores,
        memory_bytes=used.memory_bytes,
        gaps=tuple(instances[i].name for i in watched if used.cores[i] is None and instances[i].name not in died),
        died=died,
        offered_rps=_offered_rps(line, seconds),
        edge_rps=edge_rps(line, connections, seconds),
        connections=connections if native else None,
        lag_limit_ms=plan.engine.send_lag_p99_ms if native else None,
        containers=containers,
        throttled_ratio=max((ratio for ratio in held if ratio is not None), default=None),
    )


def edge_rps(line: StageLine, connections: int, seconds: float) -> float:
    """Return `edge_requests` a second; 0 in a closed loop, where requests wait for answers."""
    if line.stage.loop != "open" or line.offered is None or not seconds:
        return 0.0
    return edge_requests(line.offered, connections) / seconds


def _offered_rps(line: StageLine, seconds: float) -> float | None:
    """Return the rate that was offered: in an open loop that of the arrivals counted, which chance varies."""
    if line.stage.loop == "open" and line.offered is not None and seconds:
        return line.offered / seconds
    return line.stage.rate_rps


def _died(events: Iterable[Event], span: tuple[int, int], names: set[str]) -> tuple[str, ...]:
    """Return who died before a window's end and did not run again before its beginning."""
    dead: dict[str, None] = {}
    for event in events:
        if event.kind == "resumed" and event.t_ns <= span[0]:
            dead.clear()  # all were started anew
        if event.instance is None or event.instance not in names:
            continue
        if event.kind == "instance-died" and event.t_ns <= span[1]:
            dead[event.instance] = None
        elif event.kind == "instance-restarted" and event.t_ns <= span[0]:
            dead.pop(event.instance, None)
    return tuple(dead)


def _percent(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else 100 * part / whole
