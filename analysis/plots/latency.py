"""latency.png: percentiles of time against the rate offered, beside the promise of the plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.curve import BlockPoint, CurvePoint, Quantiles
from analysis.findings import Findings
from analysis.plots import style

Dashes = Literal[":", "-.", "-", "--"]
_READ: Final[dict[str, tuple[Dashes, Callable[[Quantiles], float | None]]]] = {
    "p50": (":", lambda q: q.p50_ms),
    "p90": ("-.", lambda q: q.p90_ms),
    "p99": ("-", lambda q: q.p99_ms),
    "p99.9": ("--", lambda q: q.p999_ms),
}


def draw(findings: Findings) -> Figure:
    """Return the picture."""
    title = "Latency against offered rate. Lower is better"
    if findings.loops:
        title += f" ({style.time_text(findings)})"
    figure = style.new_figure(findings, title, style.height_for(findings, 6.2, 2.6))
    panels = style.panels(figure, findings)
    for endpoint, axes in panels.items():
        _panel(axes, findings, endpoint)
    kinds = [Line2D([], [], color=style.GREY, linestyle=line, label=name) for name, (line, _) in _READ.items()]
    slo = Line2D([], [], color=style.GREEN, linewidth=2, label=f"SLO: p99 ≤ {findings.run.plan.slo.p99_ms:g} ms")
    single = Line2D([], [], color=style.GREY, marker="o", markersize=5, alpha=0.5, linestyle="", label="p99, one block")
    style.add_legend(figure, [*style.twin_keys(findings), *kinds, single, slo], columns=9)
    return figure


def _panel(axes: Axes, findings: Findings, endpoint: str) -> None:
    axes.set_xlabel("offered rate (requests/s)")
    axes.set_ylabel(_axis_label(findings))
    points = [p for twin in findings.twins for p in findings.curves[twin, endpoint].points]
    if not any(point.samples for point in points):
        style.no_data(axes, "no measured stage")
        return
    style.log_times(axes)
    for look in style.looks(findings):
        curve = findings.curves[look.twin, endpoint].points
        for name, (line, read) in _READ.items():
            style.draw_series(
                axes, curve, look, _of_point(read), line=line, read_block=_of_block(read) if name == "p99" else None
            )
    axes.axhline(findings.run.plan.slo.p99_ms, color=style.GREEN, linewidth=2, zorder=1)
    axes.set_xlim(0, max(point.offered_rps for point in points) * 1.04)
    style.plain_numbers(axes, y=False)


def _axis_label(findings: Findings) -> str:
    names = {"closed": "service time", "open": "latency"}
    return " / ".join(names[loop] for loop in findings.loops or ("closed",)) + " (ms, log scale)"


def _of_point(read: Callable[[Quantiles], float | None]) -> Callable[[CurvePoint], float | None]:
    return lambda point: read(point.quantiles)


def _of_block(read: Callable[[Quantiles], float | None]) -> Callable[[BlockPoint], float | None]:
    return lambda block: read(block.quantiles)
