"""The judge of a gray release: step, hold or back, from what each poll added. Pure: time is an argument.

| sees | decides |
|---|---|
| evidence beyond 1 / alpha that the candidate is worse, at any time of the roll-out | back, and stays so |
| more answers that differ than allowed (mismatch = "back"), more crashes than allowed | back, and stays so |
| no status, counts that stand still, a side without requests | hold, and says which |
| soak or min_requests not reached, or not yet shown that it fails no more than the margin allows | hold |
| all of it reached | step |
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from shadow.gray.counts import SideCounts, sum_sides
from shadow.gray.evidence import LIVE, SPREAD_Q, Evidence, Margins, SideBlock, gateway_uppers_us
from shadow.gray.sequential import FloatArray

Decision = Literal["step", "hold", "back"]
STEP_ERROR: Final = 0.05
"""How often a step may be taken although the candidate fails by more than the step's limit."""
EARLY: Final = 0.9
"""Part of block_s after which a block is closed: a poll that is a little early ends its block all the same."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the plan says of judging; see `[canary]`. `block_s`: what comes within it is one piece of evidence.

    `silent_s`: how long a side may be without requests, or the status away, before that is said.
    """

    soak_s: float = 30.0
    min_requests: int = 1_000
    max_step_s: float = 600.0
    alpha: float = 0.01
    failure_margin: float = 0.001
    latency_margin: float = 0.1
    quantiles: tuple[float, ...] = (0.5, 0.99)
    mismatch: Literal["back", "tell"] = "back"
    allowed_mismatches: int = 0
    allowed_crashes: int = 0
    block_s: float = 0.5
    silent_s: float = 5.0

    def __post_init__(self) -> None:
        wrong = [
            f"{name} = {value:g} is not within {lowest:g} and {highest:g}"
            for name, value, lowest, highest in (
                ("alpha", self.alpha, 1e-9, 0.5), ("failure_margin", self.failure_margin, 0, 0.5),
                ("latency_margin", self.latency_margin, 0, 10), ("block_s", self.block_s, 1e-3, 3600),
            )
            if not lowest <= value <= highest
        ]  # fmt: skip
        wrong += [f"quantile {q:g} is not within 0 and 1" for q in self.quantiles if not 0 < q < 1]
        if wrong:
            raise ValueError("; ".join(wrong))

    @property
    def margins(self) -> Margins:
        return Margins(self.failure_margin, self.latency_margin, tuple(sorted({*self.quantiles, SPREAD_Q})))


@dataclass(frozen=True, slots=True)
class Slow:
    """A quantile: where "slow" begins on each side, ms, and the shares beyond in this step; None: not known yet."""

    q: float
    baseline_ms: float | None
    candidate_ms: float | None
    baseline_ratio: float | None
    candidate_ratio: float | None


@dataclass(frozen=True, slots=True)
class MetricEvidence:
    """How much of the wealth lies in one metric's bets."""

    name: str
    wealth: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What a decision rests on. Counts are of this step; `evidence` is over the roll-out, back at `evidence_needed`.

    `shown`: the evidence that the candidate fails at most `failure_limit` more, step at `shown_needed`. `paired`:
    blocks of the past that are left where the baseline has no users, None before.
    """

    share: float
    step_s: float
    requests_baseline: int
    requests_candidate: int
    failed_baseline: int
    failed_candidate: int
    caller_failed_baseline: int
    caller_failed_candidate: int
    mismatches: int
    crashes: int
    evidence: float
    evidence_needed: float
    metrics: tuple[MetricEvidence, ...]
    shown: float
    shown_needed: float
    failure_limit: float
    slow: tuple[Slow, ...]
    paired: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do now and why; `reasons` are whole sentences, never empty."""

    decision: Decision
    reasons: tuple[str, ...]
    figures: Figures


@dataclass(slots=True)
class _Step:
    share: float
    began_s: float
    heard_s: float
    seen_s: dict[str, float]
    baseline: SideCounts = field(default_factory=SideCounts)
    candidate: SideCounts = field(default_factory=SideCounts)


