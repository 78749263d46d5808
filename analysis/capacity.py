"""Capacity under the SLO: what the trials of each block say, over the pairs. Pure.

    trials of a block -> relevant bounds -> conditional throughput -> mean over blocks, log-ratio over pairs

A block's capacity is the middle (in the logarithm) of its relevant bounds, or, where the upper bound was too much for
the server, what was answered there. That matters where time would have shown more: at 1 % above what a server gives, a
queue of 20 ms takes two seconds to grow, and until then the trial is a good one. What is answered is what it gives.

The unit of replication is the pair: n pairs give n log-ratios and a t interval with n − 1 degrees of freedom, widened
for the search's stop by `analysis.stopping`; under 3 pairs minimum and maximum alone. Where lateness grows gently with
the rate, capacities are the crossings of all trials together and the ratio is their quotient (`analysis.pooled`). But a
machine that swings makes lateness look so, too, and its slow moments move crossings that know nothing of pairs: a
quotient that is proven to spread more than the pairs' own ratios is left for those.

Beside that spread an interval holds what counting whole requests leaves open, one request of the smallest trial: it is
alike in every block, so that a spread over blocks does not show it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.intervals import LEAST_FOR_T, Interval, mean_interval
from analysis.pooled import Pooled, Shares, is_gentle, is_wider, pooled
from analysis.stopping import confidence, half_width, is_narrow, sequential_interval
from records.plan import Plan, SloPlan
from swarm.capacity_pairs import goal_of
from swarm.search import Bounds, Goal, relevant_bounds
from swarm.trials import Evidence, Trial, evidence_of

SAME_RATE = 1e-9
_LEAST_SHORT, _MORE_SHORT = 0.25, 0.5
"""A shortfall at the upper bound counts from so many widths on, for less may be the chance of the window's edges, and
up to so many beyond the gap between the bounds: above, the server fell, and gives less."""


@dataclass(frozen=True, slots=True)
class BlockCapacity:
    """One block's capacity in requests a second, its bounds, and the trials behind them.

    `value_rps` is None where no trial gave evidence of a lower bound. `at_least`: nothing above the lower bound gave
    evidence. `settled` says that both bounds were tried enough and are narrow; `unsteady` counts trials that were not
    steady. `shares` are logarithm of the rate and late share of the trials that are evidence.
    """

    twin: str
    endpoint: str
    pair: int
    block: int
    value_rps: float | None
    at_least: bool
    settled: bool
    bounds: Bounds
    unsteady: int
    trials: tuple[Trial, ...]
    shares: Shares

    @property
    def counts(self) -> bool:
        """Whether it stands in means and ratios.

        A search that the time cut short before it saw both sides of the limit leans to one of them.
        """
        return self.value_rps is not None and (self.bounds.upper_rps is not None or self.at_least)

    @property
    def is_cut(self) -> bool:
        """Whether the time cut it short below the limit: nothing above the lower bound was tried, in vain or not."""
        lower = self.bounds.lower_rps or 0.0
        return self.at_least and not any(trial.rate_rps > lower and not trial.valid for trial in self.trials)


@dataclass(frozen=True, slots=True)
class Capacity:
    """A twin's capacity for an endpoint over its blocks."""

    interval: Interval
    at_least: bool
    blocks: tuple[BlockCapacity, ...]


@dataclass(frozen=True, slots=True)
class CapacityRatio:
    """Candidate ÷ baseline over pairs in which both blocks have a capacity; `bound` as for other ratios.

    `narrow` says that the interval is within what the plan asks, so that the run may stop.
    """

    interval: Interval
    bound: Literal["at_least", "at_most"] | None
    narrow: bool


def block_capacities(trials: Iterable[Trial], plan: Plan) -> tuple[BlockCapacity, ...]:
    """Return the capacity of every block that has trials, in order of block, by twin and endpoint."""
    groups: dict[tuple[int, str, str], list[Trial]] = {}
    for trial in trials:
        stage = trial.line.stage
        groups.setdefault((stage.block, stage.twin, stage.endpoint), []).append(trial)
    return tuple(
        _block(group, plan.slo, goal_of(plan)) for _, group in sorted(groups.items(), key=lambda item: item[0])
    )


