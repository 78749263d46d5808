"""The wire: one request as written, one whole reply or the reason why there is none, always within a time.

On `http.client`, because the target must arrive as it stands: pooled clients normalise it (percent triplets in
capitals, quotes and bars encoded) and would hide by that what the twins make of it. No redirects, no retries, no
decoding.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clusters.command import fill_variables, split_address
from records.instance import Instance
from records.plan import Plan
from records.plan_types import is_loopback
from shadow.answer import Answer, Reply, Unanswered
from shadow.errors import TargetError

BODY_LIMIT_BYTES: Final = 64 << 20
IDLE_S: Final = 1.0
"""A connection that rested this long may have been closed by the other side with every right: it is opened anew."""
_MAY_REPEAT: Final = ("GET", "HEAD", "OPTIONS")
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Target:
    """An instance as the wire needs it. `headers` are the twin's own, secrets still named as `${ENV}`."""

    name: str
    twin: str
    host: str
    port: int
    host_header: str
    headers: tuple[tuple[str, str], ...]
    context: ssl.SSLContext | None

    @property
    def server_name(self) -> str:
        """The name that a certificate must be for."""
        return split_address(self.host_header)[0] if ":" in self.host_header else self.host_header


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: the target goes out byte for byte."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None


def targets_of(plan: Plan, instances: Sequence[Instance], root: Path) -> tuple[Target, ...]:
    """Return the plan's running instances as targets, in their order.

    Raises: TargetError for an address that the plan does not allow, or a CA file that cannot be used.
    """
    contexts = {name: _context(name, plan, root) for name in plan.twins}
    return tuple(_target(plan, instance, contexts) for instance in instances if instance.twin in plan.twins)


def _target(plan: Plan, instance: Instance, contexts: Mapping[str, ssl.SSLContext | None]) -> Target:
    address, name = instance.address or "", instance.twin or ""
    if ":" not in address:
        raise TargetError(f"instance {instance.name} has no address to ask")
    if not plan.allow_remote and not is_loopback(address):
        raise TargetError(f"{address} is not loopback: it is asked only with allow_remote = true in the plan")
    twin = plan.twins[name]
    host, port = split_address(address)
    headers = tuple((key.lower(), value) for key, value in twin.headers.items())
    return Target(instance.name, name, host, port, twin.host or address, headers, contexts[name])


def _context(name: str, plan: Plan, root: Path) -> ssl.SSLContext | None:
    twin = plan.twins[name]
    if twin.scheme != "https":
        return None
    try:
        return ssl.create_default_context(cafile=str(root / twin.ca_file) if twin.ca_file else None)
    except OSError as error:
        why = error.strerror or error
        raise TargetError(f"twins.{name}.ca_file = {twin.ca_file}: {why}; name a PEM file of certificates") from error


