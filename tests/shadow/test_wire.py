"""One exchange over real sockets: the target arrives as written, every wait ends, every failure has its cause."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from shadow.answer import Answer, Unanswered
from shadow.errors import TargetError
from shadow.variants import UNKNOWN_IDS, bad_requests, unknown_id
from shadow.wire import Request, Target, Wire, targets_of


def target(address: str, headers: tuple[tuple[str, str], ...] = (), host: str | None = None) -> Target:
    name, port = address.rsplit(":", 1)
    return Target("one", "old", name, int(port), host or address, headers, None)


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire(timeout_s=5.0, environ={"TOKEN": "s3cret"})
    yield made
    made.close()


@pytest.fixture
def scripted() -> Iterator[Callable[[bytes, float], str]]:
    """Return a starter of servers that read once, then say fixed bytes, one every `gap_s` seconds when that is > 0."""
    ended = threading.Event()
    opened: list[socket.socket] = []

    def start(said: bytes, gap_s: float = 0.0) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        opened.append(listener)
        threading.Thread(target=talk, args=(listener, said, gap_s), daemon=True).start()
        return f"127.0.0.1:{listener.getsockname()[1]}"

    def talk(listener: socket.socket, said: bytes, gap_s: float) -> None:
        while not ended.is_set():
            try:
                peer = listener.accept()[0]
            except OSError:
                return
            with peer:
                try:
                    peer.recv(65_536)
                    for piece in [said] if not gap_s else [said[i : i + 1] for i in range(len(said))]:
                        peer.sendall(piece)
                        if ended.wait(gap_s):
                            return
                except OSError:
                    continue

    yield start
    ended.set()
    for listener in opened:
        listener.close()


AWKWARD = (
    "/v1/users/%2fx/balance", "/v1/users/%2Fx/balance", "//v1/users//balance", "/v1/./users/../balance",
    "/p?a=1?b=|'\"", "/p?from=%3", "/p?", "/p?&&", "/p;x=1?[]{}", "/" + "u" * 2_000,
)  # fmt: skip


@pytest.mark.parametrize("text", AWKWARD)
def test_a_target_arrives_as_it_was_written(text: str, serve, wire: Wire) -> None:
    service = serve()
    assert isinstance(wire.ask(target(service.address), Request("GET", text)), Answer)
    assert service.arrived == [f"GET {text} HTTP/1.1"]


def test_every_variant_arrives_as_it_was_written(serve, wire: Wire) -> None:
    service = serve()
    texts = [f"/u/{unknown_id(v, 'aB3', {'aB3'}, list('aB3'), np.random.default_rng(1)).text}/b" for v in UNKNOWN_IDS]
    texts += [fault.template.format(user_id="x") for fault in bad_requests("GET", "/u/{user_id}?a=1", unsafe=False)]
    for text in texts:
        wire.ask(target(service.address), Request("GET", text))
    assert service.arrived == [f"GET {text} HTTP/1.1" for text in texts]


def test_headers_host_and_secrets_are_sent_and_nothing_else(serve, wire: Wire) -> None:
    service = serve()
    to = target(service.address, (("authorization", "Bearer ${TOKEN}"),), host="api.example")
    wire.ask(to, Request("GET", "/", (("x-user", "zoë"),)))
    (seen,) = service.headers
    assert seen["host"] == "api.example"
    assert seen["authorization"] == "Bearer s3cret"
    assert seen["x-user"].encode("latin-1").decode() == "zoë"
    assert set(seen) == {"host", "authorization", "x-user"}


def test_a_variable_that_is_not_set_is_named(serve, wire: Wire) -> None:
    with pytest.raises(TargetError, match="variable MISSING is not set"):
        wire.ask(target(serve().address, (("a", "${MISSING}"),)), Request("GET", "/"))


def test_one_connection_carries_many_requests(serve, reply_type, wire: Wire) -> None:
    ports: set[str] = set()
    service = serve(lambda _m, _t: reply_type(body=b"12"))
    for method in ("GET", "HEAD", "GET", "OPTIONS"):
        reply = wire.ask(target(service.address), Request(method, "/"))
        assert isinstance(reply, Answer)
        connection = wire._open["one"]  # the same socket all along
        ports.add(str(connection._live.getsockname()))  # type: ignore[union-attr]
    assert len(ports) == 1


def test_redirects_are_answers(serve, reply_type, wire: Wire) -> None:
    service = serve(lambda _m, _t: reply_type(302, {"Location": "/elsewhere"}))
    reply = wire.ask(target(service.address), Request("GET", "/"))
    assert isinstance(reply, Answer)
    assert (reply.status, reply.header("location")) == (302, "/elsewhere")
    assert len(service.arrived) == 1


def test_a_post_without_body_says_so(serve, wire: Wire) -> None:
    service = serve()
    wire.ask(target(service.address), Request("POST", "/"))
    assert service.headers[0]["content-length"] == "0"


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (b"", "closed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", "cut-short"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123", "cut-short"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n123", "cut-short"),
        (b"SSH-2.0-x\r\n", "protocol"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", "protocol"),
    ],
)
def test_what_is_no_whole_answer_has_its_cause(said: bytes, cause: str, scripted, wire: Wire) -> None:
    reply = wire.ask(target(scripted(said)), Request("GET", "/"))
    assert isinstance(reply, Unanswered)
    assert reply.cause == cause


def test_chunks_are_put_together(scripted, wire: Wire) -> None:
    said = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    reply = wire.ask(target(scripted(said)), Request("GET", "/"))
    assert isinstance(reply, Answer)
    assert reply.body == b"abc"


def test_nobody_listens(wire: Wire) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    reply = wire.ask(target(address), Request("GET", "/"))
    assert isinstance(reply, Unanswered)
    assert reply.cause == "refused"


def test_silence_ends_at_the_time_out(serve) -> None:
    wire = Wire(timeout_s=0.2, environ={})
    reply = wire.ask(target(serve(lambda _m, _t: None).address), Request("GET", "/"))
    wire.close()
    assert isinstance(reply, Unanswered)
    assert reply.cause == "timeout"


def test_an_answer_that_drips_ends_at_the_time_out_too(scripted) -> None:
    """A time-out per read alone would wait for ever here: each byte comes in time."""
    address = scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000, 0.02)
    wire = Wire(timeout_s=0.5, environ={})
    reply = wire.ask(target(address), Request("GET", "/"))
    wire.close()
    assert isinstance(reply, Unanswered)
    assert reply.cause == "timeout"


def test_a_connection_that_rested_is_opened_anew(serve) -> None:
    now = [0.0]
    wire = Wire(timeout_s=5.0, environ={}, clock=lambda: now[0])
    service = serve()
    sockets = []
    for moment in (0.0, 0.9, 2.5):
        now[0] = moment
        assert isinstance(wire.ask(target(service.address), Request("GET", "/")), Answer)
        sockets.append(wire._open["one"]._live)
    wire.close()
    assert sockets[0] is sockets[1]
    assert sockets[1] is not sockets[2]


def test_what_is_in_flight_can_be_cut_from_outside(serve, wire: Wire) -> None:
    service = serve(lambda _m, _t: None)
    replies: list[object] = []
    hand = threading.Thread(target=lambda: replies.append(wire.ask(target(service.address), Request("GET", "/"))))
    hand.start()
    deadline = time.monotonic() + 5
    while not service.arrived and time.monotonic() < deadline:
        time.sleep(0.01)
    wire.cut()
    hand.join(4)
    assert [getattr(reply, "cause", None) for reply in replies] == ["closed"]


def test_addresses_beyond_this_machine_are_refused_unless_the_plan_allows_them(plan_of, instances_of) -> None:
    plan = plan_of(("198.51.100.7:80",), allow_remote=True)
    assert targets_of(plan, instances_of(plan), Path())[0].host == "198.51.100.7"
    closed = plan.model_copy(update={"allow_remote": False})
    with pytest.raises(TargetError, match=r"198.51.100.7:80 is not loopback"):
        targets_of(closed, instances_of(plan), Path())
