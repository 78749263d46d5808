"""The engine's JSON, both ways: a sweep's share of one process goes in, what its threads counted comes out. Pure.

    order, plan, routes -> schedule_of -> encode -> the engine -> decode -> thread reports -> native tally

The plan's limits hold for all processes together and a schedule has one process's share of them. Seconds that the
engine tells are those of this machine's monotonic clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal

import msgspec

from records.hdr import Sparse
from records.plan import Plan
from records.stage import Phase, Stage
from swarm.targets import Route, Routes, SwarmError
from swarm.templates import MIX, EntryRequests, Mix

END: Final = 2**64 - 1
"""`through` of a thread that has told everything."""
_WEIGHT_PARTS: Final = 1_000_000
"""A workload weight is told in millionths: the engine draws by whole numbers."""
_OPEN_AHEAD: Final = 64
"""Connections that are opened before a sweep's first request, so that a measured second makes as few as may be."""


class Tls(msgspec.Struct, frozen=True):
    """How a target is trusted; texts are PEM."""

    server_name: str
    ca_pem: str | None
    cert_pem: str | None = None
    key_pem: str | None = None
    verify: bool = True


class Target(msgspec.Struct, frozen=True):
    """One instance: a numeric address with its port, and its Host header."""

    address: str
    host: str
    tls: Tls | None = None


class Endpoint(msgspec.Struct, frozen=True):
    """One workload entry; `targets` are places among the targets, texts have `{column}` places.

    `bodies` are the hashes of the answers that the gate saw, one per pool user, 0 where it saw none.
    """

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: str | None
    targets: tuple[int, ...]
    weight: int
    expect_status: int | None
    expect_headers: tuple[tuple[str, str], ...] = ()
    bodies: tuple[int, ...] | None = None


class EngineStage(msgspec.Struct, frozen=True):
    """One stage; exactly one of rate and users. The engine knows two kinds: all that is no probe is measured."""

    id: int
    kind: Literal["probe", "measure"]
    rate_rps: float | None
    users: int | None
    ramp_s: float
    warmup_s: float
    measure_s: float


class EngineSchedule(msgspec.Struct, frozen=True):
    """What one process sends in a sweep; the stages are back to back."""

    targets: tuple[Target, ...]
    endpoints: tuple[Endpoint, ...]
    stages: tuple[EngineStage, ...]
    spacing: Literal["poisson", "constant"]
    think_s: float
    max_connections: int
    open_ahead: int
    max_pending: int
    queue_limit_s: float
    timeout_s: float
    check_ratio: float
    coalesce_us: int
    io: Literal["auto", "epoll", "io_uring"]
    threads: int
    seed: int


class EngineStatus(msgspec.Struct, frozen=True):
    """Answers of one status class; histograms in µs, `latency` empty in a closed loop."""

    class_: str = msgspec.field(name="class")
    done: int
    failed: dict[str, int]
    service: Sparse
    latency: Sparse
    bytes: int


class EngineLine(msgspec.Struct, frozen=True):
    """One endpoint in one second of one phase of a stage, of one thread; `endpoint` is its place in the schedule.

    `checked` is None where the engine does not tell it.
    """

    second: int
    stage: int
    endpoint: int
    phase: Phase
    offered: int
    sent: int
    dropped: int
    backlog_max: int
    send_lag: Sparse
    status: tuple[EngineStatus, ...]
    checked: int | None = None


class ThreadSecond(msgspec.Struct, frozen=True):
    """What a thread had used and opened, since its begin, when all below `second` was told."""

    second: int
    cpu_ns: int
    opened: int
    closed: int = 0
    refused: int = 0


