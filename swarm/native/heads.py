"""Header lines of requests, ready for the wire: what a session sends again and again is rendered once."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Final

from geventhttpclient.header import Headers

HEADS_KEPT = 1_024
ACCEPTED_CODINGS: Final = "gzip, deflate, br"


class Payload(Enum):
    """What a body is, which decides the header lines that go with it unless the caller gives others."""

    NONE = ()
    JSON = (("Content-Type", "application/json"), ("Accept", "application/json"))
    FORM = (("content-type", "application/x-www-form-urlencoded; charset=utf-8"),)
    TEXT = (("content-type", "text/plain; charset=utf-8"),)
    BYTES = (("content-type", "application/octet-stream"),)


@dataclass(frozen=True, slots=True)
class Head:
    """Header lines of a request."""

    lines: bytes
    headers: Headers
    """Without those that follow from the body's kind."""
    has_cookie: bool
    """The caller gives cookies itself: the jar's are left out."""
    is_foreign: bool
    """They ask for what the engine does not do: a chunked request, or to wait for 100 Continue."""


class Heads:
    """Header lines of sessions: their defaults with what a request adds."""

    __slots__ = ("_defaults", "_rendered")

    def __init__(self, defaults: Headers) -> None:
        self._defaults = defaults
        self._rendered: dict[tuple[Any, ...], Head] = {}

    def head(self, headers: Mapping[str, Any] | None, authorization: str | None, payload: Payload) -> Head:
        """Return the header lines of a request; those of equal requests are rendered once.

        Raises: ValueError for a name or value that would break the lines, UnicodeEncodeError beyond Latin-1.
        """
        key = (authorization, payload, *headers.items()) if headers else (authorization, payload)
        try:
            found = self._rendered.get(key)
        except TypeError:  # a list as a value
            return self._render(headers, authorization, payload)
        if found is None:
            found = self._render(headers, authorization, payload)
            if len(self._rendered) >= HEADS_KEPT:
                self._rendered.clear()
            self._rendered[key] = found
        return found

    def _render(self, headers: Mapping[str, Any] | None, authorization: str | None, payload: Payload) -> Head:
        own = merged(headers, authorization)
        if payload is Payload.JSON:
            for name, value in payload.value:
                if name not in own and name.lower() not in own:
                    own[name] = value
        asked = self._defaults.copy()
        asked.update(own)
        sent = asked.copy()
        if payload is not Payload.JSON:
            for name, value in payload.value:
                if name not in sent:
                    sent[name] = value
        return Head(lines_of(sent), asked, "cookie" in asked, "expect" in asked or "transfer-encoding" in asked)


@lru_cache(maxsize=64)
def heads_of(defaults: tuple[tuple[str, str], ...]) -> Heads:
    """Return the header lines of all sessions with these defaults: what is shared stays in the processor's cache."""
    return Heads(Headers(defaults))


def merged(headers: Mapping[str, Any] | None, authorization: str | None) -> dict[str, Any]:
    """Return a request's own headers: the caller's, the authorization, and the codings that are understood."""
    own = dict(headers) if headers else {}
    if authorization is not None:
        own["Authorization"] = authorization
    if "Accept-Encoding" not in own and "accept-encoding" not in own:
        own["Accept-Encoding"] = ACCEPTED_CODINGS
    return own


def lines_of(headers: Headers) -> bytes:
    """Return headers as lines; each ends with CR LF.

    Raises: ValueError for a line break within a name or value, UnicodeEncodeError for what is not Latin-1.
    """
    lines = [f"{name}: {value}" for name, value in headers.items()]
    for line in lines:
        if "\r" in line or "\n" in line or "\0" in line:
            raise ValueError(f"invalid header {line!r}: take the line break out")
    lines.append("")
    return "\r\n".join(lines).encode("latin-1")


def basic_authorization(auth: tuple[str | bytes, str | bytes]) -> str:
    """Return the value of an Authorization header for a user and a password."""
    user, password = (part.encode("latin-1") if isinstance(part, str) else part for part in auth)
    return "Basic " + b64encode(user + b":" + password).decode("ascii")
