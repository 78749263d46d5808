"""`[canary]`: the gray release. In which steps, what decides each, and how the gateway guards the callers meanwhile.

Where the gateway stands is `[shadow.gateway]`'s; the keys here hold while it is in mode canary.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from records.plan_types import Section

Share = Annotated[float, Field(gt=0, le=1)]
Quantile = Annotated[float, Field(gt=0, lt=1)]


class CanaryPlan(Section):
    """`[canary]`: how a rewrite gets its users, step by step.

    steps: shares of the users, ascending. A step lasts soak_s and min_requests of the candidate at least, until the
    evidence is in; one that is open after max_step_s ends the roll-out as held. What comes within block_s (poll_s where
    that is longer) is one piece of evidence: longer than a service's stalls. alpha: how often an equal candidate may
    be sent back, over the whole roll-out. failure_margin: failures of requests, absolute; latency_margin: of each of
    `quantiles`, as a ratio; what is not worse by more passes. mismatch, on_open: what an answer that differs, or an
    opened breaker, means: "back", or "tell" and "hold".

    Users: whitelist first; the id is what stands at `{user_placeholder}` of the matched path, else in user_header,
    else the baseline serves it; `salt` is hashed before the id.

    The gateway: budget_*: the candidate's time, `factor` x the baseline's recent p99 within min and max, then the
    baseline is asked too. retry_*: each request deposits `ratio`, each answer by the baseline takes 1, at most `burst`
    are kept. breaker_*: it opens at `failures` and `ratio` within a window, or at a median above slow_factor x the
    baseline's and slow_floor_ms more, of slow_samples; after open_s (doubling up to max_open_s) `probes` copies must be
    answered well. check: "json" holds a body back until it is well-formed. compare_share: of the candidate's answers,
    shadow_share: of the baseline's, those that are compared.
    """

    steps: list[Share] = Field(default=[0.01, 0.05, 0.25, 0.5, 1.0], min_length=1, max_length=100)
    soak_s: float = Field(default=30.0, ge=0, le=604_800)
    min_requests: int = Field(default=200, ge=1, le=1_000_000_000)
    max_step_s: float = Field(default=900.0, gt=0, le=2_592_000)
    poll_s: float = Field(default=0.5, ge=0.05, le=60)
    block_s: float = Field(default=0.5, ge=0.05, le=3_600)
    alpha: float = Field(default=0.01, gt=0, le=0.5)
    failure_margin: float = Field(default=0.001, ge=0, le=0.5)
    latency_margin: float = Field(default=0.1, ge=0, le=10)
    quantiles: list[Quantile] = Field(default=[0.5, 0.99], min_length=1, max_length=10)
    mismatch: Literal["back", "tell"] = "back"
    on_open: Literal["back", "hold"] = "back"
    traffic: bool = True
    rate_rps: float = Field(default=500.0, gt=0, le=1_000_000)

    whitelist: list[Annotated[str, Field(min_length=1)]] = Field(default_factory=list)
    user_placeholder: Annotated[str, Field(pattern=r"^[a-z_0-9]+$")] = "user_id"
    user_header: Annotated[str, Field(min_length=1)] | None = None
    salt: str = ""

    budget_min_ms: float = Field(default=25.0, gt=0, le=600_000)
    budget_max_ms: float = Field(default=250.0, gt=0, le=600_000)
    budget_factor: float = Field(default=3.0, ge=1, le=1_000)
    retry_ratio: float = Field(default=0.2, ge=0, le=1)
    retry_burst: int = Field(default=1_000, ge=1, le=1_000_000)
    breaker_window_ms: int = Field(default=200, ge=10, le=2_000)
    breaker_failures: int = Field(default=5, ge=1, le=1_000_000)
    breaker_ratio: float = Field(default=0.3, ge=0.001, le=1)
    breaker_slow_factor: float = Field(default=4.0, gt=1, le=1_000)
    breaker_slow_floor_ms: float = Field(default=5.0, ge=0, le=600_000)
    breaker_slow_samples: int = Field(default=20, ge=1, le=1_000_000)
    breaker_open_s: float = Field(default=10.0, ge=0.001, le=3_600)
    breaker_max_open_s: float = Field(default=300.0, ge=0.001, le=3_600)
    breaker_probes: int = Field(default=20, ge=1, le=100_000)
    check: Literal["json", "off"] = "json"
    compare_share: float = Field(default=1.0, ge=0, le=1)
    shadow_share: float = Field(default=0.1, ge=0, le=1)

    @field_validator("steps", "quantiles")
    @classmethod
    def _ascend(cls, value: list[float]) -> list[float]:
        if any(after <= before for before, after in pairwise(value)):
            raise ValueError("each is larger than the one before it: order them, without a value twice")
        return value

    @model_validator(mode="after")
    def _limits_fit(self) -> Self:
        wrong = [
            f"{low} = {getattr(self, low):g} is above {high} = {getattr(self, high):g}"
            for low, high in (
                ("soak_s", "max_step_s"),
                ("budget_min_ms", "budget_max_ms"),
                ("breaker_open_s", "breaker_max_open_s"),
            )
            if getattr(self, low) > getattr(self, high)
        ]
        wrong += list(_too_fine(self.steps))
        if wrong:
            raise ValueError("; ".join(wrong) + ": swap or change them")
        return self


def _too_fine(steps: list[float]) -> Iterator[str]:
    """Users fall into 10,000 buckets, so shares that round to the same number of them are one step."""
    buckets = [round(share * 10_000) for share in steps]
    for share, own, before in zip(steps, buckets, [0, *buckets[:-1]], strict=True):
        if own == before:
            yield f"steps: {share:g} is no step, users are counted in parts of 0.0001"
