"""A drawn run: two twins with known knees and costs, written as a run folder through the one writer.

Each twin gives min(offered, knee) good answers a second. A twin at its knee uses 98 % of its one core, so one request
costs 0.98 / knee CPU seconds; its two hot instances share the work evenly and the rest instance idles. Samples stand on
whole seconds, so that windows are exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from analysis.findings import Findings, find
from analysis.run import read_run
from records.clock import NS, Clock
from records.event import Event
from records.hdr import Histogram, Sparse
from records.instance import Instance
from records.manifest import SCHEMA, GateRecord, HostFacts, Manifest, PoolFacts
from records.plan import Plan
from records.plan_file import check_plan, plan_digest, plan_tree
from records.run_folder import RunReader, RunWriter
from records.second import Second, StatusCount
from records.stage import Stage, StageLine
from records.usage import HostUsage, UsageLine

ZERO_S = 1_000  # monotonic second of the first sample
MIB = 1 << 20
BUSY_CORES = 0.98
INSTANCES = ("go-1", "go-2", "go-rest", "rust-1", "rust-2", "rust-rest", "generator")


@dataclass(frozen=True)
class Drawn:
    """What to draw; the figures that tests expect follow from these by hand."""

    knees_rps: dict[tuple[str, str], float] = field(
        default_factory=lambda: {
            ("go", "balance"): 800.0, ("go", "statistics"): 600.0,
            ("rust", "balance"): 1_600.0, ("rust", "statistics"): 1_500.0,
        }
    )  # fmt: skip
    rates_rps: tuple[float, ...] = (200.0, 400.0, 600.0, 700.0, 1_000.0, 2_000.0)
    endpoints: tuple[str, ...] = ("balance", "statistics")
    order: tuple[str, ...] = ("go", "rust", "rust", "go")
    factors: tuple[float, ...] = (1.0, 1.0, 1.1, 1.0)  # of the knee, by block
    warmup_s: int = 1
    measure_s: int = 2
    probe_s: int = 2
    slow: dict[str, int] = field(default_factory=lambda: {"go": 20_000, "rust": 5_000})  # µs of 2 % of the answers
    fast: dict[str, int] = field(default_factory=lambda: {"go": 4_000, "rust": 1_500})  # µs of the others
    memory_mib: dict[str, int] = field(default_factory=lambda: {"go": 200, "rust": 60})  # of each hot instance
    generator_cores: float = 0.5
    idle_cpu: frozenset[int] = frozenset()  # stages whose twin idles though it falls short
    busy_generator: frozenset[int] = frozenset()
    gap_stages: frozenset[int] = frozenset()  # stages whose twin could not be sampled
    short_stages: frozenset[int] = frozenset()  # stages cut short: achieved half of what was offered, twin idle
    fail_ratio: float = 0.0
    dead: str | None = None
    dead_from_stage: int | None = None
    ends: tuple[str, ...] = ("finished",)
    gate: bool = True
    loop: str = "closed"
    counters_s: int | None = None  # the monotonic second in which the targets' counters were read
    memory_grows_s: tuple[int, ...] = ()  # each of these seconds adds 1 MiB to every instance of `go`
    judged: bool = False
    cut_after: int | None = None  # write only the first stages


def plan_for(drawn: Drawn) -> Plan:
    """Return the plan of a drawn run."""

    def twin(name: str, port: int) -> dict[str, Any]:
        serves = list(drawn.endpoints)
        hot = [{"name": f"{name}-{i}", "address": f"127.0.0.1:{port + i}", "serves": serves} for i in (1, 2)]
        rest = {"name": f"{name}-rest", "address": f"127.0.0.1:{port + 3}", "serves": ["transactions"]}
        return {
            "start": "process", "label": name.capitalize(), "command": ["./serve"], "cpu_set": [0], "cpus": 1.0,
            "memory": "2GiB", "instances": [*hot, rest],
        }  # fmt: skip

    entries = [{"name": name, "path": f"/{name}/{{user_id}}", "hot": True} for name in drawn.endpoints]
    return check_plan(
        {
            "schema": 1, "label": "drawn", "twins": {"go": twin("go", 18_100), "rust": twin("rust", 18_200)},
            "workload": [*entries, {"name": "transactions", "path": "/t/{user_id}", "weight": 10.0}],
            "swarm": {"cpu_set": [1], "spawn_rate": 64_000.0}, "search": {"pairs": max(1, len(drawn.order) // 2)},
            "stages": {"kind": "steps", "rates_rps": list(drawn.rates_rps)},
        },
        "drawn",
    )  # fmt: skip


def manifest_for(drawn: Drawn) -> Manifest:
    """Return the manifest of a drawn run."""
    plan = plan_for(drawn)
    instances = tuple(
        Instance(
            one.name, "target", name, one.address, serves=tuple(one.serves), cpu_set=(0,), watch="process",
            memory_limit_bytes=2 << 30,
        )
        for name, twin in plan.twins.items()
        for one in twin.instances
    )  # fmt: skip
    generator = Instance("generator", "generator", cpu_set=(1,), watch="process")
    gate = GateRecord(
        "key", "2026-01-01T00:00:00.000Z", True, {"balance": 3_000, "statistics": 3_000},
        {"balance": 0, "statistics": 0}, {"balance": 0.001, "statistics": 0.001},
    )  # fmt: skip
    return Manifest(
        schema=SCHEMA, run_id="20260101T000000Z-drawn", label="drawn", utc="2026-01-01T00:00:00.000Z",
        mono_ns=ZERO_S * NS, wall_ns=1_767_225_600 * NS, argv=("twinload", "run"), commit="0123abcd", dirty=False,
        versions={"twinload": "0.1.0"}, binaries={"go-1": "aa", "rust-1": "bb"},
        host=HostFacts("box", "6.1", "a CPU <&>", 2, 8 << 30, 20_000, 28_000, 0.1), plan=plan_tree(plan),
        plan_digest=plan_digest(plan), pool=PoolFacts(16_000, 20_260_101, 3_200_000, "cc", False),
        gate=gate if drawn.gate else None, instances=(*instances, generator),
        seats=800, sender="fasthttp",
    )  # fmt: skip


def schedule(drawn: Drawn) -> list[tuple[int, Stage]]:
    """Return (start second, stage) of every stage; a second lies between two sweeps."""
    out: list[tuple[int, Stage]] = []
    at, turns = ZERO_S + 2, dict.fromkeys(("go", "rust"), 0)
    for block, twin in enumerate(drawn.order):
        pair = turns[twin]
        turns[twin] += 1
        for endpoint in drawn.endpoints:
            if drawn.probe_s:
                probe = Stage(len(out), "probe", "probe", twin, endpoint, pair, block, None, 0, drawn.probe_s)
                out.append((at, probe))
                at += drawn.probe_s
            for number, rate in enumerate(drawn.rates_rps, start=1):
                stage = Stage(
                    len(out), f"steps-{number}", "measure", twin, endpoint, pair, block, rate, drawn.warmup_s,
                    drawn.measure_s, loop=drawn.loop,  # type: ignore[arg-type]
                )  # fmt: skip
                out.append((at, stage))
                at += stage.length_s
            at += 1
    return out[: drawn.cut_after]


def achieved(drawn: Drawn, stage: Stage) -> float:
    """Return the answers a second that a drawn twin gives in a stage."""
    knee = drawn.knees_rps[stage.twin, stage.endpoint] * drawn.factors[stage.block]
    offered = knee if stage.rate_rps is None else stage.rate_rps
    if stage.id in drawn.idle_cpu | drawn.short_stages:
        return min(offered, knee) / 2
    return min(offered, knee)


def times(drawn: Drawn, twin: str, count: int) -> Sparse:
    """Return a histogram in which 2 % of the answers are slow: p50 and p90 are fast, p99 is slow."""
    slow = round(count * 0.02)
    out = Histogram()
    for value, many in ((drawn.fast[twin], count - slow), (drawn.slow[twin], slow)):
        for _ in range(many):
            out.record(value)
    return out.sparse()


def cores(drawn: Drawn, stage: Stage) -> float:
    """Return the cores that a drawn twin uses in a stage."""
    if stage.id in drawn.idle_cpu | drawn.short_stages:
        return 0.3
    knee = drawn.knees_rps[stage.twin, stage.endpoint] * drawn.factors[stage.block]
    return BUSY_CORES * achieved(drawn, stage) / knee


def write_run(path: Path, drawn: Drawn) -> Path:
    """Write a drawn run and return its folder."""
    manifest = manifest_for(drawn)
    clock = Clock(manifest.mono_ns, manifest.wall_ns)
    planned = schedule(drawn)
    with RunWriter(path, manifest) as writer:
        _write_usage(writer, drawn, planned, clock)
        for start, stage in planned:
            _write_stage(writer, drawn, start, stage, clock)
        end_ns = (planned[-1][0] + planned[-1][1].length_s if planned else ZERO_S + 2) * NS
        if drawn.dead is not None:
            start = next(at for at, stage in planned if stage.id == drawn.dead_from_stage)
            at_ns = (start + 1) * NS
            text = f"{drawn.dead} died: killed by signal 9"
            writer.write(Event(at_ns, clock.utc(at_ns), "instance-died", text, drawn.dead_from_stage, drawn.dead))
        if drawn.counters_s is not None:
            at_ns = drawn.counters_s * NS
            writer.write(Event(at_ns, clock.utc(at_ns), "counters", "before the load"))
        for kind in drawn.ends:
            writer.write(Event(end_ns, clock.utc(end_ns), kind, f"the run {kind}"))  # type: ignore[arg-type]
    return path


def _write_stage(writer: RunWriter, drawn: Drawn, start: int, stage: Stage, clock: Clock) -> None:
    rate = achieved(drawn, stage)
    count = round(rate)
    failed = round(count * drawn.fail_ratio)
    for offset in range(stage.length_s):
        phase = "probe" if stage.kind == "probe" else "warmup" if offset < stage.warmup_s else "measure"
        at_ns = (start + offset) * NS
        histogram = times(drawn, stage.twin, count)
        latency = histogram if drawn.loop == "open" else None
        status = {"2xx": StatusCount(count, {"status": failed} if failed else {}, histogram, latency)}
        second = Second(
            at_ns, clock.utc(at_ns), start + offset, stage.id, stage.twin, stage.endpoint, phase,  # type: ignore[arg-type]
            stage.rate_rps, count, 0, ((200, count),), 3, status,
        )  # fmt: skip
        writer.write(second)
    done = count * stage.measure_s
    end_ns = (start + stage.length_s) * NS
    line = StageLine(
        end_ns, clock.utc(end_ns), stage, "fasthttp", 800, start,
        None if stage.rate_rps is None else stage.rate_rps * stage.measure_s, done, done,
        {"status": failed * stage.measure_s} if failed else {}, complete=stage.id not in drawn.short_stages,
    )  # fmt: skip
    writer.write(replace(line, valid=True) if drawn.judged else line)


def _write_usage(writer: RunWriter, drawn: Drawn, planned: list[tuple[int, Stage]], clock: Clock) -> None:
    by_second = {start + i: stage for start, stage in planned for i in range(stage.length_s)}
    cpu = dict.fromkeys(INSTANCES, 0.0)
    busy = [0.0, 0.0]
    last = max(by_second, default=ZERO_S + 1) + 2
    dies = next((start for start, stage in planned if stage.id == drawn.dead_from_stage), None)
    for second in range(ZERO_S, last + 1):
        stage = by_second.get(second)
        unread = _unread(drawn, stage) | ({drawn.dead} if dies is not None and second > dies else set())
        writer.write(
            UsageLine(
                second * NS, clock.utc(second * NS), second,
                tuple(None if name in unread else cpu[name] for name in INSTANCES),
                tuple(None if name in unread else _memory(drawn, name, second) for name in INSTANCES),
                (None,) * 7, (None,) * 7, HostUsage(sum(busy), 0.0, (busy[0], busy[1]), 1 << 30),
            )
        )  # fmt: skip
        if stage is None:
            continue
        used = cores(drawn, stage)
        sent_with = 0.95 if stage.id in drawn.busy_generator else drawn.generator_cores
        for number in (1, 2):
            cpu[f"{stage.twin}-{number}"] += used / 2
        cpu["generator"] += sent_with
        busy[0] += used
        busy[1] += sent_with


def _unread(drawn: Drawn, stage: Stage | None) -> set[str]:
    """Return the instances that cannot be sampled while a stage is under way."""
    if stage is None or stage.id not in drawn.gap_stages:
        return set()
    return {name for name in INSTANCES if name.startswith(stage.twin)}


def _memory(drawn: Drawn, name: str, second: int) -> int:
    grown = sum(second >= at for at in drawn.memory_grows_s) if name.startswith("go") else 0
    return _drawn_memory(drawn, name) + grown * MIB


def _drawn_memory(drawn: Drawn, name: str) -> int:
    if name == "generator" or name.endswith("-rest"):
        return 50 * MIB
    return drawn.memory_mib[name.split("-", maxsplit=1)[0]] * MIB


@pytest.fixture
def write_drawn(tmp_path: Path) -> Callable[..., Path]:
    """Write a drawn run, described by what differs from the default one, and return its folder."""

    def write(**changes: Any) -> Path:
        return write_run(tmp_path / "run", Drawn(**changes))

    return write


@pytest.fixture(scope="session")
def find_drawn(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Findings]:
    """Write a drawn run and return what is found in it; a run drawn twice is written once."""
    known: dict[str, Findings] = {}

    def find_it(**changes: Any) -> Findings:
        key = repr(sorted(changes.items()))
        if key not in known:
            known[key] = find(
                read_run(RunReader(write_run(tmp_path_factory.mktemp("drawn") / "run", Drawn(**changes))))
            )
        return known[key]

    return find_it
