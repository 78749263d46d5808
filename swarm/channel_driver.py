"""The driver behind a channel: a campaign in the parent process asks for sweeps and is told what was counted.

One greenlet reads orders; the conductor's greenlet writes. When the campaign's end closes, the sweep under way is cut
and the run ends. An order that cannot be read ends it too.
"""

from __future__ import annotations

import logging
import os
import socket

import gevent
import gevent.queue
import gevent.socket
import msgspec

from records.channel import (
    VARIABLE,
    Counted,
    Quit,
    Ready,
    StageDone,
    Stop,
    Sweep,
    SweepDone,
    ToCampaign,
    Told,
    decode_order,
    encode,
)
from records.event import Event
from records.second import Second
from records.stage import Stage, StageLine
from swarm.conductor import Outcome

logger = logging.getLogger("twinload.swarm")
BLOCK_BYTES = 65_536


def inherited_socket() -> gevent.socket.socket | None:
    """Return the channel that the parent process left open and named; None when there is none."""
    number = os.environ.get(VARIABLE)
    if number is None:
        return None
    return gevent.socket.socket(fileno=int(number))


class ChannelDriver:
    """The swarm's end of a channel; takes over the socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sweeps: gevent.queue.Queue[tuple[Stage, ...] | None] = gevent.queue.Queue()
        self._stop: str | None = None
        self._open = True
        self.ended: str | None = None
        self._reader = gevent.spawn(self._read)

    def ready(self, pids: tuple[int, ...], seats: int) -> None:
        """Tell that all seats stand."""
        self._send(Ready(pids, seats))

    def next_sweep(self) -> tuple[Stage, ...] | None:
        """Wait for the next sweep; None when the campaign ended."""
        stages: tuple[Stage, ...] | None = self._sweeps.get()
        return stages

    def wake(self) -> None:
        """Let `next_sweep` return None."""
        self._sweeps.put(None)

    def stop_wanted(self) -> str | None:
        """Return why the sweep under way shall end."""
        return self._stop

    def counted(self, second: Second) -> None:
        """Tell a second."""
        self._send(Counted(second))

    def stage_done(self, line: StageLine) -> None:
        """Tell a stage's line."""
        self._send(StageDone(line))

    def told(self, event: Event) -> None:
        """Tell an event."""
        self._send(Told(event))

    def sweep_done(self) -> None:
        """Tell that nothing is in flight."""
        self._send(SweepDone())

    def closed(self, outcome: Outcome, text: str) -> None:
        """Close the channel; the exit code says how it went."""
        logger.info("the run is over: %s, %s", outcome, text)
        self._reader.kill(block=False)
        self._open = False
        self._sock.close()

    def _send(self, message: ToCampaign) -> None:
        if not self._open:
            return
        try:
            self._sock.sendall(encode(message))
        except OSError as error:
            self._end(f"the campaign cannot be told any more: {error.strerror}")

    def _read(self) -> None:
        rest = b""
        while True:
            try:
                data = self._sock.recv(BLOCK_BYTES)
            except OSError:
                data = b""
            if not data:
                self._end("the campaign closed the channel")
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._obey(line)

    def _obey(self, line: bytes) -> None:
        try:
            order = decode_order(line)
        except msgspec.DecodeError as error:
            self._end(f"an order of the campaign cannot be read: {error}")
            return
        if isinstance(order, Sweep):
            self._stop = self.ended
            self._sweeps.put(order.stages)
        elif isinstance(order, Stop):
            self._stop = "stopped by the campaign"
        elif isinstance(order, Quit):
            self._end("the campaign is over")

    def _end(self, why: str) -> None:
        self._open = self._open and why == "the campaign is over"
        self.ended = self._stop = why
        self._sweeps.put(None)
