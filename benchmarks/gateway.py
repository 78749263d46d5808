"""What the gateway costs: against nginx, added latency, pairs compared, and whether callers feel a sick candidate.

    .venv/bin/python -m benchmarks.gateway [--rounds 8] [--window 1.2] [--seconds 3] [--out benchmarks/out]

A minimal responder with answers of 4 KB and the senders share one core, the proxy has another. Everything is
interleaved round by round, and figures are medians of what was paired within a round. Requests per CPU-second: the
service's own count over the proxy's run time, 64 connections, as fast as it goes. Latency: open loop at 30 % of what
the gateway carried there, its service time minus that of the same load without a proxy; nginx's stands beside it, as a
measure of the machine's own noise. Pairs: mode `shadow`, as fast as it goes, pairs compared over all CPU time of the
gateway, that of the requests whose copies were dropped included.
Sick candidates: callers in mode `shadow` against mode `off`, at 30 % of what the gateway carries with copies; at 30 %
of what it carries without, copies alone would take all that is left of its core.

Without nginx its ratio is left out and the file says why. Writes gateway.json, key by key: what other programs write
there stays. Exit code 2 when something else is missing.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.forwarding.faulty import hanging, resetting
from benchmarks.forwarding.load import AtRate, Through, at_rate, missing
from benchmarks.forwarding.proxies import BINARY as GATEWAY
from benchmarks.forwarding.proxies import Proxy, cores, gateway, has_nginx, nginx
from benchmarks.gateway_figures import write_figures
from benchmarks.sending.ratios import Estimate, median_interval, paired
from benchmarks.sending.slots import Slot, cpu_seconds, run_slot
from benchmarks.sending.target import BINARY as RESPONDER
from benchmarks.sending.target import ROOT, Target, target

ANSWER_BYTES = 4_096
LOAD_RATIO = 0.3
SLOW = "rate=133000,servers=400"  # 3 ms an answer
"""About ten times what an answer of the responder takes through the gateway."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What stands ready: the service, its cores, a folder, how long and how often."""

    service: Target
    core: int
    proxy_core: int
    folder: Path
    rounds: int
    window_s: float
    seconds: float


def main(argv: list[str]) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8, help="at least 6 for intervals worth reading")
    parser.add_argument("--window", type=float, default=1.2, help="seconds that count of each slot")
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds at a rate")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "out")
    options = parser.parse_args(argv)
    console = Console(width=None if sys.stdout.isatty() else 120)
    if fault := unusable(options.rounds):
        console.print(fault, style="red")
        return 2
    with ExitStack() as stack:
        core, proxy_core = cores()
        service = stack.enter_context(target(core, answer_bytes=ANSWER_BYTES))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="twinload-bench-")))
        bench = Bench(service, core, proxy_core, folder, options.rounds, options.window, options.seconds)
        figures = measure(bench, console)
    write_figures(figures, options.out / "gateway.json")
    console.print_json(data=figures)
    console.print(f"{options.out}/gateway.json")
    return 0


def unusable(rounds: int) -> str | None:
    """Return why nothing can be measured here, or None."""
    if rounds < 1:
        return f"--rounds {rounds}: give at least one"
    for path in (GATEWAY, RESPONDER, missing()):
        if path is not None and not path.is_file():
            return f"{path.relative_to(ROOT)} is missing: run `make bench`, which builds it"
    if len(os.sched_getaffinity(0)) < 2:
        return "one core alone: the proxy and the rest need one each"
    return None


def measure(bench: Bench, console: Console) -> dict[str, object]:
    """Measure everything, and return it as the file's keys."""
    console.print("requests and pairs per CPU-second …")
    figures, rate_rps, shadowed_rps = efficiency(bench)
    console.print(f"added latency at {rate_rps:.0f} requests a second …")
    figures |= added_latency(bench, rate_rps) | {"latency_rate_rps": round(rate_rps)}
    candidates: dict[str, Callable[[], AbstractContextManager[str]]] = {
        "hangs": hanging, "resets": resetting, "slow": lambda: slow(bench.core),
    }  # fmt: skip
    felt: dict[str, object] = {}
    for name, candidate in candidates.items():
        console.print(f"callers before a candidate that {name} …")
        felt[name] = callers(bench, name, candidate, shadowed_rps)
    return figures | {"callers": felt, "callers_rate_rps": round(shadowed_rps)}


