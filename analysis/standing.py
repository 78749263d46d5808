"""Is enough known? The ratios that the plan asks for, and which of them are not narrow yet. Pure.

    trials -> ratio of capacities ----.
    stages -> ratio of CPU a request --+-> standing -> the search goes on or ends

CPU-seconds per 1,000 answers are compared as the report does, at the same load: at the highest rate that both twins
carried in three pairs, else at the one with the most pairs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analysis.capacity import BlockCapacity, block_capacities, capacity_ratio, gentle_endpoints
from analysis.figures import StageFigures
from analysis.intervals import LEAST_FOR_T, Interval
from analysis.same_load import best_rate
from analysis.stopping import is_narrow, sequential_interval
from analysis.validity import carried, past_saturation
from records.plan import Plan
from records.stage import StageLine
from swarm.capacity_pairs import Standing
from swarm.trials import Trial


@dataclass(frozen=True, slots=True)
class LoadCost:
    """What one stage at a planned rate cost: CPU seconds of the serving instances for 1,000 answers."""

    twin: str
    endpoint: str
    pair: int
    rate_rps: float
    cpu_s_per_1k: float


def load_costs(line: StageLine, figures: StageFigures) -> tuple[LoadCost, ...]:
    """Return what a judged stage of the curve cost.

    () where it is invalid, has no rate, was not carried, or its CPU is not known.
    """
    stage, cost = line.stage, figures.cpu_s_per_1k
    if stage.kind != "measure" or not line.valid or stage.rate_rps is None or not cost:
        return ()
    offered_rps = stage.rate_rps if figures.offered_rps is None else figures.offered_rps
    is_carried = carried(figures.achieved_rps, offered_rps, stage.loop, edge_rps=figures.edge_rps)
    if not is_carried or past_saturation(line, figures):
        return ()
    return (LoadCost(stage.twin, stage.endpoint, stage.pair, stage.rate_rps, cost),)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One ratio: `found` None where no pair has it, `is_due` False where waiting for it would be in vain."""

    name: str
    found: Interval | None
    is_narrow: bool
    is_due: bool = True


def standing(trials: Sequence[Trial], costs: Sequence[LoadCost], plan: Plan) -> Standing:
    """Say whether every ratio asked for is narrow, and which is not: `standing_of` the trials' blocks."""
    return standing_of(block_capacities(trials, plan), costs, plan)


def standing_of(blocks: Sequence[BlockCapacity], costs: Sequence[LoadCost], plan: Plan) -> Standing:
    """Say whether every ratio asked for is narrow, and which is not.

    A ratio that is not in sight in three pairs (neither twin was seen at its limit, or nobody watches the CPU) is
    waited for no longer.
    """
    asked = [one for one in _asked(blocks, costs, plan) if one.is_due]
    percent = f"± {100 * plan.search.ratio_width:g} %"
    wide = [one for one in asked if not one.is_narrow]
    if wide:
        said = f"not within {percent}: {', '.join(_said(one) for one in wide)}"
        return Standing(False, said, gentle_endpoints(blocks, plan))
    if not asked:
        return Standing(bool(blocks), "no ratio is in sight")
    return Standing(True, f"every ratio asked for is within {percent}: {', '.join(_said(one) for one in asked)}")


def _asked(blocks: Sequence[BlockCapacity], costs: Sequence[LoadCost], plan: Plan) -> Iterator[_Asked]:
    for endpoint in dict.fromkeys(block.endpoint for block in blocks):
        pairs = len({block.pair for block in blocks if block.endpoint == endpoint})
        if "capacity" in plan.verdict.ask:
            ratio = capacity_ratio(blocks, endpoint, plan)
            interval = None if ratio is None else ratio.interval
            yield _Asked(
                f"{endpoint} capacity", interval, ratio is not None and ratio.narrow,
                is_due=ratio is not None or pairs < LEAST_FOR_T,
            )  # fmt: skip
        if "cpu_s_per_1k" in plan.verdict.ask:
            logs = cost_logs(costs, endpoint, plan)
            width_log = math.log1p(plan.search.ratio_width)
            yield _Asked(
                f"{endpoint} cpu_s_per_1k", _exp(sequential_interval(logs, width_log)), is_narrow(logs, width_log),
                is_due=bool(logs) or pairs < LEAST_FOR_T,
            )  # fmt: skip


def cost_logs(costs: Sequence[LoadCost], endpoint: str, plan: Plan) -> list[float]:
    """Return the logarithms of candidate ÷ baseline by pair, at the rate that the module's docstring names."""
    by_rate: dict[float, dict[int, dict[str, float]]] = {}
    for one in costs:
        if one.endpoint == endpoint:
            by_rate.setdefault(one.rate_rps, {}).setdefault(one.pair, {})[one.twin] = one.cpu_s_per_1k
    whole = {
        rate_rps: [both for _, both in sorted(pairs.items()) if len(both) == len(plan.twins)]
        for rate_rps, pairs in by_rate.items()
    }
    counts = {rate_rps: len(pairs) for rate_rps, pairs in whole.items() if pairs}
    if not counts:
        return []
    return [math.log(both[plan.candidate] / both[plan.baseline]) for both in whole[best_rate(counts)]]


def _exp(found: Interval | None) -> Interval | None:
    if found is None:
        return None
    return Interval(math.exp(found.value), math.exp(found.lo), math.exp(found.hi), found.count, found.kind)


def _said(one: _Asked) -> str:
    if one.found is None:
        return f"{one.name} (no pair yet)"
    if one.found.count < LEAST_FOR_T:
        return f"{one.name} {one.found.value:.3f} ({one.found.count} of {LEAST_FOR_T} pairs)"
    return f"{one.name} {one.found.value:.3f} ({one.found.lo:.3f} to {one.found.hi:.3f})"
