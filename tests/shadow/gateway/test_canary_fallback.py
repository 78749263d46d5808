"""No user of a gray release sees a fault of the candidate: the baseline answers in its place, a write goes out once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gateway_rig import Callers, Request, Service, Tree, gateway, instance, reply, side, until
from gray_release import BASELINE, CANDIDATE, NEVER, Silent, counts, failed, released

pytestmark = pytest.mark.usefixtures("_named")
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
    tmp_path: Path, baseline: Service, candidate: Service, silent: Silent
) -> None:
    candidate.behaviour = silent(CANDIDATE)
    tree = released(tmp_path, baseline, candidate, breaker=NEVER, budget_ms={"min": 50.0, "max": 50.0})
    with gateway(tmp_path, tree) as one:
        assert [one.get() for _ in range(4)] == [(200, BASELINE)] * 4
        assert failed(one) == {"late": 4}
        assert sum(count for _, count in counts(one)["latency"]) == 4


def test_the_first_whole_answer_wins(tmp_path: Path, baseline: Service, candidate: Service, silent: Silent) -> None:
    asked, held = threading.Event(), silent(BASELINE)

    def slow(_request: Request) -> bytes:
        asked.wait()  # by then the baseline has been asked too, and says nothing
        return reply(CANDIDATE)

    def late(request: Request) -> bytes | None:
        asked.set()
        return held(request)

    baseline.behaviour, candidate.behaviour = late, slow
    tree = released(tmp_path, baseline, candidate, budget_ms={"min": 50.0, "max": 50.0})
    with gateway(tmp_path, tree) as one:
        assert one.get() == (200, CANDIDATE)
        assert (failed(one), counts(one)["fell_back"]) == ({"late": 1}, 0)


def test_what_is_under_way_is_hedged_when_the_breaker_opens(
    tmp_path: Path, baseline: Service, candidate: Service, silent: Silent
) -> None:
    candidate.behaviour = silent(CANDIDATE)
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
    """Return a configuration of a gray release whose candidate serves writes too."""
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


def test_a_write_that_was_refused_goes_to_the_baseline_once(tmp_path: Path, baseline: Service, gone: Service) -> None:
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


def test_a_caller_s_own_time_is_kept(tmp_path: Path, baseline: Service, candidate: Service, silent: Silent) -> None:
    baseline.behaviour = candidate.behaviour = silent(CANDIDATE)
    tree = released(tmp_path, baseline, candidate, budget_ms={"min": 50.0, "max": 50.0})
    tree["limits"]["timeout_s"] = 0.5
    with gateway(tmp_path, tree) as one:
        assert one.get()[0] == 504
        found = counts(one)
        assert (found["requests"], found["caller_failed"], found["failed"]["late"]) == (1, 1, 1)
