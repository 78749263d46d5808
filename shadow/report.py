"""What the gate found: counts, bounds and coverage by endpoint, and why it did not pass. Frozen records."""

from __future__ import annotations

from dataclasses import dataclass

from records.manifest import GateRecord
from shadow.finding import Finding


@dataclass(frozen=True, slots=True)
class EndpointCount:
    """The pairs of one endpoint.

    compared = matched + mismatches; `unanswered` is the part of the mismatches in which a twin gave no answer,
    `unexpected` counts valid requests that the baseline itself did not answer as the plan expects, equal or not.
    `raced` pairs saw unlike states at first, `unresolved` ones to the end; the latter are in no other count.
    `bound` is the upper limit of the mismatch rate at 95 %, None when nothing was compared. `noise` pairs differ only
    where the baseline differs from itself; they are in no other count. `by_rule` is the part of the matched in which a
    rule hid what differs. Of mirrored traffic alone: `dropped` copies that the candidate was never sent, and
    `failed_alike`, pairs that are equal because both failed (5xx), which prove nothing and are in no other count.
    """

    endpoint: str
    wanted: int
    compared: int
    matched: int
    mismatches: int
    unanswered: int
    unexpected: int
    raced: int
    unresolved: int
    bound: float | None
    noise: int = 0
    by_rule: int = 0
    dropped: int = 0
    failed_alike: int = 0


@dataclass(frozen=True, slots=True)
class RuleUse:
    """A rule of the plan, in how many pairs it hid a difference, and how many places in all."""

    rule: str
    pairs: int
    places: int


@dataclass(frozen=True, slots=True)
class NoisePlace:
    """A place (`$.now`, `header date`) at which two answers of the baseline differ, in how many pairs."""

    endpoint: str
    place: str
    pairs: int


@dataclass(frozen=True, slots=True)
class SignCount:
    """In how many pairs an endpoint's answers differ in one way; `place` has `[*]` for every position."""

    endpoint: str
    kind: str
    place: str
    pairs: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """Pairs compared of one endpoint, kind, tier and status class of the baseline ("2xx" … "5xx", "none")."""

    endpoint: str
    kind: str
    tier: str
    status_class: str
    pairs: int
    mismatches: int


@dataclass(frozen=True, slots=True)
class GateReport:
    """The gate's outcome. `why` holds every reason against it: empty exactly when it passed.

    `findings` are the first ones of each endpoint, kind and sort, `withheld` says how many more there were.
    `not_replayed` names workload entries that could not be compared, with the reason.
    """

    utc: str
    baseline: str
    candidate: str
    passed: bool
    why: tuple[str, ...]
    endpoints: tuple[EndpointCount, ...]
    coverage: tuple[Coverage, ...]
    findings: tuple[Finding, ...]
    withheld: int
    not_replayed: tuple[str, ...]
    rules: tuple[RuleUse, ...] = ()
    noise: tuple[NoisePlace, ...] = ()
    signs: tuple[SignCount, ...] = ()

    def record(self, key: str) -> GateRecord:
        """Return what a run's manifest keeps of the gate."""
        return GateRecord(
            key=key,
            utc=self.utc,
            passed=self.passed,
            compared={e.endpoint: e.compared for e in self.endpoints},
            mismatches={e.endpoint: e.mismatches for e in self.endpoints},
            bound={e.endpoint: e.bound for e in self.endpoints if e.bound is not None},
            rules={use.rule: use.pairs for use in self.rules},
        )
