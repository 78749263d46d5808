"""What goes on to the service and what comes back."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest
from gateway_rig import (
    Request,
    Service,
    configuration,
    exchange,
    gateway,
    instance,
    read_all,
    reply,
    send_raw,
    side,
    until,
)


def test_a_request_arrives_whole_and_its_answer_comes_back_whole(tmp_path: Path, baseline: Service) -> None:
    body = bytes(range(256)) * 300
    baseline.behaviour = lambda request: reply(request.body, "201 Created", x_mine="1")
    with gateway(tmp_path, configuration(tmp_path, baseline)) as one:
        answer, text = exchange(one.address, "POST", "/v1/users/u%2F1/recharges?a=1&a=%20", body, {"X-Some": "ä"})
    (request,) = baseline.asked()
    assert request.line == "POST /v1/users/u%2F1/recharges?a=1&a=%20 HTTP/1.1"
    assert (request.body, request.values("x-some"), request.values("content-length")) == (body, ["ä"], [str(len(body))])
    assert (answer.status, text, answer.getheader("x-mine")) == (201, body, "1")


def test_headers_of_one_hop_stay_there_and_ours_are_added(tmp_path: Path, baseline: Service) -> None:
    baseline.behaviour = lambda _request: reply(b"{}", connection="x-hop", x_hop="1", keep_alive="timeout=9", x_end="2")
    headers = {
        "Connection": "keep-alive, X-Secret-Hop", "X-Secret-Hop": "1", "Keep-Alive": "timeout=5", "TE": "trailers",
        "Upgrade": "h2c", "Proxy-Connection": "keep-alive", "X-Forwarded-For": "192.0.2.1", "Host": "wallet.test",
    }  # fmt: skip
    with gateway(tmp_path, configuration(tmp_path, baseline)) as one:
        answer, _ = exchange(one.address, "GET", "/v1/users/u1/balance", headers=headers)
    (request,) = baseline.asked()
    for name in ("connection", "x-secret-hop", "keep-alive", "te", "upgrade", "proxy-connection"):
        assert request.values(name) == [], name
    assert request.values("x-forwarded-for") == ["192.0.2.1, 127.0.0.1"]
    assert (request.values("via"), request.values("host")) == (["1.1 twinload"], ["wallet.test"])
    assert (answer.getheader("x-hop"), answer.getheader("keep-alive"), answer.getheader("x-end")) == (None, None, "2")


def test_host_and_headers_of_the_plan_take_the_place_of_the_callers(tmp_path: Path, baseline: Service) -> None:
    tree = configuration(tmp_path, baseline)
    tree["sides"]["baseline"] |= {"host": "inner.test", "headers": {"authorization": "Bearer inner"}}
    with gateway(tmp_path, tree) as one:
        assert one.get(Authorization="Bearer outer")[0] == 200
    (request,) = baseline.asked()
    assert (request.values("host"), request.values("authorization")) == (["inner.test"], ["Bearer inner"])


def test_an_answer_is_passed_on_as_it_comes(tmp_path: Path, baseline: Service) -> None:
    baseline.behaviour = lambda _request: b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n"
    tree = configuration(tmp_path, baseline)
    with gateway(tmp_path, tree) as one, socket.create_connection(_host_port(one.address), timeout=60) as caller:
        caller.sendall(b"GET /v1/users/u1/balance HTTP/1.1\r\nHost: a\r\n\r\n")
        seen = b""
        while b"first" not in seen:  # the service has not ended its answer and never will
            seen += caller.recv(4_096)
    assert seen.startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_body_without_a_length_is_passed_on_as_it_comes(tmp_path: Path, baseline: Service) -> None:
    baseline.behaviour = lambda request: reply(request.body)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (b"one", b"two" * 1_000)) + b"0\r\n\r\n"
    head = b"POST /v1/users/u1/recharges HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    with gateway(tmp_path, configuration(tmp_path, baseline)) as one:
        answer = send_raw(one.address, head + chunks)
    assert answer.endswith(b"one" + b"two" * 1_000)
    assert baseline.asked()[0].body == b"one" + b"two" * 1_000


def test_what_matches_no_route_goes_to_the_rest(tmp_path: Path, baseline: Service) -> None:
    with Service(lambda _request: reply(b'"rest"')) as rest:
        tree = configuration(tmp_path, baseline)
        tree["sides"]["baseline"] = side(instance("hot", baseline, "balance"), instance("rest", rest, "*"))
        with gateway(tmp_path, tree) as one:
            assert one.get("/v1/users/u1/balance") == (200, b"{}")
            assert one.get("/elsewhere") == (200, b'"rest"')
            assert one.ask("POST", "/v1/users/u1/recharges", b"x") == (200, b'"rest"')
            assert one.status()["routes"]["unmatched"]["baseline"]["requests"] == 1


def test_a_path_that_nobody_serves_is_told(tmp_path: Path, baseline: Service) -> None:
    tree = configuration(tmp_path, baseline)
    tree["sides"]["baseline"] = side(instance("hot", baseline, "balance"))
    with gateway(tmp_path, tree) as one:
        status, text = one.get("/elsewhere")
    assert (status, json.loads(text)["title"]) == (404, "Not Found")


def test_a_service_that_is_gone_is_a_bad_gateway(tmp_path: Path, gone: Service) -> None:
    tree = configuration(tmp_path, gone)
    with gateway(tmp_path, tree) as one:
        status, text = one.get()
        assert (status, json.loads(text)["status"]) == (502, 502)
        assert one.status()["routes"]["balance"]["baseline"]["unresponsive"] == 1
        assert one.metric('twinload_gateway_unresponsive_total{side="baseline",route="balance"}') == 1


@pytest.mark.parametrize(
    "answer", [b"HTTP/9.9 what\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"]
)
def test_an_answer_that_cannot_be_forwarded_is_a_bad_gateway(tmp_path: Path, baseline: Service, answer: bytes) -> None:
    baseline.behaviour = lambda _request: answer
    with gateway(tmp_path, configuration(tmp_path, baseline)) as one:
        assert one.get()[0] == 502


def test_a_service_that_is_silent_is_a_gateway_timeout(tmp_path: Path, baseline: Service) -> None:
    baseline.behaviour = lambda _request: b""
    with gateway(tmp_path, configuration(tmp_path, baseline, limits={"timeout_s": 0.3})) as one:
        assert one.get()[0] == 504


def test_an_instance_that_refuses_is_left_out_for_any_method(tmp_path: Path, baseline: Service, gone: Service) -> None:
    dead = instance("dead", gone, "balance", "recharge")
    tree = configuration(tmp_path, baseline, health={"interval_s": 3_600.0})
    tree["sides"]["baseline"] = side(dead, instance("live", baseline, "balance", "recharge"))
    with gateway(tmp_path, tree) as one:
        assert [one.get()[0] for _ in range(4)] == [200] * 4
        assert [one.ask("POST", "/v1/users/u1/recharges", b"x")[0] for _ in range(4)] == [200] * 4


def test_checks_turn_an_instance_and_turn_it_back(tmp_path: Path, baseline: Service) -> None:
    with gateway(tmp_path, configuration(tmp_path, baseline)) as one:
        sick = threading.Event()
        baseline.health = lambda: reply(status="503 Service Unavailable") if sick.is_set() else reply()
        line = 'twinload_gateway_instance_healthy{side="baseline",instance="base-1"}'
        assert one.metric(line) == 1
        sick.set()
        until(lambda: one.metric(line) == 0, "unhealthy")
        assert one.get()[0] == 200, "when none is healthy all are asked"
        sick.clear()
        until(lambda: one.metric(line) == 1, "healthy again")


def test_a_safe_request_outlives_a_connection_that_was_closed_while_idle(tmp_path: Path, baseline: Service) -> None:
    first = threading.Event()

    def close_every_second(request: Request) -> bytes | None:
        if request.path.endswith("/balance") and first.is_set():
            first.clear()
            return None  # as if it had been closed just before the request came
        first.set()
        return reply()

    baseline.behaviour = close_every_second
    with gateway(tmp_path, configuration(tmp_path, baseline, workers=1)) as one:
        assert [one.get()[0] for _ in range(6)] == [200] * 6


def test_an_unsafe_request_is_never_sent_twice(tmp_path: Path, baseline: Service) -> None:
    baseline.behaviour = lambda request: None if request.line.startswith("POST") else reply()
    with gateway(tmp_path, configuration(tmp_path, baseline, workers=1)) as one:
        assert one.get()[0] == 200
        assert one.ask("POST", "/v1/users/u1/recharges", b"x")[0] == 502
    assert [request.line.split()[0] for request in baseline.asked()] == ["GET", "POST"]


def test_a_pipeline_is_answered_in_its_order(tmp_path: Path, baseline: Service) -> None:
    baseline.behaviour = lambda request: reply(request.path.encode())
    request = b"GET /v1/users/u%d/balance HTTP/1.1\r\nHost: a\r\n\r\n"
    with gateway(tmp_path, configuration(tmp_path, baseline)) as one:
        answer = send_raw(one.address, b"".join(request % number for number in range(3)) + b"GET /end HTTP/1.0\r\n\r\n")
    paths = [answer.find(f"/v1/users/u{number}/balance".encode()) for number in range(3)]
    assert paths == sorted(paths), answer
    assert -1 not in paths, answer


def test_a_caller_that_expects_to_be_told_is_told(tmp_path: Path, baseline: Service) -> None:
    baseline.behaviour = lambda request: reply(request.body)
    head = b"POST /v1/users/u1/recharges HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
    with (
        gateway(tmp_path, configuration(tmp_path, baseline)) as one,
        socket.create_connection(_host_port(one.address), timeout=60) as caller,
    ):
        caller.sendall(head + b"Expect: 100-continue\r\nConnection: close\r\n\r\n")
        assert caller.recv(4_096).startswith(b"HTTP/1.1 100 ")
        caller.sendall(b"body")
        assert read_all(caller).endswith(b"body")
    assert baseline.asked()[0].values("expect") == []


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"],
    ids=["HEAD", "204"],
)
def test_an_answer_without_a_body_leaves_both_connections_in_step(
    tmp_path: Path, baseline: Service, answer: bytes
) -> None:
    baseline.behaviour = lambda request: reply() if request.path == "/end" else answer
    first = b"HEAD /v1/users/u1/balance HTTP/1.1\r\nHost: a\r\n\r\n"
    tree = configuration(tmp_path, baseline, workers=1)
    tree["sides"]["baseline"]["health"] = None
    with gateway(tmp_path, tree) as one:
        raw = send_raw(one.address, first * 3 + b"GET /end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert raw.count(b"HTTP/1.1 ") == 4
    assert raw.endswith(b"\r\n\r\n{}")
    assert baseline.connections == 1, "one kept connection carried all four"


def test_the_caller_sees_a_broken_answer_as_broken(tmp_path: Path, baseline: Service) -> None:
    baseline.behaviour = lambda _request: b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"
    with gateway(tmp_path, configuration(tmp_path, baseline)) as one:
        with socket.create_connection(_host_port(one.address), timeout=60) as caller:
            caller.sendall(b"GET /v1/users/u1/balance HTTP/1.1\r\nHost: a\r\n\r\n")
            until(lambda: baseline.asked() or None, "the request")
            baseline.close_connections()
            answer = read_all(caller)
        assert answer.endswith(b"half")
        assert b"content-length: 100" in answer
        until(lambda: one.status()["routes"]["balance"]["baseline"]["unresponsive"] == 1, "the count")


def _host_port(address: str) -> tuple[str, int]:
    host, port = address.split(":")
    return host, int(port)
