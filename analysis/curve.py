"""Curves: what one twin did with one endpoint at each offered rate, merged over blocks, each block beside it. Pure.

A point joins the stages of the same planned rate (or number of users, where they have no rate): within a block the
k-th stage at a rate meets the k-th of the other blocks, so that the two bases of a spike stay apart. Invalid stages do
not count where a valid one stands for the point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.containers import ContainerFigures, merged_containers
from analysis.proof import SenderProof, mean_or_none, proof_of, to_ms
from analysis.run import RunData, StageData
from analysis.setting import serving, sum_or_none
from analysis.tally import times_of
from records.hdr import Sparse, merged, quantile_us, total
from records.stage import Loop, Stage

Step = tuple[float | None, int | None, bool]
"""What a stage asked for: the planned rate, or the users where there is none, and whether Locust's users steered."""


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Percentiles in ms; None with fewer than ten samples beyond. Latency in an open loop, else service time."""

    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    p999_ms: float | None


@dataclass(frozen=True, slots=True)
class BlockPoint:
    """One stage of one block. `answered_rps` counts failed answers too; `achieved_rps` good ones alone.

    `at_rps` is where it stands on the axis of rates, as for the point.
    """

    stage: int
    block: int
    pair: int
    at_rps: float
    achieved_rps: float
    answered_rps: float
    quantiles: Quantiles
    target_cores: float | None
    target_percent: float | None
    memory_bytes: float | None
    past_saturation: bool
    valid: bool
    why: tuple[str, ...]
    throttled_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One offered rate of a curve, merged over `blocks` that count; every stage is in `by_block`, valid or not.

    `offered_rps` is the planned rate; of a live stage in an open loop the arrivals counted; None where users ask as
    fast as they are answered. `at_rps` is where the point stands on the axis of rates: offered, else achieved.
    `arrived_rps` and `edge_rps` are what was offered in fact and how far answers may fall short of it by chance.
    `containers` is what instances in containers showed beside, `throttled` the part of its periods in which each of
    those that serve was held back. `times` is the histogram behind the percentiles and `service` that of service times
    (µs). `cpu_cores` and `memory_bytes` hold one value for each instance of the twin. `why` holds the reasons against
    single blocks too, so a valid point can have some.
    """

    loop: Loop
    users: int | None
    offered_rps: float | None
    achieved_rps: float
    samples: int
    blocks: int
    quantiles: Quantiles
    service_p99_ms: float | None
    failed_ratio: float | None
    proof: SenderProof
    cpu_cores: dict[str, float | None]
    memory_bytes: dict[str, float | None]
    valid: bool
    why: tuple[str, ...]
    times: Sparse
    by_block: tuple[BlockPoint, ...]
    at_rps: float
    live: bool = False
    arrived_rps: float | None = None
    edge_rps: float = 0.0
    service: Sparse = ()
    containers: dict[str, ContainerFigures] = field(default_factory=dict)
    throttled: dict[str, float] = field(default_factory=dict)

    @property
    def past_saturation(self) -> bool:
        """Whether every block that counts was past saturation."""
        return all(block.past_saturation for block in self.counted)

    @property
    def is_unbounded(self) -> bool:
        """Whether its latency grows as long as the stage lasts: past saturation in an open loop arrivals pile up."""
        return self.loop == "open" and self.valid and self.past_saturation

    @property
    def counted(self) -> tuple[BlockPoint, ...]:
        """The blocks that the point is merged from: the valid ones, or all when none is valid."""
        return tuple(b for b in self.by_block if b.valid) or self.by_block


@dataclass(frozen=True, slots=True)
class Curve:
    """The points of one twin and endpoint in order of rate."""

    twin: str
    endpoint: str
    points: tuple[CurvePoint, ...]


def curves_of(run: RunData) -> dict[tuple[str, str], Curve]:
    """Return a curve for every twin and endpoint of the plan, without points where nothing was measured."""
    return {(twin, endpoint): curve_of(run, twin, endpoint) for endpoint in run.endpoints for twin in run.twins}


def curve_of(run: RunData, twin: str, endpoint: str) -> Curve:
    """Return the curve of one twin and endpoint."""
    groups: dict[tuple[Step, int], list[StageData]] = {}
    seen: dict[tuple[int, Step], int] = {}
    for data in run.stages:
        stage = data.line.stage
        if not data.measured or (stage.twin, stage.endpoint) != (twin, endpoint):
            continue
        step = _step(stage)
        turn = seen.get((stage.block, step), 0)
        seen[stage.block, step] = turn + 1
        groups.setdefault((step, turn), []).append(data)
    points = [_point(run, stages) for (_, turn), stages in sorted(groups.items(), key=lambda item: item[0][1])]
    return Curve(twin, endpoint, tuple(sorted(points, key=lambda point: point.at_rps)))


