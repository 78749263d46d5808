"""headline.png: the ratios candidate ÷ baseline as measured, beside the published ones with their scope."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Final, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.cost_words import cost_line
from analysis.findings import Findings
from analysis.plots import style
from analysis.published import WHOLE_CLUSTER, Published, endpoint_title, published_for
from analysis.ratio import Ratio
from analysis.summary import summarise

Measured = Literal["capacity", "saturation", "p99", "cpu", "memory"]
_GROUPS: Final[tuple[tuple[Measured, str, str], ...]] = (
    ("capacity", "capacity under the SLO", "higher is better"),
    ("saturation", "maximum throughput", "higher is better"),
    ("p99", "p99 at the same load", "lower is better"),
    ("cpu", "CPU per request", "lower is better"),
    ("memory", "memory at the same load", "lower is better"),
)
_MIB: Final = float(1 << 20)
_MOST_TICKS: Final = 6  # that stand beside each other
_MOST_REASONS: Final = 4
_LETTERS: Final = 118


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the headline: what, the measured ratio, the figures behind it, the published figure beside it."""

    name: str
    ratio: Ratio | None
    behind: str
    published: Published | None


def draw(findings: Findings) -> Figure:
    """Return the picture."""
    rows = rows_of(findings)
    baseline, candidate = (look.label for look in style.looks(findings))
    beside = ", and published" if any(row.published for row in rows) else ""
    title = f"{candidate} ÷ {baseline}: measured here{beside}"
    words = _words(findings)
    figure = style.new_figure(findings, title, 2.9 + 0.25 * len(words) + 0.82 * len(rows))
    top = figure.get_suptitle()
    figure.suptitle("\n".join([top, *words]), x=0.01, ha="left")
    axes = figure.add_subplot(1, 1, 1)
    axes.set_xscale("log", base=2)
    axes.axvline(1.0, color=style.GREY, linewidth=1.5)
    for at, row in enumerate(rows):
        _draw_row(axes, at, row)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    _scale(axes, rows)
    axes.set_xlabel(f"ratio {candidate} ÷ {baseline} (log scale; 1 = equal)")
    axes.grid(visible=False, axis="y")
    texts = axes.secondary_yaxis("right")
    texts.set_yticks(range(len(rows)), [f"{_measured(row)}\n{_published(row)}" for row in rows])
    texts.tick_params(length=0)
    texts.spines["right"].set_visible(False)
    style.add_legend(figure, _keys(rows), columns=4)
    return figure


def rows_of(findings: Findings) -> tuple[Row, ...]:
    """Return the lines of the headline: each figure for every endpoint, capacity only where it was searched."""
    rows = []
    for figure, what, good in _GROUPS:
        if figure == "capacity" and not findings.trials:
            continue
        for endpoint in findings.endpoints:
            ratios = findings.ratios[endpoint]
            ratio = {
                "capacity": ratios.capacity,
                "saturation": ratios.saturation,
                "p99": ratios.p99,
                "cpu": ratios.cpu_s_per_1k,
                "memory": ratios.memory,
            }[figure]
            name = f"{endpoint_title(endpoint)}: {what}\n({good})"
            beside = published_for("saturation" if figure == "capacity" else figure, endpoint)
            rows.append(Row(name, ratio, _behind(findings, endpoint, figure), beside))
    return tuple(rows)


def _words(findings: Findings) -> list[str]:
    """Return the verdict with its first reasons, and the money, in lines that fit the picture."""
    found = findings.verdict
    shown = [f"Verdict: {found.value}", *(f"   {reason}" for reason in found.reasons[:_MOST_REASONS])]
    if len(found.reasons) > _MOST_REASONS:
        shown.append(f"   and {len(found.reasons) - _MOST_REASONS} more, in summary.md")
    cost = summarise(findings).cost
    if cost is not None:
        shown.append(cost_line(findings, cost))
    return [line for text in shown for line in textwrap.wrap(text, _LETTERS, subsequent_indent="      ")]


