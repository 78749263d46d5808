"""The picture of docs/canary-judging.md: false rollbacks by world, and time to detect by effect, with intervals.

    python -m benchmarks.canary_picture false.json detect.json docs/canary-judging.png

Reads what `benchmarks.canary_virtual --json` wrote; files given later win.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from analysis.plots.style import BLUE, GREY, SETTINGS, VERMILLION
from benchmarks.canary_virtual import SEEN_S, interval

WANTED = {"failures +1 %": 20.0, "latency +30 %": 60.0, "p99 +30 %, beyond p90": 60.0}
"""Seconds that are wanted of these effects."""


def draw(false: Sequence[dict[str, Any]], detect: Sequence[dict[str, Any]]) -> Figure:
    """Return the figure; `detect` of one world."""
    figure = Figure(figsize=(14, 6.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
    _draw_false(left, false)
    _draw_detect(right, detect)
    return figure


def _draw_false(axes: Axes, false: Sequence[dict[str, Any]]) -> None:
    for y, one in enumerate(false):
        for off, hits, colour in ((0.15, one["sent_back"], BLUE), (-0.15, one["usual_sent_back"], GREY)):
            share = 100 * hits / one["roll_outs"]
            low, high = (100 * bound for bound in interval(hits, one["roll_outs"]))
            axes.errorbar(
                max(share, 0.01), -y + off, xerr=[[max(share, 0.01) - max(low, 0.01)], [high - max(share, 0.01)]],
                fmt="o" if hits else "<", color=colour, capsize=3,
            )  # fmt: skip
    axes.axvline(1, color=VERMILLION, linestyle="--")
    axes.annotate("alpha, 1 %", (1.1, 0.5), color=VERMILLION, fontsize=11)
    axes.set_xscale("log")
    axes.set_xlim(0.01, 130)
    axes.set_xticks([0.01, 0.1, 1, 10, 100], ["none", "0.1 %", "1 %", "10 %", "100 %"])
    axes.set_yticks([-y for y in range(len(false))], [one["world"] for one in false])
    axes.set_ylim(-len(false) + 0.4, 0.9)
    axes.plot([], [], "o", color=BLUE, label="this test")
    axes.plot([], [], "o", color=GREY, label="likelihood ratio of independent requests")
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.07), ncols=2, fontsize=11)
    axes.set_title(f"Equal candidates sent back, of {false[0]['roll_outs']:,}")


def _draw_detect(axes: Axes, detect: Sequence[dict[str, Any]]) -> None:
    for y, one in enumerate(detect):
        times_s: list[float] = one["times_s"]
        n = len(times_s)
        low, median, high = (times_s[min(int(q * n), n - 1)] for q in (0.1, 0.5, 0.9))
        if low > SEEN_S:
            axes.annotate(
                f"not within {SEEN_S:.0f} s ", (SEEN_S, -y), ha="right", va="center", color=GREY, fontsize=11,
                backgroundcolor="white",
            )  # fmt: skip
        else:
            axes.hlines(-y, low, min(high, SEEN_S), color=BLUE, linewidth=5, alpha=0.35)
            if median <= SEEN_S:
                axes.plot(median, -y, "o", color=BLUE)
            else:
                axes.annotate("→", (SEEN_S, -y), color=BLUE, va="center", fontsize=14)
        if one["effect"] in WANTED:
            axes.plot(WANTED[one["effect"]], -y, "|", color=VERMILLION, markersize=18, markeredgewidth=2.5)
    axes.set_xscale("log")
    axes.set_xlim(3, SEEN_S * 1.1)
    axes.set_xticks([5, 10, 20, 60, 180], ["5 s", "10 s", "20 s", "60 s", "180 s"])
    axes.minorticks_off()
    axes.set_yticks([-y for y in range(len(detect))], [one["effect"] for one in detect])
    axes.plot([], [], "|", color=VERMILLION, markersize=14, markeredgewidth=2.5, label="wanted")
    axes.plot([], [], "o", color=BLUE, label="median, and 80 % of the roll-outs")
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.07), ncols=2, fontsize=11)
    axes.set_title(f"Found at 5 % of 2,000 requests a second, {detect[0]['world']}")


def main(argv: Sequence[str]) -> int:
    """Draw."""
    *files, out = map(Path, argv)
    if not files:
        print(__doc__, file=sys.stderr)
        return 2
    false: dict[str, dict[str, Any]] = {}
    detect: dict[str, dict[str, Any]] = {}
    for file in files:
        known = json.loads(file.read_text(encoding="utf-8"))
        false |= {one["world"]: one for one in known.get("false", ())}
        detect |= {one["effect"]: one for one in known.get("detect", ()) if one["world"] == "lognormal"}
    if not false or not detect:
        print(f"{', '.join(map(str, files))}: false rollbacks and times to detect are needed", file=sys.stderr)
        return 2
    with mpl.rc_context(SETTINGS):
        draw(list(false.values()), list(detect.values())).savefig(out, dpi=80)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
