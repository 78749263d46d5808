"""Users of a gray release: who goes to the candidate, and that none of them sees a fault of it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
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
    instance,
    reply,
    side,
    until,
)

BASELINE, CANDIDATE = b'{"by":"baseline"}', b'{"by":"candidate"}'
USERS = [f"u-{number}" for number in range(100)]
NEVER = {"failures": 1_000_000, "ratio": 1.0}
"""Of a breaker that does not open by failures."""


@pytest.fixture(autouse=True)
def _sides(baseline: Service, candidate: Service) -> None:
    baseline.behaviour = lambda _request: reply(BASELINE)
    candidate.behaviour = lambda _request: reply(CANDIDATE)


def released(folder: Path, baseline: Service, candidate: Service, **keys: Any) -> Tree:
    """Return a configuration of a gray release to everybody; nothing is copied."""
    section = canary(**({"share": 1.0} | keys))
    return configuration(folder, baseline, candidate, mode="canary", canary=section, mirror={"share": 0.0})


def counts(one: Gateway, by: str = "candidate", route: str = "balance") -> Tree:
    """Return the counts of a side's users."""
    found: Tree = one.status()["canary"]["routes"][route][by]
    return found


def failed(one: Gateway, route: str = "balance") -> Tree:
    """Return how often the candidate failed, by kind, where it did."""
    return {kind: count for kind, count in counts(one, route=route)["failed"].items() if count}


def exposed(one: Gateway) -> set[str]:
    """Return the users that the candidate answers."""
    return {user for user in USERS if one.get(f"/v1/users/{user}/balance")[1] == CANDIDATE}


@pytest.fixture
def silence() -> Iterator[threading.Event]:
    """Hold answers back until it is set, as a stopped process does; set at the end."""
    event = threading.Event()
    yield event
    event.set()


def test_a_larger_share_only_adds_users_and_a_user_stays(tmp_path: Path, baseline: Service, candidate: Service) -> None:
    before: set[str] = set()
    with gateway(tmp_path, released(tmp_path, baseline, candidate, share=0.0, whitelist=["u-7"])) as one:
        for share in (0.0, 0.1, 0.5, 1.0):
            one.share(share)
            now = exposed(one)
            assert before <= now
            assert exposed(one) == now
            before = now
            assert "u-7" in now
        assert before == set(USERS)
        one.share(0.1)
        assert len(exposed(one)) < 30


def test_a_header_tells_the_user_where_the_path_does_not(tmp_path: Path, baseline: Service, candidate: Service) -> None:
    tree = released(tmp_path, baseline, candidate, user={"placeholder": None, "header": "x-user-id"})
    with gateway(tmp_path, tree) as one:
        assert one.ask("GET", "/v1/users/u1/balance", headers={"X-User-Id": "u-1"})[1] == CANDIDATE
        assert one.get()[1] == BASELINE
        assert one.status()["canary"]["unknown_user"] == 1


def test_routes_that_the_candidate_does_not_serve_stay(tmp_path: Path, baseline: Service, candidate: Service) -> None:
    with gateway(tmp_path, released(tmp_path, baseline, candidate)) as one:
        assert one.ask("POST", "/v1/users/u-1/recharges", b"x") == (200, BASELINE)
        assert one.get("/elsewhere") == (200, BASELINE)
        assert counts(one, "baseline", "recharge")["requests"] == 0


