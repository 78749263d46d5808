"""latency.png: percentiles of time against the rate, beside the promise of the plan.

Of an open loop a second row of panels takes the time apart: how late sends were, and the service time from there on;
what is left to the latency was waiting for a connection. Past saturation arrivals pile up as long as the stage lasts:
the latency there says more of the stage's length than of the twin, and such points are hollow and not joined.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.curve import BlockPoint, CurvePoint, Quantiles
from analysis.findings import Findings
from analysis.plots import style
from analysis.published import endpoint_title

Dashes = Literal[":", "-.", "-", "--"]
_READ: Final[dict[str, tuple[Dashes, Callable[[Quantiles], float | None]]]] = {
    "p50": (":", lambda q: q.p50_ms),
    "p90": ("-.", lambda q: q.p90_ms),
    "p99": ("-", lambda q: q.p99_ms),
    "p99.9": ("--", lambda q: q.p999_ms),
}
_PARTS: Final[tuple[tuple[Dashes, Callable[[CurvePoint], float | None]], ...]] = (
    ("-", lambda point: point.service_p99_ms),
    ("--", lambda point: point.proof.lag_p99_ms),
    (":", lambda point: point.proof.lag_p50_ms),
)
_PARTS_TITLE: Final = "{}: without the wait for a connection{}(service p99 solid, send lag p99 dashed, p50 dotted)"


def draw(findings: Findings) -> Figure:
    """Return the picture."""
    title = "Latency against rate. Lower is better"
    if findings.loops:
        title += f" ({style.time_text(findings)})"
    parts = _has_parts(findings)
    figure = style.new_figure(findings, title, style.height_for(findings, 10.2 if parts else 6.2, 2.6))
    for axes, endpoint, is_parts in _axes(figure, findings, parts=parts):
        axes.set_xlabel(style.rate_label(findings))
        points = [p for twin in findings.twins for p in findings.curves[twin, endpoint].points]
        if not any(point.samples for point in points):
            style.no_data(axes, "no measured stage")
            continue
        style.log_times(axes)
        (_draw_parts if is_parts else _draw_times)(axes, findings, endpoint)
        axes.set_xlim(0, style.highest_rate(findings, endpoint) * 1.04)
        style.plain_numbers(axes, y=False)
    style.add_legend(figure, _keys(findings, parts=parts), columns=6 if "open" in findings.loops else 9)
    return figure


def _has_parts(findings: Findings) -> bool:
    """Say whether a sender told how late it was, which only an open loop can be."""
    points = [point for curve in findings.curves.values() for point in curve.points]
    return any(point.loop == "open" and point.proof.lag_p50_ms is not None for point in points)


def _axes(figure: Figure, findings: Findings, *, parts: bool) -> list[tuple[Axes, str, bool]]:
    """Return the panels with their endpoint, and whether they take the time apart."""
    if not parts:
        return [(axes, endpoint, False) for endpoint, axes in style.panels(figure, findings).items()]
    found = []
    columns = min(len(findings.endpoints), style.COLUMNS)
    grid = figure.add_gridspec(2 * -(-len(findings.endpoints) // columns), columns)
    for number, endpoint in enumerate(findings.endpoints):
        row, column = divmod(number, columns)
        above, below = figure.add_subplot(grid[2 * row, column]), figure.add_subplot(grid[2 * row + 1, column])
        above.set_title(endpoint_title(endpoint))
        below.set_title(_PARTS_TITLE.format(endpoint_title(endpoint), "\n" if columns > 1 else " "))
        found += [(above, endpoint, False), (below, endpoint, True)]
    return found


def _draw_times(axes: Axes, findings: Findings, endpoint: str) -> None:
    axes.set_ylabel(_axis_label(findings))
    for look in style.looks(findings):
        curve = findings.curves[look.twin, endpoint].points
        for name, (line, read) in _READ.items():
            block = _of_block(read) if name == "p99" else None
            series = style.Series(_of_point(read), block, line, hollow=lambda point: point.is_unbounded)
            style.draw_series(axes, curve, look, series)
        trials = findings.trials.get((look.twin, endpoint), ())
        style.draw_trials(axes, trials, look, lambda block: block.quantiles.p99_ms)
    style.draw_capacity(axes, findings, endpoint)
    axes.axhline(findings.run.plan.slo.p99_ms, color=style.GREEN, linewidth=2, zorder=1)


def _draw_parts(axes: Axes, findings: Findings, endpoint: str) -> None:
    axes.set_ylabel("time (ms, log scale)")
    for look in style.looks(findings):
        curve = findings.curves[look.twin, endpoint].points
        for line, read in _PARTS:
            style.draw_series(axes, curve, look, style.Series(read, line=line))
    axes.axhline(findings.run.plan.engine.send_lag_p99_ms, color=style.PURPLE, linewidth=2, zorder=1)


def _keys(findings: Findings, *, parts: bool) -> list[Line2D | Patch]:
    keys = style.twin_keys(findings)
    keys += [_line(name, line) for name, (line, _) in _READ.items()]
    keys.append(
        Line2D([], [], color=style.GREY, marker="o", markersize=5, alpha=0.5, linestyle="", label="p99, one block")
    )
    keys.append(_line(f"SLO: p99 ≤ {findings.run.plan.slo.p99_ms:g} ms", "-", style.GREEN))
    if any(point.is_unbounded for curve in findings.curves.values() for point in curve.points):
        keys.append(style.hollow_key("past saturation: grows as the stage goes on"))
    keys += style.capacity_keys(findings)
    if parts:
        limit_ms = findings.run.plan.engine.send_lag_p99_ms
        keys.append(_line(f"send lag p99 allowed: {limit_ms:g} ms", "-", style.PURPLE))
    return keys


def _line(label: str, dashes: Dashes, colour: str = style.GREY) -> Line2D:
    return Line2D([], [], color=colour, linestyle=dashes, label=label)


def _axis_label(findings: Findings) -> str:
    names = {"closed": "service time", "open": "latency"}
    return " / ".join(names[loop] for loop in findings.loops or ("closed",)) + " (ms, log scale)"


def _of_point(read: Callable[[Quantiles], float | None]) -> Callable[[CurvePoint], float | None]:
    return lambda point: read(point.quantiles)


def _of_block(read: Callable[[Quantiles], float | None]) -> Callable[[BlockPoint], float | None]:
    return lambda block: read(block.quantiles)