class Judge:
    """One roll-out's judge: `begin_step`, then `observe` each poll, and `verdict` whenever it is wanted."""

    def __init__(self, rules: Rules, *, uppers_us: Sequence[float] | None = None) -> None:
        self.rules = rules
        self._uppers_us = gateway_uppers_us() if uppers_us is None else np.asarray(uppers_us, dtype=np.float64)
        self._evidence = Evidence(rules.margins, self._uppers_us)
        self._step: _Step | None = None
        self._now_s = 0.0
        self._block: list[tuple[SideCounts, SideCounts]] = []
        self._block_began_s = 0.0
        self._mismatches = 0
        self._crashes = 0
        self._alarm: str | None = None

    def begin_step(self, t_s: float, share: float, next_share: float | None) -> None:
        """Begin a step at a share of the users; `next_share` is what follows, None after the last."""
        self._now_s = t_s
        self._block, self._block_began_s = [], t_s
        self._step = _Step(share, t_s, t_s, {"baseline": t_s, "candidate": t_s})
        self._evidence.step(share, next_share)

    def observe(
        self, t_s: float, baseline: SideCounts | None, candidate: SideCounts | None, *, mismatches: int = 0,
        crashes: int = 0,
    ) -> None:  # fmt: skip
        """Take what a poll added to each side, None where the status was not had or its counts began anew.

        mismatches: answers that differ, crashes: instances of the candidate that died or were restarted, both new
        since the last poll.
        """
        if self._step is None:
            raise ValueError("observe() before begin_step(): no share is known")
        self._now_s = t_s
        self._mismatches += mismatches
        self._crashes += crashes
        if baseline is None or candidate is None:
            return
        self._note(t_s, baseline, candidate, self._step)
        self._block.append((baseline, candidate))
        if t_s - self._block_began_s >= EARLY * self.rules.block_s:
            self._close(t_s)

    def verdict(self) -> Verdict:
        """Return what to do now. Asking changes nothing."""
        figures = self.figures()
        back = tuple(self._back())
        if back:
            return Verdict("back", back, figures)
        hold = tuple(self._missing()) or tuple(self._wanting(figures))
        if hold:
            return Verdict("hold", hold, figures)
        return Verdict("step", (_shown(figures),), figures)

    def figures(self) -> Figures:
        """Return what decisions rest on now."""
        step = self._step
        if step is None:
            raise ValueError("figures before begin_step(): no share is known")
        evidence, needed = self._wealth()
        bets = self._evidence.after or self._evidence.live
        proof = self._evidence.proof
        return Figures(
            step.share, self._now_s - step.began_s, step.baseline.requests, step.candidate.requests,
            step.baseline.failed.total, step.candidate.failed.total, step.baseline.caller_failed,
            step.candidate.caller_failed, self._mismatches, self._crashes, evidence, needed,
            tuple(
                MetricEvidence(name, float(wealth))
                for name, wealth in zip(self._names(), bets.wealth.by_metric[0], strict=True)
            ),
            float(proof.wealth.total[0]), 1 / STEP_ERROR, proof.limit, tuple(self._slow(step)), self._evidence.paired,
        )  # fmt: skip

    def _names(self) -> list[str]:
        return ["failures", "callers", *[f"slower at {q:g}" for q in self.rules.margins.quantiles]]

    def _wealth(self) -> tuple[float, float]:
        """Return the evidence that the candidate is worse, and what is needed; of two, the one nearer to it."""
        found = [(float(self._evidence.live.wealth.total[0]), 1 / (LIVE * self.rules.alpha))]
        if self._evidence.after is not None:
            found.append((float(self._evidence.after.wealth.total[0]), 1 / ((1 - LIVE) * self.rules.alpha)))
        return max(found, key=lambda one: one[0] / one[1])

    def _note(self, t_s: float, baseline: SideCounts, candidate: SideCounts, step: _Step) -> None:
        step.heard_s = t_s
        step.baseline, step.candidate = sum_sides([step.baseline, baseline]), sum_sides([step.candidate, candidate])
        for name, side in (("baseline", baseline), ("candidate", candidate)):
            if side.requests > 0:
                step.seen_s[name] = t_s

    def _close(self, t_s: float) -> None:
        sides = [sum_sides(poll[k] for poll in self._block) for k in (0, 1)]
        self._block, self._block_began_s = [], t_s
        self._evidence.take(self._dense(sides[0]), self._dense(sides[1]))
        evidence, needed = self._wealth()
        if self._alarm is None and evidence >= needed:
            self._alarm = _alarm(self.figures())

    def _dense(self, side: SideCounts) -> SideBlock:
        latency = np.zeros((1, len(self._uppers_us) + 1))
        for upper, count in side.latency:
            at = len(self._uppers_us) if upper is None else int(np.searchsorted(self._uppers_us, upper))
            latency[0, at] += count
        requests, failed, callers = (
            np.array([float(n)]) for n in (side.requests, side.failed.total, side.caller_failed)
        )
        return SideBlock(requests, failed, callers, latency)

    def _slow(self, step: _Step) -> Iterator[Slow]:
        ours, theirs = self._evidence.thresholds()
        sides = (self._dense(step.baseline).latency[0], self._dense(step.candidate).latency[0])
        for k, q in enumerate(self.rules.margins.quantiles):
            at = (int(ours[0, k]), int(theirs[0, k]))
            if max(at) >= len(self._uppers_us):
                yield Slow(q, None, None, None, None)
                continue
            ms = [float(self._uppers_us[one]) / 1e3 for one in at]
            ratios = [_ratio(side, one) for side, one in zip(sides, at, strict=True)]
            yield Slow(q, ms[0], ms[1], ratios[0], ratios[1])

    def _back(self) -> Iterator[str]:
        if self._alarm is not None:
            yield self._alarm
        if self.rules.mismatch == "back" and self._mismatches > self.rules.allowed_mismatches:
            yield f"{self._mismatches} answers differ, {self.rules.allowed_mismatches} are allowed"
        if self._crashes > self.rules.allowed_crashes:
            yield f"instances of the candidate that ended: {self._crashes}, allowed: {self.rules.allowed_crashes}"

    def _missing(self) -> Iterator[str]:
        step, silent_s = self._step, self.rules.silent_s
        if step is None:
            return
        if self._now_s - step.heard_s >= silent_s:
            yield f"no status of the gateway for {self._now_s - step.heard_s:.1f} s: nothing is known"
            return
        for name, seen_s in step.seen_s.items():
            alone = name == "baseline" and step.share >= 1.0
            if not alone and self._now_s - seen_s >= silent_s:
                yield f"the {name} has had no requests for {self._now_s - seen_s:.1f} s: nothing to compare"

    def _wanting(self, figures: Figures) -> Iterator[str]:
        rules = self.rules
        if figures.paired == 0 and figures.shown < figures.shown_needed:
            yield "the baseline has no users, and no more blocks of before to compare with"
        if figures.step_s < rules.soak_s:
            yield f"soak: {figures.step_s:.1f} of {rules.soak_s:g} s"
        if figures.requests_candidate < rules.min_requests:
            yield f"requests of the candidate: {figures.requests_candidate:,} of {rules.min_requests:,}"
        if figures.shown < figures.shown_needed:
            yield (
                f"not yet shown that the candidate fails at most {100 * figures.failure_limit:.2g} % more: evidence "
                f"{figures.shown:.3g} of {figures.shown_needed:g}"
            )
            if figures.step_s >= rules.max_step_s:
                yield f"max_step_s of {rules.max_step_s:g} s is over"


