"""The figures of a run as `summary.json` has them, from its findings. Pure."""

from __future__ import annotations

from typing import Final

from analysis import setting
from analysis.capacity import Capacity
from analysis.containers import ContainerFigures
from analysis.cost_summary import cost_of
from analysis.curve import CurvePoint, quantiles_of
from analysis.findings import Bodies, Findings
from analysis.intervals import Interval, mean_interval
from analysis.opinions import opinions_of
from analysis.proof import mean_or_none
from analysis.published import PUBLISHED, SOURCE
from analysis.same_load import TwinAtLoad, cpu_s_per_1k
from analysis.saturation import Saturation
from analysis.segments import of_last_segment, segment_texts
from analysis.summary_schema import (
    SCHEMA,
    AskedSummary,
    AtCapacity,
    EndpointSummary,
    Figure,
    Limits,
    Network,
    OpinionsSummary,
    Provenance,
    PublishedSummary,
    RatioSummary,
    SameLoadSummary,
    StageSummary,
    Summary,
    Throughput,
    TwinFacts,
    VerdictSummary,
)
from analysis.trial_points import near_capacity
from analysis.verdict import Verdict

_TOLD_OF_ONE: Final = ("instance-died", "instance-oom", "instance-restarted")  # a log may follow in further lines


def summarise(findings: Findings) -> Summary:
    """Return the summary of a run's findings."""
    twins = {
        twin: {endpoint: _endpoint(findings, twin, endpoint) for endpoint in findings.endpoints}
        for twin in findings.twins
    }
    return Summary(
        schema=SCHEMA,
        run=_provenance(findings),
        gate=findings.run.manifest.gate,
        verdict=_verdict(findings.verdict),
        published=tuple(
            PublishedSummary(p.figure, p.what, p.endpoint, p.scope, p.unit, p.baseline, p.candidate, p.ratio, SOURCE)
            for p in PUBLISHED
        ),
        twins=twins,
        ratios={
            endpoint: RatioSummary(r.saturation, r.capacity, r.p99, r.cpu_s_per_1k, r.memory)
            for endpoint, r in findings.ratios.items()
        },
        cost=cost_of(findings, twins),
    )


def pairs_measured(findings: Findings) -> int:
    """Return the number of pairs of which both twins have a measured stage, or a trial."""
    pairs: dict[str, set[int]] = {twin: set() for twin in findings.twins}
    for (twin, _), curve in findings.curves.items():
        pairs[twin].update(block.pair for point in curve.points for block in point.by_block)
    for block in findings.blocks:
        pairs[block.twin].add(block.pair)
    return len(pairs[findings.baseline] & pairs[findings.candidate])


def notes_of(findings: Findings) -> tuple[str, ...]:
    """Return what a reader must know beside the figures: blocks left out, no gate, too few pairs."""
    run = findings.run
    notes = [f"instance {event.text.splitlines()[0]}" for event in run.events if event.kind in _TOLD_OF_ONE]
    notes += [event.text for event in run.events if event.kind == "worker-lost"]
    notes += [event.text for event in of_last_segment(run.events) if event.kind == "schedule-cut"]
    notes += segment_texts((one.line for one in run.stages), run.events)
    notes += resolution_texts(run.resolution_s)
    if findings.coalesce_us:
        notes.append(coalescing_text(findings.coalesce_us))
    notes += [bodies_text(findings.label(twin), told) for twin in findings.twins if (told := findings.bodies(twin))]
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


def coalescing_text(coalesce_us: int) -> str:
    """Return the disclosure that belongs to every figure of a run that received in batches."""
    return f"answers were received in batches of {coalesce_us:,} µs; times from the kernel"


def resolution_texts(resolution_s: dict[str, float]) -> list[str]:
    """Return the disclosure that belongs to CPU of instances that others sample, a text for each distance."""
    rounded = {name: round(value, 1) for name, value in resolution_s.items()}
    return [
        f"CPU and memory of {', '.join(name for name, one in rounded.items() if one == value)} come from samples "
        f"{value:g} s apart: a stage's CPU is no finer than that"
        for value in sorted(set(rounded.values()))
    ]


def bodies_text(label: str, bodies: Bodies) -> str:
    """Return what comparing bodies under load found in one twin."""
    return f"{label}: {bodies.compared:,} bodies compared with the gate's answers, {bodies.differed:,} differed"


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
        arrivals=plan.engine.arrivals if "open" in findings.loops else None,
        sender=manifest.sender,
        seats=manifest.seats,
        connections=plan.engine.connections if manifest.sender == "native-schedule" else None,
        coalesce_us=findings.coalesce_us,
        bodies={twin: findings.bodies(twin) for twin in findings.twins},
        resolution_s=findings.run.resolution_s,
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
        limits=_limits(findings, twin),
    )


