"""What containers of a plan may use, and what a plan for containers may not leave out."""

from __future__ import annotations

from typing import Any

import pytest

from records.errors import PlanError
from records.plan import Plan
from records.plan_compose import as_containers, container_cpus, container_memory_bytes, image_of, program_of
from records.plan_file import check_plan


def _tree(**twin: Any) -> dict[str, Any]:
    def one(name: str, port: int) -> dict[str, Any]:
        return {
            "start": "compose",
            "command": ["bin/wallet-go", "--listen", "{address}"],
            "env": {"GOMAXPROCS": "1"},
            "cpu_set": [0],
            "memory": "100MiB",
            "instances": [
                {"name": f"{name}-{i}", "address": f"127.0.0.1:{port + i}", "serves": ["balance"]} for i in range(3)
            ],
            **twin,
        }

    return {
        "schema": 1,
        "twins": {"go": one("go", 8100), "rust": one("rust", 8200)},
        "workload": [{"name": "balance", "path": "/", "hot": True}],
        "compose": {"images": {"wallet-go": "clusters/go"}},
    }


def _plan(**twin: Any) -> Plan:
    return check_plan(_tree(**twin), "test")


def _faults(tree: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(PlanError) as caught:
        check_plan(tree, "test")
    return {fault.path: fault.remedy for fault in caught.value.faults}


def test_memory_is_parted_among_the_containers_in_whole_mib() -> None:
    assert container_memory_bytes(_plan().twins["go"]) == 33 << 20


def test_containers_on_the_same_cores_share_them_and_others_get_a_part_each() -> None:
    assert container_cpus(_plan().twins["go"]) == 1.0
    assert container_cpus(_plan(cpu_set=[], cpus=1.5).twins["go"]) == 0.5
    assert container_cpus(_plan(cpu_set=[0, 1], cpus=1.5).twins["go"]) == 0.5
    assert container_cpus(_plan(cpu_set=[0, 1], cpus=2.0).twins["go"]) == 2.0


def test_an_image_is_named_after_the_program() -> None:
    twin = _plan().twins["go"]
    assert program_of(twin, twin.instances[0]) == "wallet-go"
    assert image_of("wallet-go") == "twinload/wallet-go:local"


def test_every_fault_of_a_plan_for_containers_is_told_at_once() -> None:
    tree = _tree()
    del tree["twins"]["go"]["memory"], tree["twins"]["go"]["cpu_set"], tree["compose"]
    tree["twins"]["rust"] |= {"memory": "10MiB", "env": {"WORKERS": "2"}}
    tree["compose"] = {"network": "bridge", "images": {"wallet-rust": "clusters/rust"}}
    tree["twins"]["rust"]["instances"][0]["address"] = "localhost:8200"
    faults = _faults(tree)
    for path, words in {
        "twins.go.cpus": "give cpus, or cpu_set",
        "twins.go.memory": "give memory",
        "twins.rust.memory": "6 MiB at least",
        "twins.rust.instances.rust-0.env.WORKERS": "give both twins as many",
        "twins.rust.instances.rust-0.address": "IPv4",
        "compose.images": "name its Dockerfile's folder (there are: wallet-rust)",
    }.items():
        assert words in faults[path]


def test_twins_are_started_alike() -> None:
    tree = _tree()
    tree["twins"]["rust"]["start"] = "process"
    assert "start both alike" in _faults(tree)["twins.rust.start"]


def test_a_project_is_named_as_an_engine_takes_it() -> None:
    assert "lower-case" in _faults(_tree() | {"compose": {"project": "My Twins"}})["compose.project"]


def test_a_plan_of_processes_becomes_one_of_containers() -> None:
    plan = as_containers(_plan(start="process"))
    assert [twin.start for twin in plan.twins.values()] == ["compose", "compose"]
