"""`[shadow]`: what is asked and compared before any load, which differences rules may hide, and the gateway."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from records.json_path import read_pattern
from records.plan_types import Address, Bytes, Cpu, Name, Section


class ShadowCase(Section):
    """`[[shadow.case]]`: requests that the gate adds to the workload's own: edges, faults, special users.

    `where` picks pool users by column values (all must be equal); `{user_id}` may be left out of the path.
    """

    endpoint: str
    kind: Name
    path: str
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    where: dict[str, str] = Field(default_factory=dict)
    share: float = Field(default=0.05, gt=0, le=1)


class ShadowRule(Section):
    """`[[shadow.rule]]`: a difference of bodies that is agreed on; each pair that it hides is counted and reported.

    do: "ignore" what stands at the path, "tolerance" of a number there, "unordered" for a list's items or an object's
    keys there, "spelling" for white space and escapes of the whole body. path: `$`, `.key`, `["any key"]`, `[3]`, `.*`,
    `[*]`. endpoint: left out, the rule holds for all.
    """

    do: Literal["ignore", "tolerance", "unordered", "spelling"]
    path: str = "$"
    endpoint: str | None = None
    tolerance: float | None = Field(default=None, ge=0)

    @field_validator("path")
    @classmethod
    def _path_can_be_read(cls, value: str) -> str:
        read_pattern(value)
        return value

    @model_validator(mode="after")
    def _keys_fit(self) -> Self:
        if (self.do == "tolerance") != (self.tolerance is not None):
            raise ValueError('give tolerance, the largest absolute difference, with do = "tolerance" and only there')
        if self.do == "spelling" and self.path != "$":
            raise ValueError('do = "spelling" is of the whole body: leave path out')
        if self.do == "ignore" and self.path == "$":
            raise ValueError('do = "ignore" of the whole body would compare nothing: name a path below it')
        return self


class GatewayPlan(Section):
    """`[shadow.gateway]`: the reverse proxy that `twinload shadow run` puts before the baseline.

    mode: off (the baseline answers), shadow (and a copy of safe requests goes to the candidate) or full (the candidate
    answers what it serves). mirror_share: of safe requests; beyond mirror_queue copies are dropped, and counted;
    mirror_timeout_s: a candidate that takes longer is unresponsive. redact: headers that are never written.
    pairs_per_kind: whole pairs kept of each endpoint and kind, more are counted. raced_ratio: the largest share of
    pairs that may race to the end. second: "baseline" asks the baseline once more for pairs that differ: what differs
    between the two is noise. rate_rps, run_s: the traffic that `shadow run` sends.
    """

    command: list[str] = Field(default=[".twinload/bin/gateway", "--config", "{config}"], min_length=1)
    listen: Address = "127.0.0.1:18300"
    admin: Address = "127.0.0.1:18309"
    mode: Literal["off", "shadow", "full"] = "shadow"
    cpu_set: list[Cpu] = Field(default_factory=list)
    header_bytes: Bytes = 32_768
    body_bytes: Bytes = 1_048_576
    timeout_s: float = Field(default=10.0, gt=0, le=600)
    idle_s: float = Field(default=60.0, gt=0, le=3_600)
    connections: int = Field(default=1_000, ge=1, le=20_000)
    mirror_queue: int = Field(default=1_000, ge=1, le=1_000_000)
    mirror_concurrency: int = Field(default=64, ge=1, le=10_000)
    mirror_timeout_s: float = Field(default=2.0, gt=0, le=600)
    mirror_body_bytes: Bytes = 1_048_576
    mirror_retries: int = Field(default=10, ge=0, le=100)
    mirror_share: float = Field(default=1.0, gt=0, le=1)
    raced_header: Annotated[str, Field(min_length=1)] = "ledger-as-of"
    raced_ratio: float = Field(default=0.01, ge=0, le=1)
    redact: list[str] = Field(default=["authorization", "cookie", "set-cookie", "proxy-authorization"])
    pairs_per_kind: int = Field(default=100, ge=1, le=100_000)
    health_interval_s: float = Field(default=1.0, gt=0, le=600)
    health_timeout_s: float = Field(default=1.0, gt=0, le=600)
    health_fails: int = Field(default=2, ge=1, le=1_000)
    health_passes: int = Field(default=2, ge=1, le=1_000)
    rate_rps: float = Field(default=300.0, gt=0, le=1_000_000)
    run_s: int = Field(default=30, ge=1, le=86_400)

    @field_validator("command")
    @classmethod
    def _config_is_named(cls, value: list[str]) -> list[str]:
        if not any("{config}" in word for word in value):
            raise ValueError('the gateway reads a file: one word of its command holds "{config}"')
        return value


class ShadowPlan(Section):
    """`[shadow]`: what the gate asks and compares. `bound` is the mismatch rate to rule out at 95 %: N = 3 ÷ bound.

    second: "baseline" asks the baseline twice for each pair that differs, so that noise is told from a difference.
    """

    bound: float = Field(default=0.001, gt=0, le=0.5)
    headers: list[str] = Field(default=["content-type"])
    max_age_h: float = Field(default=24.0, gt=0)
    second: Literal["off", "baseline"] = "off"
    case: list[ShadowCase] = Field(default_factory=list)
    rule: list[ShadowRule] = Field(default_factory=list)
    gateway: GatewayPlan = GatewayPlan()
