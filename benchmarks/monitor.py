"""What the watch of CPU and memory costs: its own CPU time as a share of a core, at 1 Hz.

    .venv/bin/python -m benchmarks.monitor [--seconds 20] [--instances 16] [--connections 1600]
    .venv/bin/python -m benchmarks.monitor --containers [--seconds 20] [--instances 16]

As a module, from the repository's root: by its path this file would hide the package of the same name.

Watches sleeping processes of nine threads each (as many as a small service has), first without connections, then with
loopback connections spread over them; with --containers instead containers of the engine that DOCKER_HOST names, each
with a load of 2 % of a core (tests/support/burn, built by Go). The figure is the CPU time of this process, which does
nothing else meanwhile, in containers beside that of a watch over the machine alone; exit code 1 when it is above the
budget of 1 % of a core, for containers of 0.5 %.
"""

from __future__ import annotations

import argparse
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from monitor import Monitor, open_sources, window
from monitor.source import Source
from records.clock import Clock
from records.instance import Instance
from records.plan_file import check_plan
from records.usage import UsageLine

BUDGET_PERCENT = 1.0
CONTAINERS_BUDGET_PERCENT = 0.5
THREADS = 8

PLAN = check_plan(  # its twins stand for nobody: containers are watched as they are found
    {
        "twins": {
            name: {"start": "external", "instances": [{"name": name, "address": address, "serves": ["any"]}]}
            for name, address in (("one", "127.0.0.1:1"), ("two", "127.0.0.1:2"))
        },
        "workload": [{"name": "any", "path": "/", "hot": True}],
    },
    "benchmark",
)

SLEEPER = f"""\
import socket, threading, time
listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
print(listener.getsockname()[1], flush=True)
for _ in range({THREADS}):
    threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
held = []
while True:
    held.append(listener.accept())
"""


def start_sleepers(stack: ExitStack, count: int) -> tuple[Instance, ...]:
    """Start processes that wait for connections and do nothing with them."""
    instances = []
    for number in range(count):
        process = stack.enter_context(
            subprocess.Popen([sys.executable, "-S", "-c", SLEEPER], stdout=subprocess.PIPE, text=True)
        )
        stack.callback(process.kill)
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        name = f"sleeper-{number + 1}"
        instances.append(Instance(name, "target", address=f"127.0.0.1:{port}", watch="process", pid=process.pid))
    return tuple(instances)


def connect(stack: ExitStack, instances: tuple[Instance, ...], count: int) -> None:
    """Open connections, spread evenly over the instances."""
    ports = [int((instance.address or ":0").rsplit(":", 1)[1]) for instance in instances]
    for number in range(count):
        stack.enter_context(socket.create_connection(("127.0.0.1", ports[number % len(ports)])))


def cost_percent(
    instances: tuple[Instance, ...], seconds: float, sources: Mapping[str, Source] | None = None
) -> tuple[float, list[UsageLine]]:
    """Watch for a while; return the percentage of a core that it took, and the lines."""
    lines: list[UsageLine] = []
    monitor = Monitor(instances, Clock.now(), lines.append, sources=sources)
    began_s, cpu_s = time.monotonic(), time.process_time()
    monitor.start()
    time.sleep(seconds)
    monitor.stop()
    return 100 * (time.process_time() - cpu_s) / (time.monotonic() - began_s), lines


def containers_cost(count: int, seconds: float) -> int:
    """Measure the watch over containers, and print it with what they used."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
    from burner import burner_or_skip

    with tempfile.TemporaryDirectory() as folder, burner_or_skip(Path(folder)) as burner:
        running = [burner.start("cpu", "0.02", mem_limit="32m", nano_cpus=250_000_000) for _ in range(count)]
        instances = tuple(burner.instance(f"burn-{i}", one) for i, one in enumerate(running, start=1))
        machine = Instance("host", "host", watch="host")
        alone, _ = cost_percent((machine,), seconds)
        with open_sources(PLAN, (*instances, machine), Path(), Clock.now(), lambda event: print(event.text)) as sources:
            percent, lines = cost_percent(sources.instances, seconds, sources.by_name)
            ways = sorted(set(sources.ways.values()))
        cores = [window.cpu_cores(lines, i, lines[1].t_ns, lines[-2].t_ns) for i in range(count)]
    known = [one for one in cores if one is not None]
    print(f"{count} containers by {', '.join(ways)}: {percent:.2f} % of a core at 1 Hz ({len(lines)} samples),")
    print(f"of which the machine as a whole {alone:.2f} %")
    print(f"each container's load of 2 % of a core shows as {100 * min(known):.3f} to {100 * max(known):.3f} %")
    kept = percent <= CONTAINERS_BUDGET_PERCENT
    print(f"budget {CONTAINERS_BUDGET_PERCENT:g} %: {'kept' if kept else 'EXCEEDED'}")
    return 0 if kept else 1


def main(argv: list[str]) -> int:
    """Measure both variants and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--instances", type=int, default=16)
    parser.add_argument("--connections", type=int, default=1_600)
    parser.add_argument("--containers", action="store_true", help="containers instead of processes")
    options = parser.parse_args(argv)
    if options.containers:
        try:
            return containers_cost(options.instances, options.seconds)
        except pytest.skip.Exception as reason:
            print(f"not measured: {reason}", file=sys.stderr)
            return 2
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = options.connections + 256
    if soft < needed <= hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    worst = 0.0
    with ExitStack() as stack:
        instances = start_sleepers(stack, options.instances)
        for connections in (0, options.connections):
            connect(stack, instances, connections)
            percent, lines = cost_percent(instances, options.seconds)
            worst = max(worst, percent)
            seen = sum(count or 0 for count in lines[-1].connections)
            watched = f"{len(instances)} instances of {THREADS + 1} threads, {seen} connections"
            print(f"{watched}: {percent:.2f} % of a core at 1 Hz ({len(lines)} samples)")
    print(f"budget {BUDGET_PERCENT:g} %: {'kept' if worst <= BUDGET_PERCENT else 'EXCEEDED'}")
    return 0 if worst <= BUDGET_PERCENT else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
