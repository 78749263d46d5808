"""`summary.json`, schema 1, as records: what a run's figures look like to machines. Data alone.

What is not known is null, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from analysis.binding import Binding
from analysis.cost import CostSummary
from analysis.findings import Bodies
from analysis.little import Little
from analysis.opinions import Ceiling
from analysis.ratio import Ratio
from analysis.usl import Usl
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
class Network:
    """Bytes a second over a container's own interfaces."""

    received: float
    sent: float


@dataclass(frozen=True, slots=True)
class StageSummary:
    """One point of a curve, merged over `blocks` valid blocks (over all of them when none is valid).

    p50 to p99.9 are latency from the intended start in an open loop, service time in a closed one. `offered_rps` is the
    planned rate (of a live stage in an open loop the arrivals counted), `arrived_rps` what was offered in fact.
    `sender_cpu_percent` is of the busiest sending thread, `generator_cpu_percent` of all its processes. `checked`
    bodies were compared with the gate's, `differed` of them were others.
    By instance: `throttled_ratio` is the part of a container's scheduling periods in which its CPU limit held it back,
    `pids` the most processes and threads seen; `network_bytes_per_s` is null in the host's network.
    """

    loop: Loop
    live: bool
    users: int | None
    offered_rps: float | None
    arrived_rps: float | None
    achieved_rps: float
    samples: int
    blocks: int
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    service_p50_ms: float | None
    service_p99_ms: float | None
    service_p999_ms: float | None
    failed_ratio: float | None
    dropped_ratio: float | None
    send_lag_p50_ms: float | None
    send_lag_p99_ms: float | None
    send_lag_max_ms: float | None
    backlog_max: int | None
    connections_opened: int | None
    sender_cpu_percent: float | None
    generator_cpu_percent: float | None
    stolen_ratio: float | None
    cpu_cores: dict[str, float | None]
    memory_bytes: dict[str, float | None]
    throttled_ratio: dict[str, float | None]
    network_bytes_per_s: dict[str, Network | None]
    pids: dict[str, int | None]
    checked: int | None
    differed: int | None
    past_saturation: bool
    valid: bool
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AtCapacity:
    """What a twin used in the trials near its capacity: within 3 % of a block's, and at its bounds.

    Percent are of its allotment, over `trials` trials. `blocks_searched` blocks were driven, `blocks_settled` of them
    to the end: bounds that are narrow and were tried again; `unsteady` trials were not steady.
    """

    trials: int
    blocks_searched: int
    blocks_settled: int
    unsteady: int
    cpu_percent: float | None
    memory_bytes: float | None
    cpu_s_per_1k: Figure | None


@dataclass(frozen=True, slots=True)
class OpinionsSummary:
    """Second opinions: what limits say, a fit, the check of the measurement, the binding resource, disagreements."""

    ceilings: tuple[Ceiling, ...]
    usl: Usl | None
    little: Little
    binding: Binding
    disagreements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EndpointSummary:
    """What one twin did with one endpoint; `capacity_rps` is null where none was searched or found."""

    saturation_rps: Throughput | None
    capacity_rps: Throughput | None
    at_capacity: AtCapacity | None
    opinions: OpinionsSummary
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
class Limits:
    """A container's own limits, in force while it was measured; null is none."""

    cpu_cores: float | None
    memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class TwinFacts:
    """A twin as planned: what its percentages refer to; `limits` are the containers' own, by instance."""

    label: str
    role: str
    cpus: float | None
    memory_bytes: int | None
    instances: tuple[str, ...]
    limits: dict[str, Limits]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the figures come from. `partial` with its reason when the run did not come to its end.

    `arrivals` (how an open loop spaces them) and `connections` (at most so many to an instance) are the native
    schedule's. With `coalesce_us` > 0 answers were received in batches, their times taken from the kernel.
    `bodies` by twin: answers under load compared with the gate's, None where none was. `resolution_s` by instance: the
    usual distance of samples that others take (a scrape, an engine); an instance that is not there has one a second.
    """

    run_id: str
    label: str
    utc: str
    partial: bool
    partial_reason: str | None
    baseline: str
    candidate: str
    twins: dict[str, TwinFacts]
    loops: tuple[str, ...]
    arrivals: str | None
    sender: str
    seats: int
    connections: int | None
    coalesce_us: int
    bodies: dict[str, Bodies | None]
    resolution_s: dict[str, float]
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
class AskedSummary:
    """An asked ratio: what it says by itself; the figures are those of `ratios`. `limit`: the worst allowed."""

    endpoint: str
    figure: str
    better: str
    limit: float
    value: str
    text: str


@dataclass(frozen=True, slots=True)
class VerdictSummary:
    """The run's verdict: PASS, FAIL or INCONCLUSIVE, why, and what each asked ratio says."""

    value: str
    reasons: tuple[str, ...]
    asked: tuple[AskedSummary, ...]


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
    """The whole of `summary.json`; `twins` by twin and endpoint, `ratios` by endpoint, `cost` null without a fleet."""

    schema: int
    run: Provenance
    gate: GateRecord | None
    verdict: VerdictSummary
    published: tuple[PublishedSummary, ...]
    twins: dict[str, dict[str, EndpointSummary]]
    ratios: dict[str, RatioSummary]
    cost: CostSummary | None = None