def _behind(findings: Findings, endpoint: str, figure: Measured) -> str:
    """Return the two absolute figures behind a ratio, "" where one is unknown."""
    if figure in ("capacity", "saturation"):
        ends = [
            (findings.capacity if figure == "capacity" else findings.saturation)[twin, endpoint]
            for twin in findings.twins
        ]
        known = [end for end in ends if end is not None]
        if len(known) < 2:
            return ""
        texts = [f"{'≥ ' if end.at_least else ''}{end.interval.value:,.0f}" for end in known]
        return f"{texts[0]} → {texts[1]} /s"
    same = findings.same_load[endpoint]
    if same is None:
        return ""
    both = (same.baseline, same.candidate)
    values, unit = {
        "p99": ([twin.point.quantiles.p99_ms for twin in both], "ms"),
        "cpu": ([twin.cpu_s_per_1k.value if twin.cpu_s_per_1k else None for twin in both], "s per 1,000"),
        "memory": ([None if t.memory_bytes is None else t.memory_bytes / _MIB for t in both], "MiB"),
    }[figure]
    found = [value for value in values if value is not None]
    return f"{found[0]:,.3g} → {found[1]:,.3g} {unit}" if len(found) == 2 else ""


def _draw_row(axes: Axes, at: int, row: Row) -> None:
    if row.published is not None:
        axes.plot([row.published.ratio], [at + 0.17], "D", color="white", markeredgecolor=style.GREY, markersize=10)
    ratio = row.ratio
    if ratio is None:
        return
    if ratio.lo is not None and ratio.hi is not None:
        axes.plot([ratio.lo, ratio.hi], [at - 0.12] * 2, "|-", color=style.VERMILLION, linewidth=3, markersize=14)
    face = style.VERMILLION if ratio.bound is None else "white"  # a bound is hollow
    axes.plot([ratio.value], [at - 0.12], "s", color=face, markeredgecolor=style.VERMILLION, markersize=11)


def _scale(axes: Axes, rows: tuple[Row, ...]) -> None:
    values = [1.0]
    for row in rows:
        values += [row.published.ratio] if row.published else []
        if row.ratio is not None:
            values += [v for v in (row.ratio.value, row.ratio.lo, row.ratio.hi) if v is not None]
    low, high = min(0.5, *values) * 0.85, max(2.0, *values) * 1.18
    powers = [power for power in range(-10, 11) if low <= 2.0**power <= high]
    apart = -(-len(powers) // _MOST_TICKS)  # every one, every other, …, and always 1 = equal
    ticks = [2.0**power for power in powers if power % apart == 0]
    axes.set_xlim(low, high)
    axes.set_xticks(ticks, [f"{tick:g}×" for tick in ticks])


def _measured(row: Row) -> str:
    ratio = row.ratio
    if ratio is None:
        return f"no ratio can be formed  {row.behind}" if row.behind else "not measured"
    if ratio.ends is None:
        spread = "1 pair" if ratio.pairs == 1 else "all blocks together"
    else:
        kind = "range of" if ratio.interval == "range" else "95 % interval,"
        spread = f"{ratio.ends[0]:.2f} to {ratio.ends[1]:.2f}, {kind} {ratio.pairs} pairs"
    return f"measured {ratio_text(ratio)} ({spread})" + (f"  {row.behind}" if row.behind else "")


def ratio_text(ratio: Ratio) -> str:
    """Return a ratio for people: with ≥ or ≤ where it is but a bound."""
    sign = {"at_least": "≥ ", "at_most": "≤ ", None: ""}[ratio.bound]
    return f"{sign}{ratio.value:.2f}×"


def _published(row: Row) -> str:
    found = row.published
    if found is None:
        return "no published figure"
    scope = f"{WHOLE_CLUSTER}: {found.what}" if found.endpoint is None else "this endpoint"
    return f"published {found.ratio:.2f}× ({scope})  {found.baseline:,g} → {found.candidate:,g} {found.unit}"


def _keys(rows: tuple[Row, ...]) -> list[Line2D]:
    keys = [
        Line2D([], [], color=style.VERMILLION, marker="s", linewidth=3, label="measured, with its interval or range"),
        Line2D(
            [],
            [],
            color="white",
            marker="D",
            markeredgecolor=style.GREY,
            markersize=10,
            label="published (Go → Rust; its scope beside it)",
        ),
        Line2D([], [], color=style.GREY, label="equal"),
    ]
    if any(row.ratio is not None and row.ratio.bound is not None for row in rows):
        keys.insert(
            1,
            Line2D(
                [], [], color="white", marker="s", markeredgecolor=style.VERMILLION, markersize=11, label="only a bound"
            ),
        )
    return keys