class ThreadReport(msgspec.Struct, frozen=True):
    """What one thread told: all seconds below `through` are told in full; END when there is no more to come."""

    through: int
    busy: int
    waiting: int
    lines: tuple[EngineLine, ...]
    seconds: tuple[ThreadSecond, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """One process's part of a sweep: the `place`-th of `of`, 0 <= place < of."""

    place: int
    of: int

    def of_number(self, total: int) -> int:
        """Return this part of a whole number; the parts of all places add up to it."""
        return total // self.of + (self.place < total % self.of)


@dataclass(frozen=True, slots=True)
class Service:
    """What is asked and where, as far as the plan fixes it; `columns` are what the templates may name.

    `resolve` turns an address into a numeric one, `read` a file's name into its text; `bodies` has the known answers'
    hashes by (twin, entry).
    """

    plan: Plan
    entries: Mapping[str, EntryRequests]
    mix: Mix
    resolve: Callable[[str, int], str]
    read: Callable[[str], str]
    bodies: Mapping[tuple[str, str], tuple[int, ...]]

    def names(self, endpoint: str) -> tuple[str, ...]:
        """Return the workload entries of a sweep, in the order of the schedule's endpoints."""
        return self.mix.names if endpoint == MIX else (endpoint,)


def schedule_of(
    stages: Sequence[Stage], routes: Routes, service: Service, *, share: Share, seed: str, seats: int
) -> EngineSchedule:
    """Return what one process sends in a sweep.

    Args:
        stages: the sweep, of one twin and one endpoint.
        routes: where each entry of the twin is served.
        service: the plan and its templates.
        share: this process's part.
        seed: of the sweep; the same gives the same draws.
        seats: how many Locust users sit here now: what a live stage begins with.
    Raises: SwarmError when nothing serves an entry of the sweep.
    """
    plan, engine = service.plan, service.plan.engine
    twin, names = stages[0].twin, service.names(stages[0].endpoint)
    served = {name: _served(routes, twin, name) for name in names}
    targets = tuple(dict.fromkeys(route.instance for found in served.values() for route in found))
    by_name = {route.instance: route for found in served.values() for route in found}
    places = {name: place for place, name in enumerate(targets)}
    connections = max(share.of_number(engine.connections), engine.threads)
    return EngineSchedule(
        targets=tuple(_target(by_name[name], service) for name in targets),
        endpoints=tuple(
            _endpoint(service, twin, name, served[name], tuple(places[route.instance] for route in served[name]))
            for name in names
        ),
        stages=tuple(_stage(stage, plan, share, seats) for stage in stages),
        spacing=engine.arrivals, think_s=engine.think_s, max_connections=connections,
        open_ahead=min(connections, _OPEN_AHEAD), max_pending=max(share.of_number(engine.max_pending), 1),
        queue_limit_s=engine.queue_limit_s, timeout_s=plan.swarm.timeout_s, check_ratio=engine.check_ratio,
        coalesce_us=engine.coalesce_us, io=engine.io, threads=engine.threads, seed=seed_of(f"{seed}/{share.place}"),
    )  # fmt: skip


def live_load(stage: Stage, plan: Plan, seats: int) -> tuple[float | None, int | None]:
    """Return (rate, users), one of them None, of a live stage while so many seats are taken here."""
    return (seats * plan.swarm.user_rate_rps, None) if stage.loop == "open" else (None, seats)


def seed_of(text: str) -> int:
    """Return 64 bits that follow from a text alone."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def encode(schedule: EngineSchedule) -> bytes:
    """Return a schedule as the engine reads it."""
    return msgspec.json.encode(schedule)


def decode(told: bytes) -> tuple[ThreadReport, ...]:
    """Read what the engine told, one report per thread; msgspec.MsgspecError when it is none."""
    return msgspec.json.decode(told, type=tuple[ThreadReport, ...])


def _served(routes: Routes, twin: str, name: str) -> tuple[Route, ...]:
    found = routes.get((twin, name), ())
    if not found:
        raise SwarmError(f"no instance of twin {twin} serves {name}; add it to a `serves` in the plan")
    return found


def _target(route: Route, service: Service) -> Target:
    tls = None
    if route.scheme == "https":
        tls = Tls(route.server_name, service.read(route.ca_file) if route.ca_file else None)
    return Target(service.resolve(route.host, route.port), route.host_header, tls)


def _endpoint(service: Service, twin: str, name: str, routes: tuple[Route, ...], targets: tuple[int, ...]) -> Endpoint:
    entry = service.entries[name]
    headers = {"Accept-Encoding": "identity", **entry.header_texts, **routes[0].headers}
    return Endpoint(
        method=entry.method, path=entry.path_text,
        headers=tuple((key, text) for key, text in headers.items() if key.lower() != "host"),
        body=entry.body_text, targets=targets,
        weight=max(round(service.plan.entry(name).weight * _WEIGHT_PARTS), 1),
        expect_status=entry.expectation.status, expect_headers=entry.expectation.headers,
        bodies=service.bodies.get((twin, name)),
    )  # fmt: skip


def _stage(stage: Stage, plan: Plan, share: Share, seats: int) -> EngineStage:
    rate_rps, users = (None if stage.rate_rps is None else stage.rate_rps / share.of), None
    if stage.live:
        rate_rps, users = live_load(stage, plan, seats)
    elif rate_rps is None:
        users = share.of_number(stage.users or 0)
    kind: Literal["probe", "measure"] = "probe" if stage.kind == "probe" else "measure"
    return EngineStage(stage.id, kind, rate_rps, users, stage.ramp_s, float(stage.warmup_s), float(stage.measure_s))
