"""The ratio of CPU-seconds per 1,000 requests that a search waited for, with an interval that knows of the stop. Pure.

A search that goes on until this ratio is narrow stops where its spread happens to look small, as for the capacity's.
"""

from __future__ import annotations

import math

from analysis.ratio import Ratio
from analysis.same_load import SameLoad, TwinAtLoad, cpu_s_per_1k
from analysis.stopping import is_narrow, sequential_interval
from records.plan import Plan


def is_waited_for(plan: Plan) -> bool:
    """Say whether a run of the plan goes on until the ratio is narrow."""
    return plan.search.mode == "capacity" and "cpu_s_per_1k" in plan.verdict.ask


def cost_ratio(same: SameLoad, plan: Plan) -> Ratio | None:
    """Return candidate ÷ baseline at the same load after a sequential stop; None when no pair has both."""
    baseline, candidate = _by_pair(same.baseline), _by_pair(same.candidate)
    common = sorted(baseline.keys() & candidate.keys())
    logs = [math.log(candidate[pair] / baseline[pair]) for pair in common]
    width_log = math.log1p(plan.search.ratio_width)
    found = sequential_interval(logs, width_log)
    if found is None:
        return None
    value, lo, hi = (math.exp(one) for one in (found.value, found.lo, found.hi))
    pairs = f"{found.count} pair{'' if found.count == 1 else 's'}"
    if found.kind == "range":
        note = f"{pairs}: too few for an interval, minimum and maximum only"
    else:
        asked = "as narrow as asked" if is_narrow(logs, width_log) else "wider than asked: the time was up"
        note = f"95 % t interval of the log-ratios of {pairs}, widened for the stop by its width; {asked}"
    return Ratio(value, lo, hi, found.count, found.kind, note)


def _by_pair(twin: TwinAtLoad) -> dict[int, float]:
    return {block.pair: cost for block in twin.point.counted if (cost := cpu_s_per_1k(block))}
