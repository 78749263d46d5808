"""What the gateway is told follows from plan and instances, in the words of its own configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from records.instance import Instance
from records.plan import Plan
from shadow.errors import TargetError
from shadow.gateway_config import GatewayFiles, gateway_config, told_users

FILES = GatewayFiles(Path("/state/token"), Path("/state/pairs.jsonl"))


@pytest.fixture
def config(instances_of: Callable[[Plan], tuple[Instance, ...]]) -> Callable[..., dict[str, Any]]:
    def make(plan: Plan, environ: dict[str, str] | None = None) -> dict[str, Any]:
        return gateway_config(plan, instances_of(plan), FILES, environ=environ or {}, resolve=lambda address: address)

    return make


def test_routes_are_templates_without_queries_in_the_plans_order(
    config: Callable[..., dict[str, Any]], plan_of: Callable[..., Plan]
) -> None:
    assert config(plan_of())["routes"] == [
        {"name": "balance", "method": "GET", "path": "/v1/users/{user_id}/balance", "safe": True},
        {"name": "statistics", "method": "GET", "path": "/v1/users/{user_id}/statistics", "safe": True},
    ]


def test_a_write_is_no_safe_route_and_a_mixed_segment_becomes_a_whole_one(
    config: Callable[..., dict[str, Any]], plan_of: Callable[..., Plan]
) -> None:
    entry = {"name": "send", "method": "POST", "path": "/v1/from-{user_id}/gifts?x=1", "hot": True}
    plan = plan_of(workload=[entry], old={"instances": [served("a", 1)]}, new={"instances": [served("b", 2)]},
                   shadow={"case": []})  # fmt: skip
    assert config(plan)["routes"] == [{"name": "send", "method": "POST", "path": "/v1/{user_id}/gifts", "safe": False}]


def served(name: str, port: int, *names: str) -> dict[str, Any]:
    return {"name": name, "address": f"127.0.0.1:{port}", "serves": list(names or ("send",))}


def test_unmatched_paths_go_to_the_instances_that_are_not_hot(
    config: Callable[..., dict[str, Any]], plan_of: Callable[..., Plan]
) -> None:
    plan = plan_of(["127.0.0.1:1", "127.0.0.1:2"], ["127.0.0.1:3"])
    rest = {"name": "rest", "address": "127.0.0.1:9", "serves": []}
    hot = [one.model_dump() for one in plan.twins["old"].instances]
    plan = plan_of(["127.0.0.1:1"], ["127.0.0.1:3"], old={"instances": [*hot, rest]})
    sides = config(plan)["sides"]
    assert [one["routes"] for one in sides["baseline"]["instances"]] == [
        ["balance", "statistics"], ["balance", "statistics"], ["*"],
    ]  # fmt: skip
    assert sides["candidate"]["instances"][0]["routes"] == ["balance", "statistics", "*"]


def test_headers_are_filled_in_and_one_that_is_not_set_is_told(
    config: Callable[..., dict[str, Any]], plan_of: Callable[..., Plan]
) -> None:
    plan = plan_of(old={"headers": {"Authorization": "Bearer ${OLD_TOKEN}"}})
    assert config(plan, {"OLD_TOKEN": "x"})["sides"]["baseline"]["headers"] == {"Authorization": "Bearer x"}
    with pytest.raises(TargetError, match="export OLD_TOKEN"):
        config(plan)


def test_the_second_baseline_is_the_baseline_asked_again(
    config: Callable[..., dict[str, Any]], plan_of: Callable[..., Plan]
) -> None:
    sides = config(plan_of(shadow={"second": "baseline"}))["sides"]
    assert sides["second"] == sides["baseline"]
    assert config(plan_of())["sides"]["second"] is None


def test_entries_that_a_gateway_cannot_tell_apart_and_tls_are_refused_together(
    config: Callable[..., dict[str, Any]], plan_of: Callable[..., Plan]
) -> None:
    entries = [
        {"name": "balance", "path": "/v1/users/{user_id}/balance?a=1", "hot": True},
        {"name": "statistics", "path": "/v1/users/{name}/balance?b=2"},
    ]
    with pytest.raises(TargetError, match=r"statistics: balance has this method.*\n.*spoken") as caught:
        config(plan_of(workload=entries, old={"scheme": "https"}))
    assert "twins.old.scheme = https" in str(caught.value)


def test_limits_mirror_and_comparison_are_the_plans(
    config: Callable[..., dict[str, Any]], plan_of: Callable[..., Plan]
) -> None:
    found = config(plan_of(shadow={"gateway": {"mirror_retries": 7, "body_bytes": "2MiB", "pairs_per_kind": 5}}))
    assert found["mirror"]["retries"] == 7
    assert found["limits"]["body_bytes"] == 2 << 20
    assert found["compare"] == {
        "headers": ["content-type", "allow"], "raced_header": "ledger-as-of", "pairs_file": "/state/pairs.jsonl",
        "redact_headers": ["authorization", "cookie", "set-cookie", "proxy-authorization"], "pairs_per_kind": 5,
    }  # fmt: skip
    assert (found["token_file"], found["mode"], found["state_file"]) == ("/state/token", "shadow", None)


def test_the_gray_releases_section_is_the_plans_and_begins_with_nobody(
    instances_of: Callable[[Plan], tuple[Instance, ...]], plan_of: Callable[..., Plan]
) -> None:
    plan = plan_of(canary={"whitelist": ["u-1"], "user_header": "x-user-id", "shadow_share": 0.25, "breaker_probes": 7})
    files = GatewayFiles(Path("/state/token"), Path("/state/pairs.jsonl"), Path("/state/state.json"))
    found = gateway_config(plan, instances_of(plan), files, environ={}, resolve=str, mode="canary")
    assert (found["mode"], found["state_file"], found["mirror"]["share"]) == ("canary", "/state/state.json", 0.25)
    assert found["canary"] == {
        "share": 0.0, "whitelist": ["u-1"], "user": {"placeholder": "user_id", "header": "x-user-id"}, "salt": "",
        "budget_ms": {"min": 25.0, "max": 250.0, "factor": 3.0}, "retry": {"ratio": 0.2, "burst": 1000},
        "breaker": {
            "window_ms": 200, "failures": 5, "ratio": 0.3, "slow_factor": 4.0, "slow_floor_ms": 5.0,
            "slow_samples": 20, "open_s": 10.0, "max_open_s": 300.0, "probes": 7,
        },
        "check": "json", "compare_share": 1.0,
    }  # fmt: skip


def test_without_a_gray_release_there_is_no_section(
    config: Callable[..., dict[str, Any]], plan_of: Callable[..., Plan]
) -> None:
    assert config(plan_of())["canary"] is None


def test_a_placeholder_that_no_path_has_is_left_out(plan_of: Callable[..., Plan]) -> None:
    assert told_users(plan_of()) == ("user_id", None)
    assert told_users(plan_of(canary={"user_placeholder": "account", "user_header": "x-id"})) == (None, "x-id")
