"""`[canary]`: what cannot be is a fault of the plan, told with its key and the remedy."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from records.errors import PlanError
from records.plan_canary import CanaryPlan
from records.plan_file import check_plan

SHIPPED = Path(__file__).parents[2] / "twinload.toml"


def tree_with(**canary: Any) -> dict[str, Any]:
    tree = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
    tree["canary"] = {**tree["canary"], **canary}
    return tree


@pytest.mark.parametrize(
    ("canary", "told"),
    [
        ({"steps": []}, "canary.steps"),
        ({"steps": [0.0, 1.0]}, "canary.steps.0"),
        ({"steps": [0.5, 1.1]}, "canary.steps.1"),
        ({"steps": [0.5, 0.25]}, "each is larger than the one before it"),
        ({"steps": [0.5, 0.5]}, "without a value twice"),
        ({"steps": [0.00001, 1.0]}, "1e-05 is no step, users are counted in parts of 0.0001"),
        ({"steps": [0.5, 0.50001]}, "0.50001 is no step"),
        ({"quantiles": [0.99, 0.5]}, "each is larger than the one before it"),
        ({"quantiles": [1.0]}, "canary.quantiles.0"),
        ({"soak_s": 30.0, "max_step_s": 20.0}, "soak_s = 30 is above max_step_s = 20"),
        ({"budget_min_ms": 300.0}, "budget_min_ms = 300 is above budget_max_ms = 250"),
        ({"breaker_open_s": 301.0}, "breaker_open_s = 301 is above breaker_max_open_s = 300"),
        ({"alpha": 0.0}, "canary.alpha"),
        ({"mismatch": "ignore"}, "canary.mismatch"),
        ({"on_open": "step"}, "canary.on_open"),
        ({"whitelist": [""]}, "canary.whitelist.0"),
        ({"user_placeholder": "{user_id}"}, "canary.user_placeholder"),
        ({"breaker_slow_factor": 1.0}, "canary.breaker_slow_factor"),
        ({"share": 0.1}, "canary.share"),
    ],
)
def test_a_canary_that_cannot_be_is_told(canary: dict[str, Any], told: str) -> None:
    with pytest.raises(PlanError) as caught:
        check_plan(tree_with(**canary), "plan")
    assert told in "\n".join(str(fault) for fault in caught.value.faults)


def test_limits_that_do_not_fit_are_told_at_once() -> None:
    with pytest.raises(PlanError) as caught:
        check_plan(tree_with(max_step_s=1.0, budget_max_ms=1.0), "plan")
    assert "max_step_s = 1;" in str(caught.value)
    assert "budget_max_ms = 1" in str(caught.value)


def test_a_plan_without_the_section_has_what_the_shipped_one_says() -> None:
    tree = tree_with()
    shipped = check_plan(tree, "plan").canary
    del tree["canary"]
    assert check_plan(tree, "plan").canary == shipped == CanaryPlan()
