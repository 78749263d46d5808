"""spectrum.png: every percentile of a twin's times, at the same load and at saturation.

In an open loop latency is drawn, from the intended start, and service time thin beside it: between them lies the wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from analysis.curve import CurvePoint
from analysis.findings import Findings
from analysis.plots import style
from analysis.published import endpoint_title
from records.hdr import FloatArray, Sparse, highest_us, merged, total

BEYOND: Final = 10  # samples beyond the last percentile drawn
_HOW_LONG: Final = ", as long as the stages lasted"
_FIRST_Q: Final = 0.05
_GRID: Final = 400  # quantiles of a curve
_TICKS: Final = {
    0.0: "0 %",
    0.5: "50 %",
    0.9: "90 %",
    0.99: "99 %",
    0.999: "99.9 %",
    0.9999: "99.99 %",
    0.99999: "99.999 %",
}


def draw(findings: Findings) -> Figure:
    """Return the picture."""
    title = "Percentile spectrum. Lower is better"
    if findings.loops:
        title += f" ({style.time_text(findings)})"
    columns = max(len(findings.endpoints), 1)
    figure = style.new_figure(findings, title, 11.0)
    for number, endpoint in enumerate(findings.endpoints):
        same = figure.add_subplot(2, columns, number + 1)
        past = figure.add_subplot(2, columns, columns + number + 1)
        common = findings.same_load[endpoint]
        if common is None:
            same.set_title(f"{endpoint_title(endpoint)}: same load")
            style.no_data(same, "no rate that both twins carry")
        else:
            same.set_title(f"{endpoint_title(endpoint)}: same load, {common.rate_rps:,.0f} requests/s offered")
            _panel(same, findings, [[common.baseline.point], [common.candidate.point]])
        past.set_title(f"{endpoint_title(endpoint)}: past saturation{_HOW_LONG if 'open' in findings.loops else ''}")
        curves = [findings.curves[twin, endpoint].points for twin in findings.twins]
        _panel(past, findings, [points_past_saturation(points) for points in curves])
    keys = [key for key in style.twin_keys(findings) if "invalid" not in str(key.get_label())]
    if "open" in findings.loops:
        keys.append(Line2D([], [], color=style.GREY, label="latency"))
        keys.append(Line2D([], [], color=style.GREY, linestyle="--", linewidth=1.2, label="service time"))
    style.add_legend(figure, keys)
    return figure


def spectrum_of(times: Sparse) -> tuple[FloatArray, FloatArray]:
    """Return (x, ms) with x = 1 ÷ (1 − q): the nearest-rank quantiles on an even log grid, ten samples from the end.

    Both of shape (n,), x from 1 (the median's is 2, p99's 100) to a tenth of the samples; empty below 20 samples.
    """
    count = total(times)
    if count < 2 * BEYOND:
        return np.empty(0), np.empty(0)
    table = np.asarray(times, dtype=np.int64)
    x = np.geomspace(1.0, count / BEYOND, _GRID)
    ranks = np.clip(np.ceil(count * (1 - 1 / x) - 1e-9), 1, count)
    at = np.searchsorted(np.cumsum(table[:, 1]), ranks)
    return x, highest_us(table[at, 0]) / 1000


def points_past_saturation(points: Sequence[CurvePoint]) -> list[CurvePoint]:
    """Return the valid points whose blocks were all past saturation."""
    return [point for point in points if point.valid and point.past_saturation]


def _first(x: FloatArray, ms: FloatArray) -> float:
    """Return the time at which the axis may begin: few answers are quicker, and a log scale gives them most of it."""
    return float(ms[np.searchsorted(x, 1 / (1 - _FIRST_Q))])


def _panel(axes: Axes, findings: Findings, both: Sequence[Sequence[CurvePoint]]) -> None:
    axes.set_xlabel("percentile")
    axes.set_ylabel("time (ms, log scale)")
    shown, lowest = [1.0], []
    for look, points in zip(style.looks(findings), both, strict=True):
        x, ms = spectrum_of(merged(point.times for point in points))
        if len(x):
            axes.plot(x, ms, color=look.colour)
            axes.plot(x[-1:], ms[-1:], look.marker, color=look.colour)
            shown.append(float(x[-1]))
            lowest.append(_first(x, ms))
        x, ms = spectrum_of(merged(point.service for point in points if point.loop == "open"))
        if len(x):
            axes.plot(x, ms, color=look.colour, linestyle="--", linewidth=1.2)
            lowest.append(_first(x, ms))
    if len(shown) == 1:
        style.no_data(axes, "no valid stage here")
        return
    axes.set_xscale("log")
    style.log_times(axes)
    axes.set_ylim(bottom=min(lowest) / 1.5)
    axes.set_xlim(1, max(shown) * 1.3)
    ticks = {1 / (1 - q): text for q, text in _TICKS.items() if 1 / (1 - q) <= max(shown) * 1.3}
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.xaxis.set_minor_locator(NullLocator())
