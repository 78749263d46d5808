"""A run folder read once, line by line, into what the figures need.

Memory grows with the number of stages and, slowly, with the length of the run (a few numbers a second), never with the
histograms in it: a day at one line a second stays small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from analysis import setting, validity
from analysis.figures import StageFigures, figures_of, measured_seconds, measured_window
from analysis.sampling import Sampling
from analysis.segments import aborted_stages, of_last_segment, resumed_ns
from analysis.tally import Tally
from analysis.timeline import CpuTrace, LoadTrace, Sending, groups_of
from analysis.window import MARGIN_NS
from records.clock import NS
from records.event import Event
from records.manifest import Manifest
from records.plan import Plan
from records.run_folder import RunReader
from records.second_table import SecondTable
from records.stage import StageLine
from records.usage import UsageLine
from swarm.trials import Trial, TrialBook

_SAMPLES_KEPT: Final = 720  # of one stage; a longer one is thinned, its cumulative counters lose nothing

_CONNECTING_NS: Final = 2 * NS  # seats connect up to 1.5 s ahead of the load


@dataclass(frozen=True, slots=True)
class StageData:
    """A finished stage with its counts, its cost, what its seconds told of the sender, and the reasons against it."""

    line: StageLine
    tally: Tally
    figures: StageFigures
    why: tuple[str, ...]
    sending: Sending

    @property
    def measured(self) -> bool:
        """Whether figures may come from it at all (a probe only finds the rough limit)."""
        return self.line.stage.kind == "measure"

    @property
    def valid(self) -> bool:
        """Whether it is a measured stage with nothing against it."""
        return self.measured and not self.why

    @property
    def past_saturation(self) -> bool:
        """Whether it offered more than its twin gave, with the twin at its CPU limit."""
        return validity.past_saturation(self.line, self.figures)


@dataclass(frozen=True, slots=True)
class RunData:
    """A run as read: `idle_memory_bytes` by instance before any seat connects; `partial` says what cut it short.

    `resolution_s` is the usual distance of the samples of instances that others sample, by name; `trials` are the
    capacity search's, in the order driven.
    """

    manifest: Manifest
    plan: Plan
    stages: tuple[StageData, ...]
    events: tuple[Event, ...]
    load: LoadTrace
    cpu: CpuTrace
    idle_memory_bytes: tuple[float | None, ...]
    partial: str | None
    resolution_s: dict[str, float]
    trials: tuple[Trial, ...] = ()

    @property
    def endpoints(self) -> tuple[str, ...]:
        """What was or was to be swept: the plan's sweeps first, then others found in the stages."""
        return tuple(dict.fromkeys((*self.plan.sweeps, *(s.line.stage.endpoint for s in self.stages))))

    @property
    def twins(self) -> tuple[str, ...]:
        """The baseline, then the candidate."""
        return tuple(self.plan.twins)


def read_run(reader: RunReader) -> RunData:
    """Read a run folder; RunFolderError when it is none, is damaged, or holds a plan that cannot be read."""
    manifest = reader.manifest()
    plan = setting.plan_of(manifest)
    events = reader.events()
    aborted = aborted_stages(events)
    lines = tuple(line for line in reader.stages() if line.stage.id not in aborted)
    wanted = {line.stage.id: measured_seconds(line) for line in lines}
    tried = {line.stage.id for line in lines if line.stage.kind == "trial"}
    book = TrialBook(plan)
    tallies, load = _read_seconds(
        reader, wanted, lambda second: book.add(second.whole()) if second.stage in tried else None
    )
    cpu = CpuTrace(groups_of(manifest.instances), breaks_ns=resumed_ns(events))
    idle: list[UsageLine] = []
    sampling = Sampling()
    rest_ns = _end_of_rest(lines, events)

    def look(sample: UsageLine) -> None:
        cpu.add(sample)
        sampling.add(sample)
        if not idle or rest_ns is None or sample.t_ns <= rest_ns:  # a watch that began late has its first sample
            idle[:] = [sample]

    figures = _read_usage(reader.usage(), lines, manifest, plan, events, look)
    stages = [
        StageData(
            line,
            tallies.get(line.stage.id, Tally()),
            _with_rates(line, one, load),
            _reasons(line, one),
            load.sending(line.stage.twin, *measured_window(line)),
        )
        for line, one in zip(lines, figures, strict=True)
    ]
    count = len(manifest.instances)
    idle_bytes = tuple(_float(value) for value in idle[0].memory_bytes) if idle else (None,) * count
    resolution_s = sampling.resolution_s([one.name for one in manifest.instances])
    trials = tuple(Trial(one.line, book.counts(one.line)) for one in stages if one.line.stage.id in tried)
    partial = partial_reason(events)
    return RunData(manifest, plan, tuple(stages), events, load, cpu, idle_bytes, partial, resolution_s, trials)


