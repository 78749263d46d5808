"""The table and the picture of the sender benchmark."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks.sending.figures import Figures, OpenLoop, Regime, Stall
from benchmarks.sending.ratios import Estimate

GOALS = {
    ("saturated", "native_schedule/wrk"): 1.15,
    ("saturated", "native_schedule/wrk_lua"): 1.2,
    ("saturated", "native_users/fasthttpuser"): 6.0,
    ("server_limited", "native_schedule_coalescing/wrk"): 1.3,
    ("users_800", "native_users/fasthttpuser_800"): 8.0,
}
"""What the medians shall reach at least."""
_BLUE, _GREY = "#2a6fb0", "#9aa5b1"


def print_figures(figures: Figures, console: Console) -> None:
    """Print all tables."""
    console.print(f"[bold]Requests per CPU-second of the sender[/bold]  ({figures.machine})")
    for regime in figures.regimes.values():
        console.print(_senders(regime))
    console.print(_ratios(figures))
    if figures.open_loop:
        console.print(_open_loop(figures.open_loop))
    if figures.stall is not None:
        console.print(_stall(figures.stall))
    for note in figures.notes:
        console.print(f"  {note}")


def _senders(regime: Regime) -> Table:
    table = Table("sender", "requests per CPU-second", "interval", "requests a second", title=regime.name)
    for name, one in sorted(regime.per_cpu_s.items(), key=lambda item: -item[1].value):
        table.add_row(
            name, f"{one.value:,.0f}", f"{one.lo:,.0f} – {one.hi:,.0f}", f"{regime.rate_rps[name].value:,.0f}"
        )
    return table


def _ratios(figures: Figures) -> Table:
    table = Table("target", "ratio", "median", "95 % interval", "rounds", "goal", title="paired ratios")
    for name, regime in figures.regimes.items():
        for key, one in regime.ratios.items():
            goal = GOALS.get((name, key))
            reached = "" if goal is None else f"{goal:g} {'reached' if one.value >= goal else 'missed'}"
            table.add_row(name, key, f"{one.value:.3g}", f"{one.lo:.3g} – {one.hi:.3g}", str(one.count), reached)
    return table


def _open_loop(rates: tuple[OpenLoop, ...]) -> Table:
    table = Table("rate", "sent", "send lag p50 µs", "p99 µs", "max µs", "sender CPU", title="open loop")
    for one in rates:
        lags = (one.lag_p50_us, one.lag_p99_us, one.lag_max_us)
        cpu = "–" if one.sender_cpu_ratio is None else f"{100 * one.sender_cpu_ratio:.0f} %"
        cells = ["–" if lag is None else f"{lag:,.0f}" for lag in lags]
        table.add_row(f"{one.rate_rps:,.0f}", f"{100 * one.sent_ratio:.2f} %", *cells, cpu)
    return table


def _stall(stall: Stall) -> Table:
    title = f"one stall of {stall.stall_s:.3f} s in {stall.run_s:g} s at {stall.rate_rps:g} a second"
    table = Table("latency from the intended start", "computed ms", "measured ms", "error", title=title)
    for name, wanted in stall.expected.items():
        found = stall.measured[name]
        error = "–" if found is None else f"{100 * (found / wanted - 1):+.2f} %"
        table.add_row(name, f"{1e3 * wanted:.1f}", "–" if found is None else f"{1e3 * found:.1f}", error)
    return table


def draw_figures(figures: Figures, path: Path) -> None:
    """Draw requests per CPU-second by regime, and send lag against rate, into one PNG."""
    figure = Figure(figsize=(13, 8), layout="constrained")
    axes = figure.subplots(2, 2)
    for ax, (name, title) in zip(
        axes.flat,
        (
            ("saturated", "The sender is the limit"),
            ("server_limited", "The target is the limit: 20 µs of work a request"),
            ("users_800", "800 users, answers of 2 KB"),
        ),
        strict=False,
    ):
        _bars(ax, figures.regimes[name], title)
    _lags(axes[1, 1], figures.open_loop)
    figure.suptitle(f"Requests per CPU-second of the sender: medians and their 95 % intervals\n{figures.machine}")
    figure.savefig(path, dpi=110)


def _bars(ax: Axes, regime: Regime, title: str) -> None:
    order = sorted(regime.per_cpu_s.items(), key=lambda item: item[1].value)
    names, values = [name.replace("_", " ") for name, _ in order], [one.value for _, one in order]
    errors = [[one.value - one.lo for _, one in order], [one.hi - one.value for _, one in order]]
    colours = [_BLUE if name.startswith("native") else _GREY for name, _ in order]
    ax.barh(names, values, xerr=errors, color=colours, error_kw={"elinewidth": 1, "capsize": 2})
    for place, (_, one) in enumerate(order):
        ax.annotate(f" {_short(one)}", (one.hi, place), va="center", fontsize=8)
    ax.set_title(title, fontsize=10)
    ax.margins(x=0.15)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}k")
    ax.spines[["top", "right"]].set_visible(False)


def _lags(ax: Axes, rates: tuple[OpenLoop, ...]) -> None:
    ax.set_title("Open loop, native schedule: how late a request is sent", fontsize=10)
    for name, values in (
        ("p50", [one.lag_p50_us for one in rates]),
        ("p99", [one.lag_p99_us for one in rates]),
        ("max", [one.lag_max_us for one in rates]),
    ):
        known = [(one.rate_rps, value) for one, value in zip(rates, values, strict=True) if value is not None]
        if known:
            ax.plot(*zip(*known, strict=True), marker="o", label=name)
    if rates:
        ax.legend(frameon=False, loc="center right")
    ax.set(xscale="log", yscale="log", xlabel="requests a second", ylabel="send lag, µs")
    ax.grid(alpha=0.3)


def _short(one: Estimate) -> str:
    return f"{one.value / 1000:.0f}k" if one.value >= 10_000 else f"{one.value:,.0f}"
