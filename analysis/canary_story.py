"""The story of a gray release in sentences and rows: each step, why it ended, who answered, who saw a fault. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from analysis.canary import CanaryRun, Happening
from analysis.canary_counts import Proportion, faults_of, kinds_of, quantile_ms, success
from analysis.canary_series import Retreat, Stretch, poll_s, retreats, stretches
from analysis.numbers_told import UNKNOWN, number
from shadow.gray.counts import SideCounts, sum_routes

_SHOWN: Final = frozenset({"step", "hold", "resume", "back", "done", "held", "stopped", "breaker", "fault", "operator"})

_TOLD: Final = frozenset({"from", "to", "reason"})  # of the breaker and the share: said by what happened


@dataclass(frozen=True, slots=True)
class StepRow:
    """One stretch of one share, as a row of text; the sides in order baseline, candidate."""

    share: str
    time: str
    requests: tuple[str, str]
    success: tuple[str, str]
    p50: tuple[str, str]
    p99: tuple[str, str]
    failed: str
    fell_back: str
    faults: str
    differed: str
    ended: str


@dataclass(frozen=True, slots=True)
class EventRow:
    """One line of what was decided; `number` is the one in the picture, "" for lines that are not in it."""

    number: str
    time: str
    by: str
    what: str
    share: str
    why: str
    figures: str


def outcome_text(run: CanaryRun) -> str:
    """Return how it ended, in a few words."""
    baseline, candidate = run.sides
    reached = percent(run.reached)
    if run.outcome is None:
        return f"PARTIAL RUN: cut short, {candidate} had reached {reached}"
    texts = {
        "done": f"Done: {candidate} has {reached}",
        "back": f"Went back to {baseline}; {candidate} had reached {reached}",
        "held": f"Held at {reached}: the evidence for the next step did not come",
        "stopped": f"Stopped before its end; {candidate} had reached {reached}",
    }
    return texts.get(run.outcome.outcome, f"{run.outcome.outcome}; {candidate} had reached {reached}")


def percent(share: float) -> str:
    """Return a share of users as people say it."""
    return f"{100 * share:g} %"


def shown_happenings(run: CanaryRun) -> tuple[Happening, ...]:
    """Return the events that a picture marks: decisions, the breaker's turns, faults."""
    return tuple(one for one in run.happenings if one.kind in _SHOWN)


def within_text(retreat: Retreat) -> str:
    """Return how long it took until nobody was sent to the candidate: counts are read at polls, so at most."""
    return "at once" if retreat.most_s == 0 else f"within {_seconds(retreat.most_s)}"


def story(run: CanaryRun) -> tuple[str, ...]:
    """Return what happened, a sentence a line."""
    _, candidate = run.sides
    steps = [one for one in stretches(run) if one.window.share > 0]
    if not steps:
        return (f"Nobody was given to {candidate}: no poll with a share above 0 was written.",)
    shares = list(dict.fromkeys(percent(one.window.share) for one in steps))
    lines = [f"{candidate} was given {_listed(shares)} of the users, over {_seconds(run.end_s - run.begin_s)}."]
    lines += [_retreat_text(run, one) for one in retreats(run)]
    lines += [*_answered(run), *_compared(run), *_end(run)]
    return tuple(lines)


def step_rows(run: CanaryRun) -> tuple[StepRow, ...]:
    """Return a row a stretch."""
    return tuple(_step_row(one) for one in stretches(run))


def event_rows(run: CanaryRun) -> tuple[EventRow, ...]:
    """Return a row an event, numbered as in the picture."""
    numbers = {id(one): str(place) for place, one in enumerate(shown_happenings(run), start=1)}
    return tuple(
        EventRow(
            numbers.get(id(one), ""), f"{one.t_s:,.2f}", one.by, _what(one),
            UNKNOWN if one.share is None else percent(one.share), "; ".join(one.reasons),
            figures_text({name: value for name, value in one.figures.items() if name not in _TOLD}),
        )
        for one in run.happenings
    )  # fmt: skip


def route_rows(run: CanaryRun) -> tuple[tuple[str, ...], ...]:
    """Return a row a route: requests by side, failures, fallbacks, faults, pairs compared and unlike."""
    return tuple(
        (
            name, f"{counts.baseline.requests:,}", f"{counts.candidate.requests:,}",
            kinds_text(kinds_of(counts.candidate.failed)), f"{counts.candidate.fell_back:,}", f"{faults_of(counts):,}",
            f"{counts.compared.match + counts.compared.mismatch:,}", f"{counts.compared.mismatch:,}",
        )
        for name, counts in run.routes.items()
    )  # fmt: skip


def figures_text(figures: Mapping[str, Any]) -> str:
    """Return figures of an event as `name value`, those within others by their path, those of a list by their name."""
    return ", ".join(_figures(figures, ""))


def _figures(figures: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name, value in figures.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _figures(value, prefix if name == "figures" else f"{path}.")
        elif isinstance(value, list) and all(isinstance(one, Mapping) for one in value):
            for one in value:
                rest = dict(one)
                own = rest.pop("name", None) or rest.pop("q", None)
                yield from _figures(rest, f"{path}.{own}." if own else f"{path}.")
        else:
            yield f"{path} {_plain(value)}"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, int):
        return f"{value:,}"
    return UNKNOWN if value is None else str(value)


