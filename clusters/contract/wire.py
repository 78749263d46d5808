"""A client of HTTP/1.1 that sends bytes as written and reads answers strictly.

Ordinary clients normalise targets and methods; the contract speaks of raw ones, so its suite speaks raw sockets.
Addresses are `(host, port)`; every wait is bounded by `timeout_s`.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from clusters.contract.answers import BODY_LIMIT_BYTES, COUNTED_HEADERS, Answer, Headers, Request

Address = tuple[str, int]
MAX_HEAD_BYTES = 65_536


class WireError(Exception):
    """The peer did not answer with one whole HTTP/1.1 message; the text says what came."""


@dataclass(frozen=True, slots=True)
class Message:
    """An answer as it came: status, all headers in order, the body."""

    status: int
    headers: Headers
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the value of a header by name in any case, None when it is absent."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def counted(self) -> Answer:
        """Return what is compared: status, the headers that count in the contract's order, body."""
        found = tuple((name, value) for name in COUNTED_HEADERS if (value := self.header(name)) is not None)
        return Answer(self.status, found, self.body)


def encode_request(request: Request, body: bytes | None = None) -> bytes:
    """Return the bytes of a request: Host is added, a declared body within the limit is filled with spaces."""
    lines = [f"{request.method} {request.target} HTTP/1.1", "Host: wallet.test"]
    lines += [f"{name}: {value}" for name, value in request.headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    declared = next((int(value) for name, value in request.headers if name.lower() == "content-length"), 0)
    filling = b" " * declared if body is None and declared <= BODY_LIMIT_BYTES else b""
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or filling)


class Connection:
    """One TCP connection, kept alive over requests."""

    def __init__(self, address: Address, *, timeout_s: float = 10.0) -> None:
        self._socket = socket.create_connection(address, timeout=timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.sendall(data)

    def half_close(self) -> None:
        """Say that nothing more will be sent."""
        self._socket.shutdown(socket.SHUT_WR)

    def ask(self, request: Request, body: bytes | None = None) -> Message:
        """Send a request and return its answer."""
        self.send(encode_request(request, body))
        return self.receive(head_only=request.method == "HEAD")

    def receive(self, *, head_only: bool = False) -> Message:
        """Return the next answer.

        Raises: WireError when the peer closes first or the answer has no Content-Length; TimeoutError.
        """
        head = self._until(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        version, _, rest = status_line.partition(" ")
        if version not in ("HTTP/1.1", "HTTP/1.0") or not rest[:3].isdigit():
            raise WireError(f"no status line of HTTP/1.1: {status_line[:80]!r}")
        headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
        message = Message(int(rest[:3]), headers, b"")
        if head_only:
            return message
        length = message.header("Content-Length")
        if length is None:
            raise WireError(f"an answer without Content-Length: {status_line}")
        return Message(message.status, headers, self._exactly(int(length)))

    def closed_by_peer(self) -> bool:
        """Wait for the peer to close; True when it does so without sending more."""
        try:
            return self._unread == b"" and self._socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def _more(self) -> None:
        data = self._socket.recv(65_536)
        if not data:
            raise WireError(f"closed after {len(self._unread)} bytes of an answer")
        self._unread += data

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._unread:
            if len(self._unread) > MAX_HEAD_BYTES:
                raise WireError(f"a header block of more than {MAX_HEAD_BYTES} bytes")
            self._more()
        found, _, self._unread = self._unread.partition(mark)
        return found

    def _exactly(self, length: int) -> bytes:
        while len(self._unread) < length:
            self._more()
        found, self._unread = self._unread[:length], self._unread[length:]
        return found


def ask(address: Address, request: Request, body: bytes | None = None, *, timeout_s: float = 10.0) -> Message:
    """Send one request over a connection of its own and return the answer."""
    with Connection(address, timeout_s=timeout_s) as connection:
        return connection.ask(request, body)
