"""The verdict of a run in three values, with its reasons. Pure.

PASS says that every asked ratio's whole interval lies on the good side of what was asked; FAIL that one's whole
interval lies on the other side, or that answers differ; INCONCLUSIVE is everything else: an interval across the limit,
no interval, a twin that was not seen at its limit on the side that matters, a run cut short. What is not known never
passes, and never fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.intervals import IntervalKind

Value = Literal["PASS", "FAIL", "INCONCLUSIVE"]
Bound = Literal["at_least", "at_most"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A ratio candidate ÷ baseline and what was asked of it.

    `lo` and `hi` are None without an interval. `better`: which way is good (capacity higher, CPU lower). `limit`: the
    worst allowed ratio. `bound` says that the value is but a bound, as for capacities "at least".
    """

    what: str
    better: Literal["higher", "lower"]
    value: float | None
    lo: float | None = None
    hi: float | None = None
    interval: IntervalKind | None = None
    bound: Bound | None = None
    limit: float = 1.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict and why, the deciding reasons first."""

    value: Value
    reasons: tuple[str, ...]


def verdict_of(asked: Sequence[Asked], *, gate_passed: bool | None, partial: str | None = None) -> Verdict:
    """Return the verdict.

    Args:
        asked: the ratios that decide; none asked is inconclusive.
        gate_passed: whether all compared answers agreed; None when the gate was left out.
        partial: why the run is not whole, None for a whole one.
    """
    judged = [_judge(one) for one in asked]
    failed = [reason for value, reason in judged if value == "FAIL"]
    if gate_passed is False:
        failed.insert(0, "the twins' answers differ: the gate failed")
    if failed:
        return Verdict("FAIL", tuple(failed))
    open_ = [reason for value, reason in judged if value == "INCONCLUSIVE"]
    if gate_passed is None:
        open_.insert(0, "the gate was left out: nobody knows whether the twins answer alike")
    if partial is not None:
        open_.insert(0, f"the run is partial: {partial}")
    if not asked:
        open_.append("no ratio could be asked for")
    if open_:
        return Verdict("INCONCLUSIVE", tuple(open_))
    return Verdict("PASS", tuple(reason for _, reason in judged))


def _judge(one: Asked) -> tuple[Value, str]:
    if one.value is None:
        return "INCONCLUSIVE", f"{one.what}: no ratio is known"
    if one.lo is None or one.hi is None or one.interval in (None, "range"):
        return "INCONCLUSIVE", f"{one.what}: {one.value:.3f}, too few pairs for an interval"
    # a bound is open on one side: "at least" may lie anywhere above
    lo = float("-inf") if one.bound == "at_most" else one.lo
    hi = float("inf") if one.bound == "at_least" else one.hi
    said = f"{one.what}: {one.value:.3f} ({one.lo:.3f} to {one.hi:.3f}{_words(one.bound)})"
    good, bad = (lo > one.limit, hi < one.limit) if one.better == "higher" else (hi < one.limit, lo > one.limit)
    if good:
        return "PASS", f"{said} is {'above' if one.better == 'higher' else 'below'} {one.limit:g}"
    if bad:
        return "FAIL", f"{said} is {'below' if one.better == 'higher' else 'above'} {one.limit:g}"
    return "INCONCLUSIVE", f"{said} does not tell it from {one.limit:g}"


def _words(bound: Bound | None) -> str:
    return "" if bound is None else f", {bound.replace('_', ' ')}"
