"""The seat of the sender `native-users`: SeatUser's pacing, routes and causes of failure over the engine's client.

As with its own connections, a seat keeps one connection per instance, follows no redirect, keeps no cookie and repeats
no request by itself; the engine sends an idempotent one again when a connection that was idle turns out closed.
"""

from __future__ import annotations

from locust.env import Environment

from collections.abc import Mapping
from dataclasses import dataclass
from time import time
from typing import Any, cast

from gevent import getcurrent
from twinload_engine import Channel, Reply, Tls

from swarm.connection import RequestError
from swarm.native.events import fire_request
from swarm.native.heads import HEADS_KEPT
from swarm.native.lines import resolve
from swarm.native.loop import Tireless
from swarm.native.response import NativeResponse
from swarm.native.targets import Origin
from swarm.native.wire import Turn, Wire
from swarm.seat_user import Kit, SeatUser
from swarm.targets import Route
from swarm.templates import Expectation

_CAUSES = {"connect": "connect", "tls": "connect", "timeout": "timeout", "reset": "reset"}


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """What stands for an answer that did not come."""

    error: RequestError
    status_code: int = 0
    content: bytes | None = None


class NativeSeatSession:
    """A seat's client: requests to the plan's routes and nowhere else."""

    expectation: Expectation | None = None

    def __init__(self, request_event: Any) -> None:
        self.yielded = False
        self._event = request_event
        self._route: Route | None = None
        self._kit: Kit | None = None
        self._channels: dict[str, Channel] = {}
        self._lines: dict[tuple[tuple[str, str], ...], bytes] = {}
        self._turn = Turn()

    def use(self, kit: Kit, route: Route) -> None:
        """Send to this route from now on; connections to another twin are closed first."""
        if route is self._route:
            return
        if self._route is not None and route.twin != self._route.twin:
            self.close()
        self._kit, self._route = kit, route

    def connect(self) -> None:
        """Look the route's address up ahead of the first request."""
        if self._route is not None and self._route.instance not in self._channels:
            try:
                self._channel()
            except OSError:  # left to that request to meet and count
                return

    def close(self) -> None:
        """Close all connections of the seat."""
        while self._channels:
            self._channels.popitem()[1].close()

    def request(
        self,
        method: str,
        path: str,
        *,
        name: str,
        data: str | bytes | None,
        headers: Mapping[str, str],
        context: dict[str, Any],
    ) -> None:
        """Send a request to the route and fire its event; a failed one's exception is a RequestError."""
        route = cast(Route, self._route)
        begin_s = time()
        body = data.encode() if isinstance(data, str) else data
        if body is None and method in ("POST", "PUT", "PATCH"):
            body = b""
        try:
            channel = self._channels.get(route.instance) or self._channel()
        except OSError:
            answer: Any = NoAnswer(RequestError("connect"))
            elapsed_ms, size_bytes = (time() - begin_s) * 1e3, 0
        else:
            reply = self._exchange(channel, method, path, self._head(headers), body)
            answer = self._answer(reply, method, route.base + path, headers)
            elapsed_ms, size_bytes = (reply.done_ns - reply.submitted_ns) / 1e6, reply.raw_bytes
        fire_request(
            self._event, method, name, context, answer, answer.error, begin_s, route.base + path, size_bytes, elapsed_ms
        )

    def _exchange(self, channel: Channel, method: str, path: str, lines: bytes, body: bytes | None) -> Reply:
        turn = self._turn
        turn.greenlet = getcurrent()
        self.yielded = True
        try:
            channel.submit(method, path, lines, body, turn)
            reply: Reply = Wire.here().switch()
        except BaseException:
            self._turn = Turn()  # the old one's answer may come yet, for nobody
            raise
        finally:
            turn.greenlet = None
        return reply

    def _answer(self, reply: Reply, method: str, url: str, headers: Mapping[str, str]) -> Any:
        if reply.error is not None:
            return NoAnswer(RequestError(_CAUSES.get(reply.error, "other")))
        answer = NativeResponse(reply, (None, method, url, headers, None, None))
        if self.expectation is not None:
            cause = self.expectation.fault(reply.status, cast(Any, _Fields(reply)))
            answer.error = RequestError(cause) if cause is not None else None
        return answer

    def _head(self, headers: Mapping[str, str]) -> bytes:
        key = tuple(headers.items())
        lines = self._lines.get(key)
        if lines is None:
            if len(self._lines) >= HEADS_KEPT:
                self._lines.clear()
            lines = self._lines[key] = "".join([f"{name}: {value}\r\n" for name, value in key]).encode("latin-1")
        return lines

    def _channel(self) -> Channel:
        route, kit, wire = cast(Route, self._route), cast(Kit, self._kit), Wire.here()
        address = resolve(Origin(route.scheme, route.host, route.port))[0]
        channel = wire.client.channel(
            (address, route.port),
            route.host_header,
            tls=_tls(wire, route),
            connections=1,
            connect_timeout_s=kit.timeout_s,
            timeout_s=kit.timeout_s,
        )
        self._channels[route.instance] = channel
        return channel


class NativeSeatUser(Tireless, SeatUser):
    """A seat of the swarm whose requests the engine sends."""

    abstract = True

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.client = NativeSeatSession(environment.events.request)  # type: ignore[assignment]


class _Fields:
    """The headers of a reply, for an expectation to look into."""

    __slots__ = ("get",)

    def __init__(self, reply: Reply) -> None:
        self.get = reply.header


def _tls(wire: Wire, route: Route) -> Tls | None:
    """Return how to speak TLS with a route's instance, whose certificate is always checked; None for http."""
    if route.scheme != "https":
        return None
    return wire.tls(route.server_name, verify=True, ca_file=route.ca_file)
