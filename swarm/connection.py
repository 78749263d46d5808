"""One kept HTTP/1.1 connection of a seat: sends a request, reads the whole answer, says by which cause it failed.

Sits below Locust's FastHttpUser in the place of its connection pool: the parser is the same (geventhttpclient's), but
there is one socket, no redirect is followed, no cookie kept and no request repeated behind the sender's back, so that
what is counted here is what the target counts. The pool's `select()`, which reconnects on every request beyond 1,024
descriptors, is not used either.

One exception, which RFC 9112 (section 9.3.1) allows and keep-alive needs: a connection that was idle for a second and
turns out closed without a byte of an answer is opened again and an idempotent request sent once more. The target closed
it before it saw the request.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import monotonic

import gevent.socket
import gevent.ssl
from geventhttpclient.response import HTTPParseError, HTTPResponse

from swarm.targets import Route

BLOCK_BYTES = 65_536
IDLE_S = 1.0
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


class RequestError(OSError):
    """A request failed by `cause`: connect, timeout, reset, other, header or status-<code>.

    An OSError, because those are what Locust's FastHttpUser takes for a failed request.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause

    def __str__(self) -> str:
        return self.cause


class Answer(HTTPResponse):
    """An answer that was read in full."""

    _sent_request: str | None = None

    def read(self) -> bytes:
        """Return the body as it came."""
        return bytes(self._body_buffer)

    def release(self) -> None:
        """Do nothing: the connection is the seat's own."""


class _ClosedIdleError(Exception):
    """The connection was closed before a byte of the answer came."""


class Connection:
    """A connection to one route; opened by the first request and again whenever it was closed."""

    __slots__ = ("_clock", "_context", "_sock", "_timeout_s", "_used_s", "route")

    def __init__(
        self,
        route: Route,
        *,
        timeout_s: float,
        context: ssl.SSLContext | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.route = route
        self._timeout_s = timeout_s
        self._context = context
        self._clock = clock
        self._sock: gevent.socket.socket | None = None
        self._used_s = 0.0

    def exchange(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Send a request and return its answer, body included.

        Raises: RequestError; the whole exchange, connecting included, takes at most the time-out.
        """
        deadline_s = self._clock() + self._timeout_s
        fields = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if body or method in ("POST", "PUT", "PATCH"):
            fields += f"Content-Length: {len(body)}\r\n"
        wire = f"{method} {path} HTTP/1.1\r\n{fields}\r\n".encode("latin-1") + body
        idle = self._sock is not None and self._clock() - self._used_s >= IDLE_S
        try:
            return self._attempt(method, wire, deadline_s)
        except _ClosedIdleError:
            if not idle or method not in _IDEMPOTENT:
                raise RequestError("reset") from None
        try:
            return self._attempt(method, wire, deadline_s)
        except _ClosedIdleError:
            raise RequestError("reset") from None

    def open(self) -> None:
        """Connect ahead of the first request; a failure is left to that request to meet and count."""
        if self._sock is None:
            with suppress(RequestError, TimeoutError):
                self._sock = self._connect(self._clock() + self._timeout_s)
                self._used_s = self._clock()

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _attempt(self, method: str, wire: bytes, deadline_s: float) -> Answer:
        try:
            sock = self._sock or self._connect(deadline_s)
            sock.settimeout(self._timeout_s if self._sock is sock else max(deadline_s - self._clock(), 0.001))
            self._sock = sock
            answer = self._receive(sock, method, wire, deadline_s)
        except TimeoutError:
            self.close()
            raise RequestError("timeout") from None
        except HTTPParseError:
            self.close()
            raise RequestError("other") from None
        except (RequestError, _ClosedIdleError):
            self.close()
            raise
        except OSError:
            self.close()
            raise _ClosedIdleError from None
        except BaseException:  # the seat is being stopped: half an answer must not be read by the next request
            self.close()
            raise
        if answer.should_close():
            self.close()
        self._used_s = self._clock()
        return answer

    def _receive(self, sock: gevent.socket.socket, method: str, wire: bytes, deadline_s: float) -> Answer:
        sock.sendall(wire)
        answer = Answer(method)
        begun = False
        while not answer.message_complete or answer.get_code() < 200:
            if begun:
                sock.settimeout(max(deadline_s - self._clock(), 0.001))
            try:
                data = sock.recv(BLOCK_BYTES)
            except ConnectionError:
                if begun:
                    raise RequestError("reset") from None
                raise _ClosedIdleError from None
            if not data and not begun:
                raise _ClosedIdleError
            if not data:
                return self._ended(answer)
            answer.feed(data)
            begun = True
        return answer

    @staticmethod
    def _ended(answer: Answer) -> Answer:
        """The target closed: that ends a body without a length, and cuts any other."""
        try:
            answer.feed(b"")
        except HTTPParseError:
            raise RequestError("reset") from None
        if not answer.message_complete:
            raise RequestError("reset")
        return answer

    def _connect(self, deadline_s: float) -> gevent.socket.socket:
        route, sock = self.route, None
        try:
            sock = gevent.socket.create_connection((route.host, route.port), max(deadline_s - self._clock(), 0.001))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock if self._context is None else self._context.wrap_socket(sock, server_hostname=route.server_name)
        except BaseException as error:
            if sock is not None:
                sock.close()
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                raise RequestError("connect") from None
            raise


def tls_context(route: Route) -> ssl.SSLContext | None:
    """Return the TLS context of an https route, which always checks certificates; None for http."""
    if route.scheme != "https":
        return None
    context: ssl.SSLContext = gevent.ssl.create_default_context(cafile=route.ca_file)
    return context