def secrets_of(plan: Plan, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the plan's headers name, with their values, so that nothing written shows them."""
    texts = [value for twin in plan.twins.values() for value in twin.headers.values()]
    texts += [value for entry in plan.workload for value in entry.headers.values()]
    names = [name for text in texts for name in fill_variables(text, {})[1]]
    return {name: environ[name] for name in names if name in environ}


class Wire:
    """The keep-alive connections of one thread, one to each instance that it has asked."""

    def __init__(self, *, timeout_s: float, environ: Mapping[str, str], clock: Clock = time.monotonic) -> None:
        self._timeout_s = timeout_s
        self._environ = environ
        self._clock = clock
        self._open: dict[str, _Connection] = {}
        self._ended = False

    def ask(self, target: Target, request: Request) -> Reply:
        """Return what an instance answers, whole and within the time-out, or why there is no answer.

        Raises: TargetError when a header names a variable that is not set.
        """
        if self._ended:
            return Unanswered("closed", "the replay was ended")
        headers = tuple((key, self._resolved(value)) for key, value in (*target.headers, *request.headers))
        connection = self._open.get(target.name)
        if connection is None:
            connection = self._open[target.name] = _Connection(target, self._clock)
        try:
            with _causes() as failure:
                return connection.exchange(request, headers, self._clock() + self._timeout_s)
            connection.close()
            return failure[0]
        except BaseException:
            connection.close()
            raise

    def cut(self) -> None:
        """End what is in flight, from any thread, and ask nothing more: the reply is then `closed`."""
        self._ended = True
        for connection in tuple(self._open.values()):
            connection.cut()

    def close(self) -> None:
        """Close all connections."""
        for connection in self._open.values():
            connection.close()

    def _resolved(self, text: str) -> str:
        value, missing = fill_variables(text, self._environ)
        if missing:
            raise TargetError(f"the environment variable {missing[0]} is not set, but a header of the plan needs it")
        return value


@contextmanager
def _causes() -> Iterator[list[Unanswered]]:
    """Turn what goes wrong on a connection into a record; the list holds it afterwards."""
    failure: list[Unanswered] = []
    try:
        yield failure
    except TimeoutError:
        failure.append(Unanswered("timeout", "no whole answer within the time-out"))
    except _TooLargeError:
        failure.append(Unanswered("too-large", f"the body has more than {BODY_LIMIT_BYTES} bytes"))
    except _CutShortError as error:
        failure.append(Unanswered("cut-short", str(error)))
    except http.client.IncompleteRead as error:
        failure.append(
            Unanswered("cut-short", f"the connection ended within a chunk, after {len(error.partial)} bytes")
        )
    except ConnectionRefusedError:
        failure.append(Unanswered("refused", "nothing listens at the address"))
    except (ConnectionError, http.client.RemoteDisconnected):
        failure.append(Unanswered("closed", "the connection was closed before the answer was whole"))
    except http.client.HTTPException as error:
        failure.append(Unanswered("protocol", f"no HTTP answer: {type(error).__name__} {error}"[:200]))
    except ssl.SSLError as error:
        failure.append(Unanswered("tls", str(error)[:200]))
    except OSError as error:
        failure.append(Unanswered("unreachable", error.strerror or type(error).__name__))
    except ValueError as error:  # http.client on a broken chunk size or Content-Length
        failure.append(Unanswered("protocol", f"no HTTP answer: {error}"[:200]))


class _TooLargeError(Exception):
    pass


class _CutShortError(Exception):
    pass


class _Connection(http.client.HTTPConnection):
    """One connection whose every wait ends at the deadline of the exchange under way."""

    def __init__(self, target: Target, clock: Clock) -> None:
        super().__init__(target.host, target.port)
        self._target = target
        self._clock = clock
        self._deadline = 0.0
        self._rested_since = 0.0
        self._live: socket.socket | None = None

    def exchange(self, request: Request, headers: tuple[tuple[str, str], ...], deadline: float) -> Answer:
        """Send a request and read the whole answer."""
        self._deadline = deadline
        rested = self.sock is not None and self._clock() - self._rested_since > IDLE_S
        if rested or request.method not in _MAY_REPEAT:
            self.close()
        self._send(request, headers)
        response = self.getresponse()
        body = _read(response)
        self._rested_since = self._clock()
        return Answer(response.status, tuple((k.lower(), v) for k, v in response.getheaders()), body)

    def left_s(self) -> float:
        """Return the time left, raising TimeoutError at the deadline."""
        left = self._deadline - self._clock()
        if left <= 0:
            raise TimeoutError
        return left

    def connect(self) -> None:
        """Connect, with TLS where the target wants it, within the deadline."""
        sock = socket.create_connection((self.host, self.port), timeout=self.left_s())
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._target.context is not None:
                sock.settimeout(self.left_s())
                sock = self._target.context.wrap_socket(sock, server_hostname=self._target.server_name)
        except BaseException:
            sock.close()
            raise
        self._live = sock
        self.sock = _Timed(sock, self.left_s)

    def cut(self) -> None:
        """Shut the socket down: whoever waits on it goes on at once."""
        if self._live is not None:
            with suppress(OSError):
                self._live.shutdown(socket.SHUT_RDWR)

    def _send(self, request: Request, headers: tuple[tuple[str, str], ...]) -> None:
        self.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
        names = {name for name, _ in headers}
        if "host" not in names:
            self.putheader("Host", self._target.host_header)
        for name, value in headers:
            self.putheader(name, value.encode("utf-8"))
        if request.body is not None or request.method in ("POST", "PUT", "PATCH"):
            self.putheader("Content-Length", str(len(request.body or b"")))
        self.endheaders(request.body)


def _read(response: http.client.HTTPResponse) -> bytes:
    body = response.read(BODY_LIMIT_BYTES + 1)
    if len(body) > BODY_LIMIT_BYTES:
        raise _TooLargeError
    if response.length:
        raise _CutShortError(f"{len(body)} bytes of {len(body) + response.length} came, then the connection ended")
    response.read()  # nothing is left; this ends the answer, so that the connection can be used again
    return body


class _Timed:
    """A socket whose every operation has what is left of the deadline. `http.client` asks no more of one than this."""

    def __init__(self, sock: socket.socket, left_s: Callable[[], float]) -> None:
        self._sock = sock
        self._left_s = left_s

    def sendall(self, data: Any) -> None:
        self._sock.settimeout(self._left_s())
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._sock, self._left_s), 1 << 16)

    def close(self) -> None:
        self._sock.close()


class _TimedReader(io.RawIOBase):
    """The reading end; it holds the socket open until the answer is read, as `http.client` expects."""

    def __init__(self, sock: socket.socket, left_s: Callable[[], float]) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._left_s = left_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._left_s())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
            super().close()
