"""The peers: load testers as their packages install them, each as it sends fastest with kept connections."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.sending.target import Target

VARYING = Path(__file__).with_name("varying.lua")
K6_SCRIPT = Path(__file__).with_name("k6.js")
LONG_S = 60
"""Longer than any slot; a slot ends its peer itself."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A load tester: its program, its Debian package, whether the benchmark is worth nothing without it."""

    name: str
    program: str
    package: str | None
    required: bool
    argv: Callable[[Target, int], list[str]]

    @property
    def is_here(self) -> bool:
        """Whether it is installed."""
        return shutil.which(self.program) is not None


PEERS = (
    Peer("wrk", "wrk", "wrk", True, lambda t, c: ["-t1", f"-c{c}", f"-d{LONG_S}s", t.url]),
    Peer("wrk_lua", "wrk", "wrk", True, lambda t, c: ["-t1", f"-c{c}", f"-d{LONG_S}s", "-s", str(VARYING), t.url]),
    Peer("ab", "ab", "apache2-utils", True, lambda t, c: ["-q", "-k", f"-c{c}", f"-t{LONG_S}", "-n3000000", t.url]),
    Peer("h2load", "h2load", "nghttp2-client", False, lambda t, c: ["--h1", f"-c{c}", "-t1", f"-D{LONG_S}", t.url]),
    Peer("hey", "hey", "hey", False, lambda t, c: [f"-c={c}", f"-z={LONG_S}s", t.url]),
    Peer("oha", "oha", None, False, lambda t, c: ["--no-tui", f"-c{c}", f"-z{LONG_S}s", t.url]),
    Peer(
        "k6", "k6", None, False, lambda t, c: ["run", "-q", f"-u{c}", f"-d{LONG_S}s", f"-eURL={t.url}", str(K6_SCRIPT)]
    ),
)


def missing_packages() -> tuple[str, ...]:
    """Return the Debian packages of required peers that are not installed."""
    return tuple(sorted({str(peer.package) for peer in PEERS if peer.required and not peer.is_here}))


class PeerSender:
    """A peer as a sender: a process per slot, pinned."""

    def __init__(self, peer: Peer, core: int, connections: int) -> None:
        self._peer = peer
        self._core = core
        self._connections = connections
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self, target: Target) -> None:
        """Start the program."""
        argv = [self._peer.program, *self._peer.argv(target, self._connections)]
        self._process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.sched_setaffinity(self._process.pid, {self._core})

    def end(self) -> None:
        """End the program."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        """The program's process."""
        assert self._process is not None
        return self._process.pid
