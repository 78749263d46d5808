"""Requests that two servers could read differently: refused, or forwarded in one way only.

The service reads strictly and asserts that what it is sent is framed once. Every case ends with a request of its own,
/after: it may be answered, but never may anything inside a body become a request (/smuggled).
Sources: RFC 9112, sections 2.2, 5.1, 5.2, 6.1, 6.3 and 7.1; the classes of attack as named by Kettle,
"HTTP Desync Attacks", 2019.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from gateway_rig import Service, configuration, gateway, reply, send_raw

POST = b"POST /v1/users/u1/recharges HTTP/1.1\r\nHost: a\r\n"
GET = b"GET /v1/users/u1/balance HTTP/1.1\r\nHost: a\r\n"
INNER = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
AFTER = b"GET /after HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(INNER)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNK = b"%x\r\n%s\r\n0\r\n\r\n" % (len(INNER), INNER)

REFUSED = {
    "two lengths that differ": POST + b"Content-Length: 0\r\n" + LENGTH + b"\r\n" + INNER,
    "two lengths in one line": POST + b"Content-Length: 0, %d\r\n\r\n" % len(INNER) + INNER,
    "a length with a sign": POST + b"Content-Length: +%d\r\n\r\n" % len(INNER) + INNER,
    "a negative length": POST + b"Content-Length: -1\r\n\r\n" + INNER,
    "a length in hex": POST + b"Content-Length: 0x10\r\n\r\n" + INNER,
    "an empty length": POST + b"Content-Length: \r\n\r\n" + INNER,
    "a length of 2^64": POST + b"Content-Length: 18446744073709551616\r\n\r\n" + INNER,
    "space before the colon of a length": POST + b"Content-Length : %d\r\n\r\n" % len(INNER) + INNER,
    "space before the colon of a coding": POST + b"Transfer-Encoding : chunked\r\n\r\n" + CHUNK,
    "a tab before the colon": POST + b"Transfer-Encoding\t: chunked\r\n\r\n" + CHUNK,
    "a folded header": POST + b"X-Folded: a\r\n Transfer-Encoding: chunked\r\n\r\n" + CHUNK,
    "a folded coding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + CHUNK,
    "a coding that is not chunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNK,
    "identity": POST + b"Transfer-Encoding: identity\r\n" + LENGTH + b"\r\n" + INNER,
    "chunked, then another": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n" + CHUNK,
    "another, then chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNK,
    "chunked twice": POST + CHUNKED + CHUNKED + b"\r\n" + CHUNK,
    "chunked twice in one line": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + CHUNK,
    "a vertical tab before chunked": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + CHUNK,
    "a quoted coding": POST + b'Transfer-Encoding: "chunked"\r\n\r\n' + CHUNK,
    "chunked in HTTP/1.0": POST.replace(b"HTTP/1.1", b"HTTP/1.0") + CHUNKED + b"\r\n" + CHUNK,
    "a bare CR in a header": GET + b"X-A: a\rTransfer-Encoding: chunked\r\n\r\n",
    "a null byte in a header": GET + b"X-A: a\x00b\r\n\r\n",
    "a header without a colon": GET + b"X-A\r\n\r\n",
    "a header without a name": GET + b": x\r\n\r\n",
    "a line that begins with space": GET.replace(b"Host", b" X-A: 1\r\nHost") + b"\r\n",
    "two hosts": GET + b"Host: b\r\n\r\n",
    "no host": b"GET /v1/users/u1/balance HTTP/1.1\r\n\r\n",
    "no version": b"GET /v1/users/u1/balance\r\nHost: a\r\n\r\n",
    "version 2.0": GET.replace(b"HTTP/1.1", b"HTTP/2.0") + b"\r\n",
    "a space in the target": b"GET /v1/users/u1/ balance HTTP/1.1\r\nHost: a\r\n\r\n",
    "a tunnel": b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a method with a colon": b"GE:T / HTTP/1.1\r\nHost: a\r\n\r\n",
}

BROKEN_CHUNKS = {
    "a size beyond 64 bits": b"ffffffffffffffff1\r\n" + INNER,
    "the largest size, which never comes": b"ffffffffffffffff\r\n" + INNER,
    "a size with a sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "a size with 0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "a size with an underscore": b"1_0\r\n" + INNER,
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "a chunk longer than its size": b"3\r\nhello\r\n0\r\n\r\n",
    "a bare LF after an extension": b"5;a\nhello\r\n0\r\n\r\n",
    "an extension without end": b"5;" + b"a" * 50_000,
}

UNAMBIGUOUS = {
    "length and chunked": (POST + LENGTH + CHUNKED + b"\r\n" + CHUNK, INNER),
    "chunked and length": (POST + CHUNKED + LENGTH + b"\r\n" + CHUNK, INNER),
    "chunked and length 0": (POST + CHUNKED + b"Content-Length: 0\r\n\r\n" + CHUNK, INNER),
    "the same length twice": (POST + LENGTH + LENGTH + b"\r\n" + INNER, INNER),
    "a length with zeros": (POST + b"Content-Length: 000%d\r\n\r\n" % len(INNER) + INNER, INNER),
    "CHUNKED": (POST + b"TRANSFER-ENCODING: CHUNKED\r\n\r\n" + CHUNK, INNER),
    "a chunk's extension": (POST + CHUNKED + b"\r\n5;a=b;c\r\nhello\r\n0;x\r\n\r\n", b"hello"),
    "zeros before a size": (POST + CHUNKED + b"\r\n00005\r\nhello\r\n0\r\n\r\n", b"hello"),
    "trailers": (POST + CHUNKED + b"\r\n5\r\nhello\r\n0\r\nContent-Length: 99\r\nX-Late: 1\r\n\r\n", b"hello"),
    "a body on GET": (GET + LENGTH + b"\r\n" + INNER, INNER),
    "Connection lists the length": (POST + b"Connection: content-length\r\n" + LENGTH + b"\r\n" + INNER, INNER),
    "lines ended by LF": (POST.replace(b"\r\n", b"\n") + LENGTH.replace(b"\r\n", b"\n") + b"\n" + INNER, INNER),
    "an empty line before": (b"\r\n" + POST + LENGTH + b"\r\n" + INNER, INNER),
}


def asked_for(tmp_path: Path, baseline: Service, raw: bytes) -> tuple[bytes, list[str]]:
    """Send bytes through a gateway; return the first answer's status line and what the service was asked for."""
    baseline.behaviour = lambda request: reply(request.path.encode())
    with gateway(tmp_path, configuration(tmp_path, baseline, limits={"timeout_s": 5.0})) as one:
        answer = send_raw(one.address, raw + AFTER)
        assert one.get("/alive")[0] == 200, "the service and the gateway still understand each other"
    targets = [request.path for request in baseline.asked()]
    assert targets.pop() == "/alive"
    assert "/smuggled" not in targets
    return answer.partition(b"\r\n")[0], targets


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED.keys())
def test_refused_before_the_service_hears_of_it(tmp_path: Path, baseline: Service, raw: bytes) -> None:
    line, targets = asked_for(tmp_path, baseline, raw)
    assert line.split()[1:2] in ([b"400"], [b"501"], [b"431"]) or line == b"", line
    assert targets in ([], ["/after"]), "a refused request reached the service"


