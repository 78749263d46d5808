"""canary.png: a gray release over time: share on top, success, latency and faults by side below, decisions marked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.canary import CanaryRun, Happening, Window
from analysis.canary_counts import faults_of
from analysis.canary_series import (
    SIDES,
    caller_spans,
    latency_spans,
    outages,
    retreats,
    step_success,
    success_spans,
)
from analysis.canary_story import outcome_text, shown_happenings, within_text
from analysis.plots import style

_COLOURS: Final = {"baseline": style.BLUE, "candidate": style.VERMILLION}
_RED: Final = "#B2182B"
_YELLOW: Final = "#E69F00"
_VIOLET: Final = "#5E3C99"
_MIN_GAP: Final = 0.03  # of the axis' length, between two numbers of the strip; nearer ones are told as one


@dataclass(frozen=True, slots=True)
class Mark:
    """How a kind of event looks in the strip and as an upright line."""

    name: str
    marker: str
    colour: str


MARKS: Final = {
    "step": Mark("step", "^", style.GREEN),
    "hold": Mark("hold", "s", _YELLOW),
    "back": Mark("back to the baseline", "v", _RED),
    "done": Mark("done", "*", style.GREEN),
    "breaker": Mark("breaker", "o", _VIOLET),
    "fault": Mark("fault injected", "X", "black"),
    "other": Mark("other", "D", style.GREY),
}
_FAULTS: Final[tuple[tuple[Callable[[Window], int], str, float, Any], ...]] = (
    (lambda one: one.counts.candidate.failed.total, style.VERMILLION, 1.6, "-"),
    (lambda one: one.counts.candidate.fell_back, style.BLUE, 1.6, (0, (3, 1.5))),
    (lambda one: one.counts.compared.mismatch, style.PURPLE, 1.6, "-"),
    (lambda one: faults_of(one.counts), "black", 2.4, "-"),
)


def draw(run: CanaryRun) -> Figure:
    """Return the picture."""
    baseline, candidate = run.sides
    title = [f"Gray release: {candidate} takes over from {baseline}", f"{run.manifest.run_id} · {outcome_text(run)}"]
    figure = style.titled_figure(title, 14.5)
    strip, *panels = figure.subplots(5, 1, sharex=True, height_ratios=(0.32, 1.15, 1, 1.15, 0.8))
    length_s = max(run.end_s - run.begin_s, 1.0)
    for axes in (strip, *panels):
        axes.set_xlim(run.begin_s, run.begin_s + length_s)
        _shade(axes, run)
    shown = shown_happenings(run)
    _strip(strip, shown, length_s)
    for axes in panels:
        for one in shown:
            mark = mark_of(one)
            axes.axvline(one.t_s, color=mark.colour, linewidth=1.1, linestyle=(0, (4, 3)), alpha=0.8, zorder=1)
    share, success, latency, faults = panels
    _share(share, run)
    _success(success, run)
    _latency(latency, run)
    _faults(faults, run)
    faults.set_xlabel("time since the start (s)")
    style.plain_numbers(faults, y=False)
    style.add_legend(figure, _keys(run, shown), columns=4)
    return figure


def mark_of(one: Happening) -> Mark:
    """Return how an event looks."""
    return MARKS.get(one.kind, MARKS["other"])


def _shade(axes: Axes, run: CanaryRun) -> None:
    for outage in outages(run):
        colour = _RED if outage.state == "open" else _YELLOW
        axes.axvspan(outage.from_s, outage.to_s, color=colour, alpha=0.10, linewidth=0, zorder=0, gid=outage.state)


def _strip(axes: Axes, shown: Sequence[Happening], length_s: float) -> None:
    """Draw every event as a mark, with its number of the page's table where there is room for it."""
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(bottom=False)
    axes.set_ylabel("events\n(numbers: table)", rotation=0, ha="right", va="center", fontsize=11, labelpad=14)
    groups: list[list[int]] = []
    for number, one in enumerate(shown):
        axes.plot([one.t_s], [0.25], mark_of(one).marker, color=mark_of(one).colour, markersize=9, clip_on=False)
        if groups and one.t_s - shown[groups[-1][0]].t_s < _MIN_GAP * length_s:
            groups[-1].append(number)
        else:
            groups.append([number])
    for group in groups:
        text = str(group[0] + 1) if len(group) == 1 else f"{group[0] + 1}–{group[-1] + 1}"
        at_s = (shown[group[0]].t_s + shown[group[-1]].t_s) / 2
        axes.text(at_s, 0.62, text, ha="center", va="bottom", fontsize=11, clip_on=False)


