"""What a plan may say of the store that instances share."""

from __future__ import annotations

from typing import Any

import pytest

from records.errors import PlanError
from records.plan import Plan
from records.plan_file import check_plan


def _tree(store: dict[str, Any], **twin: Any) -> dict[str, Any]:
    def one(name: str, port: int) -> dict[str, Any]:
        return {
            "start": "process",
            "command": ["bin/wallet", "--store", "{store}"],
            "cpu_set": [0],
            "cpus": 1.0,
            "memory": "100MiB",
            "instances": [{"name": f"{name}-1", "address": f"127.0.0.1:{port}", "serves": ["balance"]}],
            **twin,
        }

    return {
        "schema": 1,
        "twins": {"go": one("go", 8100), "rust": one("rust", 8200)},
        "workload": [{"name": "balance", "path": "/", "hot": True}],
        "compose": {"images": {"wallet": "clusters/go"}},
        "store": store,
    }


def _plan(store: dict[str, Any], **twin: Any) -> Plan:
    return check_plan(_tree(store, **twin), "test")


def _faults(tree: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(PlanError) as caught:
        check_plan(tree, "test")
    return {fault.path: fault.remedy for fault in caught.value.faults}


def test_without_a_store_the_place_says_none() -> None:
    for store in ({}, {"kind": "none", "start": True}, {"kind": "none", "redis": "redis://127.0.0.1:1"}):
        plan = _plan(store)
        assert (plan.store.text, plan.store.is_started, plan.store.address) == ("none", False, None)


def test_a_store_that_runs_is_named_and_one_that_is_started_is_not_known_yet() -> None:
    there = _plan({"kind": "redis", "redis": "redis://127.0.0.1:6379/2"}).store
    assert (there.text, there.is_started, there.address) == ("redis://127.0.0.1:6379/2", False, "127.0.0.1:6379")
    started = _plan({"kind": "redis", "start": True}).store
    assert (started.text, started.is_started, started.address) == (None, True, None)


@pytest.mark.parametrize(
    ("store", "words"),
    [
        ({"kind": "redis"}, "either redis"),
        ({"kind": "redis", "start": True, "redis": "redis://127.0.0.1:1"}, "either redis"),
    ],
)
def test_a_store_has_an_address_or_is_started(store: dict[str, Any], words: str) -> None:
    assert words in _faults(_tree(store))["store"]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:6379", "a store has an address"),
        ("rediss://127.0.0.1:6379", "a store has an address"),
        ("redis://127.0.0.1", "a store has an address"),
        ("redis://:secret@127.0.0.1:6379", "a password never stands in a plan"),
    ],
)
def test_an_address_names_a_place_and_nothing_secret(address: str, words: str) -> None:
    assert words in _faults(_tree({"kind": "redis", "redis": address}))["store.redis"]


def test_an_instance_that_is_not_told_of_the_store_is_a_fault() -> None:
    tree = _tree({"kind": "redis", "start": True})
    tree["twins"]["rust"]["instances"][0]["command"] = ["bin/wallet"]
    faults = _faults(tree)
    assert list(faults) == ["twins.rust.instances.rust-1.command"]
    assert 'add "--store", "{store}"' in faults["twins.rust.instances.rust-1.command"]


def test_a_store_elsewhere_needs_allow_remote() -> None:
    tree = _tree({"kind": "redis", "redis": "redis://192.0.2.1:6379"})
    assert "allow_remote" in _faults(tree)["store.redis"]
    assert check_plan({**tree, "allow_remote": True}, "test").store.address == "192.0.2.1:6379"


def test_containers_take_a_store_that_runs_where_they_can_reach_it() -> None:
    compose: dict[str, Any] = {"start": "compose", "env": {"WORKERS": "1"}}
    assert "give store.redis" in _faults(_tree({"kind": "redis", "start": True}, **compose))["store.start"]
    tree = _tree({"kind": "redis", "redis": "redis://127.0.0.1:6379"}, **compose)
    assert check_plan(tree, "test").store.text == "redis://127.0.0.1:6379"
    tree["compose"]["network"] = "bridge"
    assert 'use network = "host"' in _faults(tree)["store.redis"]


def test_no_instance_is_named_as_the_store() -> None:
    tree = _tree({})
    tree["twins"]["go"]["instances"][0]["name"] = "store"
    assert "the suite's own" in _faults(tree)["twins.*.instances.name"]
