"""Bytes that are no proper request: an answer of 4xx, or a closed connection; never 5xx, never silence."""

from __future__ import annotations

import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from clusters.contract.answers import Request
from clusters.contract.wire import Address, Connection, WireError, ask, encode_request

pytestmark = pytest.mark.slow

GOOD = encode_request(Request("GET", "/v1/users/holds/balance"))
LINE = b"GET /fib?n=3 HTTP/1.1\r\nHost: wallet.test\r\n"

GARBAGE = {
    "nothing": b"",
    "zeros": b"\0" * 100,
    "line ends": b"\r\n\r\n\r\n",
    "a TLS hello": bytes.fromhex("16030100a5010000a10303") + bytes(range(160)),
    "an HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "text": b"hello, wallet\n" * 20,
    "no version": b"GET /healthz\r\n\r\n",
    "a wrong version": b"GET /healthz HTTP/3.7\r\nHost: a\r\n\r\n",
    "a lower-case version": b"GET /healthz http/1.1\r\nHost: a\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "an empty target": b"GET  HTTP/1.1\r\nHost: a\r\n\r\n",
    "a target without a slash": b"GET healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    "a space in the target": b"GET /v1/users/a b/balance HTTP/1.1\r\nHost: a\r\n\r\n",
    "a fragment": b"GET /v1/users/ties/balance#x HTTP/1.1\r\nHost: a\r\n\r\n",
    "a broken triplet": b"GET /v1/users/%zz/balance HTTP/1.1\r\nHost: a\r\n\r\n",
    "bytes above ASCII": b"GET /v1/users/\xff\xfe/balance HTTP/1.1\r\nHost: a\r\n\r\n",
    "a control byte": b"GET /v1/users/\x01/balance HTTP/1.1\r\nHost: a\r\n\r\n",
    "a header without a colon": LINE + b"Nonsense\r\n\r\n",
    "a header with a space before the colon": LINE + b"X-A : 1\r\n\r\n",
    "a folded header": LINE + b"X-A: 1\r\n  2\r\n\r\n",
    "a zero byte in a header": LINE + b"X-A: \0\r\n\r\n",
    "a method of many bytes": b"A" * 5000 + b" / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a long target": b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "a long header": LINE + b"X-A: " + b"a" * 2_000_000 + b"\r\n\r\n",
    "many headers": LINE + b"".join(b"X-%d: 1\r\n" % number for number in range(20_000)) + b"\r\n",
    "a negative length": LINE + b"Content-Length: -1\r\n\r\n",
    "a length in words": LINE + b"Content-Length: ten\r\n\r\n",
    "a length with a sign": LINE + b"Content-Length: +5\r\n\r\nhello",
    "a length in hexadecimal": LINE + b"Content-Length: 0x5\r\n\r\nhello",
    "an empty length": LINE + b"Content-Length:\r\n\r\n",
    "a length beyond 64 bits": LINE + b"Content-Length: 99999999999999999999999999\r\n\r\n",
    "two lengths": LINE + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "length and chunks": LINE + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a bad chunk size": LINE + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    "an endless chunk size": LINE + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n",
    "an unknown coding": LINE + b"Transfer-Encoding: brotli\r\n\r\n",
    "a CONNECT": b"CONNECT wallet.test:443 HTTP/1.1\r\nHost: wallet.test:443\r\n\r\n",
    "half a request line": b"GET /v1/users/ho",
    "half a header": LINE + b"X-Half: ab",
    "a body cut short": LINE + b"Content-Length: 100\r\n\r\nhello",
    "line feeds alone": b"GET /fib?n=3 HTTP/1.1\nHost: a\n\n",
    "an upgrade": LINE + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
}


def statuses(address: Address, data: bytes) -> list[int]:
    """Send bytes, end the sending side, read to the end; a peer that neither answers nor closes raises TimeoutError."""
    found: list[int] = []
    with Connection(address, timeout_s=8.0) as connection:
        try:
            connection.send(data)
            connection.half_close()
            while True:
                found.append(connection.receive().status)
        except (WireError, ConnectionError):
            return found
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            return found


