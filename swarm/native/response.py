"""Answers as a locustfile knows them from FastHttpUser, over the engine's replies; each part made when asked for."""

from __future__ import annotations

from locust.contrib.fasthttp import FastRequest, FastResponse, ResponseContextManager

import zlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import BytesIO
from typing import Any, Generic, TypeVar, overload

from geventhttpclient.header import Headers
from geventhttpclient.useragent import CompatResponse
from twinload_engine import Reply

from swarm.native.asked import Asked, request_of

T = TypeVar("T")


class Lazy(Generic[T]):
    """An attribute that is worked out when it is first asked for, and plain from then on."""

    __slots__ = ("_make", "_name")

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make, self._name = make, make.__name__

    @overload
    def __get__(self, answer: None, owner: type) -> Lazy[T]: ...
    @overload
    def __get__(self, answer: object, owner: type) -> T: ...
    def __get__(self, answer: object | None, owner: type) -> Lazy[T] | T:
        """Return the value, and keep it in the answer."""
        if answer is None:
            return self
        value = answer.__dict__[self._name] = self._make(answer)
        return value


class Body:
    """A body as a stream, for `stream`, `read` and `iter_content`; all of it is here already."""

    def __init__(self, reply: Reply, headers: Headers, content: bytes) -> None:
        self._reply, self._headers_index = reply, headers
        self._stream = BytesIO(content)
        self.message_complete = True

    @property
    def version(self) -> str:
        """HTTP/1.0 or HTTP/1.1."""
        return f"HTTP/{self._reply.http_version}"

    @property
    def length(self) -> int | None:
        """The Content-Length, None without one."""
        value = self._headers_index.get("content-length")
        return int(value) if isinstance(value, str) else None

    def get_code(self) -> int:
        """Return the status."""
        return self._reply.status

    def read(self, length: int | None = None) -> bytes:
        """Return so many bytes, or the rest."""
        return self._stream.read(length)

    def readline(self, sep: bytes = b"\r\n") -> bytes:
        """Return what comes up to a separator, that included; b"" when there is none any more."""
        begin = self._stream.tell()
        rest = self._stream.getvalue()
        found = rest.find(sep, begin)
        return b"" if found < 0 else self._stream.read(found + len(sep) - begin)

    def release(self) -> None:
        """Do nothing: the connection is free already."""

    def __iter__(self) -> Iterator[bytes]:
        while block := self._stream.read(4_096):
            yield block


class NativeResponse(FastResponse):
    """An answer that the engine received."""

    _reply: Reply
    _asked: Asked
    error: Exception | None = None

    def __init__(self, reply: Reply, asked: Asked) -> None:
        self._reply = reply
        self._asked = asked

    @Lazy
    def status_code(self) -> int:
        """The status."""
        return self._reply.status

    @Lazy
    def headers(self) -> Headers:
        """The headers, as FastHttpUser gives them."""
        headers = Headers()
        for name, value in self._reply.headers:
            headers.add(name, value)
        return headers

    @Lazy
    def content(self) -> bytes:
        """The body, decoded.

        Raises: zlib.error when it is not what its Content-Encoding says.
        """
        return content_of(self._reply)

    @Lazy
    def request(self) -> FastRequest:
        """The request, as it stood when this answer came."""
        request: FastRequest = request_of(self._asked)
        return request

    @Lazy
    def url(self) -> str:
        """The URL of the request."""
        return str(self.request.url)

    @Lazy
    def elapsed(self) -> timedelta:
        """From the request to the first byte of its answer."""
        return timedelta(microseconds=(self._reply.first_byte_ns - self._reply.submitted_ns) / 1_000)

    @Lazy
    def history(self) -> list[CompatResponse]:
        """The redirects that led here, oldest first."""
        return []

    @Lazy
    def _response(self) -> Body:  # type: ignore[override]
        return Body(self._reply, self.headers, self.content)


class NativeContext(NativeResponse, ResponseContextManager):
    """The same answer for `with self.client.get(..., catch_response=True)`."""

    def __init__(self, response: NativeResponse, event: Any, meta: dict[str, Any]) -> None:
        ResponseContextManager.__init__(self, response, event, meta, True)


def caught(response: FastResponse, event: Any, meta: dict[str, Any]) -> ResponseContextManager:
    """Return an answer, or the lack of one, as a context manager."""
    if isinstance(response, NativeResponse):
        return NativeContext(response, event, meta)
    return ResponseContextManager(response, event, meta, True)


def content_of(reply: Reply) -> bytes:
    """Return the decoded body of a reply.

    Raises: zlib.error when it is not what its Content-Encoding says: a failed request, as in FastHttpUser.
    """
    try:
        return reply.body
    except ValueError as error:
        raise zlib.error(str(error)) from None
