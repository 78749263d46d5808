"""What an event of the store costs: bytes in Redis, memory and CPU of every instance that follows; writes a second.

    python -m benchmarks.store_cost [EVENTS]

The pool's users are recharged in turn through one Go instance, then through two, while a hot instance of each language
follows. The rate is that of a sender in Python with eight connections; it bounds the twins' from below.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from clusters.contract.answers import Request
from clusters.contract.instance import Instance, running
from clusters.contract.ledger import load_user_ids
from clusters.contract.store import Store, running_store
from clusters.contract.wire import Connection, ask

POOL = Path(".twinload/pool")
CONNECTIONS = 8
STRIDE = 7919  # so that neighbours in the pool are not written to one after the other
SETTLE_S = 1.5


def figure(instance: Instance, name: str) -> float:
    """Return one metric without labels."""
    lines = ask(instance.address, Request("GET", "/metrics")).body.decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def recharge(instance: Instance, users: Sequence[str], numbers: range, label: str) -> None:
    """Send one recharge for each number over one connection."""
    with Connection(instance.address, timeout_s=60.0) as connection:
        for number in numbers:
            path = f"/v1/users/{users[number * STRIDE % len(users)]}/recharges"
            headers = (("Content-Type", "application/json"), ("Idempotency-Key", f"{label}{number:031x}"))
            answer = connection.ask(Request("POST", path, headers), b'{"coins":50,"valid_hours":720}')
            if answer.status != 201:
                raise SystemExit(f"{path} answered {answer.status}: {answer.body!r}")


def state(store: Store, instances: Sequence[Instance]) -> tuple[int, list[float], list[float]]:
    """Return the stream's bytes, and resident bytes and CPU seconds of each instance."""
    stream_bytes = int(store.command("MEMORY", "USAGE", "wallet:ledger").removeprefix(b":"))
    resident = [figure(one, "process_resident_memory_bytes") for one in instances]
    return stream_bytes, resident, [figure(one, "process_cpu_seconds_total") for one in instances]


def measure(label: str, store: Store, writers: Sequence[Instance], instances: Sequence[Instance], events: int) -> None:
    """Write, and print a line of figures for each instance."""
    users, part = load_user_ids(POOL), events // CONNECTIONS
    before, begin_s = state(store, instances), time.monotonic()
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        work = [range(place * part, (place + 1) * part) for place in range(CONNECTIONS)]
        ways = [writers[place % len(writers)] for place in range(CONNECTIONS)]
        list(threads.map(lambda one: recharge(one[0], users, one[1], label), zip(ways, work, strict=True)))
    length_s, count = time.monotonic() - begin_s, part * CONNECTIONS
    time.sleep(SETTLE_S)  # the last second's garbage and the followers' last batch
    after = state(store, instances)
    stream = f"{(after[0] - before[0]) / count:.0f} B/event in Redis"
    print(f"{len(writers)} writing: {count / length_s:.0f} writes/s, {stream}")
    for place, one in enumerate(instances):
        cpu_us = (after[2][place] - before[2][place]) / count * 1e6
        memory = f"{before[1][place] / 1e6:.0f} -> {after[1][place] / 1e6:.0f} MB"
        print(f"  {one.twin} {one.serve}: {memory}, {cpu_us:.0f} us/event")


def main(argv: Sequence[str]) -> int:
    """Measure with one writer and with two."""
    events = int(argv[0]) if argv else 40_000
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = stack.enter_context(running_store(folder))
        writers = [stack.enter_context(running("go", POOL, folder, serve="all", store=store.url)) for _ in range(2)]
        hot = [stack.enter_context(running(twin, POOL, folder, store=store.url)) for twin in ("go", "rust")]
        for label, several in (("a", writers[:1]), ("b", writers)):
            measure(label, store, several, [*writers, *hot], events)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
