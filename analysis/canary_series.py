"""Series of a gray release: its stretches of one share, and each side's figures over time. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import median
from typing import Final

from analysis.canary import CanaryRun, Happening, Ticks, Window, merged_windows
from analysis.canary_counts import Proportion, proportion, quantile_ms, samples_for, success
from shadow.gray.counts import Side, SideCounts

SIDES: Final[tuple[Side, Side]] = ("baseline", "candidate")
_SHARE_KINDS: Final = frozenset({"step", "back", "hold", "done", "held", "stopped"})
_END_KINDS: Final = _SHARE_KINDS - {"step"}
_LEAST: Final = 100
"""Requests behind a share of them that is drawn."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The time of one share with everything counted in it, and what ended it, as far as that was recorded."""

    window: Window
    ended: Happening | None


@dataclass(frozen=True, slots=True)
class Span:
    """A figure over a stretch of time: long enough for its samples, never over a change of the share."""

    from_s: float
    to_s: float
    value: float
    lo: float
    hi: float


@dataclass(frozen=True, slots=True)
class Outage:
    """A stretch in which the breaker let nobody to the candidate; `state` is open or half-open."""

    from_s: float
    to_s: float
    state: str


@dataclass(frozen=True, slots=True)
class Retreat:
    """All traffic went back to the baseline: at which event, and between how many seconds after it.

    `first_failure_s`: between which times the first failure of those that led to it was counted; None without one.
    """

    cause: Happening
    least_s: float
    most_s: float
    first_failure_s: tuple[float, float] | None


def stretches(run: CanaryRun) -> tuple[Stretch, ...]:
    """Return the stretches of one share each, in order."""
    merged = [merged_windows(tuple(part)) for _, part in groupby(run.windows, key=lambda one: one.share)]
    slack_s = 0.5 + 2 * poll_s(run.ticks)  # an order takes until the next poll to be seen
    found: list[Stretch] = []
    left = list(run.happenings)
    for number, window in enumerate(merged):
        last = number == len(merged) - 1
        kinds = _END_KINDS if last else _SHARE_KINDS
        near = [one for one in left if one.kind in kinds and (last or abs(one.t_s - window.to_s) <= slack_s)]
        ended = min(near, key=lambda one: abs(one.t_s - window.to_s), default=None)
        left = [one for one in left if ended is None or one.t_s > ended.t_s]  # nothing ends two
        found.append(Stretch(window, ended))
    return tuple(found)


def poll_s(ticks: Ticks) -> float:
    """Return the usual time between two polls, 0 with fewer than two."""
    return median(after - before for before, after in pairwise(ticks.t_s)) if len(ticks.t_s) > 1 else 0.0


def success_spans(windows: Sequence[Window], side: Side) -> tuple[Span, ...]:
    """Return the share of a side's requests that it answered well itself, over time."""
    return _spans(windows, lambda one: _of(one, side).requests, _LEAST, lambda one: _bounds(success(_of(one, side))))


def step_success(run: CanaryRun, side: Side) -> tuple[Span, ...]:
    """Return the same over the whole of each stretch, where it had 100 requests."""
    found = [(one.window, success(_of(one.window, side))) for one in stretches(run)]
    return tuple(
        Span(window.from_s, window.to_s, part.value, part.lo, part.hi)
        for window, part in found
        if part is not None and part.count >= _LEAST
    )


def caller_spans(windows: Sequence[Window]) -> tuple[Span, ...]:
    """Return the share of callers' requests that were answered well, over time; () where callers were not asked."""

    def done(one: Window) -> int:
        return one.callers_done or 0

    return _spans(
        windows, done, _LEAST, lambda one: _bounds(proportion(done(one) - (one.callers_failed or 0), done(one)))
    )


def latency_spans(windows: Sequence[Window], side: Side, q: float) -> tuple[Span, ...]:
    """Return a quantile of a side's latency in ms, over time."""

    def samples(one: Window) -> int:
        return sum(count for _, count in _of(one, side).latency)

    def value(one: Window) -> tuple[float, float, float] | None:
        found = quantile_ms(_of(one, side), q)
        return None if found is None else (found, found, found)

    return _spans(windows, samples, samples_for(q), value)