def _share(axes: Axes, run: CanaryRun) -> None:
    axes.set_ylabel("share of the candidate (%)")
    if not run.windows:
        style.no_data(axes, "no poll of the gateway was written")
        return
    ticks = run.ticks
    axes.step(ticks.t_s, [100 * share for share in ticks.share], where="post", color="black", linewidth=1.8, zorder=3)
    at, got = _stairs(run.windows, _part)
    axes.fill_between(at, 0, got, color=style.VERMILLION, alpha=0.35, linewidth=0, step="post", zorder=2)
    axes.set_ylim(0, 112)
    axes.set_yticks([0, 25, 50, 75, 100])
    last = None
    for window in run.windows:
        if window.share != last and window.share > 0:
            text = f"{100 * window.share:g} %"
            axes.annotate(
                text, (window.from_s, 100 * window.share), xytext=(5, 4), textcoords="offset points", fontsize=12,
                bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 1}, zorder=4,
            )  # fmt: skip
        last = window.share
    _retreats(axes, run)


def _retreats(axes: Axes, run: CanaryRun) -> None:
    """Write beside each way back how long it took."""
    baseline, _ = run.sides
    for retreat in retreats(run):
        at_s = retreat.cause.t_s + retreat.most_s
        is_late = at_s > 0.4 * run.begin_s + 0.6 * run.end_s
        axes.annotate(
            f"all on {baseline} {within_text(retreat)}\nafter {_cause(retreat.cause)}", (at_s, 60),
            xytext=(-10 if is_late else 10, 0), textcoords="offset points", ha="right" if is_late else "left",
            va="center", fontsize=12, color=_RED, zorder=5,
            bbox={"facecolor": "white", "alpha": 0.85, "linewidth": 0, "pad": 2},
        )  # fmt: skip


def _cause(one: Happening) -> str:
    return "the breaker opened" if one.breaker_to == "open" else f"the {one.by} decided"


def _part(window: Window) -> float:
    """Return the candidate's part of the requests in percent; NaN without a request."""
    mine, whole = window.counts.candidate.requests, window.counts.candidate.requests + window.counts.baseline.requests
    return 100 * mine / whole if whole else np.nan


def _success(axes: Axes, run: CanaryRun) -> None:
    """Draw success over time as lines, and behind them each side's interval over a whole share."""
    axes.set_ylabel("answered well (%)\nhigher is better")
    lines = [
        (success_spans(run.windows, "baseline"), style.BLUE, 4.0),
        (success_spans(run.windows, "candidate"), style.VERMILLION, 2.4),
        (caller_spans(run.windows), style.GREEN, 1.3),
    ]
    values = [100 * span.value for spans, _, _ in lines for span in spans]
    if not values:
        style.no_data(axes, "fewer than 100 requests were counted")
        return
    for side in SIDES:
        for span in step_success(run, side):
            axes.fill_between(
                [span.from_s, span.to_s], 100 * span.lo, 100 * span.hi, color=_COLOURS[side], alpha=0.15, linewidth=0,
                zorder=1,
            )  # fmt: skip
            values.append(100 * span.lo)
    for spans, colour, width in lines:
        at = [edge for span in spans for edge in (span.from_s, span.to_s)]
        axes.plot(at, [100 * span.value for span in spans for _ in range(2)], color=colour, linewidth=width, zorder=3)
    depth = max(100 - min(values), 0.1)
    axes.set_ylim(100 - 1.15 * depth, 100 + 0.08 * depth)
    style.plain_numbers(axes, x=False)