def assert_alive(address: Address) -> None:
    assert ask(address, Request("GET", "/healthz")).body == b'{"status":"ok"}'


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_refused_or_dropped(address: Address, name: str) -> None:
    assert all(status < 500 for status in statuses(address, GARBAGE[name]))
    assert_alive(address)


def test_what_is_no_proper_length_is_never_taken_for_one(address: Address) -> None:
    for name in ("a negative length", "a length in words", "a length beyond 64 bits", "two lengths"):
        assert all(400 <= status < 500 for status in statuses(address, GARBAGE[name])), name


def test_a_damaged_request_never_ends_in_5xx_or_silence(address: Address) -> None:
    seed = 20250615
    print(f"seed {seed}")
    rng = Random(seed)
    for _ in range(150):
        data = bytearray(GOOD)
        for _ in range(rng.randint(1, 6)):
            where = rng.randrange(len(data))
            what = rng.randrange(3)
            if what == 0:
                data[where] = rng.randrange(256)
            elif what == 1:
                del data[where]
            else:
                data[where:where] = bytes([rng.randrange(256)])
        assert all(status < 500 for status in statuses(address, bytes(data))), bytes(data)
    assert_alive(address)


@pytest.mark.parametrize("cut", [1, 5, 16, len(GOOD) - 20, len(GOOD) - 3, len(GOOD) - 1])
def test_a_request_that_ends_early_is_not_answered_with_success(address: Address, cut: int) -> None:
    assert all(400 <= status < 500 for status in statuses(address, GOOD[:cut]))
    assert_alive(address)


def test_pipelined_requests_are_answered_in_their_order(address: Address) -> None:
    with Connection(address) as connection:
        connection.send(b"".join(encode_request(Request("GET", f"/fib?n={n}")) for n in range(20)))
        bodies = [connection.receive().body for _ in range(20)]
    values = [0, 1]
    while len(values) < 20:
        values.append(values[-1] + values[-2])
    assert bodies == [b'{"n":%d,"fib":%d}' % pair for pair in enumerate(values)]


def test_a_request_in_pieces_of_one_byte_is_answered(address: Address) -> None:
    with Connection(address) as connection:
        for number in range(len(GOOD)):
            connection.send(GOOD[number : number + 1])
        assert connection.receive().status == 200


def test_a_client_that_never_ends_its_request_does_not_stop_the_others(address: Address) -> None:
    idle = [Connection(address) for _ in range(50)]
    try:
        for connection in idle:
            connection.send(GOOD[:-2])
        for _ in range(5):
            assert_alive(address)
        for connection in idle:
            connection.send(GOOD[-2:])
            assert connection.receive().status == 200
    finally:
        for connection in idle:
            connection.close()


def test_clients_that_reset_do_no_harm(address: Address) -> None:
    for _ in range(50):
        client = socket.create_connection(address, timeout=5.0)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(GOOD)
        client.close()
    assert_alive(address)


def test_a_chunked_body_on_a_read_is_ignored(address: Address) -> None:
    chunked = LINE + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    assert statuses(address, chunked + encode_request(Request("GET", "/healthz"))) in ([200, 200], [200])


def test_http_1_0_is_answered_and_closed(address: Address) -> None:
    with Connection(address) as connection:
        connection.send(b"GET /fib?n=3 HTTP/1.0\r\nHost: a\r\n\r\n")
        assert connection.receive().body == b'{"n":3,"fib":2}'
        assert connection.closed_by_peer()


def test_a_client_that_asks_to_close_is_closed(address: Address) -> None:
    with Connection(address) as connection:
        assert connection.ask(Request("GET", "/healthz", (("Connection", "close"),))).status == 200
        assert connection.closed_by_peer()


def test_many_clients_at_once_get_equal_answers(address: Address) -> None:
    request = Request("GET", "/v1/users/many-lots/balance")
    with ThreadPoolExecutor(16) as pool:
        found = {message.body for message in pool.map(lambda _: ask(address, request), range(200))}
    assert len(found) == 1
