"""Rules between sections: addresses, names, what is served, ramps."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from records.errors import PlanError
from records.plan_file import check_plan, read_plan
from records.plan_rules import planned_rates, ramp_seconds
from records.plan_types import is_loopback

SHIPPED = Path(__file__).parents[2] / "twinload.toml"


def tree() -> dict[str, Any]:
    return tomllib.loads(SHIPPED.read_text(encoding="utf-8"))


def fault_texts(changed: dict[str, Any]) -> str:
    with pytest.raises(PlanError) as caught:
        check_plan(changed, "plan")
    return "\n".join(str(fault) for fault in caught.value.faults)


@pytest.mark.parametrize(
    ("address", "loopback"),
    [("127.0.0.1:80", True), ("127.9.9.9:80", True), ("localhost:80", True), ("[::1]:80", True),
     ("10.0.0.1:80", False), ("example.org:80", False), ("127.0.0.1.example.org:80", False)],
)  # fmt: skip
def test_only_this_machine_is_loopback(address: str, loopback: bool) -> None:
    assert is_loopback(address) is loopback


def test_load_leaves_the_machine_only_when_the_plan_allows_it() -> None:
    changed = tree()
    twin = changed["twins"]["rust"]
    twin["start"] = "external"
    twin["instances"][0]["address"] = "192.0.2.7:80"
    assert "allow_remote = true" in fault_texts(changed)
    changed["allow_remote"] = True
    assert check_plan(changed, "plan").twins["rust"].instances[0].address == "192.0.2.7:80"


def test_a_process_is_never_started_on_a_foreign_address() -> None:
    changed = tree()
    changed["allow_remote"] = True
    changed["twins"]["go"]["instances"][0]["address"] = "192.0.2.7:80"
    assert "use a loopback address" in fault_texts(changed)


def test_one_address_or_name_twice_is_a_fault_over_both_twins() -> None:
    changed = tree()
    changed["twins"]["rust"]["instances"][0] |= {"address": "127.0.0.1:18101", "name": "go-2"}
    text = fault_texts(changed)
    assert "go-1 has this address already" in text
    assert "each instance needs a name of its own" in text


def test_a_hot_entry_that_nobody_serves_is_a_fault_of_that_twin() -> None:
    changed = tree()
    for instance in changed["twins"]["rust"]["instances"]:
        instance["serves"] = [name for name in instance["serves"] if name != "balance"]
    assert "twins.rust = balance: no instance serves this entry" in fault_texts(changed)


def test_a_column_that_the_pool_lacks_is_named_with_those_it_has() -> None:
    changed = tree()
    changed["workload"][0]["path"] = "/v1/{shoe_size}"
    assert "{shoe_size}: use one of: user_id" in fault_texts(changed)


def test_one_twin_or_three_are_refused() -> None:
    changed = tree()
    del changed["twins"]["rust"]
    assert "name two twins" in fault_texts(changed)


def test_a_ramp_that_outlasts_its_warm_up_is_refused_with_what_would_do() -> None:
    # From 0 to 500 rps at 0.25 rps a user are 2,000 users; at 1,000 users a second that is 2 s, the warm-up has 1 s.
    changed = tree()
    changed["stages"] = {"kind": "steps", "rates_rps": [500.0], "warmup_s": 1}
    changed["swarm"]["spawn_rate"] = 1000.0
    text = fault_texts(changed)
    assert "its ramp takes 2.0 s but its warm-up has 1 s" in text
    assert "raise swarm.spawn_rate to 2000" in text
    changed["stages"]["warmup_s"] = 2
    assert check_plan(changed, "plan").stages.warmup_s == 2


def test_a_stage_for_more_users_than_the_pool_has_is_refused() -> None:
    changed = tree()
    changed["stages"] = {"kind": "list", "list": [{"name": "all", "users": 20_000, "warmup_s": 5}]}
    assert "the pool has 16000 users" in fault_texts(changed)


def test_planned_rates_of_each_kind() -> None:
    def rates(**stages: Any) -> list[float]:
        plan = check_plan(tree() | {"stages": stages}, "plan")
        return [rate for _, rate, _, _ in planned_rates(plan.stages, plan.swarm)]

    assert rates(kind="ramp", from_rps=100.0, to_rps=300.0, steps=3) == [100.0, 200.0, 300.0]
    assert rates(kind="spike", base_rps=50.0, peak_rps=400.0) == [50.0, 400.0, 50.0]
    assert rates(kind="soak", rate_rps=80.0) == [80.0]
    assert rates(kind="list", list=[{"name": "a", "users": 4000}, {"name": "b", "rate_rps": 7.0}]) == [1000.0, 7.0]
    assert rates(kind="probe") == []


def test_a_ramp_takes_the_change_in_users_over_the_spawn_rate() -> None:
    swarm = read_plan(SHIPPED, sets=("swarm.user_rate_rps=0.5", "swarm.spawn_rate=100.0"), environ={}).swarm
    assert ramp_seconds(50.0, 200.0, swarm) == pytest.approx(3.0)  # 300 users at 100 a second


def test_the_generator_on_a_twins_core_is_refused_unless_it_is_pinned_nowhere() -> None:
    changed = tree()
    changed["swarm"]["cpu_set"] = [0, 1]
    text = fault_texts(changed)
    assert "swarm.cpu_set = [0, 1]: [0] is in twins.go.cpu_set too: give the generator other cores" in text
    assert "twins.rust.cpu_set too" in text
    changed["swarm"]["cpu_set"] = []
    assert check_plan(changed, "plan").swarm.cpu_set == []


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("cpu_set", [0, 2], "twins.rust.cpu_set = [0, 2]: is unlike twins.go: give both the same"),
        ("cpus", 0.5, "twins.rust.cpus = 0.5: is unlike twins.go: give both the same"),
        ("memory", "1GiB", "twins.rust.memory = 1024MiB: is unlike twins.go: give both the same"),
    ],
)
def test_twins_that_are_started_with_unlike_allotments_are_refused(key: str, value: Any, told: str) -> None:
    changed = tree()
    changed["twins"]["rust"][key] = value
    text = fault_texts(changed)
    assert told in text
    assert text.count("unlike") == 1


def test_cpus_left_out_are_the_size_of_the_cpu_set_and_like_it() -> None:
    changed = tree()
    del changed["twins"]["rust"]["cpus"]
    assert check_plan(changed, "plan").twins["rust"].allotment_cores == 1.0


def test_an_external_twin_need_not_be_like_one_that_is_started() -> None:
    changed = tree()
    changed["twins"]["rust"] |= {"start": "external", "memory": "8GiB", "cpu_set": [], "cpus": 4.0}
    assert check_plan(changed, "plan").twins["rust"].cpus == 4.0


def test_a_fleet_is_sized_for_what_is_swept_and_never_twice() -> None:
    changed = tree()
    changed["cost"]["fleet_rate_rps"] = {"transactions": 100.0}
    text = fault_texts(changed)
    assert "cost.fleet_rate_rps.transactions = 100: nothing sweeps it; there are: balance, statistics" in text
    changed["stages"]["mix"] = True
    changed["cost"]["fleet_rate_rps"] = {"mix": 100.0, "balance": 50.0}
    assert "the mix holds the other entries' requests" in fault_texts(changed)
    changed["cost"]["fleet_rate_rps"] = {"mix": 100.0}
    assert check_plan(changed, "plan").cost.fleet_rate_rps == {"mix": 100.0}


def test_a_search_that_is_asked_for_nothing_it_goes_on_for_is_a_fault() -> None:
    changed = tree()
    changed["verdict"] = {"ask": ["p99", "memory"]}
    assert "verdict.ask = p99, memory: a search goes on for capacity and cpu_s_per_1k" in fault_texts(changed)
    changed["search"]["mode"] = "curve"
    assert check_plan(changed, "plan").verdict.ask == ["p99", "memory"]
    changed["search"]["mode"] = "capacity"
    changed["verdict"] = {"ask": ["p99", "cpu_s_per_1k"]}
    assert check_plan(changed, "plan").search.mode == "capacity"
