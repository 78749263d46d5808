"""Which ratios of a run decide, as the plan's `[verdict]` asks for them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from analysis.ratio import Ratio, Ratios
from analysis.verdict import Asked
from records.plan import Judged, Plan

WORDS: Final[dict[Judged, str]] = {
    "capacity": "capacity under the SLO",
    "saturation": "saturation throughput",
    "p99": "p99 at the same load",
    "cpu_s_per_1k": "CPU-seconds per 1,000 requests at the same load",
    "memory": "memory at the same load",
}
HIGHER_IS_BETTER: Final = frozenset({"capacity", "saturation"})


def asked_of(plan: Plan, ratios: Mapping[str, Ratios]) -> tuple[Asked, ...]:
    """Return what the plan asks of each hot endpoint (of every sweep, where none is hot), in its order.

    In a run that searched no capacity (`search.mode = "curve"`) the saturation throughput stands for it.
    """
    hot = [entry.name for entry in plan.workload if entry.hot] or list(plan.sweeps)
    figures = list(dict.fromkeys(_stand_in(figure, plan) for figure in plan.verdict.ask))
    return tuple(_asked(plan, endpoint, figure, ratios.get(endpoint)) for endpoint in hot for figure in figures)


def _stand_in(figure: Judged, plan: Plan) -> Judged:
    return "saturation" if figure == "capacity" and plan.search.mode == "curve" else figure


def _asked(plan: Plan, endpoint: str, figure: Judged, ratios: Ratios | None) -> Asked:
    ratio: Ratio | None = None if ratios is None else getattr(ratios, figure)
    limits = plan.verdict.limit
    stands_for_capacity = figure == "saturation" and figure not in plan.verdict.ask
    limit = limits.get("capacity" if stands_for_capacity else figure, 1.0)
    what = f"{endpoint}, {WORDS[figure]}"
    better: Literal["higher", "lower"] = "higher" if figure in HIGHER_IS_BETTER else "lower"
    if ratio is None:
        return Asked(what, better, None, limit=limit, endpoint=endpoint, figure=figure)
    return Asked(
        what, better, ratio.value, ratio.lo, ratio.hi, ratio.interval, ratio.bound, limit,
        endpoint=endpoint, figure=figure,
    )  # fmt: skip
