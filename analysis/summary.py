"""`summary.json`, schema 1: the figures of a run for machines. Pure. What is not known is null, never zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from analysis import setting
from analysis.curve import CurvePoint
from analysis.findings import Findings
from analysis.intervals import Interval
from analysis.published import PUBLISHED, SOURCE
from analysis.ratio import Ratio
from analysis.same_load import TwinAtLoad
from analysis.saturation import Saturation
from records.manifest import GateRecord, HostFacts, PoolFacts
from records.stage import Loop

SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class Figure:
    """A value over `blocks` blocks with its interval: `t95`, or `range` (minimum and maximum) under 3 blocks."""

    value: float
    lo: float
    hi: float
    blocks: int
    interval: str


@dataclass(frozen=True, slots=True)
class Throughput:
    """A throughput in requests a second; `at_least` where the twin was never seen at its limit."""

    value: float
    lo: float
    hi: float
    at_least: bool
    blocks: int
    interval: str


@dataclass(frozen=True, slots=True)
class SameLoadSummary:
    """One twin at the highest offered rate that both carry; percent are of the twin's allotment."""

    rate_rps: float
    p50_ms: float | None
    p99_ms: float | None
    cpu_percent: float | None
    memory_percent: float | None
    memory_bytes: float | None
    idle_memory_bytes: float | None
    cpu_s_per_1k: Figure | None


@dataclass(frozen=True, slots=True)
class StageSummary:
    """One point of a curve, merged over `blocks` valid blocks (over all of them when none is valid)."""

    loop: Loop
    users: int | None
    offered_rps: float
    achieved_rps: float
    samples: int
    blocks: int
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    service_p99_ms: float | None
    failed_ratio: float | None
    dropped_ratio: float | None
    send_lag_p99_ms: float | None
    backlog_max: int | None
    generator_cpu_percent: float | None
    stolen_ratio: float | None
    cpu_cores: dict[str, float | None]
    memory_bytes: dict[str, float | None]
    past_saturation: bool
    valid: bool
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EndpointSummary:
    """What one twin did with one endpoint; `capacity_rps` is null until a capacity search says it."""

    saturation_rps: Throughput | None
    capacity_rps: Throughput | None
    same_load: SameLoadSummary | None
    stages: tuple[StageSummary, ...]


@dataclass(frozen=True, slots=True)
class RatioSummary:
    """Candidate ÷ baseline, each with its pairs and kind of interval."""

    saturation: Ratio | None
    capacity: Ratio | None
    p99: Ratio | None
    cpu_s_per_1k: Ratio | None
    memory: Ratio | None


@dataclass(frozen=True, slots=True)
class TwinFacts:
    """A twin as planned: what its percentages refer to."""

    label: str
    role: str
    cpus: float | None
    memory_bytes: int | None
    instances: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the figures come from. `partial` with its reason when the run did not come to its end."""

    run_id: str
    label: str
    utc: str
    partial: bool
    partial_reason: str | None
    baseline: str
    candidate: str
    twins: dict[str, TwinFacts]
    loops: tuple[str, ...]
    sender: str
    seats: int
    pairs_planned: int
    pairs_measured: int
    order_seed: int
    slo_p99_ms: float
    pool: PoolFacts
    host: HostFacts
    commit: str | None
    dirty: bool | None
    versions: dict[str, str]
    binaries: dict[str, str]
    plan_digest: str
    argv: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The run's verdict; null until one is computed."""

    value: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PublishedSummary:
    """A published figure with its scope and source."""

    figure: str
    what: str
    endpoint: str | None
    scope: str
    unit: str
    baseline: float
    candidate: float
    ratio: float
    source: str


@dataclass(frozen=True, slots=True)
class Summary:
    """The whole of `summary.json`; `twins` by twin and endpoint, `ratios` by endpoint."""

    schema: int
    run: Provenance
    gate: GateRecord | None
    verdict: Verdict | None
    published: tuple[PublishedSummary, ...]
    twins: dict[str, dict[str, EndpointSummary]]
    ratios: dict[str, RatioSummary]
    cost: None = None


def summarise(findings: Findings) -> Summary:
    """Return the summary of a run's findings."""
    return Summary(
        schema=SCHEMA,
        run=_provenance(findings),
        gate=findings.run.manifest.gate,
        verdict=None,
        published=tuple(
            PublishedSummary(p.figure, p.what, p.endpoint, p.scope, p.unit, p.baseline, p.candidate, p.ratio, SOURCE)
            for p in PUBLISHED
        ),
        twins={
            twin: {endpoint: _endpoint(findings, twin, endpoint) for endpoint in findings.endpoints}
            for twin in findings.twins
        },
        ratios={
            endpoint: RatioSummary(r.saturation, None, r.p99, r.cpu_s_per_1k, r.memory)
            for endpoint, r in findings.ratios.items()
        },
    )


def pairs_measured(findings: Findings) -> int:
    """Return the number of pairs of which both twins have a measured stage."""
    pairs: dict[str, set[int]] = {twin: set() for twin in findings.twins}
    for (twin, _), curve in findings.curves.items():
        pairs[twin].update(block.pair for point in curve.points for block in point.by_block)
    return len(pairs[findings.baseline] & pairs[findings.candidate])


