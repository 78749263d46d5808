"""`[[shadow.rule]]` and `[shadow.gateway]`: what cannot be is a fault of the plan, told with its key and the remedy."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from records.errors import PlanError
from records.plan_file import check_plan

SHIPPED = Path(__file__).parents[2] / "twinload.toml"


def faults(**shadow: Any) -> str:
    tree = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
    tree["shadow"] = {**tree["shadow"], **shadow}
    with pytest.raises(PlanError) as caught:
        check_plan(tree, "plan")
    return "\n".join(str(fault) for fault in caught.value.faults)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"do": "ignore", "path": "lots"}, 'does not begin with "$"'),
        ({"do": "ignore", "path": "$.lots[x]"}, "cannot be read from '[x]' on"),
        ({"do": "ignore"}, "would compare nothing"),
        ({"do": "tolerance", "path": "$.a"}, "give tolerance"),
        ({"do": "ignore", "path": "$.a", "tolerance": 0.1}, "give tolerance"),
        ({"do": "tolerance", "path": "$.a", "tolerance": -1.0}, "greater than or equal to 0"),
        ({"do": "spelling", "path": "$.a"}, "leave path out"),
        ({"do": "forget", "path": "$.a"}, "shadow.rule.0.do"),
        ({"do": "ignore", "path": "$.a", "endpoint": "nobody"}, "no workload entry has this name; there are: balance"),
    ],
)
def test_a_bad_rule_is_told(rule: dict[str, Any], told: str) -> None:
    assert told in faults(rule=[rule])


def test_all_bad_rules_are_told_at_once() -> None:
    text = faults(rule=[{"do": "ignore"}, {"do": "spelling", "path": "$.a"}])
    assert "shadow.rule.0" in text
    assert "shadow.rule.1" in text


@pytest.mark.parametrize(
    ("gateway", "told"),
    [
        ({"listen": "127.0.0.1:18101"}, "go-1 has this address already"),
        ({"listen": "127.0.0.1:18300", "admin": "127.0.0.1:18300"}, "the two need one address each"),
        ({"admin": "192.0.2.1:1"}, "use a loopback address"),
        ({"listen": "192.0.2.1:1"}, "only with allow_remote = true"),
        ({"cpu_set": [0]}, "are the twins'|is the twins'"),
        ({"command": ["gateway"]}, "{config}"),
        ({"mode": "canary"}, "shadow.gateway.mode"),
    ],
)
def test_a_gateway_that_cannot_be_is_told(gateway: dict[str, Any], told: str) -> None:
    assert any(part in faults(gateway=gateway) for part in told.split("|"))


def test_a_plan_that_says_nothing_of_the_gateway_may_use_its_default_addresses() -> None:
    tree = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
    del tree["shadow"]["gateway"]
    tree["twins"]["go"]["instances"][0]["address"] = "127.0.0.1:18300"
    assert check_plan(tree, "plan").shadow.gateway.listen == "127.0.0.1:18300"
