"""What a published port costs: the same container in the host's network and on the bridge, asked in turn.

    .venv/bin/python -m benchmarks.bridge [--pairs 30] [--window 1]

Two containers of the Rust twin on one core, wrk on another; windows of both alternate, the order turning from pair to
pair, for each number of connections. A pair is the unit: bridge ÷ host is one ratio a pair, with a t interval. The
bridge's port is published on loopback, as `network = "bridge"` does; what passes it on takes its CPU where it finds it.

Needs wrk, an engine with a bridge network, the image of `make images` and the pool. Exit code 2 when one is missing.
"""

from __future__ import annotations

import argparse
import csv
import http.client
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from docker import DockerClient

from analysis.intervals import Interval, ratio_interval
from clusters.engine import connect
from clusters.errors import ClusterError
from clusters.image import image_id

ROOT: Final = Path(__file__).resolve().parents[1]
POOL: Final = ROOT / ".twinload" / "pool"
IMAGE: Final = "twinload/wallet-rust:local"
PORTS: Final = {"host": 18_401, "bridge": 18_402}
CONNECTIONS: Final = (16, 1)
_READY_S: Final = 60.0
_RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
_MEDIAN = re.compile(r"50%\s+([\d.]+)(us|ms|s)")
_MS: Final = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True, slots=True)
class Window:
    """What wrk saw in one window."""

    rps: float
    p50_ms: float


def unusable(client: DockerClient) -> str | None:
    """Return why nothing can be measured here, or None."""
    if shutil.which("wrk") is None:
        return "wrk is missing: apt-get install wrk"
    if not any(network.name == "bridge" for network in client.networks.list()):
        return "the engine has no bridge network"
    if image_id(client, IMAGE) is None or not (POOL / "userpool.csv").is_file():
        return f"{IMAGE} or the pool is not there: `make images` and `twinload pool`"
    return None if len(os.sched_getaffinity(0)) > 1 else "one core alone: the target and wrk need one each"


@contextmanager
def serving(client: DockerClient, network: str, core: int) -> Iterator[None]:
    """Run the twin's hot instance in a network until the end, and come back when it is ready."""
    port = PORTS[network]
    where: dict[str, Any] = {"network_mode": "host"}
    if network == "bridge":
        where = {"network": "bridge", "ports": {f"{port}/tcp": ("127.0.0.1", port)}}
    listen = f"{'127.0.0.1' if network == 'host' else '0.0.0.0'}:{port}"  # noqa: S104 - inside the container
    container = client.containers.create(
        IMAGE, ["--listen", listen, "--data", "/pool", "--serve", "hot", "--name", network],
        environment={"WORKERS": "1"}, cpuset_cpus=str(core),
        volumes={str(POOL): {"bind": "/pool", "mode": "ro"}}, **where,
    )  # fmt: skip
    try:
        container.start()
        until_s = time.monotonic() + _READY_S
        while not _ready(port):
            if time.monotonic() > until_s:
                raise RuntimeError(f"{network}: not ready after {_READY_S:g} s")
            time.sleep(0.1)
        yield
    finally:
        container.remove(force=True, v=True)


def _ready(port: int) -> bool:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        client.request("GET", "/readyz")
        return client.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        client.close()


def ask(network: str, connections: int, window_s: int, core: int, path: str) -> Window:
    """Let wrk ask for a window."""
    url = f"http://127.0.0.1:{PORTS[network]}{path}"
    argv = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{connections}", f"-d{window_s}s", "--latency", url]
    told = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    rate, median = _RATE.search(told), _MEDIAN.search(told)
    if rate is None or median is None:
        raise RuntimeError(f"wrk told no rate:\n{told}")
    return Window(float(rate[1]), float(median[1]) * _MS[median[2]])


def measure(pairs: int, window_s: int, cores: tuple[int, int], path: str) -> dict[int, list[tuple[Window, Window]]]:
    """Return (host, bridge) by pair for each number of connections."""
    found: dict[int, list[tuple[Window, Window]]] = {connections: [] for connections in CONNECTIONS}
    for number in range(pairs):
        order = tuple(PORTS)[:: -1 if number % 2 else 1]
        for connections, rows in found.items():
            seen = {network: ask(network, connections, window_s, cores[1], path) for network in order}
            rows.append((seen["host"], seen["bridge"]))
    return found


def table(found: dict[int, list[tuple[Window, Window]]]) -> Iterator[str]:
    """Yield the lines of a Markdown table: medians, quartiles, and the ratio with its interval."""
    yield "| balance of one user, Rust twin | host | bridge | bridge ÷ host |"
    yield "|---|---|---|---|"
    for connections, rows in found.items():
        name = f"{connections} connection{'s' if connections > 1 else ''}"
        for what, values in (
            ("requests a second", [(a.rps, b.rps) for a, b in rows]),
            ("p50, ms", [(a.p50_ms, b.p50_ms) for a, b in rows]),
        ):
            cells = [_spread([pair[side] for pair in values]) for side in (0, 1)]
            yield f"| {name}: {what} | {cells[0]} | {cells[1]} | {_shown(ratio_interval(values))} |"


def _spread(values: list[float]) -> str:
    if len(values) < 3:
        return f"{_number(min(values))} to {_number(max(values))}"
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{_number(middle)} (quartiles {_number(low)} to {_number(high)})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _shown(interval: Interval | None) -> str:
    return "unknown" if interval is None else f"{interval.value:.2f} ({interval.lo:.2f} to {interval.hi:.2f})"


def main(argv: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=30, help="3 or more for intervals")
    parser.add_argument("--window", type=int, default=1, help="seconds")
    options = parser.parse_args(argv)
    try:
        engine = connect()
    except ClusterError as fault:
        print(f"not measured: {fault}", file=sys.stderr)
        return 2
    with ExitStack() as stack:
        stack.callback(engine.close)
        if fault := unusable(engine.client):
            print(f"not measured: {fault}", file=sys.stderr)
            return 2
        with (POOL / "userpool.csv").open(encoding="utf-8") as file:
            user = next(csv.DictReader(file))["user_id"]
        core, other = sorted(os.sched_getaffinity(0))[:2]
        for network in PORTS:
            stack.enter_context(serving(engine.client, network, core))
        found = measure(options.pairs, options.window, (core, other), f"/v1/users/{user}/balance")
    print("\n".join(table(found)))
    print(f"{options.pairs} pairs of windows of {options.window} s; 95 % t intervals of the log-ratios of pairs")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
