"""May a stage be used? One judge, asked live by the campaign and again by the report. Pure.

| against a stage | because |
|---|---|
| cut short | its measured part is not whole |
| an instance of the twin died | the load met fewer instances than the plan has |
| the watch has a gap | nobody can say who was the limit |
| generator CPU >= 90 % of its cores | the generator was the limit |
| answered < 97 % of offered (open loop: 99 %), the generator's cores >= 95 % busy | the generator was the limit |
| answered < 97 % of offered (open loop: 99 %), twin's CPU < 80 % of its allotment | the generator was the limit |
| the same, but the twin's cores were busy with others | the machine was the limit |
| stolen time > 5 % | the hypervisor was the limit |

The generator's cores are those that it is pinned to and the twin is not: the campaign decodes, writes and watches there
too, which the generator's own CPU does not show. Where it has none to itself, that row does not apply.

A stage past saturation (the twin at its limit) is valid: that is what saturation looks like. A probe is not judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from analysis import setting, window
from records.clock import NS
from records.event import Event
from records.instance import Instance
from records.plan import Plan
from records.stage import Loop, StageLine
from records.usage import UsageLine

GENERATOR_LIMIT_PERCENT: Final = 90.0
IDLE_PERCENT: Final = 80.0  # a twin below this had CPU to spare
AT_LIMIT_PERCENT: Final = 95.0
STOLEN_LIMIT_RATIO: Final = 0.05
CARRIED_RATIO: Final[dict[Loop, float]] = {"closed": 0.97, "open": 0.99}  # achieved ÷ offered, at least


@dataclass(frozen=True, slots=True)
class StageFigures:
    """What a stage's measured part achieved and cost; None is unknown, never zero.

    `achieved_rps` counts good answers, `answered_rps` failed ones too. `target_percent`: CPU of the instances that
    serve ÷ the twin's allotment. `cores_busy_percent`: how busy the twin's cores were, whoever used them (kernel work
    that no process is charged for, too); `generator_cores_busy_percent` the same of the cores that the generator has to
    itself. `cpu_cores` and `memory_bytes` stand in the manifest's order of instances.
    `gaps` names watched instances without samples; `died` those dead.
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

    @property
    def at_limit(self) -> bool:
        """Whether the twin was at its CPU limit: by its own CPU, or by its cores when it used most of them."""
        if self.target_percent is None:
            return False
        if self.target_percent >= AT_LIMIT_PERCENT:
            return True
        return self.target_percent >= IDLE_PERCENT and (self.cores_busy_percent or 0.0) >= AT_LIMIT_PERCENT


def measured_window(line: StageLine) -> tuple[int, int]:
    """Return the measured part of a stage in monotonic ns; a stage cut short ends where its line was written."""
    start = (line.start_second + line.stage.warmup_s) * NS
    end = start + line.stage.measure_s * NS
    return start, end if line.complete else max(start, min(end, line.t_ns))


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
        plan: the run's plan, for the allotments.
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
    died = _died(events, end, {instances[i].name for i in serving})
    watched = [i for i in (*serving, *generators) if instances[i].watch != "none"]
    return StageFigures(
        achieved_rps=(line.done - sum(line.failed.values())) / seconds if seconds else 0.0,
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
    )


def judge(line: StageLine, figures: StageFigures) -> tuple[str, ...]:
    """Return the reasons against a stage; () for a valid stage and for a probe, which is not judged.

    Args:
        line: the stage as the swarm told it, its own reasons in `why`.
        figures: what its measured part achieved and cost.
    """
    if line.stage.kind == "probe":
        return ()
    reasons = list(line.why)  # what the swarm itself has against it
    if not line.complete:
        reasons.append("the stage was cut short")
    reasons += [f"instance {name} died" for name in figures.died]
    reasons += [f"no usage samples of {name}: who was the limit is unknown" for name in figures.gaps]
    if figures.stolen_ratio is not None and figures.stolen_ratio > STOLEN_LIMIT_RATIO:
        reasons.append(
            f"the hypervisor took {100 * figures.stolen_ratio:.1f} % of the CPU time "
            f"(limit {100 * STOLEN_LIMIT_RATIO:.0f} %)"
        )
    limit = _limit(line, figures)
    return (*reasons, limit) if limit else tuple(reasons)


def carried(achieved_rps: float, offered_rps: float, loop: Loop) -> bool:
    """Say whether an offered rate was achieved: 97 % of it in a closed loop, 99 % in an open one."""
    return achieved_rps >= CARRIED_RATIO[loop] * offered_rps


def past_saturation(line: StageLine, figures: StageFigures) -> bool:
    """Say whether a stage offered more than its twin gave, with the twin at its CPU limit."""
    offered = line.stage.rate_rps
    return offered is not None and not carried(figures.answered_rps, offered, line.stage.loop) and figures.at_limit


def _limit(line: StageLine, figures: StageFigures) -> str | None:
    """Return why something other than the twin was the limit, or None."""
    if figures.generator_percent is not None and figures.generator_percent >= GENERATOR_LIMIT_PERCENT:
        return (
            f"the generator was the limit: its CPU was at {figures.generator_percent:.0f} % of its cores "
            f"(limit {GENERATOR_LIMIT_PERCENT:.0f} %)"
        )
    offered = line.stage.rate_rps
    if offered is None or not line.complete or figures.died or carried(figures.answered_rps, offered, line.stage.loop):
        return None
    short = f"answered {figures.answered_rps:.0f} of {offered:.0f} requests a second offered"
    own_busy = figures.generator_cores_busy_percent
    if own_busy is not None and own_busy >= AT_LIMIT_PERCENT:
        limit = f"limit {AT_LIMIT_PERCENT:.0f} %"
        return f"the generator was the limit: {short} while its cores were {own_busy:.0f} % busy ({limit})"
    if figures.target_percent is None:
        return None if figures.gaps else f"who was the limit is unknown: {short}, twin's CPU not watched"
    if figures.target_percent >= IDLE_PERCENT:
        return None
    if figures.cores_busy_percent is not None and figures.cores_busy_percent >= AT_LIMIT_PERCENT:
        return (
            f"the machine was the limit: {short}, the twin's cores were {figures.cores_busy_percent:.0f} % busy "
            f"but its instances used {figures.target_percent:.0f} %"
        )
    return f"the generator was the limit: {short} while the twin's CPU stood at {figures.target_percent:.0f} %"


def _died(events: Iterable[Event], end_ns: int, names: set[str]) -> tuple[str, ...]:
    dead = (e.instance for e in events if e.kind == "instance-died" and e.t_ns <= end_ns and e.instance in names)
    return tuple(dict.fromkeys(name for name in dead if name is not None))


def _percent(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else 100 * part / whole
