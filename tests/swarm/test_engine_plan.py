"""The engine's JSON: what goes in, by hand; what comes out; the shares of several processes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from swarm_cases import make_plan, make_stage

from records.plan import Plan
from swarm.engine_plan import END, Service, Share, decode, encode, live_load, schedule_of, seed_of
from swarm.targets import Route, Routes, SwarmError, make_routes, planned_instances
from swarm.templates import EntryRequests, Mix

WHOLE = Share(0, 1)
COLUMNS = {"user_id": ["u0", "u1"], "tier": ["fan", "host"]}


def native_plan(**sections: dict[str, Any]) -> Plan:
    return make_plan(**{"swarm": {"sender": "native-schedule"}, **sections})


def service(plan: Plan, **fields: Any) -> Service:
    entries = {entry.name: EntryRequests(entry, COLUMNS, {}) for entry in plan.workload}
    mix = Mix(tuple(entries.values()), [entry.weight for entry in plan.workload])
    given: dict[str, Any] = {
        "resolve": lambda host, port: f"{host}:{port}", "read": lambda name: f"PEM of {name}", "bodies": {},
    }  # fmt: skip
    return Service(plan, entries, mix, **{**given, **fields})


def routes(plan: Plan, environ: Mapping[str, str] | None = None) -> Routes:
    return make_routes(plan, planned_instances(plan, plan.twins), root=Path("/plan"), environ=environ or {})


def told(plan: Plan, share: Share = WHOLE, **stage: Any) -> dict[str, Any]:
    made = schedule_of(
        [make_stage(7, **{"loop": "open", **stage})], routes(plan), service(plan), share=share, seed="s", seats=3
    )
    return dict(json.loads(encode(made)))


def test_a_sweep_is_told_as_the_engine_reads_it() -> None:
    front = {
        "name": "front", "path": "/front/{user_id}?tier={tier}", "hot": True, "weight": 2.5,
        "headers": {"X-Tier": "{tier}"}, "body": '{"u":"{user_id}"}', "method": "POST",
        "expect": {"status": 201, "headers": {"Content-Type": "application/json"}},
    }  # fmt: skip
    plan = native_plan()
    plan = plan.model_copy(update={"workload": [type(plan.workload[0]).model_validate(front)]})
    assert told(plan, rate_rps=120.0, ramp_s=0.5) == {
        "targets": [{"address": "127.0.0.1:18001", "host": "127.0.0.1:18001", "tls": None}],
        "endpoints": [
            {
                "method": "POST", "path": "/front/{user_id}?tier={tier}",
                "headers": [
                    ["Accept-Encoding", "identity"], ["X-Tier", "{tier}"], ["Content-Type", "application/json"],
                ],
                "body": '{"u":"{user_id}"}', "targets": [0], "weight": 2_500_000, "expect_status": 201,
                "expect_headers": [["content-type", "application/json"]], "bodies": None,
            }
        ],
        "stages": [
            {"id": 7, "kind": "measure", "rate_rps": 120.0, "users": None, "ramp_s": 0.5, "warmup_s": 1.0,
             "measure_s": 2.0}
        ],
        "spacing": "poisson", "think_s": 0.0, "max_connections": 64, "open_ahead": 64, "max_pending": 100_000,
        "queue_limit_s": 1.0, "timeout_s": 10.0, "check_ratio": 0.0, "coalesce_us": 0, "io": "auto", "threads": 1,
        "seed": seed_of("s/0"),
    }  # fmt: skip


def test_the_mix_names_all_entries_with_the_targets_that_serve_each() -> None:
    instances = [
        {"name": "a", "address": "127.0.0.1:18001", "serves": ["front"]},
        {"name": "b", "address": "127.0.0.1:18003", "serves": ["front", "back"]},
    ]
    two = {"start": "external", "instances": [{"name": "c", "address": "127.0.0.1:18002", "serves": ["front", "back"]}]}
    plan = native_plan(twins={"one": {"start": "external", "instances": instances}, "two": two})
    found = told(plan, endpoint="mix")
    assert [target["address"] for target in found["targets"]] == ["127.0.0.1:18001", "127.0.0.1:18003"]
    assert [endpoint["targets"] for endpoint in found["endpoints"]] == [[0, 1], [1]]


def test_a_probe_has_users_and_no_rate_and_a_closed_loop_too() -> None:
    plan = native_plan(engine={"connections": 10})
    (probe,) = told(plan, Share(0, 2), rate_rps=None, users=21, loop="closed")["stages"]
    assert (probe["kind"], probe["rate_rps"], probe["users"]) == ("probe", None, 11)
    for kind in ("trial", "rest"):  # the engine knows none of these
        (other,) = told(plan, Share(0, 2), rate_rps=0.0, kind=kind)["stages"]
        assert (other["kind"], other["rate_rps"]) == ("measure", 0.0)
    (closed,) = told(plan, Share(1, 2), rate_rps=None, users=21, kind="measure", loop="closed")["stages"]
    assert (closed["kind"], closed["rate_rps"], closed["users"]) == ("measure", None, 10)


def test_a_live_stage_begins_with_the_seats_that_are_taken() -> None:
    plan = native_plan()
    (live,) = told(plan, Share(1, 2), rate_rps=None, kind="measure", live=True)["stages"]
    assert (live["rate_rps"], live["users"]) == (3 * 0.25, None)
    closed = make_stage(0, None, kind="measure", live=True, loop="closed")
    assert live_load(closed, plan, 5) == (None, 5)


def test_a_process_gets_its_share_of_everything_that_is_for_all() -> None:
    plan = native_plan(engine={"connections": 5, "max_pending": 3})
    one, two = (told(plan, Share(place, 2), rate_rps=100.0) for place in (0, 1))
    assert [one["stages"][0]["rate_rps"], two["stages"][0]["rate_rps"]] == [50.0, 50.0]
    assert [one["max_connections"], two["max_connections"]] == [3, 2]
    assert [one["max_pending"], two["max_pending"]] == [2, 1]
    assert one["seed"] != two["seed"]


def test_both_twins_of_a_pair_draw_alike() -> None:
    plan = native_plan()
    one, two = told(plan, twin="one"), told(plan, twin="two")
    assert one["seed"] == two["seed"]
    assert one["targets"] != two["targets"]


@given(total=st.integers(0, 10**6), of=st.integers(1, 64))
def test_shares_add_up_and_differ_by_one_at_most(total: int, of: int) -> None:
    parts = [Share(place, of).of_number(total) for place in range(of)]
    assert sum(parts) == total
    assert max(parts) - min(parts) <= 1


def test_a_twin_behind_tls_tells_its_authority_and_its_name() -> None:
    twin = {
        "start": "external", "scheme": "https", "host": "shop.example", "ca_file": "ca.pem",
        "headers": {"Authorization": "Bearer ${TOKEN}"},
        "instances": [{"name": "a", "address": "127.0.0.1:18001", "serves": ["front", "back"]}],
    }  # fmt: skip
    other = {
        "start": "external",
        "instances": [{"name": "b", "address": "127.0.0.1:18002", "serves": ["front", "back"]}],
    }
    plan = native_plan(twins={"one": twin, "two": other})
    made = schedule_of([make_stage()], routes(plan, {"TOKEN": "secret"}), service(plan), share=WHOLE, seed="", seats=0)
    (target,) = made.targets
    assert target.host == "shop.example"
    assert target.tls is not None
    assert (target.tls.server_name, target.tls.ca_pem) == ("shop.example", "PEM of /plan/ca.pem")
    assert ("Authorization", "Bearer secret") in made.endpoints[0].headers


def test_an_entry_that_nothing_serves_is_named() -> None:
    plan = native_plan()
    with pytest.raises(SwarmError, match="no instance of twin one serves front"):
        schedule_of([make_stage()], {}, service(plan), share=WHOLE, seed="", seats=0)


def test_known_bodies_go_with_their_entry() -> None:
    plan = native_plan()
    knows = service(plan, bodies={("one", "front"): (5, 0)})
    made = schedule_of([make_stage()], routes(plan), knows, share=WHOLE, seed="", seats=0)
    assert made.endpoints[0].bodies == (5, 0)


@pytest.mark.parametrize(
    ("host", "base", "name"),
    [
        ("shop.example:8443", "https://10.0.0.1:443", "shop.example"),
        ("[::1]:443", "https://[::1]:443", "::1"),
        ("::1", "https://[::1]:443", "::1"),
    ],
)
def test_a_server_name_has_no_port(host: str, base: str, name: str) -> None:
    assert Route("one", "i", "10.0.0.1", 443, base, headers={"host": host}).server_name == name


def test_what_the_engine_tells_is_read_with_and_without_what_it_may_leave_out() -> None:
    line = {
        "second": 5, "stage": 7, "endpoint": 0, "phase": "measure", "offered": 3, "sent": 2, "dropped": 1,
        "backlog_max": 4, "send_lag": [[3, 2]],
        "status": [
            {"class": "2xx", "done": 1, "failed": {}, "service": [[100, 1]], "latency": [[103, 1]], "bytes": 9},
            {"class": "none", "done": 1, "failed": {"timeout": 1}, "service": [[9, 1]], "latency": [], "bytes": 0},
        ],
    }  # fmt: skip
    old = {"through": END, "busy": 1, "waiting": 2, "lines": [line]}
    new = {**old, "through": 6, "lines": [{**line, "checked": 1}],
           "seconds": [{"second": 6, "cpu_ns": 5, "opened": 4, "closed": 3, "refused": 2}]}  # fmt: skip
    first, second = decode(json.dumps([old, new]).encode())
    assert (first.through, first.seconds, first.lines[0].checked) == (END, (), None)
    assert (second.through, second.seconds[0].opened, second.lines[0].checked) == (6, 4, 1)
    ok, none = first.lines[0].status
    assert (ok.class_, ok.service, none.failed) == ("2xx", ((100, 1),), {"timeout": 1})
