"""What a caller may not do, and what it is told."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from gateway_rig import Service, configuration, gateway, read_all, reply, send_raw, until


def status_of(answer: bytes) -> int:
    """Return the status of raw bytes."""
    return int(answer.split(b" ", 2)[1])


def test_a_head_beyond_the_limit_is_refused(tmp_path: Path, baseline: Service) -> None:
    head = b"GET /v1/users/u1/balance HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Long: %s\r\n\r\n"
    with gateway(tmp_path, configuration(tmp_path, baseline)) as one:
        assert status_of(send_raw(one.address, head % (b"x" * 7_000))) == 200
        assert status_of(send_raw(one.address, head % (b"x" * 8_192))) == 431
        assert status_of(send_raw(one.address, head % (b"x" * 100_000))) == 431
    assert len(baseline.asked()) == 1


def test_a_body_beyond_the_limit_is_refused_before_and_while_it_comes(tmp_path: Path, baseline: Service) -> None:
    baseline.behaviour = lambda request: reply(str(len(request.body)).encode())
    head = b"POST /v1/users/u1/recharges HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    with gateway(tmp_path, configuration(tmp_path, baseline)) as one:
        assert one.ask("POST", "/v1/users/u1/recharges", b"x" * 100_000) == (200, b"100000")
        assert status_of(send_raw(one.address, head + b"Content-Length: 100001\r\n\r\n")) == 413
        chunk = b"c350\r\n" + b"x" * 50_000 + b"\r\n"
        chunked = head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 3 + b"0\r\n\r\n"
        assert status_of(send_raw(one.address, chunked)) == 413
    assert [len(request.body) for request in baseline.asked()] == [100_000]


def test_a_body_that_breaks_off_never_becomes_a_request(tmp_path: Path, baseline: Service) -> None:
    head = b"POST /v1/users/u1/recharges HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf"
    with gateway(tmp_path, configuration(tmp_path, baseline)) as one:
        host, port = one.address.split(":")
        with socket.create_connection((host, int(port)), timeout=60) as caller:
            caller.sendall(head)
            caller.shutdown(socket.SHUT_WR)
            assert read_all(caller)[:12] in (b"", b"HTTP/1.1 400")
        until(lambda: one.status()["in_flight"] == 0, "nothing is under way")
        assert one.get()[0] == 200
    assert [request.line.split()[0] for request in baseline.asked()] == ["GET"]


def test_a_body_that_drips_is_the_caller_s_fault(tmp_path: Path, baseline: Service) -> None:
    head = b"POST /v1/users/u1/recharges HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf"
    with gateway(tmp_path, configuration(tmp_path, baseline, limits={"timeout_s": 0.5})) as one:
        assert status_of(send_raw(one.address, head)) == 408
        assert one.status()["routes"]["recharge"]["baseline"]["unresponsive"] == 0


def test_a_head_that_drips_is_cut(tmp_path: Path, baseline: Service) -> None:
    with gateway(tmp_path, configuration(tmp_path, baseline, limits={"timeout_s": 3.0})) as one:
        host, port = one.address.split(":")
        with socket.create_connection((host, int(port)), timeout=60) as caller:
            caller.sendall(b"GET /v1/users/u1/balance HTTP/1.1\r\n")
            assert read_all(caller) == b""
        assert one.get()[0] == 200


def test_an_idle_connection_is_closed(tmp_path: Path, baseline: Service) -> None:
    with gateway(tmp_path, configuration(tmp_path, baseline, limits={"idle_s": 2.0})) as one:
        host, port = one.address.split(":")
        with socket.create_connection((host, int(port)), timeout=60) as caller:
            assert read_all(caller) == b""
        with socket.create_connection((host, int(port)), timeout=60) as caller:
            caller.sendall(b"GET /v1/users/u1/balance HTTP/1.1\r\nHost: a\r\n\r\n")
            assert read_all(caller).endswith(b"{}")


def test_an_answer_that_stands_still_is_cut(tmp_path: Path, baseline: Service) -> None:
    baseline.behaviour = lambda _request: b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"
    with gateway(tmp_path, configuration(tmp_path, baseline, limits={"idle_s": 0.3})) as one:
        host, port = one.address.split(":")
        with socket.create_connection((host, int(port)), timeout=60) as caller:
            caller.sendall(b"GET /v1/users/u1/balance HTTP/1.1\r\nHost: a\r\n\r\n")
            assert read_all(caller).endswith(b"half")
        until(lambda: one.status()["in_flight"] == 0, "nothing is under way")


def test_connections_beyond_the_limit_are_told_so(tmp_path: Path, baseline: Service) -> None:
    with gateway(tmp_path, configuration(tmp_path, baseline, limits={"connections": 2})) as one:
        host, port = one.address.split(":")
        held = [socket.create_connection((host, int(port)), timeout=60) for _ in range(2)]
        until(lambda: one.status()["connections"] == 2, "both are counted")
        status, text = one.get()
        assert (status, b"Too many connections" in text) == (503, True)
        for caller in held:
            caller.close()
        until(lambda: one.status()["connections"] == 0, "both are gone")
        assert one.get()[0] == 200
        assert one.status()["connections_refused"] == 1


def test_a_caller_that_leaves_is_not_waited_for(tmp_path: Path, baseline: Service) -> None:
    baseline.behaviour = lambda _request: b""
    with gateway(tmp_path, configuration(tmp_path, baseline)) as one:
        host, port = one.address.split(":")
        with socket.create_connection((host, int(port)), timeout=60) as caller:
            caller.sendall(b"GET /v1/users/u1/balance HTTP/1.1\r\nHost: a\r\n\r\n")
            until(lambda: one.status()["in_flight"] == 1, "it is under way")
        began_s = time.monotonic()
        until(lambda: one.status()["in_flight"] == 0, "nothing is under way")
        assert time.monotonic() - began_s < 29, "sooner than the request's own time"
