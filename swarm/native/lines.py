"""Lines: a session's connections to the servers it asks, one engine channel per origin."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import gevent.socket
from twinload_engine import Channel

from swarm.native.targets import Origin
from swarm.native.wire import Wire


@dataclass(frozen=True, slots=True)
class Limits:
    """How a session connects: connections at once, time-outs, whether servers' certificates are checked."""

    connections: int
    connect_timeout_s: float
    timeout_s: float
    verify: bool


class Line:
    """A session's connections to one origin: to the first of its addresses that takes them."""

    __slots__ = ("_addresses", "_limits", "_wire", "channel", "origin")

    def __init__(self, wire: Wire, origin: Origin, limits: Limits) -> None:
        self._wire, self.origin, self._limits = wire, origin, limits
        self._addresses = resolve(origin)
        self.channel = self._open()

    def __len__(self) -> int:
        return len(self._addresses)

    def turn_away(self) -> None:
        """Leave an address that took no connection; the next one is tried."""
        self._addresses = [*self._addresses[1:], self._addresses[0]]
        self.channel.close()
        self.channel = self._open()

    def _open(self) -> Channel:
        origin, limits = self.origin, self._limits
        tls = self._wire.tls(origin.host, verify=limits.verify) if origin.scheme == "https" else None
        return self._wire.client.channel(
            (self._addresses[0], origin.port),
            origin.header,
            tls=tls,
            connections=limits.connections,
            connect_timeout_s=limits.connect_timeout_s,
            timeout_s=limits.timeout_s,
        )


class Lines:
    """The lines of one session, or of all sessions that share a pool."""

    __slots__ = ("_limits", "_lines", "_wire")

    def __init__(self, wire: Wire, limits: Limits) -> None:
        self._wire, self._limits = wire, limits
        self._lines: dict[Origin, Line] = {}

    def to(self, origin: Origin) -> Line:
        """Return the line to an origin; its name is looked up the first time.

        Raises: OSError when the name has no address.
        """
        line = self._lines.get(origin)
        if line is None:
            line = Line(self._wire, origin, self._limits)
            line = self._lines.setdefault(origin, line)  # another greenlet may have been quicker
        return line

    def forget(self, origin: Origin) -> None:
        """Look the origin's name up again next time."""
        line = self._lines.pop(origin, None)
        if line is not None:
            line.channel.close()

    def close(self) -> None:
        """Close all connections; what is on its way ends first."""
        while self._lines:
            self._lines.popitem()[1].channel.close()


def resolve(origin: Origin) -> list[str]:
    """Return the numeric addresses of an origin's host, in the machine's order of preference."""
    try:
        return [str(ip_address(origin.host))]
    except ValueError:
        pass
    found: list[Any] = gevent.socket.getaddrinfo(origin.host, origin.port, 0, gevent.socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
