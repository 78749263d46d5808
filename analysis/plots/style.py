"""What all pictures share: size, type, the colour of each twin, how spread, doubt and absence are drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from analysis.curve import BlockPoint, CurvePoint
from analysis.findings import Findings
from analysis.published import endpoint_title
from analysis.summary import coalescing_text, pairs_measured
from analysis.trial_points import TrialPoint

WIDTH_IN: Final = 16.0
SETTINGS: Final[Any] = {
    "figure.dpi": 100, "savefig.dpi": 100, "font.size": 13, "axes.titlesize": 15, "axes.labelsize": 13,
    "xtick.labelsize": 12, "ytick.labelsize": 12, "legend.fontsize": 12, "figure.titlesize": 17,
    "font.family": "DejaVu Sans", "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
    "grid.color": "#dddddd", "grid.linewidth": 0.8, "axes.axisbelow": True, "lines.linewidth": 2.2,
    "lines.markersize": 8, "legend.frameon": False, "svg.hashsalt": "twinload", "axes.titlelocation": "left",
}  # fmt: skip
# Okabe and Ito's palette: told apart by readers with any colour vision.
BLUE: Final = "#0072B2"
VERMILLION: Final = "#D55E00"
GREEN: Final = "#009E73"
PURPLE: Final = "#CC79A7"
GREY: Final = "#666666"
COLUMNS: Final = 3
_LEGEND_PIXELS: Final = 1_560.0
_PIXELS_A_KEY: Final = 80.0  # the handle and the space around it, at 12 points
_PIXELS_A_LETTER: Final = 9.8  # of DejaVu Sans at 12 points, on the wide side


@dataclass(frozen=True, slots=True)
class Look:
    """How a twin looks in every picture."""

    twin: str
    label: str
    colour: str
    marker: str


def looks(findings: Findings) -> tuple[Look, Look]:
    """Return the look of the baseline and of the candidate."""
    return (
        Look(findings.baseline, findings.label(findings.baseline), BLUE, "o"),
        Look(findings.candidate, findings.label(findings.candidate), VERMILLION, "s"),
    )


def new_figure(findings: Findings, title: str, height_in: float) -> Figure:
    """Return an empty figure with its title and, below it, which run it shows and what every figure of it hangs on."""
    lines = [title, origin(findings)]
    if findings.coalesce_us:
        lines.append(f"Note: {coalescing_text(findings.coalesce_us)}")
    return titled_figure(lines, height_in)


def titled_figure(lines: Sequence[str], height_in: float) -> Figure:
    """Return an empty figure with lines of title."""
    figure = Figure(figsize=(WIDTH_IN, height_in), layout=ConstrainedLayoutEngine(w_pad=0.14, h_pad=0.1, wspace=0.02))
    figure.suptitle("\n".join(lines), x=0.01, ha="left")
    return figure


def origin(findings: Findings) -> str:
    """Return which run a picture shows and how it was made, in a line."""
    pairs = pairs_measured(findings)
    parts = [findings.run.manifest.run_id, loop_text(findings), "1 pair" if pairs == 1 else f"{pairs} pairs of blocks"]
    if findings.run.partial is not None:
        parts.append("PARTIAL RUN")
    return " · ".join(part for part in parts if part)


def loop_text(findings: Findings) -> str:
    """Return the loop that drove the load, "" before any stage; of an open one how its arrivals were spaced."""
    texts = {"closed": "closed loop", "open": f"open loop ({arrivals_text(findings)})"}
    return " and ".join(texts[loop] for loop in findings.loops)


def arrivals_text(findings: Findings) -> str:
    """Return how the arrivals of an open loop are spaced."""
    return {"poisson": "Poisson arrivals", "constant": "arrivals at a constant rate"}[findings.run.plan.engine.arrivals]


def time_text(findings: Findings) -> str:
    """Return what a time in a picture counts from."""
    texts = {
        "closed": "closed loop: service time, from the actual send",
        "open": "open loop: latency, from the intended start",
    }
    return "; ".join(texts[loop] for loop in findings.loops)


def rate_label(findings: Findings) -> str:
    """Return the name of the axis of rates; users who ask as fast as they are answered offer no rate of their own."""
    planned = {point.offered_rps is not None for curve in findings.curves.values() for point in curve.points}
    if planned == {False}:
        return "achieved rate (requests/s)"
    return "offered rate (requests/s)" + ("; achieved, where users set it" if False in planned else "")


def panels(figure: Figure, findings: Findings) -> dict[str, Axes]:
    """Return one panel an endpoint, at most three beside each other."""
    endpoints = findings.endpoints
    columns = min(len(endpoints), COLUMNS)
    rows = math.ceil(len(endpoints) / columns)
    found: dict[str, Axes] = {}
    for number, endpoint in enumerate(endpoints):
        axes = figure.add_subplot(rows, columns, number + 1)
        axes.set_title(endpoint_title(endpoint))
        found[endpoint] = axes
    return found


def height_for(findings: Findings, row_in: float, rest_in: float) -> float:
    """Return a figure's height for its rows of panels."""
    return row_in * math.ceil(len(findings.endpoints) / COLUMNS) + rest_in


