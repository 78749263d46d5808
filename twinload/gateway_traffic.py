"""The traffic of `twinload shadow run` and `canary run`: the plan's weighted mix, by the pool, through the gateway.

The generator is the campaign's own, told by overrides of the plan that the baseline stands at the gateway's address.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from records.channel import Counted, SweepDone, Told
from records.channel import Sweep as SweepOrder
from records.hdr import Sparse, merged, quantile_us
from records.plan import Plan
from records.second import Second
from records.stage import Stage
from swarm.templates import MIX
from twinload.errors import OwnFault
from twinload.generator import Generator

WARMUP_S: Final = 1
_STOPS_S: Final = 30.0
_STEP_S: Final = 0.1


def sets_through(plan: Plan, seconds: int, rate_rps: float) -> tuple[str, ...]:
    """Return the overrides that lead the baseline's traffic through the gateway; the candidate is sent nothing."""
    gateway = plan.shadow.gateway
    names = [entry.name for entry in plan.workload]
    return (
        *_twin_at(plan.baseline, "gateway", gateway.listen, names),
        *_twin_at(plan.candidate, "mirrored", gateway.admin, names),
        "shadow.gateway={}", 'swarm.sender="native-schedule"', "swarm.spawn_rate=32000.0", "swarm.user_rate_rps=0.25",
        'engine.loop="open"', "engine.check_ratio=0.0", "engine.queue_limit_s=1.0",
        'stages.kind="soak"', f"stages.rate_rps={rate_rps}", f"stages.warmup_s={WARMUP_S}",
        f"stages.measure_s={seconds}", "stages.mix=true",
    )  # fmt: skip


def stage_of(plan: Plan, seconds: int, rate_rps: float, name: str) -> Stage:
    """Return the one stage that is sent."""
    return Stage(0, name, "measure", plan.baseline, MIX, 0, 0, rate_rps, WARMUP_S, seconds, loop="open")


def _twin_at(twin: str, name: str, address: str, serves: list[str]) -> tuple[str, str]:
    shown = f"[{', '.join(json.dumps(one) for one in serves)}]"
    return (
        f'twins.{twin}.start="external"',
        f'twins.{twin}.instances=[{{name="{name}", address="{address}", serves={shown}}}]',
    )


@dataclass(slots=True)
class Traffic:
    """What the callers saw of the gateway, summed up."""

    sent: int = 0
    dropped: int = 0
    done: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    latency: Sparse = ()

    def add(self, second: Second) -> None:
        """Take a second in."""
        self.sent += second.sent
        self.dropped += second.dropped
        for group, count in second.status.items():
            self.done += count.done
            self.classes[group] += count.done
            self.failed.update(count.failed)
            self.latency = merged((self.latency, count.latency or count.service))

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values; a quantile without samples is None."""
        p50, p99 = quantile_us(self.latency, 0.5), quantile_us(self.latency, 0.99)
        return {
            "sent": self.sent, "dropped": self.dropped, "done": self.done, "failed": dict(self.failed),
            "classes": dict(self.classes),
            "p50_ms": None if p50 is None else p50 / 1000, "p99_ms": None if p99 is None else p99 / 1000,
        }  # fmt: skip


@dataclass(slots=True)
class Sender:
    """The traffic under way; a sweep that is over is followed by another."""

    generator: Generator
    traffic: Traffic
    order: SweepOrder
    detail: Callable[[str], None]
    stopping: bool = False
    stopped: bool = False

    def __post_init__(self) -> None:
        self.generator.sweep(self.order)

    def listen(self, until_s: float) -> None:
        """Take in what the generator tells until a moment of the monotonic clock."""
        while True:
            self._take(max(until_s - time.monotonic(), 0.0))
            if time.monotonic() >= until_s:
                return

    def until(self, true: Callable[[], bool], limit_s: float, fault: str) -> None:
        """Take in what it tells until something is true; OwnFault when that does not come."""
        deadline_s = time.monotonic() + limit_s
        while not true():
            if time.monotonic() > deadline_s:
                raise OwnFault(f"{fault}; the generator's last lines:\n{self.generator.last_lines()}")
            self._take(_STEP_S)

    def stop(self) -> None:
        """End the traffic, and wait until nothing is in flight."""
        self.stopping = True
        self.generator.stop_sweep()
        self.until(lambda: self.stopped, _STOPS_S, "the traffic did not end")

    def _take(self, timeout_s: float) -> None:
        for message in self.generator.messages(timeout_s=timeout_s):
            if isinstance(message, Counted):
                self.traffic.add(message.second)
            elif isinstance(message, Told):
                self.detail(message.event.text)
            elif isinstance(message, SweepDone) and self.stopping:
                self.stopped = True
            elif isinstance(message, SweepDone):
                self.generator.sweep(self.order)
