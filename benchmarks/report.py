"""How long does a report of a long run take, and how much memory? A day at 1 Hz with 64 instances, made here.

    python -m benchmarks.report [--hours 24] [--instances 64] [--check]

The folder is synthetic: two twins, each half of the instances, one soak stage a block, seconds with histograms as wide
as a real service's. `--check` holds the figures against what they may be at least (30 s, 1 GB); wanted are 10 s and
300 MB.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from records.clock import NS, Clock
from records.event import Event
from records.hdr import Histogram, Sparse
from records.instance import Instance
from records.manifest import SCHEMA, HostFacts, Manifest, PoolFacts
from records.plan import Plan
from records.plan_file import plan_digest, plan_tree
from records.run_folder import RAW, RunWriter
from records.second import Second, StatusCount
from records.stage import Proof, Stage, StageLine
from records.usage import HostUsage, UsageLine

TWINS = ("go", "rust")
ENDPOINT = "balance"
RATE_RPS = 200
SHAPES = 64  # different histograms, each of as many values as a second has
MOST_S, MOST_BYTES = 30.0, 1 << 30


def make_folder(path: Path, *, hours: float, instances: int, blocks: int = 8) -> Path:
    """Write a run of `hours` with `instances` targets in all and return its folder."""
    manifest = _manifest(instances // len(TWINS), blocks)
    clock = Clock(manifest.mono_ns, manifest.wall_ns)
    shapes = _shapes(np.random.default_rng(1))
    length_s = int(hours * 3600 / blocks)
    with RunWriter(path, manifest) as writer:
        for block in range(blocks):
            stage = Stage(
                block, "soak", "measure", TWINS[block % 2], ENDPOINT, block // 2, block, float(RATE_RPS), 10,
                length_s - 10, loop="open",
            )  # fmt: skip
            _write_block(writer, manifest, stage, shapes, clock)
        end_ns = blocks * length_s * NS
        writer.write(Event(end_ns, clock.utc(end_ns), "finished", "the schedule is done"))
    return path


def _write_block(
    writer: RunWriter, manifest: Manifest, stage: Stage, shapes: Sequence[tuple[Sparse, Sparse]], clock: Clock
) -> None:
    begin = stage.block * stage.length_s
    for second in range(begin, begin + stage.length_s):
        now, (latency, lag), (service, _) = second * NS, shapes[second % SHAPES], shapes[(second + 7) % SHAPES]
        phase = "warmup" if second < begin + stage.warmup_s else "measure"
        status = {"2xx": StatusCount(RATE_RPS, {}, service, latency, RATE_RPS * 2_000)}
        writer.write(
            Second(now, clock.utc(now), second, stage.id, stage.twin, ENDPOINT, phase, float(RATE_RPS),  # type: ignore[arg-type]
                   RATE_RPS, 0, lag, 3, status, 0, 0.1, RATE_RPS)
        )  # fmt: skip
        turns, into = stage.block // 2, second - begin
        worked_s: dict[str | None, int] = {
            twin: turns * stage.length_s + (into if twin == stage.twin else stage.length_s * (at < stage.block % 2))
            for at, twin in enumerate(TWINS)
        }
        writer.write(_usage(manifest, worked_s | {None: second}, second, now, clock))
    end = begin + stage.length_s
    done = RATE_RPS * stage.measure_s
    writer.write(
        StageLine(end * NS, clock.utc(end * NS), stage, "native-schedule", 16_000, begin, float(done), done, done,
                  valid=True, proof=Proof(20.0, 40.0, 90.0, 3, 0.1, 0, done))
    )  # fmt: skip


def _usage(manifest: Manifest, worked_s: Mapping[str | None, int], second: int, now: int, clock: Clock) -> UsageLine:
    """Return a sample; `worked_s` is how many seconds each twin was under load so far."""
    count = len(manifest.instances)
    cpu = tuple(round(worked_s[one.twin] * 0.01 + second * 0.001, 6) for one in manifest.instances)
    memory = tuple(120_000_000 + 4_096 * (i + second % 97) for i in range(count))
    switches = tuple(second * 37 + i for i in range(count))
    return UsageLine(
        now, clock.utc(now), second, cpu, memory, switches, (64,) * count,
        HostUsage(second * 1.2, 0.0, (second * 0.5, second * 0.7), 3 << 30),
    )  # fmt: skip


def _shapes(rng: np.random.Generator) -> list[tuple[Sparse, Sparse]]:
    found = []
    for _ in range(SHAPES):
        latency, lag = Histogram(), Histogram()
        for value in rng.lognormal(6.5, 0.6, RATE_RPS).astype(int).tolist():
            latency.record(value)
        for value in rng.lognormal(2.5, 0.4, RATE_RPS).astype(int).tolist():
            lag.record(value)
        found.append((latency.sparse(), lag.sparse()))
    return found


def _manifest(each: int, blocks: int) -> Manifest:
    tree: dict[str, Any] = {
        "schema": 1,
        "label": "long",
        "twins": {
            twin: {"start": "external", "cpus": float(each), "memory": "16GiB", "instances": [
                {"name": f"{twin}-{i}", "address": f"127.0.0.1:{20_000 + 1_000 * at + i}", "serves": [ENDPOINT]}
                for i in range(each)
            ]}
            for at, twin in enumerate(TWINS)
        },
        "workload": [{"name": ENDPOINT, "path": "/{user_id}", "hot": True}],
        "stages": {"kind": "soak", "rate_rps": float(RATE_RPS), "measure_s": 3_000},
        "search": {"pairs": blocks // 2},
    }  # fmt: skip
    plan = Plan.model_validate(tree)
    targets = tuple(
        Instance(one.name, "target", twin, one.address, serves=(ENDPOINT,), watch="process")
        for twin, planned in plan.twins.items()
        for one in planned.instances
    )
    return Manifest(
        schema=SCHEMA, run_id="long", label="long", utc="2026-01-01T00:00:00.000Z", mono_ns=0,
        wall_ns=1_767_225_600 * NS, argv=("benchmarks.report",), commit=None, dirty=None, versions={}, binaries={},
        host=HostFacts("box", "6.1", "a CPU", 2, 8 << 30, 20_000, 28_000, 0.1), plan=plan_tree(plan),
        plan_digest=plan_digest(plan), pool=PoolFacts(16_000, 1, 3_200_000, "cc", False), gate=None,
        instances=(*targets, Instance("generator", "generator", watch="process")), seats=16_000,
        sender="native-schedule",
    )  # fmt: skip


def measure(run: Path) -> dict[str, float]:
    """Draw the report in a process of its own; return seconds, CPU seconds, peak memory and the size of the lines."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "twinload.cli", "report", str(run), "-q"], check=True, stdout=subprocess.DEVNULL
    )
    took_s = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    lines = sum((run / name).stat().st_size for name in RAW)
    return {"took_s": took_s, "cpu_s": cpu_s, "peak_bytes": float(after.ru_maxrss * 1024), "lines_bytes": float(lines)}


def main(argv: Sequence[str] | None = None) -> int:
    """Make the folder, draw its report, print the figures."""
    parser = argparse.ArgumentParser(prog="benchmarks.report", description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--instances", type=int, default=64, help="of both twins together")
    parser.add_argument("--check", action="store_true", help="exit code 1 beyond 30 s or 1 GB")
    parser.add_argument("--keep", type=Path, help="make the folder here and leave it")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        run = make_folder(
            options.keep or Path(scratch) / "run", hours=options.hours, instances=options.instances
        )  # fmt: skip
        found = measure(run)
    if options.json:
        print(json.dumps(found))
    else:
        print(
            f"report of {options.hours:g} h, {options.instances} instances, {found['lines_bytes'] / 1e6:,.0f} MB of "
            f"lines: {found['took_s']:.1f} s, {found['cpu_s']:.1f} CPU-s, {found['peak_bytes'] / 1e6:,.0f} MB"
        )
    return int(options.check and (found["took_s"] > MOST_S or found["peak_bytes"] > MOST_BYTES))


if __name__ == "__main__":
    sys.exit(main())