def _limits(findings: Findings, twin: str) -> dict[str, Limits]:
    points = [point for endpoint in findings.endpoints for point in findings.curves[twin, endpoint].points]
    return {
        name: Limits(one.cpu_limit_cores, one.memory_limit_bytes)
        for point in points
        for name, one in point.containers.items()
    }


def _network(shown: ContainerFigures | None) -> Network | None:
    if shown is None or shown.received_bytes_per_s is None or shown.sent_bytes_per_s is None:
        return None
    return Network(shown.received_bytes_per_s, shown.sent_bytes_per_s)


def _endpoint(findings: Findings, twin: str, endpoint: str) -> EndpointSummary:
    same = findings.same_load[endpoint]
    at_load = None
    if same is not None:
        at_load = _same_load(same.rate_rps, same.baseline if twin == findings.baseline else same.candidate)
    found = opinions_of(findings, twin, endpoint)
    return EndpointSummary(
        saturation_rps=_throughput(findings.saturation[twin, endpoint]),
        capacity_rps=_capacity(findings.capacity[twin, endpoint]),
        at_capacity=_at_capacity(findings, twin, endpoint),
        opinions=OpinionsSummary(found.ceilings, found.usl, found.little, found.binding, found.disagreements),
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


def _verdict(found: Verdict) -> VerdictSummary:
    asked = tuple(
        AskedSummary(one.asked.endpoint, one.asked.figure, one.asked.better, one.asked.limit, one.value, one.text)
        for one in found.judgements
    )
    return VerdictSummary(found.value, found.reasons, asked)


def _capacity(found: Capacity | None) -> Throughput | None:
    if found is None:
        return None
    at = found.interval
    return Throughput(at.value, at.lo, at.hi, found.at_least, at.count, at.kind)


def _at_capacity(findings: Findings, twin: str, endpoint: str) -> AtCapacity | None:
    blocks = findings.blocks_of(twin, endpoint)
    if not blocks:
        return None
    near = near_capacity(findings.trials.get((twin, endpoint), ()), blocks)
    points = [point for of_pair in near.values() for point in of_pair]
    costs = [mean_or_none([cpu_s_per_1k(point) for point in of_pair]) for of_pair in near.values()]
    return AtCapacity(
        trials=len(points),
        blocks_searched=len(blocks),
        blocks_settled=sum(block.settled for block in blocks),
        unsteady=sum(block.unsteady for block in blocks),
        cpu_percent=mean_or_none([point.target_percent for point in points]),
        memory_bytes=mean_or_none([point.memory_bytes for point in points]),
        cpu_s_per_1k=_figure(mean_interval([cost for cost in costs if cost is not None])),
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
    shown = {name: point.containers.get(name) for name in point.cpu_cores}
    quantiles, proof, service = point.quantiles, point.proof, quantiles_of(point.service)
    return StageSummary(
        loop=point.loop,
        live=point.live,
        users=point.users,
        offered_rps=point.offered_rps,
        arrived_rps=point.arrived_rps,
        achieved_rps=point.achieved_rps,
        samples=point.samples,
        blocks=point.blocks,
        p50_ms=quantiles.p50_ms,
        p90_ms=quantiles.p90_ms,
        p99_ms=quantiles.p99_ms,
        p999_ms=quantiles.p999_ms,
        service_p50_ms=service.p50_ms,
        service_p99_ms=service.p99_ms,
        service_p999_ms=service.p999_ms,
        failed_ratio=point.failed_ratio,
        dropped_ratio=proof.dropped_ratio,
        send_lag_p50_ms=proof.lag_p50_ms,
        send_lag_p99_ms=proof.lag_p99_ms,
        send_lag_max_ms=proof.lag_max_ms,
        backlog_max=proof.backlog_max,
        connections_opened=proof.opened,
        sender_cpu_percent=proof.sender_cpu_percent,
        generator_cpu_percent=proof.generator_cpu_percent,
        stolen_ratio=proof.stolen_ratio,
        cpu_cores=point.cpu_cores,
        memory_bytes=point.memory_bytes,
        throttled_ratio={name: None if one is None else one.throttled_ratio for name, one in shown.items()},
        network_bytes_per_s={name: _network(one) for name, one in shown.items()},
        pids={name: None if one is None else one.pids for name, one in shown.items()},
        checked=proof.checked,
        differed=proof.differed if proof.checked else None,
        past_saturation=point.past_saturation,
        valid=point.valid,
        why=point.why,
    )
