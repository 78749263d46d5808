"""Why a request had no answer, as the exceptions that FastHttpUser reports."""

from __future__ import annotations

from locust.contrib.fasthttp import LocustBadStatusCode, LocustUserAgent

import errno
import os
import ssl
from functools import cache
from typing import Any

from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError
from twinload_engine import Reply


@cache
def _numbers() -> dict[str, int]:
    """The system's error numbers by their words, as the engine gives them: in small letters."""
    return {os.strerror(number).lower(): number for number in errno.errorcode}


def failure_of(reply: Reply) -> Exception:
    """Return the exception of a reply that holds no answer.

    The system's own errors come as themselves (ConnectionRefusedError and so on), time-outs as TimeoutError, a
    connection that was closed too early as HTTPConnectionClosed or ConnectionResetError, an answer that is no HTTP
    as HTTPParseError.
    """
    detail = reply.detail or reply.error or ""
    match reply.error:
        case "timeout":
            return TimeoutError("timed out")
        case "tls":
            return ssl.SSLError(detail)
        case "reset" | "connect":
            number = _numbers().get(detail)
            if number is not None:
                return OSError(number, os.strerror(number))
            return HTTPConnectionClosed("connection closed.") if reply.error == "reset" else ConnectionError(detail)
        case "stopped":
            return ConnectionAbortedError(detail)
        case _:
            return HTTPParseError(detail)


def judge(status: int, url: str, response: Any) -> LocustBadStatusCode | None:
    """Return why an answer is a failed request by its status; None when it is none."""
    if status in SOUND:
        return None
    error = LocustBadStatusCode(url, code=status)
    error.response = response  # type: ignore[attr-defined]
    return error


SOUND = LocustUserAgent.valid_response_codes
REDIRECTS = LocustUserAgent.redirect_response_codes
