"""The gray release as operators steer and see it: share, latch, orders, events, metrics, what outlives a restart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from gateway_rig import (
    Callers,
    Gateway,
    Request,
    Service,
    Tree,
    canary,
    configuration,
    exchange,
    gateway,
    refused,
    reply,
    until,
)
from gray_release import released
from prometheus_client.parser import text_string_to_metric_families

from shadow.gateway_events import event_page
from twinload.errors import BadEnvironment
from twinload.gateway import Admin, Overtaken

USERS = [f"u-{number}" for number in range(60)]
QUICK = {"open_s": 0.05, "max_open_s": 0.05}
ANSWER = reply(x_by="candidate")
"""The candidate's: what is compared is the baseline's."""


@pytest.fixture(autouse=True)
def _sides(baseline: Service, candidate: Service) -> None:
    candidate.behaviour = lambda _request: ANSWER


def kept(folder: Path, baseline: Service, candidate: Service, **keys: Any) -> Tree:
    """A gray release that keeps its state, to nobody unless `keys` say otherwise."""
    state_file = {"state_file": str(folder / "state.json")}
    return released(folder, baseline, candidate, **({"share": 0.0} | keys)) | state_file


def exposed(one: Gateway) -> set[str]:
    """The users that the candidate answers now."""
    answers = {user: exchange(one.address, "GET", f"/v1/users/{user}/balance")[0] for user in USERS}
    assert {answer.status for answer in answers.values()} == {200}
    return {user for user, answer in answers.items() if answer.getheader("x-by") == "candidate"}


def state(folder: Path) -> Tree:
    found: Tree = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    return found


def test_without_its_section_the_mode_and_all_orders_are_refused(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    with gateway(tmp_path, configuration(tmp_path, baseline, candidate)) as one:
        for path, tree in (
            ("/mode", {"mode": "canary"}), ("/canary", {"share": 0.5}), ("/operator", {"do": "back"}),
        ):  # fmt: skip
            status, text = one.operate("POST", path, tree)
            assert (status, b"no section canary" in text) == (409, True)
        found = one.status()
        assert (found["mode"], found["canary"]) == ("shadow", None)
        assert "canary" not in one.operate("GET", "/metrics")[1].decode().replace('mode{mode="canary"}', "")


def test_without_a_candidate_there_is_nothing_to_release(tmp_path: Path, baseline: Service) -> None:
    with gateway(tmp_path, configuration(tmp_path, baseline, canary=canary())) as one:
        status, text = one.operate("POST", "/mode", {"mode": "canary"})
        assert (status, b"no candidate" in text) == (409, True)


def test_only_who_bears_the_token_steers(tmp_path: Path, baseline: Service, candidate: Service) -> None:
    with gateway(tmp_path, kept(tmp_path, baseline, candidate, share=0.5)) as one:
        for method, path in (
            ("POST", "/canary"),
            ("POST", "/operator"),
            ("GET", "/events"),
            ("GET", "/events?after=0"),
        ):
            assert one.operate(method, path, {"share": 0.0, "do": "back"}, token="wrong")[0] == 401  # noqa: S106
        assert one.status()["canary"]["share"] == 0.5
        assert [one.operate("GET", path)[0] for path in ("/canary", "/operator")] == [405, 405]
        assert exchange(one.admin, "GET", "/canary", headers={})[0].status == 401


@pytest.mark.parametrize(
    ("path", "tree"),
    [
        ("/canary", {"share": 1.5}),
        ("/canary", {"share": "all"}),
        ("/canary", {}),
        ("/operator", {"do": "stop"}),
        ("/operator", {"do": "hold", "why": "x" * 201}),
        ("/events?after=-1", None),
    ],
)
def test_what_cannot_be_meant_is_refused_and_changes_nothing(
    tmp_path: Path, baseline: Service, candidate: Service, path: str, tree: Tree | None
) -> None:
    with gateway(tmp_path, kept(tmp_path, baseline, candidate, share=0.25)) as one:
        status, text = one.operate("GET" if tree is None else "POST", path, tree)
        assert (status, json.loads(text)["detail"].startswith("Say ")) == (400, True)
        assert one.status()["canary"]["share"] == 0.25
        assert one.events()["events"] == []


def test_a_share_is_set_and_outlives_a_kill_with_the_same_users(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    tree = kept(tmp_path, baseline, candidate, share=0.0)
    with gateway(tmp_path, tree) as one:
        assert exposed(one) == set()
        few = (one.share(0.1), exposed(one))[1]
        assert one.share(0.4)["share"] == 0.4
        users = exposed(one)
        assert few < users
        assert len(users) < len(USERS)
        one.kill()
    assert state(tmp_path) == {"mode": "canary", "share": 0.4, "latched": False, "breaker": {"opens": 0}}
    with gateway(tmp_path, tree) as one:
        assert (one.status()["mode"], one.status()["canary"]["share"]) == ("canary", 0.4)
        assert exposed(one) == users


def test_back_takes_everybody_at_once_and_outlives_a_kill(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    tree = kept(tmp_path, baseline, candidate, share=1.0, whitelist=["u-7"], breaker=QUICK)
    with gateway(tmp_path, tree) as one:
        assert exposed(one) == set(USERS)
        found = one.order("back", "it smells")
        assert (found["share"], found["latched"]) == (0.0, True)
        assert exposed(one) == set()
        one.kill()
    with gateway(tmp_path, tree) as one:
        assert (one.status()["canary"]["share"], one.status()["canary"]["latched"]) == (0.0, True)
        assert exposed(one) == set()
        assert one.share(0.0)["latched"] is True
        assert one.share(0.0001)["latched"] is False
        until(lambda: "u-7" in exposed(one), "the breaker to close again")


def test_back_under_load_fails_no_request(tmp_path: Path, baseline: Service, candidate: Service) -> None:
    with (
        gateway(tmp_path, kept(tmp_path, baseline, candidate, share=1.0)) as one,
        Callers(one.address, 6) as callers,
    ):
        for share in (1.0, 0.5, 1.0):
            one.share(share)
            callers.until_answered(30)
            one.order("back")
            callers.until_answered(30)
    assert callers.failures == []


def test_events_tell_what_happened_in_order(tmp_path: Path, baseline: Service, candidate: Service) -> None:
    with gateway(tmp_path, kept(tmp_path, baseline, candidate)) as one:
        one.switch("shadow")
        one.switch("shadow")
        one.switch("canary")
        one.share(0.05)
        one.order("hold", "lunch")
        one.order("back", "gone")
        page = event_page(one.events(), 0)
        told = [(event.kind, event.figures) for event in page.events if event.kind != "breaker"]
        assert told[:4] == [
            ("mode", {"from": "canary", "to": "shadow"}),
            ("mode", {"from": "shadow", "to": "canary"}),
            ("share", {"from": 0.0, "to": 0.05, "latched": False}),
            ("operator", {"do": "hold", "why": "lunch"}),
        ]
        assert ("share", {"from": 0.05, "to": 0.0, "latched": True}) in told[4:]
        assert ("operator", {"do": "back", "why": "gone"}) in told[4:]
        assert [event.n for event in page.events] == list(range(1, len(page.events) + 1))
        assert sorted(event.t_ns for event in page.events) == [event.t_ns for event in page.events]
        assert (page.oldest_n, page.next_n) == (1, len(page.events) + 1)
        assert [event["n"] for event in one.events(3)["events"]] == [event.n for event in page.events[3:]]
        logged = [json.loads(line) for line in one.log.read_text(encoding="utf-8").splitlines()]
    lines = [(line["n"], line["kind"]) for line in logged if line["msg"] == "event"]
    assert lines == [(event.n, event.kind) for event in page.events]


def test_an_instance_that_turns_is_an_event(tmp_path: Path, baseline: Service, candidate: Service) -> None:
    with gateway(tmp_path, configuration(tmp_path, baseline, candidate)) as one:
        candidate.health = lambda: reply(status="503 Service Unavailable")
        until(lambda: one.events()["events"], "the event")
        candidate.health = reply
        until(lambda: len(one.events()["events"]) == 2, "the second event")
        told = [event["healthy"] for event in one.events()["events"] if event["kind"] == "instance"]
        assert told == [False, True]


def test_only_the_last_thousand_events_are_kept(tmp_path: Path, baseline: Service, candidate: Service) -> None:
    with gateway(tmp_path, kept(tmp_path, baseline, candidate)) as one:
        for _ in range(1_003):
            one.order("hold")
        page = event_page(one.events(1), 1)
    assert (page.oldest_n, page.next_n, page.lost, len(page.events)) == (4, 1_004, 2, 1_000)


def test_a_share_that_was_decided_before_an_operator_went_back_is_refused(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    tree = kept(tmp_path, baseline, candidate)
    with gateway(tmp_path, tree) as one:
        admin = Admin(one.admin, "a-token-for-the-tests")
        assert admin.canary(0.25, seen=0)["canary"]["share"] == 0.25
        seen = admin.events().last_n
        assert admin.operator("back", "now")["canary"]["latched"] is True
        with pytest.raises(Overtaken, match="taken back after what was seen"):
            admin.canary(0.5, seen=seen)
        assert admin.status()["canary"]["latched"] is True
        assert admin.canary(0.5, seen=admin.events().last_n)["canary"]["share"] == 0.5
        admin.operator("back")
        admin.close()
        one.kill()
    with gateway(tmp_path, tree) as one:
        admin = Admin(one.admin, "a-token-for-the-tests")
        with pytest.raises(Overtaken):
            admin.canary(0.5, seen=40)
        assert admin.canary(0.5)["canary"]["share"] == 0.5
        assert admin.mode("shadow")["mode"] == "shadow"
        with pytest.raises(BadEnvironment, match="answered 400 to POST /canary: Say "):
            admin.canary(1.5)
        admin.close()


def test_a_state_of_a_mode_alone_is_read_and_rubbish_is_told(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    tree = kept(tmp_path, baseline, candidate, share=0.25)
    file = tmp_path / "state.json"
    file.write_text('{"mode":"shadow"}', encoding="utf-8")
    with gateway(tmp_path, tree) as one:
        assert (one.status()["mode"], one.status()["canary"]["share"]) == ("shadow", 0.25)
    file.write_text('{"mode":"canary","share":2}', encoding="utf-8")
    ended = refused(tmp_path, tree)
    assert (ended.returncode, "state.json holds no state of a gateway" in ended.stderr) == (2, True)


def test_a_kept_mode_that_the_configuration_no_longer_allows_is_told(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    tree = kept(tmp_path, baseline, candidate)
    with gateway(tmp_path, tree) as one:
        one.share(0.5)
    ended = refused(tmp_path, tree | {"canary": None, "mode": "shadow"})
    assert (ended.returncode, "which needs the section canary" in ended.stderr) == (2, True)


def test_a_state_that_cannot_be_kept_leaves_the_share_but_not_a_back(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    tree = kept(tmp_path, baseline, candidate, share=0.25) | {"state_file": str(tmp_path / "no" / "state.json")}
    with gateway(tmp_path, tree) as one:
        assert one.operate("POST", "/canary", {"share": 0.5})[0] == 500
        assert one.status()["canary"]["share"] == 0.25
        status, text = one.operate("POST", "/operator", {"do": "back"})
        assert (status, b"All users are taken back" in text) == (500, True)
        assert one.status()["canary"]["latched"] is True


def test_the_metrics_are_those_of_the_status(tmp_path: Path, baseline: Service, candidate: Service) -> None:
    def failing(request: Request) -> bytes:
        return reply(status="500 Internal Server Error") if "u-1/" in request.path else ANSWER

    candidate.behaviour = failing
    with gateway(tmp_path, kept(tmp_path, baseline, candidate, share=1.0, whitelist=["a", "b"])) as one:
        assert [one.get(f"/v1/users/{user}/balance")[0] for user in USERS[:4]] == [200] * 4
        found = until(
            lambda: next(
                (s for s in [one.status()["canary"]] if s["routes"]["balance"]["candidate"]["requests"] == 4), None
            ),
            "the counts",
        )
        page = one.operate("GET", "/metrics", token=None)[1].decode()
    side = found["routes"]["balance"]["candidate"]
    assert (found["whitelist"], found["breaker"]["state"], found["unknown_user"]) == (2, "closed", 0)
    assert (side["failed"]["status"], side["fell_back"], side["caller_failed"]) == (1, 1, 0)
    assert sum(count for _, count in side["latency"]) == 4
    values = {
        (sample.name.removeprefix("twinload_gateway_"), *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }
    route, of_candidate = ("route", "balance"), ("side", "candidate")
    assert values["canary_share",] == 1.0
    assert values["canary_latched",] == 0.0
    assert values["canary_requests_total", route, of_candidate] == 4
    assert values["canary_failures_total", ("kind", "status"), route, of_candidate] == 1
    assert values["canary_failures_total", ("kind", "late"), route, of_candidate] == 0
    assert values["canary_fell_back_total", route] == 1
    assert values["canary_caller_failed_total", route, of_candidate] == 0
    assert values["canary_caller_failed_total", route, ("side", "baseline")] == 0
    assert [values["breaker_state", ("state", state)] for state in ("closed", "open", "half-open")] == [1, 0, 0]
    assert values["breaker_opens_total",] == 0
    assert values["canary_unknown_user_total",] == 0
    assert 0 < values["retry_budget",] <= 1_000
    assert values["mode", ("mode", "canary")] == 1