def _end_of_rest(lines: Sequence[StageLine], events: Sequence[Event]) -> int | None:
    """Return until when the twins were at rest for sure; None for a run without load.

    Seats connect before the first second of the load: rest ends when the targets' counters were read before it, or,
    in a run that did not read them, `_CONNECTING_NS` ahead.
    """
    first_ns = min((line.start_second * NS for line in lines), default=None)
    counted = [event.t_ns for event in events if event.kind == "counters"]
    before = [t_ns for t_ns in counted if first_ns is None or t_ns <= first_ns]
    if before:
        return before[0]
    return None if first_ns is None else first_ns - _CONNECTING_NS


def partial_reason(events: Sequence[Event]) -> str | None:
    """Return why a run is not whole, None for one that told of its end; of a resumed run its last segment says."""
    kinds = {event.kind: event for event in of_last_segment(events)}
    for kind in ("safety-stop", "interrupted", "failed"):
        if kind in kinds:
            return f"{kind}: {kinds[kind].text}"
    return None if "finished" in kinds else "the run never told of its end: it is under way, or was killed"


def _reasons(line: StageLine, figures: StageFigures) -> tuple[str, ...]:
    """The judgement on record stands; a stage that nobody judged is judged now, by the same judge."""
    return validity.judge(line, figures) if line.valid is None else line.why


def _with_rates(line: StageLine, figures: StageFigures, load: LoadTrace) -> StageFigures:
    """Return the figures with the rates of all answers that ended in the measured seconds.

    The stage's own line leaves out what the stage before had started; past saturation, where an answer takes as long as
    a warm-up, that would understate the twin. What an open loop offered is counted in the same seconds.
    """
    span, twin = measured_window(line), line.stage.twin
    answered_rps, achieved_rps = load.rates_rps(twin, *span)
    figures = replace(figures, answered_rps=answered_rps, achieved_rps=achieved_rps)
    arrivals = load.offered(twin, *span)
    if line.stage.loop == "closed" or arrivals is None or span[1] <= span[0]:
        return figures
    return replace(figures, offered_rps=arrivals * NS / (span[1] - span[0]))


def _read_seconds(
    reader: RunReader, wanted: Mapping[int, tuple[int, int]], look: Callable[[SecondTable], None]
) -> tuple[dict[int, Tally], LoadTrace]:
    """Take in the seconds of stages that have a line; what an aborted stage or one under way counted is no figure."""
    tallies: dict[int, Tally] = {}
    load = LoadTrace()
    for second in reader.second_tables():
        if second.stage in wanted:
            load.add(second)
            look(second)
            tallies.setdefault(second.stage, Tally(wanted[second.stage])).add(second)
    return tallies, load


def _read_usage(
    samples: Iterable[UsageLine],
    lines: Sequence[StageLine],
    manifest: Manifest,
    plan: Plan,
    events: Sequence[Event],
    look: Callable[[UsageLine], None],
) -> list[StageFigures]:
    """Return each stage's figures, holding the samples of the stages under way alone."""
    figures: dict[int, StageFigures] = {}
    windows = [measured_window(line) for line in lines]
    waiting = sorted(range(len(lines)), key=lambda i: windows[i])
    open_: dict[int, list[UsageLine]] = {}

    def finish(i: int) -> None:
        figures[i] = figures_of(lines[i], open_.pop(i, []), manifest.instances, plan, events=events)

    for sample in samples:
        look(sample)
        while waiting and windows[waiting[0]][0] - MARGIN_NS <= sample.t_ns:
            open_[waiting.pop(0)] = []
        for i in [i for i in open_ if sample.t_ns > windows[i][1] + MARGIN_NS]:
            finish(i)
        for i, kept in open_.items():
            _keep(kept, sample, windows[i])
    for i in (*open_, *waiting):
        finish(i)
    return [figures[i] for i in range(len(lines))]


def _keep(kept: list[UsageLine], sample: UsageLine, span: tuple[int, int]) -> None:
    """Keep a sample; of a stage longer than twelve minutes at 1 Hz keep evenly spaced ones, and all near its ends."""
    least_ns = (span[1] - span[0]) / _SAMPLES_KEPT
    near_end = min(abs(sample.t_ns - span[0]), abs(sample.t_ns - span[1])) <= MARGIN_NS
    if not kept or near_end or sample.t_ns - kept[-1].t_ns >= least_ns:
        kept.append(sample)


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)