def kinds_text(kinds: Mapping[str, int]) -> str:
    """Return counts by kind, the most first; 0 without any."""
    found = sorted(((count, kind) for kind, count in kinds.items() if count), key=lambda one: (-one[0], one[1]))
    if not found:
        return "0"
    whole = sum(count for count, _ in found)
    return f"{whole:,} ({', '.join(f'{kind} {count:,}' for count, kind in found)})"


def _retreat_text(run: CanaryRun, retreat: Retreat) -> str:
    baseline, candidate = run.sides
    cause = retreat.cause
    who = "the breaker opened" if cause.breaker_to == "open" else f"{_who(cause.by)} sent all back"
    why = f" ({'; '.join(cause.reasons)})" if cause.reasons else ""
    told = f"At {cause.t_s:,.2f} s{_into_step(run, cause.t_s)} {who}{why}: all traffic was on {baseline} "
    told += f"{within_text(retreat)} (counts are read every {_seconds(poll_s(run.ticks))})."
    fault = max((one.t_s for one in run.happenings if one.kind == "fault" and one.t_s <= cause.t_s), default=None)
    if fault is not None:
        told += f" That is {_seconds(cause.t_s + retreat.most_s - fault)} at most after the fault was injected."
    elif retreat.first_failure_s is not None:
        least, most = retreat.first_failure_s
        told += f" {candidate}'s first failure of these was counted between {least:,.2f} and {most:,.2f} s."
    return told


def _into_step(run: CanaryRun, at_s: float) -> str:
    for one in stretches(run):
        if one.window.from_s <= at_s < one.window.to_s and one.window.share > 0:
            return f", {_seconds(at_s - one.window.from_s)} into {percent(one.window.share)},"
    return ""


def _answered(run: CanaryRun) -> list[str]:
    baseline, candidate = run.sides
    whole = sum_routes(run.routes.values())
    requests = whole.baseline.requests + whole.candidate.requests
    failed = kinds_text(kinds_of(whole.candidate.failed))
    lines = [
        f"{candidate} was asked {whole.candidate.requests:,} times and failed {failed}; "
        f"{whole.candidate.fell_back:,} of its requests were answered by {baseline} instead.",
        f"Callers who saw a fault, by the gateway's count: {faults_of(whole):,} of {requests:,} requests "
        f"({whole.candidate.caller_failed:,} on {candidate}'s side, {whole.baseline.caller_failed:,} on {baseline}'s).",
    ]
    if run.callers is not None:
        callers = run.callers
        lines.append(
            f"By the sender's own count: {callers.done:,} requests ended, {kinds_text(callers.failed)} failed, "
            f"{callers.dropped:,} never sent."
        )
    return lines


def _compared(run: CanaryRun) -> list[str]:
    found = sum_routes(run.routes.values()).compared
    pairs = found.match + found.mismatch
    if not pairs:
        return ["No answers were compared."]
    return [f"{pairs:,} pairs of answers were compared: {found.mismatch:,} differed."]


def _end(run: CanaryRun) -> list[str]:
    if run.outcome is None:
        waits = run.last.waits if run.last is not None else ()
        return [f"It was cut short while it waited: {'; '.join(waits)}."] if waits else []
    why = "; ".join(run.outcome.reasons)
    told = (why and f"It ended as {run.outcome.outcome}: {why}.", run.outcome.left and f"Left: {run.outcome.left}.")
    return [text for text in told if text]


def _step_row(stretch: Stretch) -> StepRow:
    window, counts = stretch.window, stretch.window.counts
    sides = (counts.baseline, counts.candidate)
    return StepRow(
        percent(window.share), f"{window.from_s:,.1f} – {window.to_s:,.1f}", _both(sides, lambda c: f"{c.requests:,}"),
        _both(sides, lambda c: _success_text(success(c))), _both(sides, lambda c: _ms(quantile_ms(c, 0.5))),
        _both(sides, lambda c: _ms(quantile_ms(c, 0.99))), kinds_text(kinds_of(counts.candidate.failed)),
        f"{counts.candidate.fell_back:,}", f"{faults_of(counts):,}",
        f"{counts.compared.mismatch:,} of {counts.compared.match + counts.compared.mismatch:,}", _ended(stretch.ended),
    )  # fmt: skip


def _both(sides: tuple[SideCounts, SideCounts], text: Callable[[SideCounts], str]) -> tuple[str, str]:
    return text(sides[0]), text(sides[1])


def _success_text(found: Proportion | None) -> str:
    if found is None:
        return UNKNOWN
    return f"{100 * found.value:.2f} % ({100 * found.lo:.2f} – {100 * found.hi:.2f})"


def _ms(value: float | None) -> str:
    if value is not None and math.isinf(value):
        return "> 10,000"
    return number(value)


def _ended(one: Happening | None) -> str:
    if one is None:
        return UNKNOWN
    why = f": {'; '.join(one.reasons)}" if one.reasons else ""
    return f"{_what(one)} by {_who(one.by)}{why}"


def _what(one: Happening) -> str:
    if one.breaker_to is not None:
        before = one.figures.get("from")
        return f"breaker {before} → {one.breaker_to}" if before else f"breaker {one.breaker_to}"
    before, after = one.figures.get("from"), one.figures.get("to")
    if one.kind == "share" and isinstance(before, int | float) and isinstance(after, int | float):
        return f"share {percent(before)} → {percent(after)}"
    return one.kind


def _who(by: str) -> str:
    return f"the {by}"


def _seconds(value: float) -> str:
    if value < 1:
        return f"{1000 * value:,.0f} ms"
    return f"{value:,.2f} s" if value < 10 else f"{value:,.0f} s"


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