def capacity_of(blocks: Sequence[BlockCapacity], twin: str, endpoint: str, plan: Plan) -> Capacity | None:
    """Return a twin's capacity over its blocks; None when no block has one.

    The geometric mean of the blocks' capacities with a t interval. Where lateness grows gently with the rate and there
    are three blocks: the crossing of all their trials together (`analysis.pooled`), with its own.
    """
    mine = tuple(b for b in blocks if (b.twin, b.endpoint) == (twin, endpoint))
    counted = _counted(mine)
    logs = [math.log(b.value_rps) for b in counted if b.value_rps]
    found = mean_interval(logs)
    if found is None:
        return None
    at_least = any(b.at_least for b in counted)
    if found.kind == "t95":  # how many blocks there are was decided by what they showed
        at = None if at_least else _pooled(counted, plan)
        value, spread = (found.value, logs) if at is None else (at.log_rps, at.pseudo)
        half = half_width(spread, confidence(len(spread)))
        found = Interval(value, value - half, value + half, found.count, "t95")
    return Capacity(_exp(found, _resolution(counted)), at_least, mine)


def _counted(blocks: Sequence[BlockCapacity]) -> list[BlockCapacity]:
    """Return a twin's blocks that count; those that the time cut below the limit only where there are no others."""
    counted = [b for b in blocks if b.counts]
    return [b for b in counted if not b.is_cut] or counted


def _pooled(blocks: Sequence[BlockCapacity], plan: Plan) -> Pooled | None:
    """Return the crossing of all trials of a twin's blocks; None where the blocks' mean is to be taken."""
    if len(blocks) < LEAST_FOR_T:
        return None
    return pooled(*_together(blocks, plan))


def gentle_endpoints(blocks: Sequence[BlockCapacity], plan: Plan) -> frozenset[str]:
    """Return the endpoints at which a twin's lateness grows gently with the rate, so that all trials count together."""
    mine: dict[tuple[str, str], list[BlockCapacity]] = {}
    for block in blocks:
        mine.setdefault((block.twin, block.endpoint), []).append(block)
    return frozenset(endpoint for (_, endpoint), own in mine.items() if _is_gentle(_counted(own), plan))


def _is_gentle(blocks: Sequence[BlockCapacity], plan: Plan) -> bool:
    return bool(blocks) and is_gentle(*_together(blocks, plan))


def _together(blocks: Sequence[BlockCapacity], plan: Plan) -> tuple[list[Shares], float, float]:
    """Return what all trials of a twin's blocks are looked at by: their shares, around which rate, and how narrowly."""
    mean = sum(math.log(b.value_rps or 1.0) for b in blocks) / len(blocks)
    return [b.shares for b in blocks], mean, _width_log(plan)


def _width_log(plan: Plan) -> float:
    return math.log1p(plan.search.capacity_width)


def capacity_ratio(blocks: Sequence[BlockCapacity], endpoint: str, plan: Plan) -> CapacityRatio | None:
    """Return the ratio of capacities over the pairs that both twins have.

    None when no pair has both, or when neither twin was seen at its limit: that would compare the generator alone.
    """
    sides: tuple[dict[int, BlockCapacity], ...] = tuple(
        {b.pair: b for b in _counted([b for b in blocks if (b.twin, b.endpoint) == (twin, endpoint)])}
        for twin in (plan.baseline, plan.candidate)
    )
    base, cand = sides
    common = sorted(base.keys() & cand.keys())
    if not common:
        return None
    open_base, open_cand = (any(side[pair].at_least for pair in common) for side in sides)
    if open_base and open_cand:
        return None
    mine, other = ([side[pair] for pair in common] for side in sides)
    logs = [math.log((c.value_rps or 0.0) / (b.value_rps or 1.0)) for b, c in zip(mine, other, strict=True)]
    crossed = None if open_base or open_cand else _crossed(mine, other, logs, plan)
    value, spread = crossed or (None, logs)
    bound: Literal["at_least", "at_most"] | None = "at_most" if open_base else "at_least" if open_cand else None
    width_log = math.log1p(plan.search.ratio_width)
    found = sequential_interval(spread, width_log, value)
    if found is None:
        return None
    return CapacityRatio(_exp(found, math.sqrt(2) * _resolution([*mine, *other])), bound, is_narrow(spread, width_log))


