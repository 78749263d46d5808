"""How long the pool takes: 16,000 users with ledgers, and a million users without, each in a fresh process on one core.

    .venv/bin/python benchmarks/pool.py [--rounds 5] [--cpu 0]

Prints the wall time of the whole process (imports, drawing, hashing, writing), the median first, and its peak memory.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

SEED = 20_260_101
SCRIPT = """
import sys
from pathlib import Path
from userpool import make_pool
make_pool(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), ledgers=sys.argv[4] == "ledgers")
status = Path("/proc/self/status").read_text(encoding="ascii")  # ru_maxrss would remember the parent's
print(status.split("VmHWM:")[1].split()[0])
"""


@dataclass(frozen=True, slots=True)
class Timing:
    """One making of a pool in a process of its own."""

    wall_s: float
    peak_bytes: int


def timed(users: int, ledgers: bool, cpu: int) -> Timing:
    """Return what one making costs, its process pinned to one core."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = [str(users), str(SEED), str(Path(folder) / "pool"), "ledgers" if ledgers else "users"]
        start_s = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, *arguments],
            preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
            capture_output=True,
            text=True,
            check=True,
        )
        return Timing(time.perf_counter() - start_s, int(done.stdout) * 1024)


def line(label: str, timings: list[Timing]) -> str:
    """Return a line of the table: median, fastest and slowest wall time, greatest peak memory."""
    walls_s = sorted(timing.wall_s for timing in timings)
    peak_mb = max(timing.peak_bytes for timing in timings) / 1e6
    return (
        f"{label:34} median {statistics.median(walls_s):5.2f} s  [{walls_s[0]:.2f} .. {walls_s[-1]:.2f}]"
        f"  n = {len(walls_s)}  peak {peak_mb:.0f} MB"
    )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cpu", type=int, default=min(os.sched_getaffinity(0)))
    options = parser.parse_args()
    print(line("16,000 users with ledgers", [timed(16_000, True, options.cpu) for _ in range(options.rounds)]))
    print(line("1,000,000 users without ledgers", [timed(1_000_000, False, options.cpu)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
