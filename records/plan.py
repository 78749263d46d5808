"""The plan: what `twinload.toml` may say, section by section.

Strict: an unknown key is a fault. Reading, overriding and reporting all faults at once is the plan_file module's. Paths
in a plan are relative to the plan's folder. Secrets never stand in a plan, and plan_rules refuses them: `${NAME}` takes
an environment variable when a request is made, and the plan (and every record of it) keeps the name.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from records.plan_canary import CanaryPlan
from records.plan_load import EnginePlan, StagesPlan, SwarmPlan
from records.plan_safety import Command, HooksPlan, SafetyPlan
from records.plan_shadow import ShadowPlan
from records.plan_store import StorePlan
from records.plan_types import COLUMN, REQUEST_ID, Address, Bytes, Cpu, Name, Project, Section
from records.plan_watch import WatchPlan


class PoolPlan(Section):
    """`[pool]`: who asks. `import`ed ids leave this machine only as pseudonyms, unless `send = "raw"`."""

    users: int = Field(default=16_000, ge=1, le=10_000_000)
    seed: int = Field(default=20_260_101, ge=0)
    folder: str = ".twinload/pool"
    ledgers: bool = True
    import_file: str | None = None
    key_file: str | None = None
    send: Literal["pseudonym", "raw"] = "pseudonym"

    @model_validator(mode="after")
    def _import_needs_a_key(self) -> Self:
        if self.import_file is not None and self.key_file is None:
            raise ValueError("import_file needs key_file: the key that makes the pseudonyms")
        if self.send == "raw" and self.import_file is None:
            raise ValueError('send = "raw" needs import_file: a generated pool has no raw ids')
        return self


class InstancePlan(Section):
    """`[[twins.NAME.instances]]`: one process or address; `serves` names workload entries.

    `command` stands in for the twin's where given, `env` is added to it. In a command `{address}`, `{host}`,
    `{port}`, `{name}`, `{pool}` and `{store}` are filled in.
    """

    name: Name
    address: Address
    serves: list[str] = Field(default_factory=list)
    command: list[str] | None = None
    env: dict[str, str] = Field(default_factory=dict)


class TwinPlan(Section):
    """`[twins.NAME]`: how a cluster is started and what it may use; the first twin is the baseline.

    What "compose" needs beyond the rest is tied to `[compose]`, and plan_compose's.
    """

    start: Literal["process", "compose", "external"]
    label: str | None = None
    command: list[str] | None = None
    env: dict[str, str] = Field(default_factory=dict)
    cpu_set: list[Cpu] = Field(default_factory=list)
    cpus: float | None = Field(default=None, gt=0)
    memory: Bytes | None = None
    ready: str = "/"
    ready_timeout_s: float = Field(default=30.0, gt=0, le=600)
    version: str | None = None
    metrics: str | None = None
    scheme: Literal["http", "https"] = "http"
    headers: dict[str, str] = Field(default_factory=dict)
    host: str | None = None
    ca_file: str | None = None
    before_block: list[Command] = Field(default_factory=list)
    instances: list[InstancePlan] = Field(min_length=1)

    @model_validator(mode="after")
    def _start_has_what_it_needs(self) -> Self:
        if self.start == "process":
            bare = [i.name for i in self.instances if i.command is None and self.command is None]
            if bare:
                raise ValueError(f'start = "process" needs a command, for the twin or for: {", ".join(bare)}')
            if not self.cpu_set:
                raise ValueError('start = "process" needs cpu_set: the cores that the twin is pinned to, such as [0]')
            if self.scheme != "http":
                raise ValueError('start = "process" speaks http; use start = "external" for https')
        return self

    @property
    def allotment_cores(self) -> float | None:
        """What the whole twin may use, in cores: `cpus`, else the size of its CPU set, else unknown."""
        return self.cpus if self.cpus is not None else (float(len(self.cpu_set)) or None)


class ComposePlan(Section):
    """`[compose]`: how twins with start = "compose" run as containers.

    images: by program (the file name of a command's first word, which the image has at its root as its entry point) the
    folder of its Dockerfile; the build's context is the plan's folder. check: what makes that program ask `{url}`, the
    instance's ready path, and end with 0 when it answers 200 (empty: no health check). network: "host" has no proxy in
    the measured path, "bridge" publishes each port on this machine.
    """

    project: Project = "twinload"
    file: str = "docker-compose.yml"
    network: Literal["host", "bridge"] = "host"
    images: dict[str, str] = Field(default_factory=dict)
    check: list[str] = Field(default_factory=list)
    health_interval_s: int = Field(default=60, ge=1, le=86_400)
    pids: int = Field(default=128, ge=1, le=1_000_000)


class Expect(Section):
    """What a good answer looks like; anything else is a failure, counted by cause."""

    status: int = Field(default=200, ge=100, le=599)
    headers: dict[str, str] = Field(default_factory=dict)


class WorkloadEntry(Section):
    """`[[workload]]`: one endpoint. `hot = true` gives it a sweep of its own; `weight` is its share of the mix.

    `path`, `headers` and `body` are templates: `{user_id}` and the pool's columns, and `{request_id}`, a text that no
    other request of a run has (32 hexadecimal digits, the same wherever it stands in one request).
    """

    name: Name
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] = "GET"
    path: str
    weight: float = Field(default=1.0, ge=0)
    headers: dict[str, str] = Field(default_factory=dict)
    body: str | None = None
    hot: bool = False
    expect: Expect = Expect()

    @field_validator("path")
    @classmethod
    def _path_is_absolute(cls, value: str) -> str:
        if not value.startswith("/") or any(c in value for c in " \r\n\t"):
            raise ValueError('a path begins with "/" and has no white space')
        return value

    @property
    def columns(self) -> tuple[str, ...]:
        """The pool columns that the templates name."""
        texts = [self.path, *self.headers.values(), self.body or ""]
        return tuple(dict.fromkeys(c for text in texts for c in COLUMN.findall(text) if c != REQUEST_ID))


class SloPlan(Section):
    """`[slo]`: the promise that capacity is found under: p99 below `p99_ms`, failures within `failed_ratio`.

    `failed_ratio` counts failed, wrong and dropped requests alike.
    """

    p99_ms: float = Field(default=100.0, gt=0)
    failed_ratio: float = Field(default=0.001, ge=0, lt=1)


class SearchPlan(Section):
    """`[search]`: how often, in which order, for how long. Blocks that do not fit the time are left out, and said.

    mode: curve (`pairs` pairs of blocks through all stages) or capacity (the stages once, then the capacity under the
    SLO is searched in pair after pair, until the 95 % intervals of the capacity's and the CPU's ratio, as far as
    `verdict.ask` has them, are within `ratio_width` or the time is up). curve_fractions: a probed plan's stages in that
    mode. capacity_width: a step of the search, relatively, and how far apart a first block's bounds may be in the end.
    most_excess: what one trial counts at most, as a multiple of the SLO's limit: an overload of any size is one bad
    trial. trial_s: the measured part of a trial, longer where fewer than 1,000 requests would fit. same_load_s: the
    measured part of the stage at the same load, where CPU is asked for.
    """

    mode: Literal["curve", "capacity"] = "curve"
    pairs: int = Field(default=2, ge=1, le=1_000)
    seed: int = Field(default=1, ge=0)
    curve_fractions: list[Annotated[float, Field(gt=0, le=4)]] = Field(default=[0.25, 0.5, 0.8, 1.1], min_length=1)
    capacity_width: float = Field(default=0.02, ge=0.001, le=0.2)
    most_excess: float = Field(default=2.9, ge=1.5, lt=3)
    ratio_width: float = Field(default=0.05, gt=0, le=1)
    trial_s: int = Field(default=2, ge=1, le=600)
    same_load_s: int = Field(default=4, ge=1, le=600)
    time_limit_s: float = Field(default=360.0, gt=0)


class CostPlan(Section):
    """`[cost]`: what a fleet of each twin costs a year, at `fleet_rate_rps` by sweep; without rates nothing is said.

    head_room: the share of capacity kept free; vcpus_per_instance: the size of the fleet's instances, left out: the
    twin's allotment, as measured. The default price is the published case's.
    """

    price_per_vcpu_hour: float = Field(default=0.0856, gt=0)
    currency: str = Field(default="USD", min_length=1, max_length=8)
    fleet_rate_rps: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    head_room: float = Field(default=0.3, ge=0, lt=1)
    minimum_instances: int = Field(default=2, ge=1, le=100_000)
    vcpus_per_instance: float | None = Field(default=None, gt=0)


class ComparePlan(Section):
    """`[compare]`: the worst allowed ratio new ÷ base of each figure, for `twinload compare`; left out: not judged.

    capacity and saturation are floors, the others ceilings. `of` names whose figures are held against them: each twin's
    own, or the ratio candidate ÷ baseline, in which a good or bad day of the machine cancels.
    """

    of: list[Literal["baseline", "candidate", "ratio"]] = Field(default=["ratio"], min_length=1)
    capacity: float | None = Field(default=None, gt=0, le=1)
    saturation: float | None = Field(default=None, gt=0, le=1)
    p99: float | None = Field(default=None, ge=1)
    cpu_s_per_1k: float | None = Field(default=None, ge=1)
    memory: float | None = Field(default=None, ge=1)


Judged = Literal["capacity", "saturation", "p99", "cpu_s_per_1k", "memory"]


class VerdictPlan(Section):
    """`[verdict]`: which ratios candidate ÷ baseline of each hot endpoint decide, and how bad they may be.

    limit: the worst allowed ratio of a figure, left out: 1, no worse than the baseline. Of capacity and saturation more
    is better, of the others less. Where no capacity was searched the saturation throughput stands for it. A search goes
    on until the ratios of capacity and cpu_s_per_1k that are asked for are narrow.
    """

    ask: list[Judged] = Field(default=["capacity", "cpu_s_per_1k"], min_length=1)
    limit: dict[Judged, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _limits_are_of_what_is_asked(self) -> Self:
        idle = [figure for figure in self.limit if figure not in self.ask]
        if idle:
            raise ValueError(f"limit names {', '.join(idle)}, which ask does not: add it there, or leave the limit out")
        return self


class Plan(Section):
    """The whole plan. `twins` keeps its order: the first is the baseline, the second the candidate."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    label: Name = "run"
    allow_remote: bool = False
    pool: PoolPlan = PoolPlan()
    twins: dict[Name, TwinPlan]
    compose: ComposePlan = ComposePlan()
    store: StorePlan = StorePlan()
    watch: WatchPlan = WatchPlan()
    workload: list[WorkloadEntry] = Field(min_length=1)
    swarm: SwarmPlan = SwarmPlan()
    engine: EnginePlan = EnginePlan()
    stages: StagesPlan = StagesPlan()
    slo: SloPlan = SloPlan()
    search: SearchPlan = SearchPlan()
    safety: SafetyPlan = SafetyPlan()
    hooks: HooksPlan = HooksPlan()
    cost: CostPlan = CostPlan()
    compare: ComparePlan = ComparePlan()
    verdict: VerdictPlan = VerdictPlan()
    shadow: ShadowPlan = ShadowPlan()
    canary: CanaryPlan = CanaryPlan()

    @property
    def baseline(self) -> str:
        """The name of the first twin."""
        return next(iter(self.twins))

    @property
    def candidate(self) -> str:
        """The name of the second twin."""
        return list(self.twins)[1]

    @property
    def sweeps(self) -> tuple[str, ...]:
        """What a block sweeps: each hot entry alone, and `mix` when asked."""
        return (*(entry.name for entry in self.workload if entry.hot), *(("mix",) if self.stages.mix else ()))

    @property
    def seats(self) -> int:
        """Seats (Locust users) a process: as planned, else one a pool user where seats cost nothing, else 64.

        A seat of the other senders waits for its answer, so with many of them the busiest pool users, who are half of
        the requests, could ask no more often than the quietest.
        """
        if self.swarm.seats is not None:
            return self.swarm.seats
        if self.swarm.sender != "native-schedule":
            return 64
        return min(-(-self.pool.users // self.swarm.processes), 20_000)

    @property
    def is_closed_loop(self) -> bool:
        """Whether requests wait for answers; an open loop follows a schedule of its own."""
        return self.swarm.sender != "native-schedule" or self.engine.loop == "closed"

    @property
    def last_answer_s(self) -> float:
        """How long after a stage's end its last request may end: one that waited to be sent, then for its answer."""
        return self.swarm.timeout_s + (0.0 if self.is_closed_loop else self.engine.queue_limit_s)

    @property
    def hook_commands(self) -> dict[str, list[Command]]:
        """Commands before blocks by where they stand in the plan, everybody's first; no key without commands."""
        given = {"hooks.before_block": self.hooks.before_block}
        given |= {f"twins.{name}.before_block": twin.before_block for name, twin in self.twins.items()}
        return {path: commands for path, commands in given.items() if commands}

    def entry(self, name: str) -> WorkloadEntry:
        """Return a workload entry; KeyError when there is none of that name."""
        for entry in self.workload:
            if entry.name == name:
                return entry
        raise KeyError(name)
