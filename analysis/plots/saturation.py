"""saturation.png: good answers a second against the rate offered, where each twin stops, and its capacity."""

from __future__ import annotations

import textwrap
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.capacity import Capacity
from analysis.findings import Findings
from analysis.intervals import Interval
from analysis.plots import style
from analysis.saturation import Saturation

_LETTERS: Final = 132  # of a line across all panels that stand beside each other
_LINE_RATIO: Final = 0.045  # of a panel's height, for a line of text


def draw(findings: Findings) -> Figure:
    """Return the picture."""
    title = "Saturation: achieved against offered rate. Higher is better"
    figure = style.new_figure(findings, title, style.height_for(findings, 6.2, 2.6))
    for endpoint, axes in style.panels(figure, findings).items():
        _panel(axes, findings, endpoint)
    keys = [*style.twin_keys(findings), *style.spread_keys()]
    ideal = Line2D([], [], color=style.GREY, linestyle="--", label="all that was offered")
    level = Line2D([], [], color=style.GREY, linestyle=":", label="saturation throughput")
    searched = style.capacity_keys(findings)
    style.add_legend(figure, [*keys, ideal, level, *searched], columns=5 if searched else 7)
    return figure


def _panel(axes: Axes, findings: Findings, endpoint: str) -> None:
    axes.set_xlabel(style.rate_label(findings))
    axes.set_ylabel("achieved: good answers (requests/s)")
    curves = [(look, findings.curves[look.twin, endpoint]) for look in style.looks(findings)]
    top = style.highest_rate(findings, endpoint)
    highest = _highest(findings, endpoint)
    if not top or not highest:
        style.no_data(axes, "no measured stage")
        return
    style.draw_capacity(axes, findings, endpoint)
    lines = []
    for look, curve in curves:
        style.draw_series(axes, curve.points, look, style.Series(lambda p: p.achieved_rps, lambda b: b.achieved_rps))
        style.draw_trials(axes, findings.trials.get((look.twin, endpoint), ()), look, lambda b: b.achieved_rps)
        capacity = findings.capacity[look.twin, endpoint]
        if capacity is not None:
            lines.append(f"{look.label} {capacity_text(capacity)}")
        saturation = findings.saturation[look.twin, endpoint]
        if saturation is not None:
            axes.axhline(saturation.interval.value, color=look.colour, linestyle=":", linewidth=1.6)
            lines.append(f"{look.label} {saturation_text(saturation)}")
    axes.plot([0, highest * 1.1], [0, highest * 1.1], color=style.GREY, linestyle="--", linewidth=1.4, zorder=0)
    axes.set_xlim(0, top * 1.04)
    columns = min(len(findings.endpoints), style.COLUMNS)
    lines = [part for line in lines for part in textwrap.wrap(line, _LETTERS // columns, subsequent_indent="    ")]
    axes.set_ylim(0, highest * max(1.6 if len(lines) > 2 else 1.45, 1.15 / (1 - _LINE_RATIO * len(lines))))
    style.plain_numbers(axes)
    box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 2}
    axes.text(0.02, 0.98, "\n".join(lines), transform=axes.transAxes, va="top", ha="left", bbox=box, zorder=6)


def saturation_text(saturation: Saturation) -> str:
    """Return where a twin stops, for people, with its interval's kind."""
    interval = saturation.interval
    verb = "gives at least" if saturation.at_least else "saturates at"
    return f"{verb} {_spread(interval)}"


def capacity_text(capacity: Capacity) -> str:
    """Return a twin's capacity for people, with its interval's kind."""
    least = "at least " if capacity.at_least else ""
    return f"keeps its SLO up to {least}{_spread(capacity.interval)}"


def _spread(interval: Interval) -> str:
    if interval.count == 1:
        return f"{interval.value:,.0f} /s (1 block)"
    kind = "range of" if interval.kind == "range" else "95 % interval,"
    return f"{interval.value:,.0f} /s ({interval.lo:,.0f} to {interval.hi:,.0f}, {kind} {interval.count} blocks)"


def _highest(findings: Findings, endpoint: str) -> float:
    points = [point.achieved_rps for twin in findings.twins for point in findings.curves[twin, endpoint].points]
    points += [one.point.achieved_rps for twin in findings.twins for one in findings.trials.get((twin, endpoint), ())]
    return max(points, default=0.0)
