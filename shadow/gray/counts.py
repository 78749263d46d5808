"""What the gateway counted of a gray release: one poll of `/status`, read into records, and what changed between two.

All counts are cumulative since the gateway began; `since` gives the part between two polls, which is what the judge
takes. A gateway that was restarted begins at 0 again: then there is no difference to be had, and `since` says None.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeVar

import msgspec

Side = Literal["baseline", "candidate"]
Histogram = tuple[tuple[int | None, int], ...]
"""[upper bound in µs, count], ascending, sparse; None is the bucket without an end."""


class CountsError(ValueError):
    """The gateway's `/status` does not say what it should."""


@dataclass(frozen=True, slots=True)
class Failures:
    """How requests failed on a side, by kind."""

    refused: int = 0
    reset: int = 0
    late: int = 0
    status: int = 0
    invalid: int = 0
    garbage: int = 0
    unhealthy: int = 0

    @property
    def total(self) -> int:
        return sum(getattr(self, one.name) for one in fields(self))


@dataclass(frozen=True, slots=True)
class SideCounts:
    """One side's requests; `latency` is of this side's own answers, `caller_failed` what its callers saw fail."""

    requests: int = 0
    failed: Failures = field(default_factory=Failures)
    fell_back: int = 0
    caller_failed: int = 0
    latency: Histogram = ()

    def since(self, earlier: SideCounts) -> SideCounts | None:
        """Return what came after an earlier poll; None when a count went back, so that they are not of one life."""
        failed = _since(self.failed, earlier.failed)
        before = dict(earlier.latency)
        latency = tuple((upper, count - before.pop(upper, 0)) for upper, count in self.latency)
        figures = [getattr(self, name) - getattr(earlier, name) for name in ("requests", "fell_back", "caller_failed")]
        gone = any(count > 0 for count in before.values())
        if failed is None or gone or min(figures) < 0 or any(count < 0 for _, count in latency):
            return None
        return SideCounts(figures[0], failed, figures[1], figures[2], tuple(one for one in latency if one[1]))


@dataclass(frozen=True, slots=True)
class Compared:
    """Pairs of answers to one request: of the candidate's users by `compare_share`, of the baseline's by the mirror."""

    match: int = 0
    mismatch: int = 0
    raced: int = 0
    unresponsive: int = 0

    def since(self, earlier: Compared) -> Compared | None:
        """Return what came after an earlier poll; None when a count went back."""
        return _since(self, earlier)


@dataclass(frozen=True, slots=True)
class RouteCounts:
    """A route by side."""

    baseline: SideCounts = field(default_factory=SideCounts)
    candidate: SideCounts = field(default_factory=SideCounts)
    compared: Compared = field(default_factory=Compared)

    def since(self, earlier: RouteCounts) -> RouteCounts | None:
        """Return what came after an earlier poll; None when a count went back."""
        baseline, candidate = self.baseline.since(earlier.baseline), self.candidate.since(earlier.candidate)
        compared = self.compared.since(earlier.compared)
        if baseline is None or candidate is None or compared is None:
            return None
        return RouteCounts(baseline, candidate, compared)


@dataclass(frozen=True, slots=True)
class Breaker:
    """The gateway's own guard."""

    state: Literal["closed", "open", "half-open"]
    opens: int
    reason: str | None = None
    reopens_in_s: float | None = None
    probes_ok: int = 0


@dataclass(frozen=True, slots=True)
class CanaryStatus:
    """`canary` of the gateway's `/status` at one moment."""

    share: float
    latched: bool
    breaker: Breaker
    routes: dict[str, RouteCounts]
    whitelist: int = 0
    retry_budget: float | None = None
    unknown_user: int = 0

    @property
    def all_routes(self) -> RouteCounts:
        """Sums over routes."""
        return sum_routes(self.routes.values())


def canary_status(status: Any) -> CanaryStatus | None:
    """Return the gray release's part of a decoded `/status`; None where the gateway has no canary.

    Raises: CountsError naming the field that is missing or of another type.
    """
    canary = status.get("canary") if isinstance(status, dict) else None
    if canary is None:
        return None
    try:
        return msgspec.convert(canary, CanaryStatus)
    except msgspec.ValidationError as fault:
        raise CountsError(f"the gateway's /status, canary: {fault}: is it a gateway of this version?") from fault


def sum_routes(routes: Iterable[RouteCounts]) -> RouteCounts:
    """Return the sum of routes, or of the blocks of one."""
    every = list(routes)
    return RouteCounts(
        sum_sides(one.baseline for one in every),
        sum_sides(one.candidate for one in every),
        _sum(Compared, (one.compared for one in every)),
    )


def sum_sides(sides: Iterable[SideCounts]) -> SideCounts:
    """Return the sum of one side's counts over routes or polls."""
    requests = fell_back = caller_failed = 0
    failed: list[Failures] = []
    latency: Counter[int | None] = Counter()
    for one in sides:
        requests += one.requests
        fell_back += one.fell_back
        caller_failed += one.caller_failed
        failed.append(one.failed)
        for upper, count in one.latency:
            latency[upper] += count
    ordered = sorted(latency.items(), key=lambda bucket: (bucket[0] is None, bucket[0] or 0))
    return SideCounts(requests, _sum(Failures, failed), fell_back, caller_failed, tuple(ordered))


Plain = TypeVar("Plain", Failures, Compared)


def _sum(kind: type[Plain], items: Iterable[Plain]) -> Plain:
    every = list(items)
    return kind(*(sum(getattr(one, part.name) for one in every) for part in fields(kind)))


def _since(now: Plain, earlier: Plain) -> Plain | None:
    changed = [getattr(now, part.name) - getattr(earlier, part.name) for part in fields(now)]
    return None if min(changed) < 0 else type(now)(*changed)
