"""Curves: what one twin did with one endpoint at each offered rate, merged over blocks, each block beside it. Pure.

A point joins the stages of the same offered rate: within a block the k-th stage at a rate meets the k-th of the other
blocks, so that the two bases of a spike stay apart. Invalid stages do not count where a valid one stands for the point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.run import RunData, StageData
from analysis.setting import serving, sum_or_none
from analysis.tally import times_of
from records.hdr import Sparse, merged, quantile_us, total
from records.stage import Loop


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Percentiles in ms; None with fewer than ten samples beyond. Latency in an open loop, else service time."""

    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    p999_ms: float | None


@dataclass(frozen=True, slots=True)
class BlockPoint:
    """One stage of one block. `answered_rps` counts failed answers too; `achieved_rps` good ones alone."""

    stage: int
    block: int
    pair: int
    offered_rps: float
    achieved_rps: float
    answered_rps: float
    quantiles: Quantiles
    target_cores: float | None
    target_percent: float | None
    memory_bytes: float | None
    past_saturation: bool
    valid: bool
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One offered rate of a curve, merged over `blocks` that count; every stage is in `by_block`, valid or not.

    `times` is the histogram behind the percentiles (µs). `cpu_cores` and `memory_bytes` hold one value for each
    instance of the twin. `why` holds the reasons against single blocks too, so a valid point can have some.
    """

    loop: Loop
    users: int | None
    offered_rps: float
    achieved_rps: float
    samples: int
    blocks: int
    quantiles: Quantiles
    service_p99_ms: float | None
    failed_ratio: float | None
    dropped_ratio: float | None
    send_lag_p99_ms: float | None
    backlog_max: int | None
    generator_cpu_percent: float | None
    stolen_ratio: float | None
    cpu_cores: dict[str, float | None]
    memory_bytes: dict[str, float | None]
    valid: bool
    why: tuple[str, ...]
    times: Sparse
    by_block: tuple[BlockPoint, ...]

    @property
    def counted(self) -> tuple[BlockPoint, ...]:
        """The blocks that the point is merged from: the valid ones, or all when none is valid."""
        return tuple(b for b in self.by_block if b.valid) or self.by_block


@dataclass(frozen=True, slots=True)
class Curve:
    """The points of one twin and endpoint in order of offered rate."""

    twin: str
    endpoint: str
    points: tuple[CurvePoint, ...]


def curves_of(run: RunData) -> dict[tuple[str, str], Curve]:
    """Return a curve for every twin and endpoint of the plan, without points where nothing was measured."""
    return {(twin, endpoint): curve_of(run, twin, endpoint) for endpoint in run.endpoints for twin in run.twins}


def curve_of(run: RunData, twin: str, endpoint: str) -> Curve:
    """Return the curve of one twin and endpoint."""
    groups: dict[tuple[float, int], list[StageData]] = {}
    seen: dict[tuple[int, float], int] = {}
    for data in run.stages:
        stage = data.line.stage
        if not data.measured or (stage.twin, stage.endpoint) != (twin, endpoint) or stage.rate_rps is None:
            continue
        rate = round(stage.rate_rps, 6)
        turn = seen.get((stage.block, rate), 0)
        seen[stage.block, rate] = turn + 1
        groups.setdefault((rate, turn), []).append(data)
    return Curve(twin, endpoint, tuple(_point(run, groups[key]) for key in sorted(groups)))


def quantiles_of(times: Sparse) -> Quantiles:
    """Return the percentiles of a histogram in ms."""
    return Quantiles(*(to_ms(quantile_us(times, q)) for q in (0.5, 0.9, 0.99, 0.999)))


def to_ms(value_us: float | None) -> float | None:
    """Return µs as ms; None stays None."""
    return None if value_us is None else value_us / 1000


def mean_or_none(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values that are known, None when none is."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _point(run: RunData, stages: Sequence[StageData]) -> CurvePoint:
    counted = [s for s in stages if s.valid] or list(stages)
    first = stages[0].line.stage
    times = merged(_times(s) for s in counted)
    tallies = [s.tally for s in counted]
    figures = [s.figures for s in counted]
    done, sent = sum(t.done for t in tallies), sum(t.sent for t in tallies)
    dropped = sum(t.dropped for t in tallies)
    backlogs = [t.backlog_max for t in tallies if t.backlog_max is not None]
    own = [(i, one.name) for i, one in enumerate(run.manifest.instances) if one.twin == first.twin]
    return CurvePoint(
        loop=first.loop,
        users=first.users,
        offered_rps=float(first.rate_rps or 0.0),
        achieved_rps=float(np.mean([f.achieved_rps for f in figures])),
        samples=total(times),
        blocks=len(counted),
        quantiles=quantiles_of(times),
        service_p99_ms=to_ms(quantile_us(merged(t.service.sparse() for t in tallies), 0.99)),
        failed_ratio=sum(t.failures for t in tallies) / done if done else None,
        dropped_ratio=dropped / (sent + dropped) if sent + dropped else None,
        send_lag_p99_ms=to_ms(quantile_us(merged(t.send_lag.sparse() for t in tallies), 0.99)),
        backlog_max=max(backlogs) if backlogs else None,
        generator_cpu_percent=mean_or_none([f.generator_percent for f in figures]),
        stolen_ratio=mean_or_none([f.stolen_ratio for f in figures]),
        cpu_cores={name: mean_or_none([f.cpu_cores[i] for f in figures]) for i, name in own},
        memory_bytes={name: mean_or_none([f.memory_bytes[i] for f in figures]) for i, name in own},
        valid=any(s.valid for s in stages),
        why=tuple(f"block {s.line.stage.block}: {reason}" for s in stages for reason in s.why),
        times=times,
        by_block=tuple(_block_point(run, s) for s in stages),
    )


def _block_point(run: RunData, data: StageData) -> BlockPoint:
    stage, figures = data.line.stage, data.figures
    return BlockPoint(
        stage=stage.id,
        block=stage.block,
        pair=stage.pair,
        offered_rps=float(stage.rate_rps or 0.0),
        achieved_rps=data.figures.achieved_rps,
        answered_rps=data.figures.answered_rps,
        quantiles=quantiles_of(_times(data)),
        target_cores=figures.target_cores,
        target_percent=figures.target_percent,
        memory_bytes=_memory(run, data),
        past_saturation=data.past_saturation,
        valid=data.valid,
        why=data.why,
    )


def _times(data: StageData) -> Sparse:
    return times_of(data.tally, open_loop=data.line.stage.loop == "open")


def _memory(run: RunData, data: StageData) -> float | None:
    """Return the memory of the instances that serve the stage's endpoint; None when one of them is unknown."""
    stage = data.line.stage
    positions = serving(run.manifest.instances, stage.twin, stage.endpoint, run.plan)
    return sum_or_none([data.figures.memory_bytes[i] for i in positions])
