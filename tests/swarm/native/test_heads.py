"""Header lines of requests."""

from __future__ import annotations

import pytest
from geventhttpclient.header import Headers
from hypothesis import given
from hypothesis import strategies as st

from swarm.native.heads import Heads, Payload, basic_authorization

DEFAULTS = Headers({"User-Agent": "it"})
CODINGS = b"Accept-Encoding: gzip, deflate, br\r\n"


@pytest.mark.parametrize(
    ("headers", "authorization", "payload", "lines"),
    [
        (None, None, Payload.NONE, b"User-Agent: it\r\n" + CODINGS),
        ({}, "Basic x", Payload.NONE, b"User-Agent: it\r\nAuthorization: Basic x\r\n" + CODINGS),
        ({"user-agent": "me"}, None, Payload.NONE, b"user-agent: me\r\n" + CODINGS),
        ({"accept-encoding": "br"}, None, Payload.NONE, b"User-Agent: it\r\naccept-encoding: br\r\n"),
        ({"X": ["1", "2"]}, None, Payload.NONE, b"User-Agent: it\r\nX: 1\r\nX: 2\r\n" + CODINGS),
        ({"content-type": "a/b"}, None, Payload.TEXT, b"User-Agent: it\r\ncontent-type: a/b\r\n" + CODINGS),
        (
            None, None, Payload.BYTES,
            b"User-Agent: it\r\n" + CODINGS + b"content-type: application/octet-stream\r\n",
        ),
        (
            {"Accept": "x"}, None, Payload.JSON,
            b"User-Agent: it\r\nAccept: x\r\n" + CODINGS + b"Content-Type: application/json\r\n",
        ),
    ],
)  # fmt: skip
def test_lines_are_the_defaults_and_what_a_request_adds(
    headers: dict[str, str] | None, authorization: str | None, payload: Payload, lines: bytes
) -> None:
    assert Heads(DEFAULTS).head(headers, authorization, payload).lines == lines


def test_equal_requests_are_rendered_once_and_unlike_ones_apart() -> None:
    heads = Heads(DEFAULTS)
    first = heads.head({"X": "1"}, None, Payload.NONE)
    assert heads.head({"X": "1"}, None, Payload.NONE) is first
    assert heads.head({"X": 1}, None, Payload.NONE) is not first
    assert heads.head({"X": "1"}, None, Payload.TEXT) is not first


@given(st.text(), st.text())
def test_no_header_makes_a_line_of_its_own(name: str, value: str) -> None:
    try:
        lines = Heads(DEFAULTS).head({name: value}, None, Payload.NONE).lines
    except ValueError:  # UnicodeEncodeError is one
        return
    assert lines.count(b"\n") == lines.count(b"\r\n") == 3 - (name.lower() in ("user-agent", "accept-encoding"))


@pytest.mark.parametrize(
    ("headers", "has_cookie", "is_foreign"),
    [({}, False, False), ({"COOKIE": "a=1"}, True, False), ({"expect": "100-continue"}, False, True),
     ({"Transfer-Encoding": "chunked"}, False, True)],
)  # fmt: skip
def test_a_head_says_what_the_session_must_know(headers: dict[str, str], has_cookie: bool, is_foreign: bool) -> None:
    head = Heads(DEFAULTS).head(headers, None, Payload.NONE)
    assert (head.has_cookie, head.is_foreign) == (has_cookie, is_foreign)


def test_a_password_is_encoded_as_the_standard_says() -> None:
    assert basic_authorization(("Aladdin", b"open sesame")) == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