def _latency(axes: Axes, run: CanaryRun) -> None:
    axes.set_ylabel("latency (ms, log scale)\nlower is better")
    drawn: list[float] = []
    style.log_times(axes)
    for side in SIDES:
        for q, width, dashes in ((0.5, 1.4, (0, (2, 1.2))), (0.99, 2.4, "-")):
            spans = [span for span in latency_spans(run.windows, side, q) if np.isfinite(span.value)]
            axes.hlines(
                [span.value for span in spans], [span.from_s for span in spans], [span.to_s for span in spans],
                color=_COLOURS[side], linewidth=width, linestyle=dashes, capstyle="butt", zorder=3,
            )  # fmt: skip
            drawn += [span.value for span in spans]
    if drawn:
        axes.set_ylim(min(drawn) / 1.4, max(drawn) * 1.4)
    else:
        axes.set_yscale("linear")
        style.no_data(axes, "too few answers for a quantile: p50 needs 20, p99 1,000")


def _faults(axes: Axes, run: CanaryRun) -> None:
    axes.set_ylabel("requests a second\nlower is better")
    highest = 0.0
    for count, colour, width, dashes in _FAULTS:
        at, rate = _stairs(run.windows, _rate(count))
        if np.nansum(rate) > 0:
            axes.step(at, rate, where="post", color=colour, linewidth=width, linestyle=dashes, zorder=3)
            highest = max(highest, float(np.nanmax(rate)))
    if not highest:
        axes.set_ylim(0, 1)
        axes.set_yticks([0])
        axes.text(
            0.5, 0.5, "none: no answer failed, fell back or differed", transform=axes.transAxes, ha="center",
            va="center", color=style.GREY, zorder=4, bbox={"facecolor": "white", "linewidth": 0, "pad": 3},
        )  # fmt: skip
        return
    axes.set_ylim(0, 1.12 * highest)
    style.plain_numbers(axes, x=False)


def _rate(count: Callable[[Window], int]) -> Callable[[Window], float]:
    return lambda one: count(one) / (one.to_s - one.from_s) if one.to_s > one.from_s else np.nan


def _stairs(windows: Sequence[Window], value: Callable[[Window], float]) -> tuple[list[float], list[float]]:
    """Return a value of each window at its start, and the last one's at its end."""
    if not windows:
        return [], []
    values = [value(one) for one in windows]
    return [*(one.from_s for one in windows), windows[-1].to_s], [*values, values[-1]]


def _keys(run: CanaryRun, shown: Sequence[Happening]) -> list[Line2D | Patch]:
    baseline, candidate = run.sides
    any_fault = any(count(window) for window in run.windows for count, _, _, _ in _FAULTS)
    keys: list[Line2D | Patch] = [
        Line2D([], [], color="black", linewidth=1.8, label="share ordered"),
        Patch(color=style.VERMILLION, alpha=0.35, label=f"share of requests that {candidate} got"),
        Line2D([], [], color=style.BLUE, label=f"{baseline}: success, p99"),
        Line2D([], [], color=style.VERMILLION, label=f"{candidate}: success, p99{'; failures' if any_fault else ''}"),
        Line2D([], [], color=style.GREY, linewidth=1.4, linestyle=(0, (2, 1.2)), label="p50 of either"),
        Patch(color=style.GREY, alpha=0.3, label="success over the whole share, 95 % interval"),
    ]
    if any_fault:
        keys += [
            Line2D([], [], color=style.BLUE, linestyle=(0, (3, 1.5)), label=f"answered by {baseline} instead"),
            Line2D([], [], color=style.PURPLE, label="answers that differed"),
            Line2D([], [], color="black", linewidth=2.4, label="callers who saw a fault"),
        ]
    if any(window.callers_done is not None for window in run.windows):
        keys.append(Line2D([], [], color=style.GREEN, label="success as callers saw it"))
    states = {outage.state for outage in outages(run)}
    for state, colour in (("open", _RED), ("half-open", _YELLOW)):
        if state in states:
            keys.append(Patch(color=colour, alpha=0.2, label=f"breaker {state}"))
    for mark in dict.fromkeys(mark_of(one) for one in shown):
        keys.append(
            Line2D([], [], color=mark.colour, marker=mark.marker, linestyle=(0, (4, 3)), linewidth=1.1, label=mark.name)
        )
    return keys
