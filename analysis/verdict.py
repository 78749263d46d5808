"""The verdict of a run in three values, with its reasons. Pure.

PASS says that every asked ratio's whole interval lies on the good side of what was asked; FAIL that one's whole
interval lies on the other side, or that answers differ; INCONCLUSIVE is everything else: an interval across the limit,
no interval, a twin that was not seen at its limit on the side that matters, a run cut short. What is not known never
passes, and never fails.

Intervals are not adjusted for how many ratios are asked. A PASS needs none: it needs every ratio to hold, and is wrong
only when the worst of them is (an intersection-union test), in at most 2.5 % of the runs. A FAIL by one of k ratios is
wrong in at most k × 2.5 %, which its reasons say.
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
    worst allowed ratio. `bound` says that the value is but a bound, as for capacities "at least". `endpoint` and
    `figure` name it for machines; `why` says why there is no ratio.
    """

    what: str
    better: Literal["higher", "lower"]
    value: float | None
    lo: float | None = None
    hi: float | None = None
    interval: IntervalKind | None = None
    bound: Bound | None = None
    limit: float = 1.0
    endpoint: str = ""
    figure: str = ""
    why: str = "no ratio is known"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one asked ratio says by itself, and in words."""

    asked: Asked
    value: Value
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict and why, the deciding reasons first; `judgements` are those of the asked ratios, in their order."""

    value: Value
    reasons: tuple[str, ...]
    judgements: tuple[Judgement, ...] = ()


def verdict_of(asked: Sequence[Asked], *, gate_passed: bool | None, partial: str | None = None) -> Verdict:
    """Return the verdict.

    Args:
        asked: the ratios that decide; none asked is inconclusive.
        gate_passed: whether all compared answers agreed; None when the gate was left out.
        partial: why the run is not whole, None for a whole one.
    """
    judged = tuple(_judge(one) for one in asked)
    failed = [one.text for one in judged if one.value == "FAIL"]
    if failed and len(judged) > 1:
        failed.append(
            f"{len(judged)} ratios were asked: one of them is beyond its limit by chance in at most "
            f"{2.5 * len(judged):g} % of runs of twins that keep every limit"
        )
    if gate_passed is False:
        failed.insert(0, "the twins' answers differ: the gate failed")
    if failed:
        return Verdict("FAIL", tuple(failed), judged)
    open_ = [one.text for one in judged if one.value == "INCONCLUSIVE"]
    if gate_passed is None:
        open_.insert(0, "the gate was left out: nobody knows whether the twins answer alike")
    if partial is not None:
        open_.insert(0, f"the run is partial: {partial}")
    if not asked:
        open_.append("no ratio could be asked for")
    if open_:
        return Verdict("INCONCLUSIVE", tuple(open_), judged)
    return Verdict("PASS", tuple(one.text for one in judged), judged)


def _judge(one: Asked) -> Judgement:
    value, text = _said(one)
    return Judgement(one, value, text)


def _said(one: Asked) -> tuple[Value, str]:
    if one.value is None:
        return "INCONCLUSIVE", f"{one.what}: {one.why}"
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
