"""What the watch of CPU and memory costs: its own CPU time as a share of a core, at 1 Hz.

    .venv/bin/python -m benchmarks.monitor [--seconds 20] [--instances 16] [--connections 1600]

As a module, from the repository's root: by its path this file would hide the package of the same name.

Watches sleeping processes of nine threads each (as many as a small service has), first without connections, then with
loopback connections spread over them. The figure is the CPU time of this process, which does nothing else meanwhile;
exit code 1 when it is above the budget of 1 % of a core.
"""

from __future__ import annotations

import argparse
import resource
import socket
import subprocess
import sys
import time
from contextlib import ExitStack

from monitor import Monitor
from records.clock import Clock
from records.instance import Instance
from records.usage import UsageLine

BUDGET_PERCENT = 1.0
THREADS = 8

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


def cost_percent(instances: tuple[Instance, ...], seconds: float) -> tuple[float, list[UsageLine]]:
    """Watch for a while; return the percentage of a core that it took, and the lines."""
    lines: list[UsageLine] = []
    monitor = Monitor(instances, Clock.now(), lines.append)
    began_s, cpu_s = time.monotonic(), time.process_time()
    monitor.start()
    time.sleep(seconds)
    monitor.stop()
    return 100 * (time.process_time() - cpu_s) / (time.monotonic() - began_s), lines


def main(argv: list[str]) -> int:
    """Measure both variants and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--instances", type=int, default=16)
    parser.add_argument("--connections", type=int, default=1_600)
    options = parser.parse_args(argv)
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
