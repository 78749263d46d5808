"""The engine's client of native users, over real sockets: requests, answers of every kind, time-outs, ends, forks."""

from __future__ import annotations

import gc
import gzip
import os
import resource
import select
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

engine = pytest.importorskip("twinload_engine")

Answer = Callable[[bytes], bytes | None]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
# What brotli makes of "hello hello hello hello " (quality 5): no encoder is needed here.
BROTLI = bytes.fromhex("1b17000024406a9065eaf09c0e")


def whole(request: bytes) -> bool:
    """Return whether head and announced body are there."""
    head, end, body = request.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return bool(end) and len(body) >= (int(lengths[0]) if lengths else 0)


def serve_one(peer: socket.socket, answer: Answer) -> None:
    with closing(peer):
        request = b""
        while part := peer.recv(65_536):
            request += part
            if whole(request):
                reply = answer(request)
                if reply is None:
                    return
                peer.sendall(reply)
                request = b""


@contextmanager
def origin(answer: Answer, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, int]]:
    """Serve in threads; an answer of None closes the connection."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family, backlog=512) as listener:

        def accept() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=guarded, args=(peer,), daemon=True).start()

        def guarded(peer: socket.socket) -> None:
            with suppress(OSError):  # the client went away, which several tests are about
                serve_one(tls.wrap_socket(peer, server_side=True) if tls else peer, answer)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield (host, listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture
def client() -> Iterator[engine.Client]:
    made = engine.Client()
    yield made
    made.close()


def collect(client: engine.Client, number: int, limit_s: float = 20.0) -> list[tuple[object, engine.Reply]]:
    """Return so many ended requests; fail when they do not come."""
    ended: list[tuple[object, engine.Reply]] = []
    while len(ended) < number:
        assert select.select([client.fileno()], [], [], limit_s)[0], f"{len(ended)} of {number} ended"
        ended += client.completed()
    return ended


def ask(client: engine.Client, answer: Answer, method: str = "GET", **options: float) -> engine.Reply:
    with origin(answer) as address:
        channel = client.channel(address, "example.org", **options)
        channel.submit(method, "/", b"", None, 17)
        ((token, reply),) = collect(client, 1)
        assert token == 17
        return reply


def with_body(body: bytes, coding: str) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s" % (
        coding.encode(),
        len(body),
        body,
    )


@pytest.mark.parametrize("status", [200, 204, 208, 209, 226, 304, 404, 500])
def test_a_plain_answer_tells_its_time_and_size_at_once(client: engine.Client, status: int) -> None:
    empty = status in (204, 304)
    reply = ask(client, lambda _: OK.replace(b"200", str(status).encode())[: -2 if empty else None])
    assert (reply.status, reply.error) == (status, None)
    if status in (200, 204, 208, 226):
        assert reply.plain() == ((reply.done_ns - reply.submitted_ns) / 1e6, 0 if empty else 2)
    else:
        assert reply.plain() is None


@pytest.mark.parametrize("header", [b"Set-Cookie: a=b", b"content-encoding: gzip", b"CONTENT-ENCODING: other"])
def test_an_answer_with_a_cookie_or_a_coding_is_not_plain(client: engine.Client, header: bytes) -> None:
    assert ask(client, lambda _: OK.replace(b"Content-Length", header + b"\r\nContent-Length")).plain() is None


def test_an_ended_request_without_an_answer_is_not_plain(client: engine.Client) -> None:
    reply = ask(client, lambda _: None)
    assert (reply.error, reply.plain()) == ("reset", None)


@pytest.mark.parametrize(
    ("path", "plain"), [("/a?b=c", True), ("//a", False), ("/a b", False), ("/\ud800", False), (b"/a", False)]
)
def test_a_path_is_plain_when_it_is_a_target_as_it_stands(path: object, plain: bool) -> None:
    assert engine.is_plain_path(path) is plain


def test_a_request_is_sent_as_it_was_asked_for(client: engine.Client) -> None:
    seen: list[bytes] = []

    def answer(request: bytes) -> bytes:
        seen.append(request)
        return b"HTTP/1.1 201 Made so\r\nSet-Cookie: a\r\nset-cookie: b\xe4\r\nContent-Length: 2\r\n\r\nok"

    with origin(answer) as address:
        channel = client.channel(address, "example.org:81")
        channel.submit("POST", "/a?b=%20", b"Accept: */*\r\n", b"body", 7)
        ((token, reply),) = collect(client, 1)
    sent = b"POST /a?b=%20 HTTP/1.1\r\nHost: example.org:81\r\nAccept: */*\r\nContent-Length: 4\r\n\r\nbody"
    assert (token, seen) == (7, [sent])
    assert (reply.status, reply.reason, reply.http_version) == (201, "Made so", "1.1")
    assert (reply.error, reply.detail) == (None, None)
    assert reply.headers == [("Set-Cookie", "a"), ("set-cookie", "b\xe4"), ("Content-Length", "2")]
    assert (reply.header("SET-COOKIE"), reply.header("x")) == ("a", None)
    assert (reply.body, reply.raw_bytes) == (b"ok", 2)
    assert reply.body is reply.body
    assert 0 < reply.submitted_ns <= reply.sent_ns < reply.first_byte_ns <= reply.done_ns <= engine.monotonic_ns()


@pytest.mark.parametrize(
    ("coding", "body", "text"),
    [
        ("gzip", gzip.compress(b"hello" * 1_000, mtime=0), b"hello" * 1_000),
        ("x-gzip", gzip.compress(b"a", mtime=0) + gzip.compress(b"b", mtime=0), b"ab"),
        ("deflate", zlib.compress(b"hello" * 1_000), b"hello" * 1_000),
        ("deflate", zlib.compress(b"hello" * 1_000)[2:-4], b"hello" * 1_000),
        ("gzip, deflate", zlib.compress(gzip.compress(b"twice", mtime=0)), b"twice"),
        ("identity", b"plain", b"plain"),
        ("zstd", b"as it came", b"as it came"),
        ("gzip", b"", b""),
        ("gzip", gzip.compress(b"", mtime=0), b""),
    ],
)
def test_a_body_is_decoded_as_its_header_says(client: engine.Client, coding: str, body: bytes, text: bytes) -> None:
    reply = ask(client, lambda _: with_body(body, coding))
    assert (reply.body, reply.raw_bytes) == (text, len(body))


def test_brotli_is_decoded(client: engine.Client) -> None:
    assert ask(client, lambda _: with_body(BROTLI, "br")).body == b"hello hello hello hello "


@pytest.mark.parametrize(
    ("coding", "body", "words"),
    [
        ("gzip", b"no gzip at all", "cannot be decoded"),
        ("gzip", gzip.compress(bytes(range(256)) * 9, mtime=0)[:-20], "cannot be decoded"),
        ("br", b"\xff\xff\xff", "cannot be decoded"),
        # 100 MB of zeros, packed twice: a few hundred bytes may not become more than 64 MiB.
        ("gzip, gzip", gzip.compress(gzip.compress(bytes(100 << 20), mtime=0), mtime=0), "larger than"),
    ],
)
def test_a_body_that_is_not_what_its_header_says_is_refused(
    client: engine.Client, coding: str, body: bytes, words: str
) -> None:
    reply = ask(client, lambda _: with_body(body, coding))
    with pytest.raises(ValueError, match=words):
        _ = reply.body


def test_an_answer_to_head_has_no_body(client: engine.Client) -> None:
    reply = ask(client, lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", "HEAD")
    assert (reply.status, reply.body, reply.header("content-length")) == (200, b"", "99")


def test_large_bodies_go_both_ways(client: engine.Client) -> None:
    data = os.urandom(3_000_000)
    chunk = b"%x\r\n%s\r\n" % (len(data), data)
    with origin(
        lambda request: (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n"
            if request.endswith(data)
            else OK
        )
    ) as address:
        channel = client.channel(address, "h")
        for number in range(3):
            channel.submit("PUT", "/", b"", data, number)
        assert all(reply.body == data for _, reply in collect(client, 3))


def test_ipv6_is_spoken(client: engine.Client) -> None:
    try:
        with origin(lambda _: OK, "::1") as address:
            client.channel(address, "[::1]").submit("GET", "/", b"", None, 1)
            assert collect(client, 1)[0][1].status == 200
    except OSError as fault:
        pytest.skip(f"this machine has no ::1: {fault}")


def test_a_refused_connect_fails_at_once(client: engine.Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    channel = client.channel(address, "h")
    for number in range(20):
        channel.submit("GET", "/", b"", None, number)
    ended = collect(client, 20)
    assert {(reply.status, reply.error, reply.detail) for _, reply in ended} == {(0, "connect", "connection refused")}
    assert all((reply.body, reply.headers, reply.sent_ns) == (b"", [], 0) for _, reply in ended)


def test_silence_ends_at_its_time_out_and_the_request_can_have_its_own(client: engine.Client) -> None:
    wait = threading.Event()

    def answer(_: bytes) -> bytes | None:
        wait.wait(20)
        return None

    with origin(answer) as address:
        channel = client.channel(address, "h", timeout_s=15.0)
        channel.submit("GET", "/", b"", None, 1, 0.05)
        ((_, reply),) = collect(client, 1)
        wait.set()
    assert (reply.error, reply.status) == ("timeout", 0)
    assert reply.done_ns - reply.sent_ns >= 50_000_000


def test_a_server_that_closes_in_the_answer_is_a_reset(client: engine.Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        channel = client.channel(listener.getsockname(), "h")
        channel.submit("GET", "/", b"", None, 1)
        peer, _ = listener.accept()
        peer.recv(1_000)
        peer.sendall(OK[:-1])
        peer.close()
        assert collect(client, 1)[0][1].error == "reset"


def test_what_is_no_http_is_said_so(client: engine.Client) -> None:
    assert ask(client, lambda _: b"220 mail ready\r\n").error == "other"


def test_an_endless_head_ends(client: engine.Client) -> None:
    assert ask(client, lambda _: b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000).error == "other"


def test_a_length_that_is_only_announced_costs_nothing(client: engine.Client) -> None:
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with origin(lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999\r\n\r\nx") as address:
        channel = client.channel(address, "h", timeout_s=0.2, connections=20)
        for number in range(20):
            channel.submit("GET", "/", b"", None, number)
        assert {reply.error for _, reply in collect(client, 20)} == {"timeout"}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 64 * 1024


@pytest.mark.parametrize(
    ("method", "target", "headers", "body"),
    [
        ("GET /x HTTP/1.1\r\n", "/", b"", None),
        ("CONNECT", "/", b"", None),
        ("GET", "/a b", b"", None),
        ("GET", "/\r\nX: y", b"", None),
        ("GET", "no-slash", b"", None),
        ("GET", "/\u00e4", b"", None),
        ("GET", "/", b"X: y", None),
        ("GET", "/", b"X: y\n", None),
        ("GET", "/", b"X: y\r\n\r\n", None),
        ("GET", "/", b"X : y\r\n", None),
        ("GET", "/", b"Host: a\r\nHost: b\r\n", None),
        ("POST", "/", b"Content-Length: 3\r\n", b"ab"),
        ("POST", "/", b"Transfer-Encoding: chunked\r\n", b"ab"),
    ],
)
def test_what_cannot_be_framed_safely_is_refused(
    client: engine.Client, method: str, target: str, headers: bytes, body: bytes | None
) -> None:
    channel = client.channel(("127.0.0.1", 1), "h")
    with pytest.raises(ValueError, match=r"give|leave|must"):
        channel.submit(method, target, headers, body, None)


def test_numbers_and_names_that_cannot_be_are_refused(client: engine.Client) -> None:
    for options in ({"timeout_s": 0.0}, {"timeout_s": float("nan")}, {"connections": 0}, {"connect_timeout_s": -1.0}):
        with pytest.raises(ValueError, match="give a number"):
            client.channel(("127.0.0.1", 1), "h", **options)
    with pytest.raises(ValueError, match="resolve the name"):
        client.channel(("localhost", 1), "h")
    with pytest.raises(ValueError, match="visible ASCII"):
        client.channel(("127.0.0.1", 1), "h\r\nX: y")
    with pytest.raises(ValueError, match="max_connections"):
        engine.Client(max_connections=0)


def test_close_ends_what_is_on_its_way() -> None:
    client = engine.Client()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        channel = client.channel(listener.getsockname(), "h", connections=2)
        for number in range(5):
            channel.submit("GET", "/", b"", None, number)
        client.close()
        ended = collect(client, 5)
    assert sorted(str(token) for token, _ in ended) == ["0", "1", "2", "3", "4"]
    assert {reply.error for _, reply in ended} == {"stopped"}
    with pytest.raises(RuntimeError, match="closed"):
        channel.submit("GET", "/", b"", None, 9)
    client.close()


def test_a_closed_channel_serves_what_was_submitted_and_then_closes(client: engine.Client) -> None:
    with origin(lambda _: OK) as address:
        channel = client.channel(address, "h", connections=1)
        for number in range(3):
            channel.submit("GET", "/", b"", None, number)
        channel.close()
        with pytest.raises(RuntimeError, match="closed"):
            channel.submit("GET", "/", b"", None, 9)
        assert [reply.status for _, reply in collect(client, 3)] == [200] * 3


def test_a_thousand_channels_share_few_connections() -> None:
    client = engine.Client(max_connections=20)
    with closing(client), origin(lambda _: OK) as address:
        channels = [client.channel(address, "h") for _ in range(1_000)]
        for number, channel in enumerate(channels):
            channel.submit("GET", "/", b"", None, number)
        ended = collect(client, 1_000)
        assert {reply.status for _, reply in ended} == {200}
        assert sorted(token for token, _ in ended) == list(range(1_000))  # type: ignore[type-var]


def test_tokens_are_let_go_of(client: engine.Client) -> None:
    class Token:
        pass

    with origin(lambda _: OK) as address:
        channel = client.channel(address, "h")
        for _ in range(10):
            channel.submit("GET", "/", b"", None, Token())
        collect(client, 10)
    gc.collect()
    assert not [found for found in gc.get_objects() if type(found) is Token]


def test_the_thread_tells_what_it_did(client: engine.Client) -> None:
    with origin(lambda _: OK) as address:
        channel = client.channel(address, "h")
        for number in range(3):
            channel.submit("GET", "/", b"", None, number)
        collect(client, 3)
    client.close()
    vitals = client.vitals()
    assert (vitals.opened, vitals.refused, vitals.busy, vitals.waiting) == (3, 0, 0, 0)
    assert vitals.cpu_ns > 0


@pytest.mark.skipif(sys.platform != "linux", reason="fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_makes_its_own_and_lets_the_parents_be(client: engine.Client) -> None:
    with origin(lambda _: OK) as address:
        child = os.fork()
        if child == 0:
            # The parent's is closed here without its thread, which this process does not have.
            client.close()
            own = engine.Client()
            own.channel(address, "h").submit("GET", "/", b"", None, 1)
            status = collect(own, 1)[0][1].status
            own.close()
            os._exit(0 if status == 200 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        client.channel(address, "h").submit("GET", "/", b"", None, 1)
        assert collect(client, 1)[0][1].status == 200


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost that vouches for itself, and its key, as files."""
    if not (openssl := shutil.which("openssl")):
        pytest.skip("without openssl there is no certificate")
    folder = tmp_path_factory.mktemp("identity")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]
    command = [openssl, *made.split(), *names, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


@pytest.fixture
def secure(identity: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*identity)
    return context


def secured(client: engine.Client, secure: ssl.SSLContext, tls: engine.Tls, number: int = 1) -> list[engine.Reply]:
    with origin(lambda request: OK if b"Host: localhost\r\n" in request else None, tls=secure) as address:
        channel = client.channel(address, "localhost", tls=tls, connections=1)
        for token in range(number):
            channel.submit("GET", "/", b"", None, token)
        return [reply for _, reply in collect(client, number)]


def test_tls_is_spoken(client: engine.Client, secure: ssl.SSLContext, identity: tuple[Path, Path]) -> None:
    ca_pem = identity[0].read_bytes()
    for tls in (engine.Tls("localhost", ca_pem=ca_pem), engine.Tls("127.0.0.1", ca_pem=ca_pem)):
        assert [(reply.status, reply.body) for reply in secured(client, secure, tls, 3)] == [(200, b"ok")] * 3
    assert secured(client, secure, engine.Tls("other.example", verify=False))[0].status == 200


def test_who_is_not_trusted_gets_no_request(
    client: engine.Client, secure: ssl.SSLContext, identity: tuple[Path, Path]
) -> None:
    for tls in (engine.Tls("localhost"), engine.Tls("other.example", ca_pem=identity[0].read_bytes())):
        (reply,) = secured(client, secure, tls)
        assert (reply.status, reply.error, reply.sent_ns) == (0, "tls", 0)
        assert "certificate" in (reply.detail or "")


def test_tls_options_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(ValueError, match="CA certificate"):
        engine.Tls("localhost", ca_pem=b"nothing")
    with pytest.raises(ValueError, match="belong together"):
        engine.Tls("localhost", cert_pem=b"nothing", verify=False)
    with pytest.raises(ValueError, match="DNS name"):
        engine.Tls("no name", verify=False)