def plain_numbers(axes: Axes, *, x: bool = True, y: bool = True) -> None:
    """Write the numbers of linear axes in full, thousands apart."""
    text = FuncFormatter(lambda value, _: f"{value:,.10g}")
    if x:
        axes.xaxis.set_major_formatter(text)
    if y:
        axes.yaxis.set_major_formatter(text)


def log_times(axes: Axes) -> None:
    """Make the vertical axis logarithmic, with 1, 2 and 5 of every decade written in full."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def no_data(axes: Axes, why: str) -> None:
    """Say in an empty panel what is missing."""
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", color=GREY, wrap=True)
    axes.set_xticks([])
    axes.set_yticks([])


@dataclass(frozen=True, slots=True)
class Series:
    """What a line shows: the value of a point, that of a single block where the spread is drawn, and the dashes.

    Points that are `hollow` are drawn so and not joined.
    """

    read: Callable[[CurvePoint], float | None]
    read_block: Callable[[BlockPoint], float | None] | None = None
    line: str = "-"
    hollow: Callable[[CurvePoint], bool] = lambda _: False


def draw_series(axes: Axes, points: Sequence[CurvePoint], look: Look, series: Series) -> None:
    """Draw a value against the rate: valid points joined, invalid stages hollow and crossed, the spread behind.

    The spread is a band from the lowest to the highest block, with every block's own point faint in it. Without
    `read_block` there is no spread, and only points without any valid stage are marked.
    """
    read, read_block, hollow = series.read, series.read_block, series.hollow
    known = [(p, value) for p in points if (value := read(p)) is not None]
    valid = [(p.at_rps, value) for p, value in known if p.valid and not hollow(p)]
    apart = [(p.at_rps, value) for p, value in known if p.valid and hollow(p)]
    bad = [(p.at_rps, value) for p, value in known if not p.valid]
    if read_block is not None:
        _draw_spread(axes, [point for point in points if not hollow(point)], look, read_block)
        blocks = [block for point in points for block in point.by_block if not block.valid]
        bad = [(block.at_rps, value) for block in blocks if (value := read_block(block)) is not None] or bad
    if valid:
        axes.plot(*zip(*valid, strict=True), color=look.colour, marker=look.marker, linestyle=series.line, zorder=3)
    if apart:
        axes.plot(
            *zip(*apart, strict=True), look.marker, markerfacecolor="white", markeredgecolor=look.colour, zorder=3,
            gid="hollow",
        )  # fmt: skip
    if bad:
        draw_invalid(axes, bad, look)


def draw_trials(
    axes: Axes, trials: Sequence[TrialPoint], look: Look, read: Callable[[BlockPoint], float | None]
) -> None:
    """Draw a search's trials one by one, small: filled where the SLO held, else hollow; × where no evidence."""
    for marker, face, kind in ((".", look.colour, True), (".", "white", False), ("x", look.colour, None)):
        at = [
            (one.point.at_rps, value)
            for one in trials
            if (value := read(one.point)) is not None and (one.good if one.point.valid else None) is kind
        ]
        if at:
            axes.plot(
                *zip(*at, strict=True), marker, color=look.colour, markerfacecolor=face,
                markersize=7 if kind is None else 9,
                markeredgewidth=0.9, alpha=0.55, linestyle="", zorder=2, gid="trial",
            )  # fmt: skip


def draw_capacity(axes: Axes, findings: Findings, endpoint: str) -> None:
    """Draw each twin's capacity as an upright line with its interval as a band."""
    for look in looks(findings):
        found = findings.capacity[look.twin, endpoint]
        if found is not None:
            at = found.interval
            axes.axvspan(at.lo, at.hi, color=look.colour, alpha=0.16, linewidth=0, zorder=0, gid="capacity")
            axes.axvline(at.value, color=look.colour, linewidth=1.8, linestyle=(0, (6, 2)), zorder=1)


