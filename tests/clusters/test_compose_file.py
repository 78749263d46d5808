"""The compose file: the checked-in one is the shipped plan's, and what it says is what the plan says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from clusters.compose_file import compose_text
from records.plan import Plan
from records.plan_compose import as_containers
from records.plan_file import read_plan

ROOT = Path(__file__).parents[2]


def _shipped(*sets: str) -> Plan:
    return as_containers(read_plan(ROOT / "twinload.toml", sets=sets, environ={}))


def _services(plan: Plan) -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load(compose_text(plan))["services"]
    return services


def test_the_checked_in_file_is_what_the_shipped_plan_says() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert text == compose_text(_shipped()), "`twinload compose` writes it again"


def test_a_service_is_an_instance_by_its_name() -> None:
    assert list(_services(_shipped())) == ["go-1", "go-2", "go-rest", "rust-1", "rust-2", "rust-rest"]


def test_every_container_is_confined() -> None:
    for service in _services(_shipped()).values():
        assert service["network_mode"] == "host"
        assert service["user"] == "65534:65534"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["volumes"][0] == {
            "type": "bind", "source": "./.twinload/pool", "target": "/pool", "read_only": True,
        }  # fmt: skip
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "2"}


def test_both_twins_have_the_same_limits() -> None:
    limits = [
        {key: service[key] for key in ("cpus", "cpuset", "mem_limit", "memswap_limit", "pids_limit")}
        for service in _services(_shipped()).values()
    ]
    assert limits[0] == {
        "cpus": 1.0, "cpuset": "0", "mem_limit": "682m", "memswap_limit": "682m", "pids_limit": 128,
    }  # fmt: skip
    assert all(one == limits[0] for one in limits)


def test_a_service_is_found_by_its_labels() -> None:
    assert _services(_shipped())["rust-2"]["labels"] == {
        "twinload.project": "twinload",
        "twinload.twin": "rust",
        "twinload.instance": "rust-2",
        "twinload.serves": "balance,statistics",
        "twinload.address": "127.0.0.1:18202",
    }


def test_a_check_asks_the_ready_path_without_a_shell_and_seldom() -> None:
    health = _services(_shipped())["rust-2"]["healthcheck"]
    assert health["test"] == ["CMD", "/wallet-rust", "--check", "http://127.0.0.1:18202/readyz"]
    assert health["interval"] == "60s"
    assert _services(_shipped("compose.check=[]"))["rust-2"]["healthcheck"] == {"disable": True}


def test_on_the_bridge_an_instance_listens_on_all_and_is_published_on_its_address() -> None:
    service = _services(_shipped('compose.network="bridge"'))["go-1"]
    assert "network_mode" not in service
    assert service["ports"] == ["127.0.0.1:18101:18101"]
    assert service["command"][:2] == ["--listen", "0.0.0.0:18101"]
    assert service["healthcheck"]["test"][-1] == "http://127.0.0.1:18101/readyz"


def test_a_variable_stays_for_compose_to_fill_in_and_another_dollar_is_kept() -> None:
    plan = _shipped('twins.go.env={GOMAXPROCS="1", BASE="${BASE_OF_MINE}", PRICE="5$ or $x"}')
    assert _services(plan)["go-1"]["environment"]["BASE"] == "${BASE_OF_MINE}"
    assert _services(plan)["go-1"]["environment"]["PRICE"] == "5$$ or $$x"


@pytest.mark.parametrize("value", ["yes", "1", 'a "quoted" word', "x: y # z", "naïve"])
def test_any_text_comes_back_from_the_file_as_it_was(value: str) -> None:
    plan = _shipped()
    twins = {**plan.twins, "go": plan.twins["go"].model_copy(update={"env": {"no": value}})}
    assert _services(plan.model_copy(update={"twins": twins}))["go-1"]["environment"] == {"no": value}