@pytest.mark.parametrize("chunks", BROKEN_CHUNKS.values(), ids=BROKEN_CHUNKS.keys())
def test_a_broken_chunk_ends_the_connection(tmp_path: Path, baseline: Service, chunks: bytes) -> None:
    line, targets = asked_for(tmp_path, baseline, POST + CHUNKED + b"\r\n" + chunks)
    assert line == b"" or line.split()[1] in (b"400", b"408", b"413"), line
    assert targets == [], "what follows a broken body is no request"


@pytest.mark.parametrize(("raw", "body"), UNAMBIGUOUS.values(), ids=UNAMBIGUOUS.keys())
def test_forwarded_in_one_way_only(tmp_path: Path, baseline: Service, raw: bytes, body: bytes) -> None:
    line, targets = asked_for(tmp_path, baseline, raw)
    assert line == b"HTTP/1.1 200 OK"
    assert targets in (["/v1/users/u1/recharges"], ["/v1/users/u1/recharges", "/after"],
                       ["/v1/users/u1/balance", "/after"])  # fmt: skip
    forwarded = baseline.asked()[0]
    assert forwarded.body == body
    assert len(forwarded.values("content-length") + forwarded.values("transfer-encoding")) == 1
    assert not forwarded.values("x-late")


def test_the_authority_of_a_target_takes_the_place_of_host(tmp_path: Path, baseline: Service) -> None:
    raw = b"GET http://inner.test/v1/users/u1/balance HTTP/1.1\r\nHost: outer.test\r\nConnection: close\r\n\r\n"
    with gateway(tmp_path, configuration(tmp_path, baseline)) as one:
        send_raw(one.address, raw)
    (request,) = baseline.asked()
    assert (request.path, request.values("host")) == ("/v1/users/u1/balance", ["inner.test"])
