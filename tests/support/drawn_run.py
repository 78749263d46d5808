"""A drawn run: two twins with known knees and costs, to be written as a run folder (drawn_folder) and read back.

Each twin gives min(offered, knee) good answers a second. A twin at its knee uses 98 % of its one core, so one request
costs 0.98 / knee CPU seconds; its two hot instances share the work evenly and the rest instance idles. Samples stand on
whole seconds, so that windows are exact.

In an open loop what is not answered waits, first come first served, into the next stages and beyond the sweep's end; a
request that came in second s and is answered in second t took t − s seconds more than its service.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from records.clock import NS
from records.hdr import Histogram, Sparse
from records.instance import Instance
from records.manifest import SCHEMA, GateRecord, HostFacts, Manifest, PoolFacts
from records.plan import Plan
from records.plan_file import check_plan, plan_digest, plan_tree
from records.stage import Stage

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
    live_users: int | None = None  # stages have no planned rate: Locust's users steer, this many of them
    user_stages: bool = False  # stages have no rate but users, 64 for each
    late_stages: frozenset[int] = frozenset()  # of an open loop: 2 % of the sends lag by 8 ms, not by 20 µs
    busy_thread: frozenset[int] = frozenset()
    few_connections: frozenset[int] = frozenset()  # the twin idles though arrivals wait
    queue_limit_s: int = 60
    drain_s: int = 9  # between the sweeps of an open loop
    coalesce_us: int = 0
    checked_ratio: float = 0.0
    differed: frozenset[int] = frozenset()  # stages in which one body a second is not the gate's
    told: bool = True  # whether seconds and lines hold what a native sender tells of itself
    counters_s: int | None = None  # the monotonic second in which the targets' counters were read
    memory_grows_s: tuple[int, ...] = ()  # each of these seconds adds 1 MiB to every instance of `go`
    cost: dict[str, Any] = field(default_factory=dict)  # the plan's section
    container_cores: float | None = None  # instances are containers, each with this CPU limit and half of a GiB
    held: frozenset[int] = frozenset()  # stages whose serving containers are held back in 9 of 10 periods
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
            "swarm": {"cpu_set": [1], "spawn_rate": 64_000.0, "sender": sender_of(drawn)},
            "cost": drawn.cost,
            "compare": {"capacity": 0.9, "saturation": 0.9, "cpu_s_per_1k": 1.1, "memory": 1.25},
            "search": {"pairs": max(1, len(drawn.order) // 2)},
            "stages": {"kind": "steps", "rates_rps": list(drawn.rates_rps)},
            "engine": {"coalesce_us": drawn.coalesce_us, "send_lag_p99_ms": 5.0, "connections": 64},
        },
        "drawn",
    )  # fmt: skip


def manifest_for(drawn: Drawn) -> Manifest:
    """Return the manifest of a drawn run."""
    plan = plan_for(drawn)
    instances = tuple(
        Instance(
            one.name, "target", name, one.address, serves=tuple(one.serves), cpu_set=(0,),
            watch="process" if drawn.container_cores is None else "container", cpus=drawn.container_cores,
            memory_limit_bytes=2 << 30 if drawn.container_cores is None else 1 << 29,
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
        seats=800, sender=sender_of(drawn),
    )  # fmt: skip


def sender_of(drawn: Drawn) -> str:
    """Return the sender of a drawn run: only the native schedule drives an open loop, or users without a rate."""
    return "native-schedule" if drawn.loop == "open" or drawn.user_stages or drawn.live_users else "fasthttp"


def schedule(drawn: Drawn) -> list[tuple[int, Stage]]:
    """Return (start second, stage) of every stage; a second (open loop: `drain_s`) lies between two sweeps."""
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
                    len(out), f"steps-{number}", "measure", twin, endpoint, pair, block,
                    None if drawn.user_stages or drawn.live_users else rate, drawn.warmup_s, drawn.measure_s,
                    loop=drawn.loop, users=64 * number if drawn.user_stages else None,  # type: ignore[arg-type]
                    live=drawn.live_users is not None,
                )  # fmt: skip
                out.append((at, stage))
                at += stage.length_s
            at += drawn.drain_s if drawn.loop == "open" else 1
    return out[: drawn.cut_after]


def knee_of(drawn: Drawn, stage: Stage) -> float:
    """Return the most that a stage's twin gives a second."""
    return drawn.knees_rps[stage.twin, stage.endpoint] * drawn.factors[stage.block]


def asked(drawn: Drawn, stage: Stage) -> float:
    """Return the rate of a stage, also of one that has none on record: its place in the list says."""
    return stage.rate_rps or drawn.rates_rps[int(stage.name.removeprefix("steps-")) - 1]


def achieved(drawn: Drawn, stage: Stage) -> float:
    """Return the answers a second that a drawn twin gives in a stage."""
    knee = knee_of(drawn, stage)
    offered = knee if stage.kind == "probe" else asked(drawn, stage)
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
    return BUSY_CORES * achieved(drawn, stage) / knee_of(drawn, stage)
