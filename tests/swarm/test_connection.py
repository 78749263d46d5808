"""The kept connection against a real socket: reuse, causes of failure, time-outs, one careful repetition."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from swarm_cases import Target

from clusters.ports import free_ports
from swarm.connection import Connection, RequestError
from swarm.targets import Route

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def route(port: int, **headers: str) -> Route:
    return Route("one", "i", "127.0.0.1", port, f"http://127.0.0.1:{port}", headers={"Host": "x", **headers})


@pytest.fixture
def scripted() -> Iterator[Callable[..., tuple[int, list[bytes]]]]:
    """Start a server whose n-th request gets the n-th answer; b"" closes, None waits. Returns port and requests."""
    listeners: list[socket.socket] = []

    def start(*answers: bytes | None) -> tuple[int, list[bytes]]:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        seen: list[bytes] = []
        rest = list(answers)

        def serve() -> None:
            while True:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                with sock:
                    while rest and (data := sock.recv(65536)):
                        seen.append(data)
                        answer = rest.pop(0)
                        if answer is None:
                            sock.recv(1)
                        if not answer:
                            break
                        sock.sendall(answer)
                        if b"connection: close" in answer.lower() or rest[:1] == [b"idle-close"]:
                            rest[:1] = [] if rest[:1] == [b"idle-close"] else rest[:1]
                            break

        threading.Thread(target=serve, daemon=True).start()
        return listener.getsockname()[1], seen

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def test_requests_share_one_connection_and_are_counted_once(targets: Callable[[float], Target]) -> None:
    target = targets(0.0)
    connection = Connection(route(target.port), timeout_s=5.0)
    answers = [connection.exchange("GET", f"/{n}", {"Host": "x"}) for n in range(20)]
    connection.close()
    assert [answer.get_code() for answer in answers] == [200] * 20
    assert answers[0].read().startswith(b'{"ok"')
    assert target.count() == 20


def test_a_request_is_written_as_it_was_asked_for(scripted: Callable[..., tuple[int, list[bytes]]]) -> None:
    port, seen = scripted(OK)
    connection = Connection(route(port), timeout_s=5.0)
    connection.exchange("POST", "/a?b=1", {"Host": "shop", "X": "y"}, b"{}")
    connection.close()
    assert seen == [b"POST /a?b=1 HTTP/1.1\r\nHost: shop\r\nX: y\r\nContent-Length: 2\r\n\r\n{}"]


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.invalid/\r\nContent-Length: 0\r\n\r\n", b""),
    ],
)
def test_bodies_of_every_kind_are_read_and_redirects_are_not_followed(
    scripted: Callable[..., tuple[int, list[bytes]]], answer: bytes, body: bytes
) -> None:
    port, seen = scripted(answer)
    connection = Connection(route(port), timeout_s=5.0)
    assert connection.exchange("GET", "/", {}).read() == body
    connection.close()
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (b"", "reset"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\nConnection: close\r\n\r\nhalf", "reset"),
        (b"nonsense\r\n\r\n", "other"),
        (None, "timeout"),
    ],
)
def test_a_failure_has_a_cause_and_is_not_repeated(
    scripted: Callable[..., tuple[int, list[bytes]]], answer: bytes | None, cause: str
) -> None:
    port, seen = scripted(answer, OK)
    connection = Connection(route(port), timeout_s=0.3)
    with pytest.raises(RequestError) as caught:
        connection.exchange("GET", "/", {})
    assert caught.value.cause == cause
    assert len(seen) == 1
    connection.close()


def test_connecting_ahead_sends_nothing_and_leaves_a_failure_to_the_request(targets: Callable[[float], Target]) -> None:
    target = targets(0.0)
    connection = Connection(route(target.port), timeout_s=5.0)
    connection.open()
    connection.open()
    assert target.count() == 0
    assert connection.exchange("GET", "/", {"Host": "x"}).get_code() == 200
    connection.close()
    nowhere = Connection(route(free_ports(1)[0]), timeout_s=2.0)
    nowhere.open()
    with pytest.raises(RequestError, match="connect"):
        nowhere.exchange("GET", "/", {})


def test_nobody_listening_is_a_failure_to_connect() -> None:
    with pytest.raises(RequestError) as caught:
        Connection(route(free_ports(1)[0]), timeout_s=2.0).exchange("GET", "/", {})
    assert caught.value.cause == "connect"


@pytest.mark.parametrize(
    ("method", "idle_s", "repeated"), [("GET", 1.5, True), ("GET", 0.5, False), ("POST", 1.5, False)]
)
def test_only_an_idempotent_request_on_a_connection_that_went_stale_is_sent_again(
    scripted: Callable[..., tuple[int, list[bytes]]], method: str, idle_s: float, repeated: bool
) -> None:
    port, _ = scripted(OK, b"idle-close", OK)
    now_s = [100.0]
    connection = Connection(route(port), timeout_s=5.0, clock=lambda: now_s[0])
    connection.exchange("GET", "/", {})
    now_s[0] += idle_s
    if repeated:
        assert connection.exchange(method, "/", {}).get_code() == 200
    else:
        with pytest.raises(RequestError, match="reset"):
            connection.exchange(method, "/", {})
    connection.close()


@pytest.mark.parametrize(("host", "name"), [("shop.example", "shop.example"), ("shop.example:8443", "shop.example")])
def test_a_certificate_is_checked_for_the_name_that_is_asked_for(host: str, name: str) -> None:
    route = Route("one", "i", "10.0.0.1", 443, "https://10.0.0.1:443", headers={"Host": host})
    assert route.server_name == name
