"""Capacity under the SLO: what the trials of each block say, over the pairs. Pure.

    trials of a block -> relevant bounds -> conditional throughput -> mean over blocks, log-ratio over pairs

A block's capacity is the middle (in the logarithm) of its relevant bounds times the share of arrivals that was answered
within the window there. The share matters where time would have shown more: at 1 % above what a server gives, a queue
of 20 ms takes two seconds to grow, and until then the trial is a good one. What is answered is what the server gives.

The unit of replication is the pair: n pairs give n log-ratios and a t interval with n − 1 degrees of freedom, widened
for the search's stop by `analysis.stopping`; under 3 pairs minimum and maximum alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.crossing import crossing
from analysis.intervals import Interval, mean_interval
from analysis.stopping import confidence, half_width, is_narrow, sequential_interval
from records.plan import Plan, SloPlan
from swarm.capacity_pairs import goal_of
from swarm.search import Bounds, Goal, relevant_bounds
from swarm.trials import LATE_LIMIT_RATIO, Evidence, Trial, evidence_of

SAME_RATE = 1e-9
RESOLUTION, RESOLUTION_OF_RATIO = 1 / 4, 1 / 8
"""No interval is narrower than this share of the width between bounds: what counting whole requests in whole seconds
leaves open is alike in every block, so that a spread over blocks does not show it. In a ratio half of it cancels."""
_LOOKS = 3
_NEAR = 0.15  # in the logarithm of the rate: further away the late share is no straight line
_NEAR_OF_SLOPE = 2.0  # … or, where lateness grows slower, than the rates over which it grows by e squared
_SHARP = 2.0  # lateness that grows by more than e to this over a block's width has a limit, no slope
_GENTLE = 0.35  # where the bad trials near the limit have larger late shares, it is sharp
_FAR = 0.1  # in the logarithm of the rate: skewed trials move a crossing by 2 to 4 %
_OF_CHANCE = 1.5
"""A shortfall at the upper bound counts while it is within so many widths: above, the server fell, and gives less."""


@dataclass(frozen=True, slots=True)
class BlockCapacity:
    """One block's capacity in requests a second, its bounds, and the trials behind them.

    `value_rps` is None where no trial gave evidence of a lower bound. `at_least`: nothing above the lower bound gave
    evidence. `settled` says that both bounds were tried enough and are narrow; `unsteady` counts trials that were not
    steady.
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

    @property
    def counts(self) -> bool:
        """Whether it stands in means and ratios.

        A search that the time cut short before it saw both sides of the limit leans to one of them.
        """
        return self.value_rps is not None and (self.bounds.upper_rps is not None or self.at_least)


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

    The geometric mean of the blocks' capacities with a t interval. Where lateness grows gently with the rate (by less
    than e² over a block's width, and bad trials have few late requests) and there are three blocks: the crossing of all
    their trials together, with the wider of two half-widths: that one's, and the crossing's jackknife over blocks.
    """
    mine = tuple(b for b in blocks if (b.twin, b.endpoint) == (twin, endpoint))
    counted = [b for b in mine if b.counts]
    logs = [math.log(b.value_rps) for b in counted if b.value_rps]
    found = mean_interval(logs)
    if found is not None and found.kind == "t95":  # how many blocks there are was decided by what they showed
        half = half_width(logs, confidence(len(logs)))
        found = Interval(found.value, found.value - half, found.value + half, found.count, "t95")
    if found is None:
        return None
    at_least = any(b.at_least for b in mine)
    if found.kind == "t95" and not at_least:
        found = _pooled(counted, found, plan)
    return Capacity(_exp(found, plan, RESOLUTION), at_least, mine)


def _pooled(blocks: Sequence[BlockCapacity], mean: Interval, plan: Plan) -> Interval:
    """Return the crossing of all trials near it with its interval; the blocks' mean where the limit is sharp."""
    every = [_shares(block, plan.slo) for block in blocks]
    log_rps, reach = mean.value, _NEAR
    for _ in range(_LOOKS):  # the blocks' mean lies above a skewed crossing: look again around what was found
        near = [[point for point in part if abs(point[0] - log_rps) <= reach] for part in every]
        whole = _joined(near)
        bad = sorted(share for share in whole[1] if share > LATE_LIMIT_RATIO)
        if len(whole[0]) < 2 * len(blocks) or not bad or bad[len(bad) // 2] > _GENTLE:
            return mean
        at = crossing(*whole)
        log_rps, reach = at.log_rps, max(_NEAR, _NEAR_OF_SLOPE / at.slope)
    is_odd = abs(at.log_rps - mean.value) > _FAR or not min(whole[0]) < at.log_rps < max(whole[0])
    if is_odd or at.slope * math.log1p(plan.search.capacity_width) >= _SHARP:
        return mean
    count = len(blocks)
    left_out = [crossing(*_joined(near[:i] + near[i + 1 :])).log_rps for i in range(count)]
    pseudo = [count * at.log_rps - (count - 1) * other for other in left_out]
    half = max(mean.hi - mean.value, half_width(pseudo, confidence(count)))
    return Interval(at.log_rps, at.log_rps - half, at.log_rps + half, count, "t95")


def _shares(block: BlockCapacity, slo: SloPlan) -> list[tuple[float, float]]:
    """Return log rate and late share of a block's trials."""
    return [
        (math.log(t.rate_rps), t.counts.late_ratio)
        for t in evidence_of(block.trials, slo).used
        if t.valid and t.counts.requests
    ]


def _joined(parts: Sequence[Sequence[tuple[float, float]]]) -> tuple[list[float], list[float]]:
    points = [point for part in parts for point in part]
    return [x for x, _ in points], [y for _, y in points]


def capacity_ratio(blocks: Sequence[BlockCapacity], endpoint: str, plan: Plan) -> CapacityRatio | None:
    """Return the ratio of capacities over the pairs that both twins have.

    None when no pair has both, or when neither twin was seen at its limit: that would compare the generator alone.
    """
    sides: tuple[dict[int, BlockCapacity], ...] = tuple(
        {b.pair: b for b in blocks if (b.twin, b.endpoint) == (twin, endpoint) and b.counts}
        for twin in (plan.baseline, plan.candidate)
    )
    base, cand = sides
    common = sorted(base.keys() & cand.keys())
    logs = [math.log((cand[pair].value_rps or 0.0) / (base[pair].value_rps or 1.0)) for pair in common]
    width_log = math.log1p(plan.search.ratio_width)
    found = sequential_interval(logs, width_log)
    if found is None:
        return None
    open_base, open_cand = (any(side[pair].at_least for pair in common) for side in sides)
    if open_base and open_cand:
        return None
    bound: Literal["at_least", "at_most"] | None = "at_most" if open_base else "at_least" if open_cand else None
    return CapacityRatio(_exp(found, plan, RESOLUTION_OF_RATIO), bound, is_narrow(logs, width_log))


def _block(trials: list[Trial], slo: SloPlan, goal: Goal) -> BlockCapacity:
    evidence = evidence_of(trials, slo)
    bounds = relevant_bounds(evidence.outcomes, goal)
    stage = trials[0].line.stage
    return BlockCapacity(
        stage.twin, stage.endpoint, stage.pair, stage.block, conditional_throughput(evidence, bounds), bounds.at_least,
        bounds.reached, bounds, len(evidence.marked), tuple(trials),
    )  # fmt: skip


def conditional_throughput(evidence: Evidence, bounds: Bounds) -> float | None:
    """Return the rate between the bounds times the share answered there; None without a lower bound.

    By hand: bounds of 1,000 and 1,010; of 2,000 arrivals at the lower 1,996 were answered (0.2 % short), at the upper
    1,980 of 2,020 (2.0 %): sqrt(1,000 × 1,010) = 1,004.99 times 1 − (0.2 + 2.0) / 2 % = 0.989 gives 993.93.
    """
    lower, upper = bounds.lower_rps, bounds.upper_rps
    if lower is None:
        return None
    below = max(0.0, _short_at(evidence, lower))
    if upper is None:
        return lower * (1 - below)
    above = _short_at(evidence, upper)
    usual = below < above <= below + _OF_CHANCE * (upper / lower - 1)
    return math.sqrt(lower * upper) * (1 - ((below + above) / 2 if usual else below))


def _short_at(evidence: Evidence, rate_rps: float) -> float:
    """Return what share of the arrivals at a rate was not answered in the window, over its trials together."""
    at = [t.counts for t in evidence.used if t.valid and abs(t.rate_rps / rate_rps - 1) < SAME_RATE]
    arrivals = sum(counts.arrivals for counts in at)
    return 1 - sum(counts.answered for counts in at) / arrivals if arrivals else 0.0


def _exp(found: Interval, plan: Plan, resolution: float) -> Interval:
    """Return an interval of logarithms as one of ratios, with the search's resolution in it."""
    lo, hi = found.lo, found.hi
    if found.kind != "range":
        half = math.hypot(found.hi - found.value, resolution * math.log1p(plan.search.capacity_width))
        lo, hi = found.value - half, found.value + half
    return Interval(math.exp(found.value), math.exp(lo), math.exp(hi), found.count, found.kind)
