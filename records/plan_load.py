"""`[swarm]`, `[engine]` and `[stages]`: who sends, how, and in which steps."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from records.plan_types import Cpu, Name, Section


class SwarmPlan(Section):
    """`[swarm]`: who sends, from which cores, with how many seats a process (None: what suits the sender)."""

    sender: Literal["native-schedule", "native-users", "fasthttp"] = "native-schedule"
    seats: int | None = Field(default=None, ge=1, le=20_000)
    processes: int = Field(default=1, ge=1, le=64)
    cpu_set: list[Cpu] = Field(default_factory=list)
    user_rate_rps: float = Field(default=0.25, gt=0)
    spawn_rate: float = Field(default=32_000.0, gt=0)
    timeout_s: float = Field(default=10.0, gt=0, le=600)


class EnginePlan(Section):
    """`[engine]`: how the sender "native-schedule" sends; all but the two times holds for all processes together.

    loop: open (arrivals on a schedule) or closed (`users` of a stage, each sending again `think_s` after its answer);
    connections: at most so many to each instance; an arrival that finds none free waits, and is dropped after
    `queue_limit_s` (at most a warm-up) or beyond `max_pending` per instance; coalesce_us: receive in batches, times
    from the kernel (0: off); check_ratio: share of the answers whose body is compared with the gate's;
    send_lag_p99_ms: a stage in which sends were later than this is invalid.
    """

    loop: Literal["open", "closed"] = "open"
    arrivals: Literal["poisson", "constant"] = "poisson"
    think_s: float = Field(default=0.0, ge=0, le=86_400)
    connections: int = Field(default=64, ge=1, le=60_000)
    max_pending: int = Field(default=100_000, ge=1, le=100_000_000)
    queue_limit_s: float = Field(default=1.0, gt=0, le=3_600)
    threads: int = Field(default=1, ge=1, le=64)
    io: Literal["auto", "epoll", "io_uring"] = "auto"
    coalesce_us: int = Field(default=0, ge=0, le=5_000)
    check_ratio: float = Field(default=0.0, ge=0, le=1)
    send_lag_p99_ms: float = Field(default=5.0, gt=0)


class ListedStage(Section):
    """`[[stages.list]]`: a step by `rate_rps`, or by `users`.

    Users send at `[swarm] user_rate_rps` each; in a closed loop of `[engine]` each sends again after its answer.
    """

    name: Name
    rate_rps: float | None = Field(default=None, gt=0)
    users: int | None = Field(default=None, ge=1)
    warmup_s: int = Field(default=1, ge=1, le=86_400)
    measure_s: int = Field(default=2, ge=1, le=86_400)

    @model_validator(mode="after")
    def _one_of_rate_and_users(self) -> Self:
        if (self.rate_rps is None) == (self.users is None):
            raise ValueError("give rate_rps or users, one of the two")
        return self


class StagesPlan(Section):
    """`[stages]`: the load steps of a sweep.

    probe: a short burst finds the rough limit, stages stand at `fractions` of the larger twin's; ramp: `steps` equal
    steps `from_rps` … `to_rps`; steps: `rates_rps` as they stand; spike: base, peak, base; soak: one `rate_rps` for
    long; list: `[[stages.list]]`; live: one stage in which Locust's user count steers, each user `user_rate_rps`. Every
    stage is warm-up, then measured; whole seconds.
    """

    kind: Literal["probe", "ramp", "steps", "spike", "soak", "list", "live"] = "probe"
    warmup_s: int = Field(default=1, ge=1, le=86_400)
    measure_s: int = Field(default=2, ge=1, le=86_400)
    probe_s: int = Field(default=3, ge=2, le=600)
    fractions: list[Annotated[float, Field(gt=0, le=4)]] = Field(
        default=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9, 1.1, 1.35], min_length=1
    )
    from_rps: float | None = Field(default=None, gt=0)
    to_rps: float | None = Field(default=None, gt=0)
    steps: int | None = Field(default=None, ge=2, le=1_000)
    rates_rps: list[Annotated[float, Field(gt=0)]] | None = None
    base_rps: float | None = Field(default=None, gt=0)
    peak_rps: float | None = Field(default=None, gt=0)
    rate_rps: float | None = Field(default=None, gt=0)
    list_: list[ListedStage] | None = Field(default=None, alias="list")
    mix: bool = False

    @model_validator(mode="after")
    def _kind_has_its_keys(self) -> Self:
        needs: dict[str, tuple[str, ...]] = {
            "probe": (), "ramp": ("from_rps", "to_rps", "steps"), "steps": ("rates_rps",),
            "spike": ("base_rps", "peak_rps"), "soak": ("rate_rps",), "list": ("list_",), "live": (),
        }  # fmt: skip
        missing = [key.rstrip("_") for key in needs[self.kind] if getattr(self, key) is None]
        if missing:
            raise ValueError(f'kind = "{self.kind}" needs {", ".join(missing)}')
        return self