def efficiency(bench: Bench) -> tuple[dict[str, object], float, float]:
    """Return requests and pairs per CPU-second, and 30 % of the rates that it carried, alone and with copies."""
    with ExitStack() as stack:
        ours = stack.enter_context(
            gateway(bench.folder / "own", bench.proxy_core, bench.service.address, bench.service.address)
        )
        peer = None
        if has_nginx():
            peer = stack.enter_context(nginx(bench.folder / "nginx", bench.proxy_core, bench.service.address))
        own_slots: list[Slot] = []
        peer_slots: list[Slot | None] = []
        pairs: list[float] = []
        for _ in range(bench.rounds):
            peer_slots.append(None if peer is None else slot(bench, peer))
            own_slots.append(slot(bench, ours))
            pairs.append(pairs_per_cpu_s(bench, ours))
        dropped = ours.status()["routes"]["balance"]["dropped"]["queue-full"]
        compared = ours.compared()
    own, peers = [one.per_cpu_s for one in own_slots], [one and one.per_cpu_s for one in peer_slots]
    figures: dict[str, object] = {
        "per_cpu_second": interval(median_interval(own)),
        "per_cpu_second_vs_nginx": interval(paired(own, peers)),
        "nginx": "compared" if peer is not None else "not installed (Debian: nginx-light)",
        "pairs_per_cpu_second": statistics.median(pairs),
        "pairs_compared_ratio": compared / (compared + dropped),
        "answer_bytes": ANSWER_BYTES,
    }
    own_rps = statistics.median(one.rate_rps for one in own_slots)
    return figures, LOAD_RATIO * own_rps, LOAD_RATIO * min(own_rps, statistics.median(pairs))


def slot(bench: Bench, proxy: Proxy) -> Slot:
    """Load a proxy as it goes for one window."""
    return run_slot(Through(proxy, bench.core), bench.service, bench.window_s)


def pairs_per_cpu_s(bench: Bench, proxy: Proxy) -> float:
    """Load the gateway in mode shadow; return pairs compared per CPU-second, what was still pending included."""
    proxy.switch("shadow")
    before, cpu_s = proxy.compared(), cpu_seconds(proxy.pid)
    slot(bench, proxy)
    proxy.flush()
    pairs, spent_s = proxy.compared() - before, cpu_seconds(proxy.pid) - cpu_s
    proxy.switch("off")
    return pairs / spent_s


def added_latency(bench: Bench, rate_rps: float) -> dict[str, object]:
    """Return what the gateway in mode off and nginx add at a rate, in µs: medians of the rounds' differences."""
    service = bench.service.address
    rows: dict[str, list[tuple[float, float]]] = {}
    with ExitStack() as stack:
        proxies = {
            "added_latency_us": stack.enter_context(gateway(bench.folder / "late", bench.proxy_core, service, service))
        }
        if has_nginx():
            proxies["added_latency_us_nginx"] = stack.enter_context(
                nginx(bench.folder / "late-nginx", bench.proxy_core, service)
            )
        for _ in range(bench.rounds):
            direct = at_rate(service, bench.core, rate_rps, bench.seconds)
            for name, proxy in proxies.items():
                through = at_rate(proxy.address, bench.core, rate_rps, bench.seconds)
                difference = (through.p50_us - direct.p50_us, through.p99_us - direct.p99_us)
                rows.setdefault(name, []).append(difference)
    return {name: differences(of_proxy) for name, of_proxy in rows.items()}


def differences(rows: list[tuple[float, float]]) -> dict[str, float]:
    """Return the medians of p50 and p99, and the range of each."""
    p50, p99 = zip(*rows, strict=True)
    return {
        "p50": statistics.median(p50), "p50_least": min(p50), "p50_most": max(p50),
        "p99": statistics.median(p99), "p99_least": min(p99), "p99_most": max(p99),
    }  # fmt: skip


def callers(
    bench: Bench, name: str, candidate: Callable[[], AbstractContextManager[str]], rate_rps: float
) -> dict[str, object]:
    """Return what callers see of a sick candidate: failed requests, and p99 against that without a mirror."""
    seen: list[AtRate] = []
    ratios: list[float] = []
    with (
        candidate() as address,
        gateway(bench.folder / name, bench.proxy_core, bench.service.address, address) as ours,
    ):
        for _ in range(bench.rounds):
            without = at_rate(ours.address, bench.core, rate_rps, bench.seconds)
            ours.switch("shadow")
            seen.append(at_rate(ours.address, bench.core, rate_rps, bench.seconds))
            ours.switch("off")
            ratios.append(seen[-1].p99_us / without.p99_us)
    return {
        "requests": sum(one.done for one in seen), "failed": sum(one.failed for one in seen),
        "p99_ratio": statistics.median(ratios), "p99_ratio_least": min(ratios), "p99_ratio_most": max(ratios),
    }  # fmt: skip


@contextmanager
def slow(core: int) -> Iterator[str]:
    """Start a candidate that takes ten times as long, of time and not of the service's CPU; it ends with the block."""
    with target(core, answer_bytes=ANSWER_BYTES, pace=SLOW) as one:
        yield one.address


def interval(estimate: Estimate | None) -> dict[str, float] | None:
    """Return an estimate as JSON."""
    return None if estimate is None else {"value": estimate.value, "lo": estimate.lo, "hi": estimate.hi}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
