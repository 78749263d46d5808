"""What the sender tells of itself over the measured part of stages: was it late, busy, short of connections? Pure.

Taken from the seconds; of seconds that tell nothing, from what the stages' lines say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.run import StageData
from records.hdr import highest_us, merged, quantile_us
from records.stage import Proof


@dataclass(frozen=True, slots=True)
class SenderProof:
    """The sender over stages at the same step; None is not told.

    Send lag in ms, percentiles with ten samples beyond. `sender_cpu_percent`: the busiest sending thread, of a core;
    `generator_cpu_percent`: all its processes, of its cores; both means over the stages, as is `stolen_ratio`.
    `backlog_max`: the most arrivals that waited for a connection. `opened`, `checked` and `differed` (bodies that were
    not the gate's, of those compared) are sums.
    """

    lag_p50_ms: float | None = None
    lag_p99_ms: float | None = None
    lag_max_ms: float | None = None
    backlog_max: int | None = None
    sender_cpu_percent: float | None = None
    generator_cpu_percent: float | None = None
    stolen_ratio: float | None = None
    dropped: int = 0
    dropped_ratio: float | None = None
    opened: int | None = None
    checked: int | None = None
    differed: int = 0


def proof_of(stages: Sequence[StageData]) -> SenderProof:
    """Return what is known of the sender over stages."""
    sent, dropped = sum(s.tally.sent for s in stages), sum(s.tally.dropped for s in stages)
    told = [s.line.proof for s in stages if s.line.proof is not None]
    lag_p50_ms, lag_p99_ms, lag_max_ms = _lag_ms(stages, told)
    backlogs = [s.tally.backlog_max for s in stages if s.tally.backlog_max is not None]
    return SenderProof(
        lag_p50_ms=lag_p50_ms,
        lag_p99_ms=lag_p99_ms,
        lag_max_ms=lag_max_ms,
        backlog_max=max(backlogs or [proof.backlog_max for proof in told], default=None),
        sender_cpu_percent=_percent([_cpu_ratio(s) for s in stages]),
        generator_cpu_percent=mean_or_none([s.figures.generator_percent for s in stages]),
        stolen_ratio=mean_or_none([s.figures.stolen_ratio for s in stages]),
        dropped=dropped,
        dropped_ratio=dropped / (sent + dropped) if sent + dropped else None,
        opened=_sum([_opened(s) for s in stages]),
        checked=_sum([s.sending.checked for s in stages]),
        differed=sum(s.sending.differed for s in stages),
    )


def to_ms(value_us: float | None) -> float | None:
    """Return µs as ms; None stays None."""
    return None if value_us is None else value_us / 1000


def mean_or_none(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values that are known, None when none is."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _lag_ms(stages: Sequence[StageData], told: Sequence[Proof]) -> tuple[float | None, float | None, float | None]:
    lag = merged(s.tally.send_lag.sparse() for s in stages)
    if lag:
        largest_us = float(highest_us(np.array([lag[-1][0]]))[0])
        return to_ms(quantile_us(lag, 0.5)), to_ms(quantile_us(lag, 0.99)), largest_us / 1000
    return (
        to_ms(_largest(proof.lag_p50_us for proof in told)),
        to_ms(_largest(proof.lag_p99_us for proof in told)),
        to_ms(_largest(proof.lag_max_us for proof in told)),
    )


def _cpu_ratio(stage: StageData) -> float | None:
    told = stage.line.proof
    return stage.sending.cpu_ratio if stage.sending.cpu_ratio is not None or told is None else told.cpu_ratio


def _opened(stage: StageData) -> int | None:
    told = stage.line.proof
    return stage.sending.opened if stage.sending.opened is not None or told is None else told.opened


def _largest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _percent(ratios: Sequence[float | None]) -> float | None:
    mean = mean_or_none(ratios)
    return None if mean is None else 100 * mean


def _sum(values: Sequence[int | None]) -> int | None:
    told = [value for value in values if value is not None]
    return sum(told) if told else None