def highest_rate(findings: Findings, endpoint: str) -> float:
    """Return the highest rate of an endpoint's points and trials, 0 without any."""
    rates = [point.at_rps for twin in findings.twins for point in findings.curves[twin, endpoint].points]
    rates += [one.point.at_rps for twin in findings.twins for one in findings.trials.get((twin, endpoint), ())]
    return max(rates, default=0.0)


def capacity_keys(findings: Findings) -> list[Line2D | Patch]:
    """Return the legend's entries for capacities and trials, [] where none was searched."""
    if not findings.trials:
        return []
    keys: list[Line2D | Patch] = [
        Line2D([], [], color=GREY, marker=".", markersize=9, markerfacecolor=face, linestyle="", alpha=0.7, label=label)
        for face, label in ((GREY, "trial: SLO held"), ("white", "trial: SLO broken"))
    ]
    if any(found is not None for found in findings.capacity.values()):
        keys.append(
            Line2D([], [], color=GREY, linestyle=(0, (6, 2)), label="capacity under the SLO, with its interval")
        )
    return keys


def draw_invalid(axes: Axes, at: Sequence[tuple[float, float]], look: Look) -> None:
    """Mark invalid points: the twin's marker hollow, with a cross in it."""
    xs, ys = zip(*at, strict=True)
    axes.plot(
        xs,
        ys,
        look.marker,
        markerfacecolor="white",
        markeredgecolor=look.colour,
        markersize=11,
        zorder=4,
        gid="invalid",
    )
    axes.plot(xs, ys, "x", color=look.colour, markersize=7, zorder=5)


def has_invalid(findings: Findings) -> bool:
    """Say whether a measured stage is invalid."""
    points = (point for curve in findings.curves.values() for point in curve.points)
    return any(not block.valid for point in points for block in point.by_block)


def twin_keys(findings: Findings) -> list[Line2D | Patch]:
    """Return the legend's entries for both twins and, where there are any, for invalid points."""
    keys: list[Line2D | Patch] = [
        Line2D([], [], color=look.colour, marker=look.marker, label=look.label) for look in looks(findings)
    ]
    if has_invalid(findings):
        keys.append(invalid_key())
    return keys


def invalid_key() -> Line2D:
    """Return the legend's entry for invalid points."""
    return Line2D(
        [], [], color=GREY, marker="$\\otimes$", markersize=13, linestyle="", label="invalid stage, not counted"
    )


def hollow_key(text: str) -> Line2D:
    """Return the legend's entry for hollow points, with what makes them so."""
    return Line2D(
        [], [], color="white", marker="o", markeredgecolor=GREY, markeredgewidth=1.5, linestyle="", label=text
    )


def spread_keys() -> list[Line2D | Patch]:
    """Return the legend's entries for the spread over blocks."""
    return [
        Patch(color=GREY, alpha=0.25, label="lowest to highest block"),
        Line2D([], [], color=GREY, marker="o", markersize=5, alpha=0.5, linestyle="", label="single block"),
    ]


def add_legend(figure: Figure, keys: Sequence[Line2D | Patch], *, columns: int = 6) -> None:
    """Put one legend below all panels, in as many columns as there is room for, at most `columns`."""
    letters = [len(str(key.get_label())) for key in keys]
    fitting = [number for number in range(1, columns + 1) if _legend_pixels(letters, number) <= _LEGEND_PIXELS]
    figure.legend(handles=list(keys), loc="outside lower center", ncols=min(max(fitting, default=1), max(len(keys), 1)))


def _legend_pixels(letters: Sequence[int], columns: int) -> float:
    """Return about how wide a legend gets; it is filled column by column, the first ones one longer."""
    parts = np.array_split(np.asarray(letters, dtype=np.float64), min(columns, max(len(letters), 1)))
    return sum(_PIXELS_A_KEY + _PIXELS_A_LETTER * float(part.max(initial=0)) for part in parts)


def _draw_spread(
    axes: Axes, points: Sequence[CurvePoint], look: Look, read: Callable[[BlockPoint], float | None]
) -> None:
    rows: list[tuple[float, float, float]] = []
    for point in points:
        if not point.valid:
            continue
        values = [value for block in point.counted if (value := read(block)) is not None]
        axes.plot(
            [point.at_rps] * len(values),
            values,
            look.marker,
            color=look.colour,
            alpha=0.35,
            markersize=5,
            zorder=2,
        )
        if len(values) > 1:
            rows.append((point.at_rps, min(values), max(values)))
    if len(rows) > 1:
        at, low, high = np.array(rows).T
        axes.fill_between(at, low, high, color=look.colour, alpha=0.18, linewidth=0, zorder=1)
