"""Load testers under stalls: how each is started at a rate, or as fast as it goes where it knows none, and read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Protocol

import numpy as np

from benchmarks.sending.native_schedule import NativeSchedule
from benchmarks.sending.target import Target
from benchmarks.stalls import reports
from benchmarks.stalls.series import Latencies
from records.hdr import highest_us, merged, quantile_us

HERE: Final = Path(__file__).parent
USERS: Final = 16
_LATE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """What a tester is asked for: a rate, for so long, from a core."""

    rate_rps: float
    run_s: int
    core: int


class Tester(Protocol):
    """A load tester: its name, how it sends, how long it sends before it counts."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def how(self) -> str:
        """How it sends."""

    @property
    def warm_up_s(self) -> float:
        """So long after its first request its figures begin."""

    def absent(self) -> str | None:
        """Return why it cannot be run here, None when it can."""

    def run(self, target: Target, load: Load) -> Latencies:
        """Send and return what it reports."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program that prints its report, or with `file` writes it to that name in its folder."""

    name: str
    program: str
    how: str
    argv: Callable[[Target, Load], list[str]]
    read: Callable[[str], Latencies]
    file: str | None = None
    warm_up_s: float = 0.0

    def absent(self) -> str | None:
        """Return why it cannot be run here, None when it can."""
        return None if shutil.which(self.program) else f"{self.program} is not installed"

    def run(self, target: Target, load: Load) -> Latencies:
        """Run it to its end; RuntimeError when it fails."""
        settings = {"RATE_RPS": f"{load.rate_rps:g}", "USERS": str(USERS), "RUN_S": str(load.run_s), "URL": target.url}
        with TemporaryDirectory(prefix="twinload-stalls-") as folder:
            with subprocess.Popen(
                [self.program, *self.argv(target, load)], cwd=folder, env=os.environ | settings,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            ) as process:  # fmt: skip
                os.sched_setaffinity(process.pid, {load.core})
                said, _ = process.communicate(timeout=load.run_s + _LATE_S)
            if process.returncode:
                raise RuntimeError(f"{self.name} ended with {process.returncode}:\n{said[-2000:]}")
            return self.read(said if self.file is None else (Path(folder) / self.file).read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Twinload:
    """The suite's own native schedule; `spare` is a second target, since a plan has two twins."""

    spare: Target
    name: str = "twinload"
    how: str = "open loop at the rate, from the intended start"
    warm_up_s: float = 1.0

    def absent(self) -> str | None:
        """Return None: it is always here."""
        return None

    def run(self, target: Target, load: Load) -> Latencies:
        """Drive one stage of constant rate."""
        with TemporaryDirectory(prefix="twinload-stalls-") as folder:
            twins = {"stalled": target, "spare": self.spare}
            with NativeSchedule(Path(folder) / "plan", twins, core=load.core, connections=64) as schedule:
                seconds, _ = schedule.drive(target, [load.rate_rps], load.run_s)
        latency = merged(
            count.latency
            for second in seconds
            if second.phase in ("measure", "drain")
            for count in second.status.values()
            if count.latency is not None
        )
        p50_us, p99_us = (quantile_us(latency, q) for q in (0.5, 0.99))
        largest_s = float(highest_us(np.array([latency[-1][0]]))[0]) / 1e6 if latency else None
        return Latencies(None if p50_us is None else p50_us / 1e6, None if p99_us is None else p99_us / 1e6, largest_s)


def _each(load: Load) -> float:
    return load.rate_rps / USERS


def _locust(target: Target, load: Load) -> list[str]:
    words = ["-m", "locust", "-f", str(HERE / "locustfile.py"), "--headless", "--only-summary", "--csv", "told"]
    return [*words, "-u", str(USERS), "-r", str(USERS), "-t", f"{load.run_s}s", "--host", f"http://{target.address}"]


PROGRAMS: Final = (
    Program(
        "wrk", "wrk", "closed loop, as fast as it goes",
        lambda t, load: ["-t1", f"-c{USERS}", f"-d{load.run_s}s", "--latency", t.url], reports.of_wrk,
    ),
    Program(
        "ab", "ab", "closed loop, as fast as it goes",
        lambda t, load: ["-q", "-k", f"-c{USERS}", f"-t{load.run_s}", "-n50000000", t.url], reports.of_ab,
    ),
    Program(
        "hey", "hey", "each connection at its share of the rate, after its answer",
        lambda t, load: ["-c", str(USERS), "-q", f"{_each(load):g}", "-z", f"{load.run_s}s", t.url], reports.of_hey,
    ),
    Program(
        "h2load", "h2load", "each connection at its share of the rate, after its answer",
        lambda t, load: ["--h1", "-t1", f"-c{USERS}", f"-D{load.run_s}", "--rps", f"{_each(load):g}", t.url],
        reports.of_h2load,
    ),
    Program(
        "Locust FastHttpUser", sys.executable, "users at their share of the rate, after their answer", _locust,
        reports.of_locust, "told_stats.csv",
    ),
    Program(
        "oha", "oha", "at the rate",
        lambda t, load: ["--no-tui", "-j", f"-c{USERS}", "-q", f"{load.rate_rps:g}", f"-z{load.run_s}s", t.url],
        reports.of_oha,
    ),
    Program(
        "k6", "k6", "constant arrival rate",
        lambda _t, _load: ["run", "-q", "--summary-export", "told.json", str(HERE / "k6.js")],
        reports.of_k6, "told.json",
    ),
)  # fmt: skip
