"""Load through a proxy: as much as goes, measured by the proxy's CPU, or at a rate, measured by its latency."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.forwarding.proxies import PATH, Proxy
from benchmarks.sending.target import ROOT, Target

ENGINE = ROOT / ".twinload" / "target" / "release" / "twinload-engine"
CONNECTIONS = 64
_LONG_S = 600


class Through:
    """Callers that send through a proxy as fast as it answers; the CPU that counts is the proxy's."""

    def __init__(self, proxy: Proxy, core: int) -> None:
        self._proxy = proxy
        self._core = core
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The proxy's process."""
        return self._proxy.pid

    def begin(self, _target: Target) -> None:
        """Start the callers."""
        argv = [str(ENGINE), "--connect", self._proxy.address, "--path", PATH, "--closed", str(CONNECTIONS)]
        self._process = subprocess.Popen(
            [*argv, "--duration", str(_LONG_S), "--warmup", "0"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.sched_setaffinity(self._process.pid, {self._core})

    def end(self) -> None:
        """End the callers."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@dataclass(frozen=True, slots=True)
class AtRate:
    """What callers saw at a rate: service times in µs, from the send to the whole answer."""

    p50_us: float
    p99_us: float
    done: int
    failed: int


def at_rate(address: str, core: int, rate_rps: float, seconds: float) -> AtRate:
    """Send at a constant mean rate for some seconds, and return what callers saw.

    Raises: subprocess.CalledProcessError when the sender fails.
    """
    argv = [
        "taskset", "--cpu-list", str(core), str(ENGINE), "--connect", address, "--path", PATH,
        "--rate", f"{rate_rps:.0f}", "--duration", f"{seconds:g}", "--warmup", "0.5", "--json",
    ]  # fmt: skip
    tree = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
    times = tree["service_us"]
    failed = sum(tree["failed"].values()) + tree["dropped"] + tree["connections_refused"]
    return AtRate(float(times["p50"]), float(times["p99"]), int(tree["done"]), int(failed))


def missing() -> Path | None:
    """Return the program that is not built, if one is not."""
    return None if ENGINE.is_file() else ENGINE
