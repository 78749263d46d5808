"""Users of a gray release: who goes to the candidate, and what is counted and compared of their requests."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from gateway_rig import Gateway, Service, exchange, gateway, reply, until
from gray_release import BASELINE, CANDIDATE, Silent, counts, failed, released

pytestmark = pytest.mark.usefixtures("_named")
USERS = [f"u-{number}" for number in range(100)]


def exposed(one: Gateway) -> set[str]:
    """Return the users that the candidate answers."""
    return {user for user in USERS if one.get(f"/v1/users/{user}/balance")[1] == CANDIDATE}


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


def test_a_caller_that_leaves_is_nobody_s_failure(
    tmp_path: Path, baseline: Service, candidate: Service, silent: Silent
) -> None:
    candidate.behaviour = silent(CANDIDATE)
    with gateway(tmp_path, released(tmp_path, baseline, candidate)) as one:
        host, port = one.address.split(":")
        with socket.create_connection((host, int(port))) as caller:
            caller.sendall(b"GET /v1/users/u-1/balance HTTP/1.1\r\nHost: a\r\n\r\n")
            until(candidate.asked, "the request")
        until(lambda: one.status()["in_flight"] == 0, "it is over")
        assert (counts(one)["requests"], failed(one)) == (0, {})
