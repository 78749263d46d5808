"""One slot: a sender sends at a target for a while; requests by the target's count, CPU by the scheduler's."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from benchmarks.sending.target import Target

WARM_UP_S = 0.4
_BEGIN_S = 30.0


class Sender(Protocol):
    """Something that sends as fast as it goes."""

    def begin(self, target: Target) -> None:
        """Begin to send."""

    def end(self) -> None:
        """Send no more."""

    @property
    def pid(self) -> int:
        """Its process; children count too."""


@dataclass(frozen=True, slots=True)
class Slot:
    """What one slot showed."""

    requests: int
    seconds: float
    cpu_s: float

    @property
    def per_cpu_s(self) -> float:
        """Requests per CPU-second of the sender."""
        return self.requests / self.cpu_s

    @property
    def rate_rps(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def busy(self) -> float:
        """CPU share of the sender, in cores."""
        return self.cpu_s / self.seconds


def cpu_seconds(pid: int) -> float:
    """Return the run time of a process, its children and all their threads, to the nanosecond."""
    total_ns = 0
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for process in processes:
        for task in Path(f"/proc/{process.pid}/task").iterdir():
            with suppress(OSError):  # a thread that ends between the two looks
                total_ns += int((task / "schedstat").read_text(encoding="ascii").split()[0])
    return total_ns / 1e9


def run_slot(sender: Sender, target: Target, window_s: float) -> Slot:
    """Let a sender send and measure a window of it after a warm-up.

    Raises: RuntimeError when no request arrives.
    """
    before = target.count()
    sender.begin(target)
    try:
        _await_first(target, before)
        time.sleep(WARM_UP_S)
        cpu_s, count, began_s = cpu_seconds(sender.pid), target.count(), time.monotonic()
        time.sleep(window_s)
        spent_s = cpu_seconds(sender.pid) - cpu_s
        requests, seconds = target.count() - count - 1, time.monotonic() - began_s
    finally:
        sender.end()
    return Slot(requests, seconds, spent_s)


def _await_first(target: Target, before: int) -> None:
    """Wait until more came than our own questions."""
    until_s, asked = time.monotonic() + _BEGIN_S, 0
    while time.monotonic() < until_s:
        asked += 1
        if target.count() - before > asked + 10:
            return
        time.sleep(0.02)
    raise RuntimeError(f"no request arrived at {target.address} within {_BEGIN_S:g} s")
