"""`--quick` and `--thorough` of `twinload run`: settings laid over the plan, below those that a person gives. Pure."""

from __future__ import annotations

from typing import Final

from records.plan import Plan

QUICK: Final = (
    'search.mode="curve"', "search.pairs=1", "search.time_limit_s=60.0", "stages.fractions=[0.2, 0.5, 0.8, 1.2]",
    "stages.probe_s=2",
)  # fmt: skip
"""One pair through a few stages: a first look, no interval."""
THOROUGH_S: Final = 1_800.0
"""The time limit of a thorough run, for each sweep."""


def thorough(plan: Plan) -> tuple[str, ...]:
    """Return the settings of a thorough run of a plan: ratios to ± 2 %, half an hour for each sweep.

    Trials and the stage at the same load are longer, so that less of the time goes into sweeps' beginnings and ends.
    """
    return (
        'search.mode="capacity"', "search.ratio_width=0.02", f"search.time_limit_s={THOROUGH_S * len(plan.sweeps)}",
        "search.trial_s=4", "search.same_load_s=12",
    )  # fmt: skip