def _crossed(
    base: Sequence[BlockCapacity], cand: Sequence[BlockCapacity], logs: Sequence[float], plan: Plan
) -> tuple[float, Sequence[float]] | None:
    """Return the logarithm of the quotient of the twins' crossings, and a pseudo-value a pair.

    None without both, or where they are proven to spread more than `logs`, the ratios of the pairs' own blocks.
    """
    below, above = _pooled(base, plan), _pooled(cand, plan)
    if below is None or above is None:
        return None
    pseudo = [c - b for b, c in zip(below.pseudo, above.pseudo, strict=True)]
    if is_wider(pseudo, logs, _width_log(plan)):
        return None
    return above.log_rps - below.log_rps, pseudo


def _block(trials: list[Trial], slo: SloPlan, goal: Goal) -> BlockCapacity:
    evidence = evidence_of(trials, slo)
    bounds = relevant_bounds(evidence.outcomes, goal)
    stage = trials[0].line.stage
    return BlockCapacity(
        stage.twin, stage.endpoint, stage.pair, stage.block, conditional_throughput(evidence, bounds, goal.width_ratio),
        bounds.at_least, bounds.reached, bounds, len(evidence.marked), tuple(trials),
        tuple((math.log(t.rate_rps), t.counts.late_ratio) for t in evidence.used if t.valid and t.counts.requests),
    )  # fmt: skip


def conditional_throughput(evidence: Evidence, bounds: Bounds, width_ratio: float) -> float | None:
    """Return what a block's trials say it gives, between its bounds; None without a lower bound.

    A shortfall at the upper bound of a quarter of the width or more, and beyond the gap between the bounds by half of
    the width at most, is a server at its limit: what it answered there is what it gives, but for no less than what it
    answered at the lower one: a machine that was slower in that moment. Else it is the middle of the bounds times the
    share answered at the lower. The width is `width_ratio`, or the gap where that is smaller.

    By hand: bounds of 1,000 and 1,010; of 2,020 arrivals at the upper 1,996 were answered: 1.19 % short, so 998. Were
    2,020 answered there, and of 2,000 at the lower 1,996: sqrt(1,000 × 1,010) = 1,004.99 times 99.8 %, 1,002.98.
    """
    lower, upper = bounds.lower_rps, bounds.upper_rps
    if lower is None:
        return None
    below = max(0.0, _short_at(evidence, lower))
    if upper is None:
        return lower * (1 - below)
    above, gap = _short_at(evidence, upper), upper / lower - 1
    width = min(gap, width_ratio)
    if max(below, _LEAST_SHORT * width) < above <= below + gap + _MORE_SHORT * width:
        return max(upper * (1 - above), lower * (1 - below))
    return math.sqrt(lower * upper) * (1 - below)


def _short_at(evidence: Evidence, rate_rps: float) -> float:
    """Return what share of the arrivals at a rate was not answered in the window, over its trials together."""
    at = [t.counts for t in evidence.used if t.valid and abs(t.rate_rps / rate_rps - 1) < SAME_RATE]
    arrivals = sum(counts.arrivals for counts in at)
    return 1 - sum(counts.answered for counts in at) / arrivals if arrivals else 0.0


def _resolution(blocks: Sequence[BlockCapacity]) -> float:
    """Return one request of the smallest trial as a share: whole requests are counted."""
    return 1 / max(1.0, min((t.counts.arrivals for b in blocks for t in b.trials if t.valid), default=1.0))


def _exp(found: Interval, resolution: float) -> Interval:
    """Return an interval of logarithms as one of ratios, with the resolution of the counts in it."""
    lo, hi = found.lo, found.hi
    if found.kind != "range":
        half = math.hypot(found.hi - found.value, resolution)
        lo, hi = found.value - half, found.value + half
    return Interval(math.exp(found.value), math.exp(lo), math.exp(hi), found.count, found.kind)