def _step(stage: Stage) -> Step:
    rate = None if stage.rate_rps is None else round(stage.rate_rps, 6)
    return rate, stage.users if rate is None else None, stage.live


def quantiles_of(times: Sparse) -> Quantiles:
    """Return the percentiles of a histogram in ms."""
    return Quantiles(*(to_ms(quantile_us(times, q)) for q in (0.5, 0.9, 0.99, 0.999)))


def _point(run: RunData, stages: Sequence[StageData]) -> CurvePoint:
    counted = [s for s in stages if s.valid] or list(stages)
    first = stages[0].line
    times, service = merged(_times(s) for s in counted), merged(s.tally.service.sparse() for s in counted)
    tallies, figures = [s.tally for s in counted], [s.figures for s in counted]
    done = sum(t.done for t in tallies)
    own = [(i, one.name) for i, one in enumerate(run.manifest.instances) if one.twin == first.stage.twin]
    shown = {name: one for i, name in own if (one := merged_containers([f.containers[i] for f in figures])) is not None}
    serve = {run.manifest.instances[i].name for i in _serving(run, first.stage)}
    achieved_rps = float(np.mean([f.achieved_rps for f in figures]))
    arrived_rps = mean_or_none([f.offered_rps for f in figures])
    offered_rps = arrived_rps if first.stage.rate_rps is None else first.stage.rate_rps
    return CurvePoint(
        loop=first.stage.loop,
        users=first.seats if first.stage.live and first.stage.users is None else first.stage.users,
        offered_rps=offered_rps,
        achieved_rps=achieved_rps,
        samples=total(times),
        blocks=len(counted),
        quantiles=quantiles_of(times),
        service_p99_ms=to_ms(quantile_us(service, 0.99)),
        failed_ratio=sum(t.failures for t in tallies) / done if done else None,
        proof=proof_of(counted),
        cpu_cores={name: mean_or_none([f.cpu_cores[i] for f in figures]) for i, name in own},
        memory_bytes={name: mean_or_none([f.memory_bytes[i] for f in figures]) for i, name in own},
        valid=any(s.valid for s in stages),
        why=tuple(f"block {s.line.stage.block}: {reason}" for s in stages for reason in s.why),
        times=times,
        by_block=tuple(block_point(run, s, offered_rps) for s in stages),
        at_rps=achieved_rps if offered_rps is None else offered_rps,
        live=first.stage.live,
        arrived_rps=arrived_rps,
        edge_rps=float(np.sqrt(np.sum(np.square([f.edge_rps for f in figures])))) / len(figures),
        service=service,
        containers=shown,
        throttled={
            name: one.throttled_ratio
            for name, one in shown.items()
            if name in serve and one.throttled_ratio is not None
        },
    )


def block_point(run: RunData, data: StageData, offered_rps: float | None) -> BlockPoint:
    """Return a stage of any kind as a point; `offered_rps` is where it stands on the axis of rates."""
    stage, figures = data.line.stage, data.figures
    return BlockPoint(
        stage=stage.id,
        block=stage.block,
        pair=stage.pair,
        at_rps=figures.achieved_rps if offered_rps is None else offered_rps,
        achieved_rps=data.figures.achieved_rps,
        answered_rps=data.figures.answered_rps,
        quantiles=quantiles_of(_times(data)),
        target_cores=figures.target_cores,
        target_percent=figures.target_percent,
        memory_bytes=_memory(run, data),
        past_saturation=data.past_saturation,
        valid=not data.why,
        why=data.why,
        throttled_ratio=figures.throttled_ratio,
    )


def _times(data: StageData) -> Sparse:
    return times_of(data.tally, open_loop=data.line.stage.loop == "open")


def _memory(run: RunData, data: StageData) -> float | None:
    """Return the memory of the instances that serve the stage's endpoint; None when one of them is unknown."""
    return sum_or_none([data.figures.memory_bytes[i] for i in _serving(run, data.line.stage)])


def _serving(run: RunData, stage: Stage) -> tuple[int, ...]:
    return serving(run.manifest.instances, stage.twin, stage.endpoint, run.plan)
