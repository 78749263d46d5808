"""Callers of a gray release that are slow themselves: it is not the candidate's fault, and nothing is held for ever."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

from gateway_rig import PATIENCE_S, Request, Service, gateway, read_all, reply, until
from gray_release import counts, released

LARGE = 8 << 20
"""More than the buffers of both sockets hold."""


def test_a_body_that_comes_late_is_not_the_candidates_time(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    budget_s = 3.0
    tree = released(tmp_path, baseline, candidate, budget_ms={"min": 1e3 * budget_s, "max": 1e3 * budget_s})
    with gateway(tmp_path, tree) as one:
        host, port = one.address.split(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as caller:
            caller.sendall(
                b"GET /v1/users/u-1/balance HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\n"
            )
            time.sleep(budget_s + 0.2)
            caller.sendall(b"{}")
            assert read_all(caller).startswith(b"HTTP/1.1 200 ")
        side = counts(one)
    assert (side["requests"], side["failed"]["late"], side["fell_back"]) == (1, 0, 0)
    assert [request.body for request in candidate.asked()] == [b"{}"]
    assert baseline.asked() == []


def test_a_caller_who_does_not_read_is_cut_though_its_answer_is_whole(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    candidate.behaviour = lambda _request: reply(b'"' + b"x" * (LARGE - 2) + b'"')
    tree = released(tmp_path, baseline, candidate)
    tree["limits"]["idle_s"] = 0.5
    tree["mirror"]["body_bytes"] = LARGE
    with gateway(tmp_path, tree) as one:
        host, port = one.address.split(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as caller:
            caller.sendall(b"GET /v1/users/u-1/balance HTTP/1.1\r\nhost: x\r\n\r\n")
            until(lambda: counts(one)["requests"] == 1, "the answer")
            until(lambda: one.status()["connections"] == 0, "the end of the connection")
            assert len(read_all(caller)) < LARGE


def test_who_waits_without_a_token_is_answered_when_the_breaker_opens(
    tmp_path: Path, baseline: Service, candidate: Service
) -> None:
    go = threading.Event()

    def late(_request: Request) -> bytes | None:
        go.wait(PATIENCE_S)
        return None

    candidate.behaviour = late
    no_tokens = {"ratio": 0.0, "burst": 0}
    tree = released(tmp_path, baseline, candidate, budget_ms={"min": 50.0, "max": 50.0}, retry=no_tokens)
    answers: list[int] = []
    with gateway(tmp_path, tree) as one:
        callers = [threading.Thread(target=lambda: answers.append(one.get()[0]), daemon=True) for _ in range(8)]
        for caller in callers:
            caller.start()
        until(lambda: len(candidate.asked()) == len(callers), "all under way at the candidate")
        one.order("back")
        for caller in callers:
            caller.join(PATIENCE_S)
        side = counts(one)
        go.set()
    assert answers == [200] * len(callers)
    assert (side["fell_back"], side["caller_failed"]) == (len(callers), 0)
