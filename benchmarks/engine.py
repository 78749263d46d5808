"""How much load a CPU-second of the sender makes: the engine inside Locust against its peers, and how punctual it is.

    .venv/bin/python -m benchmarks.engine [--rounds 10] [--window 1.2] [--out benchmarks/out]

The target is a minimal responder on one core, every sender is pinned to another. Slots of all senders are interleaved
round by round; requests are the target's own count, CPU is the scheduler's run time of the sender's whole process, and
ratios are paired within a round. Two targets: one that answers at once (the sender is the limit) and one that works
20 µs a request (the target is the limit: then every answer is a sleep and a wake-up of the sender).

Needs wrk and ab (Debian: wrk, apache2-utils); takes h2load, hey, oha and k6 where they are installed. Writes
engine.json and engine.png; exit code 2 when something is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from threading import Thread

import numpy as np
from rich.console import Console

from benchmarks.sending.drawing import draw_figures, print_figures
from benchmarks.sending.figures import Figures, OpenLoop, Rounds, Stall, regime
from benchmarks.sending.locust_users import LocustUsers
from benchmarks.sending.native_schedule import NativeSchedule
from benchmarks.sending.peers import PEERS, PeerSender, missing_packages
from benchmarks.sending.slots import Sender, run_slot
from benchmarks.sending.stall import expected
from benchmarks.sending.target import BINARY, ROOT, Target, target
from records.clock import NS
from records.hdr import Sparse, highest_us, merged, quantile_us
from records.second import Second

CONNECTIONS = 64
MANY_USERS = 800
COALESCE_US = 250
RARE = 3
"""A peer that is not required has a slot in every so many rounds."""
RATES_RPS = (5_000.0, 20_000.0, 60_000.0)
STALL_RATE_RPS = 1_000.0
STALL_S = 1.0
STALL_RUN_S = 30
PAIRS = {
    "native_schedule/wrk": ("native_schedule", "wrk"),
    "native_schedule/wrk_lua": ("native_schedule", "wrk_lua"),
    "native_schedule/ab": ("native_schedule", "ab"),
    "native_schedule_coalescing/wrk": ("native_schedule_coalescing", "wrk"),
    "native_users/fasthttpuser": ("native_users", "fasthttpuser"),
    "native_users/wrk": ("native_users", "wrk"),
    **{f"native_schedule/{name}": ("native_schedule", name) for name in ("h2load", "hey", "oha", "k6")},
}
PAIRS_800 = {"native_users/fasthttpuser_800": ("native_users", "fasthttpuser")}


@dataclass(frozen=True, slots=True)
class Entrant:
    """A sender in one regime; `every` so many rounds."""

    regime: str
    name: str
    sender: Sender
    target: Target
    every: int = 1


def main(argv: list[str]) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="at least 10 for intervals worth reading")
    parser.add_argument("--window", type=float, default=1.2, help="seconds that count of each slot")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "out")
    options = parser.parse_args(argv)
    console = Console(width=None if sys.stdout.isatty() else 120)  # a log shall hold whole rows
    if fault := unusable(options.rounds, options.window):
        console.print(fault, style="red")
        return 2
    began_s = time.monotonic()
    with ExitStack() as stack:
        figures = measure(stack, options.rounds, options.window, console)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "engine.json").write_text(json.dumps(figures.tree(), indent=1) + "\n", encoding="utf-8")
    draw_figures(figures, options.out / "engine.png")
    print_figures(figures, console)
    console.print(f"{options.out}/engine.json and engine.png, after {time.monotonic() - began_s:.0f} s")
    return 0


def unusable(rounds: int, window_s: float) -> str | None:
    """Return why nothing can be measured here, or None."""
    if rounds < 1 or window_s <= 0:
        return f"--rounds {rounds} --window {window_s:g}: give at least one round and a window above 0 s"
    if packages := missing_packages():
        return f"wrk and ab are what is measured by, and missing: apt-get install {' '.join(packages)}"
    if not BINARY.is_file():
        return f"{BINARY.relative_to(ROOT)} is missing: run `make bench-engine`, which builds it"
    if len(os.sched_getaffinity(0)) < 2:
        return "one core alone: the target and the sender need one each"
    return None


def measure(stack: ExitStack, rounds: int, window_s: float, console: Console) -> Figures:
    """Run everything; what it starts ends with the stack."""
    target_core, core = sorted(os.sched_getaffinity(0))[:2]
    quick, slow, large = (
        stack.enter_context(target(target_core, work_us=work_us, answer_bytes=size))
        for work_us, size in ((0, 396), (20, 396), (0, 2_048))
    )
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="twinload-bench-")))
    twins = {"quick": quick, "slow": slow}
    schedule = stack.enter_context(NativeSchedule(folder / "plain", twins, core=core, connections=CONNECTIONS))
    coalescing = stack.enter_context(
        NativeSchedule(folder / "coalescing", twins, core=core, connections=CONNECTIONS, coalesce_us=COALESCE_US)
    )
    few, many = (
        {kind: stack.enter_context(LocustUsers(kind, core, users)) for kind in ("native-users", "fasthttp")}
        for users in (CONNECTIONS, MANY_USERS)
    )
    entrants = [Entrant("server_limited", "native_schedule_coalescing", coalescing, slow)]
    for name, one in (("saturated", quick), ("server_limited", slow)):
        entrants += [
            Entrant(name, "native_schedule", schedule, one),
            Entrant(name, "native_users", few["native-users"], one),
            Entrant(name, "fasthttpuser", few["fasthttp"], one),
        ]
        for peer in PEERS:
            if peer.is_here:
                every = 1 if peer.required else RARE
                entrants.append(Entrant(name, peer.name, PeerSender(peer, core, CONNECTIONS), one, every))
    entrants += [
        Entrant("users_800", "native_users", many["native-users"], large),
        Entrant("users_800", "fasthttpuser", many["fasthttp"], large),
    ]
    per_cpu_s, rate_rps = run_rounds(entrants, rounds, window_s, console)
    console.print("open loop and stall …")
    open_loop = tuple(late_at(schedule, quick, rate) for rate in RATES_RPS)
    stall = stalled(schedule, quick)
    pairs = {"saturated": PAIRS, "server_limited": PAIRS, "users_800": PAIRS_800}
    regimes = {name: regime(name, per_cpu_s[name], rate_rps[name], pairs[name]) for name in pairs}
    return Figures(machine(), versions(), regimes, open_loop, stall, notes())


def run_rounds(
    entrants: list[Entrant], rounds: int, window_s: float, console: Console
) -> tuple[dict[str, Rounds], dict[str, Rounds]]:
    """Give every entrant its slot in every round, in an order that turns by one each round."""
    per_cpu_s: dict[str, Rounds] = {}
    rate_rps: dict[str, Rounds] = {}
    for number in range(rounds):
        shift = number % len(entrants)
        for entrant in entrants[shift:] + entrants[:shift]:
            slot = run_slot(entrant.sender, entrant.target, window_s) if number % entrant.every == 0 else None
            for table, value in (
                (per_cpu_s, None if slot is None else slot.per_cpu_s),
                (rate_rps, None if slot is None else slot.rate_rps),
            ):
                rows = table.setdefault(entrant.regime, {}).setdefault(entrant.name, [None] * rounds)
                rows[number] = value
        console.print(f"round {number + 1} of {rounds}")
    return per_cpu_s, rate_rps


def late_at(schedule: NativeSchedule, one: Target, rate_rps: float) -> OpenLoop:
    """Drive one rate for 4 s and return how late its sends were."""
    seconds, lines = schedule.drive(one, [rate_rps], 4)
    proof, line = lines[0].proof, lines[0]
    sent = line.sent / (line.offered or 1)
    lags = (None, None, None) if proof is None else (proof.lag_p50_us, proof.lag_p99_us, proof.lag_max_us)
    cpu = [second.sender_cpu_ratio for second in seconds if second.sender_cpu_ratio is not None]
    return OpenLoop(rate_rps, sent, *lags, sender_cpu_ratio=sum(cpu) / len(cpu) if cpu else None)


def stalled(schedule: NativeSchedule, one: Target) -> Stall:
    """Let the target stand still for a second inside a run at a constant rate; times are those of stop and continue."""
    stop_and_go = StopAndGo(one, STALL_RUN_S / 2, STALL_S)
    stop_and_go.start()
    seconds, lines = schedule.drive(one, [STALL_RATE_RPS], STALL_RUN_S)
    stop_and_go.join()
    wanted = expected(stop_and_go.stall_s, STALL_RUN_S)
    latency = latency_of(seconds)
    found = {"p99": quantile_us(latency, 0.99), "p99.9": quantile_us(latency, 0.999), "max": highest(latency)}
    return Stall(
        STALL_RATE_RPS, stop_and_go.stall_s, STALL_RUN_S, lines[0].dropped,
        {"p99": wanted.p99_s, "p99.9": wanted.p999_s, "max": wanted.max_s},
        {name: None if value is None else value / 1e6 for name, value in found.items()},
    )  # fmt: skip


class StopAndGo(Thread):
    """Stops a target after a while and lets it go on after another; `stall_s` is how long it stood still."""

    def __init__(self, one: Target, after_s: float, stall_s: float) -> None:
        super().__init__(daemon=True)
        self._target = one
        self._after_s = after_s
        self._wanted_s = stall_s
        self.stall_s = 0.0

    def run(self) -> None:
        """Wait, stop, wait, go on."""
        time.sleep(self._after_s)
        begun_ns = time.monotonic_ns()
        self._target.stop()
        try:
            time.sleep(self._wanted_s)
        finally:
            self._target.go_on()
        self.stall_s = (time.monotonic_ns() - begun_ns) / NS


def latency_of(seconds: list[Second]) -> Sparse:
    """Return the latencies of all that was meant for the measured part."""
    return merged(
        count.latency for second in seconds if second.phase in ("measure", "drain") for count in second.status.values()
    )


def highest(sparse: Sparse) -> float | None:
    """Return the largest value in µs."""
    return float(highest_us(np.array([sparse[-1][0]]))[0]) if sparse else None


def machine() -> str:
    """Return what it was measured on."""
    lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    return f"{model}, {len(os.sched_getaffinity(0))} cores, Linux {platform.release()}"


def versions() -> dict[str, str]:
    """Return the versions of Locust and of the peers' packages, as far as they tell."""
    found = {"locust": metadata.version("locust"), "python": platform.python_version()}
    for peer in PEERS:
        if peer.is_here and peer.package is not None:
            asked = subprocess.run(
                ["dpkg-query", "--show", "--showformat=${Version}", peer.package],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            found[peer.program] = asked.stdout or "unknown"
    return found


def notes() -> tuple[str, ...]:
    """Return what a reader must know of the figures."""
    absent = ", ".join(peer.name for peer in PEERS if not peer.is_here)
    return (
        "native schedule: in Locust, every request another user, histograms on; wrk, ab, h2load, hey: a fixed URL",
        f"coalescing: received in batches of {COALESCE_US} µs, times from the kernel; off by default",
        *((f"not installed: {absent}",) if absent else ()),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