def _ratio(latency: FloatArray, at: int) -> float | None:
    every = float(np.sum(latency))
    return float(np.sum(latency[at + 1 :])) / every if every else None


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.3g} %" if whole else "none"


def _alarm(figures: Figures) -> str:
    """Say in a sentence what the wealth lies in."""
    most = max(figures.metrics, key=lambda one: one.wealth)
    text = f"the candidate is worse: {most.name}, evidence {figures.evidence:.3g} of {figures.evidence_needed:.4g}"
    if most.name == "failures":
        return f"{text}; {_failures(figures)}"
    if most.name == "callers":
        return (
            f"{text}; callers got a failure from {figures.caller_failed_candidate:,} of "
            f"{figures.requests_candidate:,} requests, with the baseline from {figures.caller_failed_baseline:,} of "
            f"{figures.requests_baseline:,}"
        )
    slow = next(one for one in figures.slow if most.name == f"slower at {one.q:g}")
    if slow.candidate_ratio is None or slow.baseline_ratio is None:
        return text
    return (
        f"{text}; {100 * slow.candidate_ratio:.3g} % beyond {slow.candidate_ms:.4g} ms, of the baseline "
        f"{100 * slow.baseline_ratio:.3g} % beyond {slow.baseline_ms:.4g} ms"
    )


def _failures(figures: Figures) -> str:
    return (
        f"it failed {_percent(figures.failed_candidate, figures.requests_candidate)} of "
        f"{figures.requests_candidate:,} requests, the baseline "
        f"{_percent(figures.failed_baseline, figures.requests_baseline)} of {figures.requests_baseline:,}"
    )


def _shown(figures: Figures) -> str:
    return (
        f"no worse in {figures.step_s:.1f} s (evidence {figures.evidence:.3g}, back at {figures.evidence_needed:.4g}); "
        f"shown to fail at most {100 * figures.failure_limit:.2g} % more; {_failures(figures)}"
    )
