"""The target of the sender benchmarks: a minimal responder on a core of its own, and its own count of requests."""

from __future__ import annotations

import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = ROOT / ".twinload" / "target" / "release" / "bench-target"


@dataclass(frozen=True, slots=True)
class Target:
    """A responder that runs; `address` is host:port."""

    address: str
    pid: int

    @property
    def url(self) -> str:
        """The fixed URL that peers ask for which cannot vary it."""
        return f"http://{self.address}/u/1"

    def count(self) -> int:
        """Return how many requests it has answered, this question included."""
        with urllib.request.urlopen(f"http://{self.address}/count", timeout=30) as answer:
            return int(answer.read().split()[0])

    def stop(self) -> None:
        """Let it stand still, connections open."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)


@contextmanager
def target(core: int, *, work_us: int = 0, answer_bytes: int = 396, pace: str = "") -> Iterator[Target]:
    """Start a responder pinned to a core; it ends with the block. `pace`: how late it answers, see its --help."""
    argv = [str(BINARY), "--port", "0", "--work-us", str(work_us), "--bytes", str(answer_bytes)]
    argv += ["--pace", pace] if pace else []
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            os.sched_setaffinity(process.pid, {core})
            assert process.stdout is not None
            yield Target(process.stdout.readline().split()[-1], process.pid)
        finally:
            process.kill()
