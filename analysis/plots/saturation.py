"""saturation.png: good answers a second against the rate offered, and where each twin stops."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.findings import Findings
from analysis.plots import style
from analysis.saturation import Saturation


def draw(findings: Findings) -> Figure:
    """Return the picture."""
    title = "Saturation: achieved against offered rate. Higher is better"
    figure = style.new_figure(findings, title, style.height_for(findings, 6.2, 2.6))
    for endpoint, axes in style.panels(figure, findings).items():
        _panel(axes, findings, endpoint)
    keys = [*style.twin_keys(findings), *style.spread_keys()]
    ideal = Line2D([], [], color=style.GREY, linestyle="--", label="all that was offered")
    level = Line2D([], [], color=style.GREY, linestyle=":", label="saturation throughput")
    style.add_legend(figure, [*keys, ideal, level], columns=7)
    return figure


def _panel(axes: Axes, findings: Findings, endpoint: str) -> None:
    axes.set_xlabel(style.rate_label(findings))
    axes.set_ylabel("achieved: good answers (requests/s)")
    curves = [(look, findings.curves[look.twin, endpoint]) for look in style.looks(findings)]
    top = max((point.at_rps for _, curve in curves for point in curve.points), default=0.0)
    if not top:
        style.no_data(axes, "no measured stage")
        return
    lines = []
    for look, curve in curves:
        style.draw_series(axes, curve.points, look, style.Series(lambda p: p.achieved_rps, lambda b: b.achieved_rps))
        saturation = findings.saturation[look.twin, endpoint]
        if saturation is not None:
            axes.axhline(saturation.interval.value, color=look.colour, linestyle=":", linewidth=1.6)
            lines.append(f"{look.label} {saturation_text(saturation)}")
    highest = max(point.achieved_rps for _, curve in curves for point in curve.points)
    axes.plot([0, highest * 1.1], [0, highest * 1.1], color=style.GREY, linestyle="--", linewidth=1.4, zorder=0)
    axes.set_xlim(0, top * 1.04)
    axes.set_ylim(0, highest * 1.45)
    style.plain_numbers(axes)
    axes.text(0.02, 0.98, "\n".join(lines), transform=axes.transAxes, va="top", ha="left")


def saturation_text(saturation: Saturation) -> str:
    """Return where a twin stops, for people, with its interval's kind."""
    interval = saturation.interval
    verb = "gives at least" if saturation.at_least else "saturates at"
    blocks = "1 block" if interval.count == 1 else f"{interval.count} blocks"
    kind = "range of" if interval.kind == "range" else "95 % interval,"
    return f"{verb} {interval.value:,.0f} /s ({interval.lo:,.0f} to {interval.hi:,.0f}, {kind} {blocks})"
