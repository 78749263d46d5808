"""Where load may go: recorded or external instances, the plan's addresses alone, secrets from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from swarm_cases import make_plan

from records.instance import Instance
from swarm.targets import NoTargetsError, SwarmError, find_instances, make_routes, planned_instances

STARTED: dict[str, Any] = {
    "start": "process", "command": ["x"], "cpu_set": [0],
    "instances": [{"name": "p", "address": "127.0.0.1:19001", "serves": ["front", "back"]}],
}  # fmt: skip


def test_external_twins_are_there_without_being_started() -> None:
    found = find_instances(make_plan(), ["one", "two"], ())
    assert [(i.name, i.twin, i.address) for i in found] == [
        ("i18001", "one", "127.0.0.1:18001"), ("i18002", "two", "127.0.0.1:18002"),
    ]  # fmt: skip


def test_a_twin_that_does_not_run_is_one_message_with_both_ways() -> None:
    with pytest.raises(NoTargetsError, match=r"twin one is not running.*`twinload up`.*external"):
        find_instances(make_plan(twins={"one": STARTED}), ["one"], ())


def test_what_was_recorded_is_taken() -> None:
    recorded = Instance("p", "target", "one", "127.0.0.1:19001", serves=("front",), pid=77)
    assert find_instances(make_plan(twins={"one": STARTED}), ["one"], [recorded]) == (recorded,)


def test_a_twin_of_containers_of_which_one_is_missing_is_refused_by_name() -> None:
    two = {**STARTED, "instances": [*STARTED["instances"], {"name": "q", "address": "127.0.0.1:19002", "serves": []}]}
    there = Instance("p", "target", "one", "127.0.0.1:19001", serves=("front",), watch="container", container="c0ffee")
    with pytest.raises(NoTargetsError, match=r"twin one: q not running.*docker-compose up"):
        find_instances(make_plan(twins={"one": two}), ["one"], [there])


def test_an_address_that_is_not_the_plans_is_refused() -> None:
    stray = Instance("p", "target", "one", "10.0.0.9:80", serves=("front",))
    with pytest.raises(SwarmError, match=r"10\.0\.0\.9:80 is not in the plan"):
        make_routes(make_plan(), [stray], root=Path(), environ={})


def test_routes_lead_from_twin_and_entry_to_all_instances_that_serve_it() -> None:
    plan = make_plan()
    routes = make_routes(plan, planned_instances(plan, plan.twins), root=Path(), environ={})
    assert set(routes) == {(twin, entry) for twin in ("one", "two") for entry in ("front", "back")}
    (route,) = routes["one", "back"]
    assert (route.host, route.port, route.base) == ("127.0.0.1", 18001, "http://127.0.0.1:18001")
    assert route.headers == {"Host": "127.0.0.1:18001"}


def test_an_external_twins_headers_host_and_secrets_are_sent() -> None:
    instance = {"name": "e", "address": "[::1]:8443", "serves": ["front", "back"]}
    twin = {
        "start": "external", "scheme": "https", "host": "shop.example", "headers": {"Authorization": "Bearer ${T}"},
        "ca_file": "ca.pem", "instances": [instance],
    }  # fmt: skip
    plan = make_plan(twins={"one": twin})
    route = make_routes(plan, planned_instances(plan, ["one"]), root=Path("/p"), environ={"T": "s3"})["one", "front"][0]
    assert route.headers == {"Authorization": "Bearer s3", "Host": "shop.example"}
    assert (route.host, route.base, route.ca_file) == ("::1", "https://[::1]:8443", "/p/ca.pem")
    assert "s3" not in repr(route)
    with pytest.raises(SwarmError, match="export T before"):
        make_routes(plan, planned_instances(plan, ["one"]), root=Path(), environ={})
