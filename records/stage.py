"""A stage: one load step, and the line that is written when it is over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Loop = Literal["closed", "open"]
StageKind = Literal["probe", "measure", "trial", "rest"]
Phase = Literal["probe", "warmup", "measure", "drain"]


@dataclass(frozen=True, slots=True)
class Stage:
    """A load step on one twin with one workload.

    `rate_rps` is the offered rate; None asks every seat to go on at once (a probe). `ramp_s` is the part of the
    warm-up in which the rate moves here from the stage before. Stages begin on whole seconds of the monotonic clock.
    `block` counts the run's blocks from 0; `pair` the pairs; `users` is what a plan in users asked for. `live`:
    Locust's user count steers, so there is no planned rate. A `trial` is the capacity search's, no point of a curve; a
    `rest` between trials sends nothing.
    """

    id: int
    name: str
    kind: StageKind
    twin: str
    endpoint: str
    pair: int
    block: int
    rate_rps: float | None
    warmup_s: int
    measure_s: int
    ramp_s: float = 0.0
    loop: Loop = "closed"
    users: int | None = None
    live: bool = False

    @property
    def length_s(self) -> int:
        """Warm-up and measured part together, in seconds."""
        return self.warmup_s + self.measure_s


@dataclass(frozen=True, slots=True)
class Proof:
    """What a native sender knows of itself over a stage's measured part; what it did not measure is None.

    Send lag in µs: the send minus the later of the intended start and the moment a connection was free. `backlog_max`:
    the most arrivals that waited for a connection. `cpu_ratio`: the mean CPU share of the busiest sending thread.
    `opened`: connections made. `checked`: bodies compared with the gate's. `coalesce_us`: receiving was coalesced.
    """

    lag_p50_us: float | None
    lag_p99_us: float | None
    lag_max_us: float | None
    backlog_max: int
    cpu_ratio: float | None
    opened: int
    checked: int = 0
    coalesce_us: int = 0


@dataclass(frozen=True, slots=True)
class StageLine:
    """What `stages.jsonl` holds of a finished stage: a record of when, how much, and whether it may be used.

    `start_second` is the monotonic second in which the warm-up began; counts cover the measured part alone.
    `valid` is None where nobody judged it yet (a run steered by hand); `why` holds the reasons against it. `proof` is
    what a native sender says of itself.
    """

    t_ns: int
    utc: str
    stage: Stage
    sender: str
    seats: int
    start_second: int
    offered: float | None
    sent: int
    done: int
    failed: dict[str, int] = field(default_factory=dict)
    dropped: int = 0
    complete: bool = True
    valid: bool | None = None
    why: tuple[str, ...] = ()
    proof: Proof | None = None

    @property
    def good(self) -> int:
        """Answers that were as they should be."""
        return self.done - sum(self.failed.values())