def notes_of(findings: Findings) -> tuple[str, ...]:
    """Return what a reader must know beside the figures: blocks left out, no gate, too few pairs."""
    run = findings.run
    notes = [event.text for event in run.events if event.kind in ("schedule-cut", "worker-lost", "instance-died")]
    gate = run.manifest.gate
    if gate is None:
        notes.append("no gate belongs to this run: it was started by hand, which compares no answers")
    elif gate.skipped:
        notes.append("no gate: the run was told to load the twins without comparing their answers first")
    elif not gate.passed:
        notes.append("the gate did not pass: the twins answer differently")
    pairs = pairs_measured(findings)
    if pairs < 3:
        counted = "1 pair" if pairs == 1 else f"{pairs} pairs"
        notes.append(f"{counted} of blocks: under 3 there is no interval, ranges are minimum and maximum")
    return tuple(notes)


def _provenance(findings: Findings) -> Provenance:
    manifest, plan = findings.run.manifest, findings.run.plan
    return Provenance(
        run_id=manifest.run_id,
        label=manifest.label,
        utc=manifest.utc,
        partial=findings.run.partial is not None,
        partial_reason=findings.run.partial,
        baseline=findings.baseline,
        candidate=findings.candidate,
        twins={twin: _twin(findings, twin) for twin in findings.twins},
        loops=findings.loops,
        sender=manifest.sender,
        seats=manifest.seats,
        pairs_planned=plan.search.pairs,
        pairs_measured=pairs_measured(findings),
        order_seed=plan.search.seed,
        slo_p99_ms=plan.slo.p99_ms,
        pool=manifest.pool,
        host=manifest.host,
        commit=manifest.commit,
        dirty=manifest.dirty,
        versions=manifest.versions,
        binaries=manifest.binaries,
        plan_digest=manifest.plan_digest,
        argv=manifest.argv,
        notes=notes_of(findings),
    )


def _twin(findings: Findings, twin: str) -> TwinFacts:
    plan, instances = findings.run.plan, findings.run.manifest.instances
    own = setting.of_twin(instances, twin)
    return TwinFacts(
        label=findings.label(twin),
        role="baseline" if twin == findings.baseline else "candidate",
        cpus=setting.twin_cores(instances, own, plan, twin),
        memory_bytes=plan.twins[twin].memory,
        instances=tuple(instances[i].name for i in own),
    )


def _endpoint(findings: Findings, twin: str, endpoint: str) -> EndpointSummary:
    same = findings.same_load[endpoint]
    at_load = None
    if same is not None:
        at_load = _same_load(same.rate_rps, same.baseline if twin == findings.baseline else same.candidate)
    return EndpointSummary(
        saturation_rps=_throughput(findings.saturation[twin, endpoint]),
        capacity_rps=None,
        same_load=at_load,
        stages=tuple(_stage(point) for point in findings.curves[twin, endpoint].points),
    )


def _same_load(rate_rps: float, twin: TwinAtLoad) -> SameLoadSummary:
    return SameLoadSummary(
        rate_rps=rate_rps,
        p50_ms=twin.point.quantiles.p50_ms,
        p99_ms=twin.point.quantiles.p99_ms,
        cpu_percent=twin.cpu_percent,
        memory_percent=twin.memory_percent,
        memory_bytes=twin.memory_bytes,
        idle_memory_bytes=twin.idle_memory_bytes,
        cpu_s_per_1k=_figure(twin.cpu_s_per_1k),
    )


def _figure(interval: Interval | None) -> Figure | None:
    if interval is None:
        return None
    return Figure(interval.value, interval.lo, interval.hi, interval.count, interval.kind)


def _throughput(saturation: Saturation | None) -> Throughput | None:
    if saturation is None:
        return None
    interval = saturation.interval
    return Throughput(interval.value, interval.lo, interval.hi, saturation.at_least, interval.count, interval.kind)


def _stage(point: CurvePoint) -> StageSummary:
    quantiles = point.quantiles
    return StageSummary(
        loop=point.loop,
        users=point.users,
        offered_rps=point.offered_rps,
        achieved_rps=point.achieved_rps,
        samples=point.samples,
        blocks=point.blocks,
        p50_ms=quantiles.p50_ms,
        p90_ms=quantiles.p90_ms,
        p99_ms=quantiles.p99_ms,
        p999_ms=quantiles.p999_ms,
        service_p99_ms=point.service_p99_ms,
        failed_ratio=point.failed_ratio,
        dropped_ratio=point.dropped_ratio,
        send_lag_p99_ms=point.send_lag_p99_ms,
        backlog_max=point.backlog_max,
        generator_cpu_percent=point.generator_cpu_percent,
        stolen_ratio=point.stolen_ratio,
        cpu_cores=point.cpu_cores,
        memory_bytes=point.memory_bytes,
        past_saturation=all(block.past_saturation for block in point.counted),
        valid=point.valid,
        why=point.why,
    )