FAULTS: list[tuple[str, Callable[[Request], bytes | None]]] = [
    ("status", lambda _request: reply(b'{"title":"no"}', "500 Internal Server Error")),
    ("garbage", lambda _request: reply(b'{"by":"candid')),
    ("garbage", lambda _request: reply(b"\x00\xff" * 100)),
    ("reset", lambda _request: None),
    ("reset", lambda _request: b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 99\r\n\r\nhalf"),
    ("reset", lambda _request: b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhalf\r\n"),
    ("invalid", lambda _request: b"\x16\x03\x01 what\r\n\r\n"),
    ("invalid", lambda _request: b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"),
]


@pytest.mark.parametrize(("kind", "answer"), FAULTS)
def test_a_fault_of_the_candidate_is_answered_by_the_baseline(
    tmp_path: Path, baseline: Service, candidate: Service, kind: str, answer: Callable[[Request], bytes | None]
) -> None:
    def broken(request: Request) -> bytes | None:
        found = answer(request)
        if found is not None and kind == "reset":
            threading.Timer(0.01, candidate.close_connections).start()
        return found

    candidate.behaviour = broken
    with gateway(tmp_path, released(tmp_path, baseline, candidate, breaker=NEVER)) as one:
        assert [one.get() for _ in range(4)] == [(200, BASELINE)] * 4
        found = counts(one)
        assert (found["requests"], found["fell_back"], found["caller_failed"]) == (4, 4, 0)
        assert failed(one) == {kind: 4}


def test_a_candidate_that_is_gone_is_answered_for_and_opens_the_breaker(tmp_path: Path, baseline: Service) -> None:
    with Service() as gone:
        tree = released(tmp_path, baseline, gone)
    tree["health"]["interval_s"] = 3_600.0
    with gateway(tmp_path, tree) as one:
        assert [one.get() for _ in range(9)] == [(200, BASELINE)] * 9
        breaker = one.status()["canary"]["breaker"]
        assert (breaker["state"], breaker["reason"], breaker["opens"]) == ("open", "failures", 1)
        assert failed(one) == {"refused": 5}
        event = next(event for event in one.events()["events"] if event["kind"] == "breaker")
        assert (event["from"], event["to"], event["figures"]["candidate"]["failed"]) == ("closed", "open", 5)


def test_callers_under_way_see_nothing_of_a_candidate_that_fails_in_every_way(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    tree = released(tmp_path, baseline, candidate, breaker={"open_s": 0.2, "probes": 3})
    answers = iter(FAULTS * 1_000)

    def every_way(_request: Request) -> bytes | None:
        kind, answer = next(answers)
        return None if kind == "reset" else answer(_request)

    with gateway(tmp_path, tree) as one:
        with Callers(one.address, 6) as callers:
            callers.until_answered(50)
            candidate.behaviour = every_way
            until(lambda: one.status()["canary"]["breaker"]["opens"], "the breaker opens")
            callers.until_answered(50)
            candidate.behaviour = lambda _request: reply(BASELINE)
            until(lambda: one.status()["canary"]["breaker"]["state"] == "closed", "the breaker closes")
            callers.until_answered(50)
        assert callers.failures == []
        assert counts(one)["caller_failed"] == 0


def test_a_silent_candidate_is_hedged_within_its_budget(
    tmp_path: Path, baseline: Service, candidate: Service, silence: threading.Event
) -> None:
    def silent(_request: Request) -> bytes:
        silence.wait()
        return reply(CANDIDATE)

    candidate.behaviour = silent
    tree = released(tmp_path, baseline, candidate, breaker=NEVER, budget_ms={"min": 50.0, "max": 50.0})
    with gateway(tmp_path, tree) as one:
        assert [one.get() for _ in range(4)] == [(200, BASELINE)] * 4
        assert failed(one) == {"late": 4}
        assert sum(count for _, count in counts(one)["latency"]) == 4


def test_the_first_whole_answer_wins(
    tmp_path: Path, baseline: Service, candidate: Service, silence: threading.Event
) -> None:
    asked = threading.Event()

    def slow(_request: Request) -> bytes:
        asked.wait()  # by then the baseline has been asked too, and says nothing
        return reply(CANDIDATE)

    def silent(_request: Request) -> bytes:
        asked.set()
        silence.wait()
        return reply(BASELINE)

    baseline.behaviour, candidate.behaviour = silent, slow
    tree = released(tmp_path, baseline, candidate, budget_ms={"min": 50.0, "max": 50.0})
    with gateway(tmp_path, tree) as one:
        assert one.get() == (200, CANDIDATE)
        assert (failed(one), counts(one)["fell_back"]) == ({"late": 1}, 0)


def test_what_is_under_way_is_hedged_when_the_breaker_opens(
    tmp_path: Path, baseline: Service, candidate: Service, silence: threading.Event
) -> None:
    def silent(_request: Request) -> bytes:
        silence.wait()
        return reply(CANDIDATE)

    candidate.behaviour = silent
    answers: list[tuple[int, bytes]] = []
    with gateway(tmp_path, released(tmp_path, baseline, candidate)) as one:
        callers = [threading.Thread(target=lambda: answers.append(one.get())) for _ in range(8)]
        for caller in callers:
            caller.start()
        until(lambda: len(candidate.asked()) == 8, "all under way")
        one.order("back", "the test says so")
        for caller in callers:
            caller.join()
        assert answers == [(200, BASELINE)] * 8
        assert one.get() == (200, BASELINE)
        assert len(candidate.asked()) == 8, "nothing new goes there"


def test_without_tokens_the_candidate_s_own_fault_goes_out(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    candidate.behaviour = lambda _request: reply(b"{}", "503 Service Unavailable")
    tree = released(tmp_path, baseline, candidate, breaker=NEVER, retry={"ratio": 0.5, "burst": 2})
    with gateway(tmp_path, tree) as one:
        statuses = [one.get()[0] for _ in range(7)]
        # Two at the start; each request pays half of one in, and the bucket holds two at most.
        assert statuses == [200, 200, 200, 503, 200, 503, 200]
        assert counts(one)["caller_failed"] == 2
        assert one.status()["canary"]["retry_budget"] == 0.0


def writes(folder: Path, baseline: Service, candidate: Service, **keys: Any) -> Tree:
    """The same with a candidate that serves writes too."""
    tree = released(folder, baseline, candidate, **keys)
    tree["sides"]["candidate"] = side(instance("cand-1", candidate, "balance", "recharge"))
    return tree


@pytest.mark.parametrize(
    ("answer", "status"),
    [(None, 502), (reply(b"{}", "500 Internal Server Error"), 500), (b"what\r\n\r\n", 502), (reply(b"{"), 200)],
)
def test_a_write_is_never_sent_twice(
    tmp_path: Path, baseline: Service, candidate: Service, answer: bytes | None, status: int
) -> None:
    candidate.behaviour = lambda _request: answer
    with gateway(tmp_path, writes(tmp_path, baseline, candidate, breaker=NEVER)) as one:
        assert one.ask("POST", "/v1/users/u-1/recharges", b"x")[0] == status
    assert [request.body for request in candidate.asked()] == [b"x"]
    assert baseline.asked() == []


def test_a_write_that_was_refused_goes_to_the_baseline_once(tmp_path: Path, baseline: Service) -> None:
    with Service() as gone:
        tree = writes(tmp_path, baseline, gone, breaker=NEVER)
    tree["health"]["interval_s"] = 3_600.0
    with gateway(tmp_path, tree) as one:
        assert one.ask("POST", "/v1/users/u-1/recharges", b"money") == (200, BASELINE)
        assert failed(one, "recharge") == {"refused": 1}
        assert counts(one, route="recharge")["fell_back"] == 1
    assert [request.body for request in baseline.asked()] == [b"money"]


def test_a_safe_request_with_a_body_falls_back_with_it(tmp_path: Path, baseline: Service, candidate: Service) -> None:
    candidate.behaviour = lambda _request: None
    with gateway(tmp_path, released(tmp_path, baseline, candidate)) as one:
        assert one.ask("GET", "/v1/users/u-1/balance", b"question") == (200, BASELINE)
    assert baseline.asked()[0].body == b"question"


def test_a_large_answer_streams_and_is_counted_when_it_is_over(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    large = b"x" * 300_000
    candidate.behaviour = lambda _request: reply(large, content_type="text/plain")
    with gateway(tmp_path, released(tmp_path, baseline, candidate)) as one:
        assert one.get() == (200, large)
        until(lambda: counts(one)["requests"] == 1, "the count")
        assert one.status()["canary"]["unchecked"] == 1


def test_heads_and_empty_answers_keep_their_form(tmp_path: Path, baseline: Service, candidate: Service) -> None:
    candidate.behaviour = lambda _request: b"HTTP/1.1 204 No Content\r\nledger-as-of: 7\r\n\r\n"
    with gateway(tmp_path, released(tmp_path, baseline, candidate)) as one:
        answer, body = exchange(one.address, "GET", "/v1/users/u-1/balance")
        assert (answer.status, body, answer.headers["ledger-as-of"]) == (204, b"", "7")
        assert "content-length" not in answer.headers
        assert failed(one) == {}


def test_an_instance_that_fails_again_and_again_is_left_out_until_its_checks_pass(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    broken, sick = threading.Event(), threading.Event()
    broken.set()
    with Service() as other:
        other.behaviour = lambda _request: None if broken.is_set() else reply(CANDIDATE)
        other.health = lambda: reply(status="503 Service Unavailable") if sick.is_set() else reply()
        tree = released(tmp_path, baseline, candidate, breaker=NEVER)
        tree["sides"]["candidate"] = side(instance("good", candidate, "balance"), instance("bad", other, "balance"))
        tree["health"]["interval_s"] = 1.0
        sick.set()
        tree["health"]["fails"] = 1_000  # only its requests can tell
        with gateway(tmp_path, tree) as one:
            until(lambda: one.get()[0] == 200 and _ejected(one), "it is left out")
            before = len(other.asked())
            assert [one.get() for _ in range(10)] == [(200, CANDIDATE)] * 10
            assert len(other.asked()) == before
            broken.clear()
            sick.clear()
            until(lambda: one.get()[0] == 200 and len(other.asked()) > before, "it is back")


def _ejected(one: Gateway) -> list[Tree]:
    return [event for event in one.events()["events"] if event["kind"] == "ejected"]


def test_what_the_candidate_answered_is_compared_with_the_baseline(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    candidate.behaviour = lambda request: reply(CANDIDATE if "u-2" in request.path else BASELINE)
    with gateway(tmp_path, released(tmp_path, baseline, candidate, compare_share=1.0)) as one:
        assert one.get("/v1/users/u-1/balance") == (200, BASELINE)
        assert one.get("/v1/users/u-2/balance") == (200, CANDIDATE)
        status = one.flush()
        compared = status["canary"]["routes"]["balance"]["compared"]
        assert (compared["match"], compared["mismatch"]) == (1, 1)
        (pair,) = one.pairs()
        assert (pair["kind"], pair["target"]) == ("body", "/v1/users/u-2/balance")
        assert (pair["baseline"]["instance"], pair["candidate"]["instance"]) == ("base-1", "cand-1")
    assert len(candidate.asked()) == 2, "it is not asked a second time"


def test_the_baseline_s_users_are_counted_and_copied_beside(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    tree = released(tmp_path, baseline, candidate, share=0.0)
    tree["mirror"]["share"] = 1.0
    with gateway(tmp_path, tree) as one:
        assert one.get() == (200, BASELINE)
        baseline.behaviour = lambda _request: reply(b"{}", "500 Internal Server Error")
        assert one.get()[0] == 500
        found = counts(one, "baseline")
        assert (found["requests"], found["failed"]["status"], found["caller_failed"]) == (2, 1, 1)
        assert one.flush()["canary"]["routes"]["balance"]["compared"]["mismatch"] == 2


def test_the_breaker_closes_when_copies_were_answered_well(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    broken = threading.Event()
    broken.set()
    candidate.behaviour = lambda _request: None if broken.is_set() else reply(BASELINE)
    tree = released(tmp_path, baseline, candidate, breaker={"open_s": 0.3, "probes": 5})
    with gateway(tmp_path, tree) as one:

        def state() -> str:
            assert one.get() == (200, BASELINE)
            name: str = one.status()["canary"]["breaker"]["state"]
            return name

        until(lambda: state() == "open", "open")
        until(lambda: one.get() and one.status()["canary"]["breaker"]["opens"] == 2, "a copy that failed")
        assert one.status()["canary"]["breaker"]["reason"] in ("probe", None)
        broken.clear()
        until(lambda: state() == "closed", "closed")
        before = len(candidate.asked())
        assert one.get() == (200, BASELINE)
        assert len(candidate.asked()) == before + 1, "at the share that it had"
        states = [event["to"] for event in one.events()["events"] if event["kind"] == "breaker"]
    assert states[:4] == ["open", "half-open", "open", "half-open"]
    assert states[-1] == "closed"


def test_a_candidate_without_a_healthy_instance_is_left_alone(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    candidate.health = lambda: reply(status="503 Service Unavailable")
    with gateway(tmp_path, released(tmp_path, baseline, candidate)) as one:
        until(lambda: one.status()["canary"]["breaker"]["reason"] == "unhealthy", "the breaker opens")
        before = len(candidate.asked())
        assert [one.get() for _ in range(5)] == [(200, BASELINE)] * 5
        assert len(candidate.asked()) == before


def test_a_slow_candidate_opens_the_breaker(tmp_path: Path, baseline: Service, candidate: Service) -> None:
    hold = threading.Event()

    def slow(_request: Request) -> bytes:
        hold.wait(0.15)
        return reply(CANDIDATE)

    candidate.behaviour = slow
    breaker = {"slow_factor": 2.0, "slow_floor_ms": 5.0, "slow_samples": 2}
    tree = released(tmp_path, baseline, candidate, share=0.0, whitelist=["fast"], breaker=breaker)
    with gateway(tmp_path, tree) as one:

        def both() -> bool:
            assert one.get("/v1/users/other/balance") == (200, BASELINE)
            assert one.get("/v1/users/fast/balance")[0] == 200
            return bool(one.status()["canary"]["breaker"]["reason"] == "slow")

        until(both, "it is too slow")
        event = next(event for event in one.events()["events"] if event["kind"] == "breaker")
        assert event["figures"]["route"] == "balance"
        assert event["figures"]["candidate_median_us"] > event["figures"]["baseline_median_us"]


def test_a_caller_s_own_time_is_kept(
    tmp_path: Path, baseline: Service, candidate: Service, silence: threading.Event
) -> None:
    def silent(_request: Request) -> bytes:
        silence.wait()
        return reply(CANDIDATE)

    baseline.behaviour = candidate.behaviour = silent
    tree = released(tmp_path, baseline, candidate, budget_ms={"min": 50.0, "max": 50.0})
    tree["limits"]["timeout_s"] = 0.5
    with gateway(tmp_path, tree) as one:
        assert one.get()[0] == 504
        found = counts(one)
        assert (found["requests"], found["caller_failed"], found["failed"]["late"]) == (1, 1, 1)


def test_a_caller_that_leaves_is_nobody_s_failure(
    tmp_path: Path, baseline: Service, candidate: Service, silence: threading.Event
) -> None:
    def silent(_request: Request) -> bytes:
        silence.wait()
        return reply(CANDIDATE)

    candidate.behaviour = silent
    with gateway(tmp_path, released(tmp_path, baseline, candidate)) as one:
        host, port = one.address.split(":")
        with socket.create_connection((host, int(port))) as caller:
            caller.sendall(b"GET /v1/users/u-1/balance HTTP/1.1\r\nHost: a\r\n\r\n")
            until(candidate.asked, "the request")
        until(lambda: one.status()["in_flight"] == 0, "it is over")
        assert (counts(one)["requests"], failed(one)) == (0, {})
