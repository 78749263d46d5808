"""The trials of a capacity search as points of pictures, and what a twin used near its capacity. Pure.

Trials are many rates around one bound, each tried for a few seconds: no point of a curve, which would be spoiled by
them. They are drawn beside it, one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from analysis.capacity import SAME_RATE, BlockCapacity
from analysis.curve import BlockPoint, block_point
from analysis.run import RunData
from records.plan import SloPlan
from swarm.trials import LATE_LIMIT_RATIO, SHORT_LIMIT_RATIO, Counts, Judged, evidence_of, judge_trial

Broken = Literal["late", "lost", "short"]
NEAR_RATIO: Final = 0.03
"""Trials so near a block's capacity, relatively, say what the twin used there; its bounds do in any case."""


@dataclass(frozen=True, slots=True)
class TrialPoint:
    """A trial: where it stands, what was measured in it and what the SLO says; `used` as evidence of a bound.

    `broken` names which of the SLO's shares were beyond their limits.
    """

    point: BlockPoint
    judged: Judged
    broken: tuple[Broken, ...]
    used: bool

    @property
    def good(self) -> bool:
        """Whether the SLO held."""
        return self.judged.good


def trial_points(run: RunData, blocks: Sequence[BlockCapacity]) -> dict[tuple[str, str], tuple[TrialPoint, ...]]:
    """Return the trials of every twin and endpoint in the order driven; no key where there was none."""
    stages = {data.line.stage.id: data for data in run.stages}
    found: dict[tuple[str, str], list[TrialPoint]] = {}
    for block in blocks:
        used = {trial.line.stage.id for trial in evidence_of(block.trials, run.plan.slo).used if trial.valid}
        for trial in block.trials:
            stage = trial.line.stage
            point = block_point(run, stages[stage.id], stage.rate_rps)
            judged = judge_trial(trial.counts, run.plan.slo)
            one = TrialPoint(point, judged, _broken(trial.counts, run.plan.slo), stage.id in used)
            found.setdefault((block.twin, block.endpoint), []).append(one)
    return {key: tuple(points) for key, points in found.items()}


def _broken(counts: Counts, slo: SloPlan) -> tuple[Broken, ...]:
    if not counts.requests:
        return ()
    short = counts.arrivals and counts.short_ratio - counts.edge_ratio > SHORT_LIMIT_RATIO
    found: tuple[tuple[Broken, bool], ...] = (
        ("late", counts.late_ratio > LATE_LIMIT_RATIO),
        ("lost", counts.lost_ratio > slo.failed_ratio),
        ("short", bool(short)),
    )
    return tuple(name for name, is_broken in found if is_broken)


def near_capacity(points: Sequence[TrialPoint], blocks: Sequence[BlockCapacity]) -> dict[int, list[BlockPoint]]:
    """Return by pair the trials near their own block's capacity: within 3 % of it, and at either of its bounds.

    They must be evidence. Bounds of a rough block lie further apart, one below and one above.
    """
    counting = {block.block: block for block in blocks if block.counts}
    found: dict[int, list[BlockPoint]] = {}
    for one in points:
        block = counting.get(one.point.block)
        if block is not None and one.used and _is_near(one.point.at_rps, block):
            found.setdefault(block.pair, []).append(one.point)
    return found


def _is_near(rate_rps: float, block: BlockCapacity) -> bool:
    near = [(block.value_rps, NEAR_RATIO), (block.bounds.lower_rps, SAME_RATE), (block.bounds.upper_rps, SAME_RATE)]
    return any(at_rps and abs(rate_rps / at_rps - 1) <= ratio for at_rps, ratio in near)