def outages(run: CanaryRun) -> tuple[Outage, ...]:
    """Return the stretches in which the breaker was open or half-open."""
    turns = [one for one in run.happenings if one.breaker_to is not None]
    ends = [*(one.t_s for one in turns[1:]), run.end_s]
    return tuple(
        Outage(one.t_s, max(end_s, one.t_s), state)
        for one, end_s in zip(turns, ends, strict=False)
        if (state := one.breaker_to) in {"open", "half-open"}
    )


def retreats(run: CanaryRun) -> tuple[Retreat, ...]:
    """Return each time that all traffic went back to the baseline, by the breaker or by a decision, in order.

    An opening and the decision that it led to are one: the second finds nobody left at the candidate.
    """
    found: list[Retreat] = []
    until_s = -1.0
    for one in run.happenings:
        if (one.kind == "back" or one.breaker_to == "open") and one.t_s > until_s:
            retreat = _retreat(run.ticks, one)
            if retreat is not None:
                found.append(retreat)
                until_s = _quiet_until_s(run.ticks, one.t_s + retreat.most_s)
    return tuple(found)


def _retreat(ticks: Ticks, cause: Happening) -> Retreat | None:
    """Return when the candidate's count stood still after a cause; None where it did not, or nothing came after it."""
    after = [i for i in range(1, len(ticks.t_s)) if ticks.t_s[i] > cause.t_s]
    if not after:
        return None
    last = after[0] - 1
    for i in after:
        if ticks.requests[i] == ticks.requests[i - 1]:
            break
        last = i
    else:
        return None
    most_s = max(ticks.t_s[last] - cause.t_s, 0.0)
    least_s = max(ticks.t_s[last - 1] - cause.t_s, 0.0) if last else 0.0
    return Retreat(cause, min(least_s, most_s), most_s, _first_failure(ticks, cause.t_s))


def _quiet_until_s(ticks: Ticks, from_s: float) -> float:
    """Return the last poll until which the candidate was asked nothing."""
    end_s = from_s
    for i in range(1, len(ticks.t_s)):
        if ticks.t_s[i] > from_s:
            if ticks.requests[i] != ticks.requests[i - 1]:
                break
            end_s = ticks.t_s[i]
    return end_s


def _first_failure(ticks: Ticks, before_s: float) -> tuple[float, float] | None:
    """Return the poll interval in which the failures began that go on, with a poll's pause at most, up to a time."""
    first: tuple[float, float] | None = None
    pauses = 0
    for i in range(len(ticks.t_s) - 1, 0, -1):
        if ticks.t_s[i - 1] > before_s:
            continue
        if ticks.failures[i] > ticks.failures[i - 1]:
            first, pauses = (ticks.t_s[i - 1], ticks.t_s[i]), 0
        else:
            pauses += 1
            if pauses > 1:
                break
    return first


def _spans(
    windows: Sequence[Window],
    samples: Callable[[Window], int],
    least: int,
    value: Callable[[Window], tuple[float, float, float] | None],
) -> tuple[Span, ...]:
    """Return figures of stretches of a share, cut into as many parts of like samples as have `least` each."""
    found: list[Span] = []
    for _, part in groupby(windows, key=lambda one: one.share):
        for window in _pieces(list(part), samples, least):
            figures = value(window)
            if figures is not None:
                found.append(Span(window.from_s, window.to_s, *figures))
    return tuple(found)


def _pieces(windows: list[Window], samples: Callable[[Window], int], least: int) -> list[Window]:
    pieces: list[list[Window]] = []
    have = least
    for window in windows:
        if have >= least:
            pieces.append([])
            have = 0
        pieces[-1].append(window)
        have += samples(window)
    if have < least and len(pieces) > 1:
        last = pieces.pop()
        pieces[-1] += last
    return [merged_windows(tuple(piece)) for piece in pieces]


def _of(window: Window, side: Side) -> SideCounts:
    return window.counts.baseline if side == "baseline" else window.counts.candidate


def _bounds(found: Proportion | None) -> tuple[float, float, float] | None:
    return None if found is None else (found.value, found.lo, found.hi)
