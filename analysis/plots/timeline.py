"""timeline.png: the whole run second by second: load, p99, backlog and CPU, with each twin's turns shaded.

The backlog, arrivals that waited for a connection, is the native schedule's: without one it has no panel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.findings import Findings
from analysis.plots import style
from analysis.published import ENDPOINT_LETTERS, endpoint_title
from analysis.timeline import Load

FloatArray = npt.NDArray[np.float64]
MOST_POINTS: Final = 1_500  # about one a pixel; a longer run is averaged down to this
_PIXELS_WIDE: Final = 1_400.0
_PIXELS_A_LETTER: Final = 9.5


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch of the run in which one twin was under load with one endpoint, in seconds of the swarm's clock."""

    twin: str
    endpoint: str
    block: int
    from_s: float
    to_s: float


def draw(findings: Findings) -> Figure:
    """Return the picture."""
    waits = _has_backlog(findings)
    figure = style.new_figure(findings, _title(findings), 13.0 if waits else 10.5)
    panels = list(figure.subplots(4 if waits else 3, 1, sharex=True))
    top, middle, bottom = panels[0], panels[1], panels[-1]
    turns = turns_of(findings)
    zero_s = _start(findings, turns)
    for axes in panels:
        axes.margins(x=0.01)
        _shade(axes, findings, turns, zero_s)
    by_letter = _name_turns(top, turns, zero_s)
    _load(top, findings, zero_s)
    _p99(middle, findings, zero_s)
    if waits:
        _backlog(panels[2], findings, zero_s)
    _cpu(bottom, findings, zero_s)
    bottom.set_xlim(left=0)
    bottom.set_xlabel("time since the first record (s)")
    style.plain_numbers(bottom, y=False)
    style.add_legend(figure, _keys(findings, waits=waits, by_letter=by_letter), columns=6 if waits else 8)
    return figure


def _title(findings: Findings) -> str:
    return f"Timeline of the run ({style.time_text(findings)})" if findings.loops else "Timeline of the run"


def turns_of(findings: Findings) -> tuple[Turn, ...]:
    """Return the sweeps of the run, in order: stages of the same block and endpoint together."""
    turns: list[Turn] = []
    for data in findings.run.stages:
        stage, start = data.line.stage, float(data.line.start_second)
        end, last = start + stage.length_s, turns[-1] if turns else None
        if last is not None and (last.twin, last.endpoint, last.block) == (stage.twin, stage.endpoint, stage.block):
            turns[-1] = Turn(last.twin, last.endpoint, last.block, last.from_s, end)
        else:
            turns.append(Turn(stage.twin, stage.endpoint, stage.block, start, end))
    return tuple(turns)


def thinned(at: FloatArray, values: FloatArray, most: int = MOST_POINTS) -> tuple[FloatArray, FloatArray]:
    """Return at most `most` points: means of equal runs of points; NaN only where a whole run is NaN."""
    step = -(-len(at) // most) if len(at) else 1
    if step <= 1:
        return at, values
    edges = np.arange(0, len(at), step)
    known = np.isfinite(values)
    counts = np.add.reduceat(known.astype(np.float64), edges)
    sums = np.add.reduceat(np.where(known, values, 0.0), edges)
    means = np.divide(sums, counts, out=np.full(len(edges), np.nan), where=counts > 0)
    return at[edges], means


def _start(findings: Findings, turns: tuple[Turn, ...]) -> float:
    firsts = [float(second) for second, _ in findings.run.load.seconds]
    firsts += [turn.from_s for turn in turns] + list(findings.run.cpu.at_s[:1])
    return min(firsts, default=0.0)


def _shade(axes: Axes, findings: Findings, turns: tuple[Turn, ...], zero_s: float) -> None:
    colours = {look.twin: look.colour for look in style.looks(findings)}
    for turn in turns:
        axes.axvspan(
            turn.from_s - zero_s, turn.to_s - zero_s, color=colours.get(turn.twin, style.GREY), alpha=0.08, linewidth=0
        )


def _name_turns(axes: Axes, turns: tuple[Turn, ...], zero_s: float) -> bool:
    """Write each turn's endpoint above it: in full, by its letter (then it says True), or not at all without room."""
    whole = max((turn.to_s for turn in turns), default=zero_s) - zero_s
    if not whole:
        return False
    room = [(turn.to_s - turn.from_s) / whole * _PIXELS_WIDE / _PIXELS_A_LETTER for turn in turns]
    titles = [endpoint_title(turn.endpoint) for turn in turns]
    for names in (titles, [ENDPOINT_LETTERS.get(turn.endpoint, turn.endpoint) for turn in turns]):
        if all(len(name) < letters for name, letters in zip(names, room, strict=True)):
            for turn, name in zip(turns, names, strict=True):
                at_s = (turn.from_s + turn.to_s) / 2 - zero_s
                axes.text(at_s, 1.02, name, transform=axes.get_xaxis_transform(), ha="center")
            return names is not titles
    return False


def _load(axes: Axes, findings: Findings, zero_s: float) -> None:
    axes.set_ylabel("requests/s\nhigher is better")
    seconds = findings.run.load.seconds
    if not seconds:
        style.no_data(axes, "no second was counted")
        return
    for look in style.looks(findings):
        rows = sorted((second, load) for (second, twin), load in seconds.items() if twin == look.twin)
        if not rows:
            continue
        at = np.array([second - zero_s for second, _ in rows], dtype=np.float64)
        good = np.array([load.achieved for _, load in rows], dtype=np.float64)
        offered = np.array([np.nan if load.offered is None else load.offered for _, load in rows])
        for values, colour, width in ((offered, style.GREY, 1.2), (good, look.colour, 2.0)):
            axes.plot(*_broken(*thinned(at + 0.5, values)), color=colour, linewidth=width)
    axes.set_ylim(bottom=0)
    style.plain_numbers(axes)


def _p99(axes: Axes, findings: Findings, zero_s: float) -> None:
    axes.set_ylabel("p99 (ms, log scale)\nlower is better")
    spans = findings.run.load.spans
    if not spans:
        style.no_data(axes, "no second of 1,000 answers, which a p99 needs")
        return
    style.log_times(axes)
    for look in style.looks(findings):
        own = [span for span in spans if span.twin == look.twin]
        if not own:
            continue
        middle = np.array([(span.from_s + span.to_s) / 2 - zero_s for span in own])
        p99 = np.array([span.p99_ms for span in own])
        if len(own) <= MOST_POINTS:
            axes.hlines(
                p99, [s.from_s - zero_s for s in own], [s.to_s - zero_s for s in own], color=look.colour, linewidth=2.5
            )
        else:
            axes.plot(*thinned(middle, p99), color=look.colour, linewidth=1.5)
    axes.axhline(findings.run.plan.slo.p99_ms, color=style.GREEN, linewidth=2)


def _has_backlog(findings: Findings) -> bool:
    return any(load.backlog_max is not None for load in findings.run.load.seconds.values())


def _backlog(axes: Axes, findings: Findings, zero_s: float) -> None:
    """Draw the most arrivals that waited in each second, and those that were dropped."""
    axes.set_ylabel("arrivals waiting\nlower is better")
    for look in style.looks(findings):
        rows = sorted((second, load) for (second, twin), load in findings.run.load.seconds.items() if twin == look.twin)
        if not rows:
            continue
        at = np.array([second - zero_s for second, _ in rows], dtype=np.float64) + 0.5
        waiting = np.array([_waiting(load) for _, load in rows])
        axes.plot(*_broken(*thinned(at, waiting)), color=look.colour, linewidth=1.8)
        dropped = np.array([float(load.dropped) for _, load in rows])
        if dropped.any():
            shown = np.where(dropped > 0, dropped, np.nan)
            axes.plot(*thinned(at, shown), "x", color=look.colour, markersize=6, gid="dropped")
    axes.set_ylim(bottom=0)
    style.plain_numbers(axes)


def _waiting(load: Load) -> float:
    """Return the most arrivals that waited; NaN where none is told: it is told as they come, not as they drain."""
    return float(load.backlog_max) if load.backlog_max or (load.offered and load.backlog_max == 0) else np.nan


def _cpu(axes: Axes, findings: Findings, zero_s: float) -> None:
    axes.set_ylabel("CPU (cores)\nlower is better")
    trace = findings.run.cpu
    if not len(trace.at_s):
        style.no_data(axes, "no usage samples")
        return
    at = np.frombuffer(trace.at_s, dtype=np.float64) - zero_s
    colours = {look.twin: look.colour for look in style.looks(findings)} | {"generator": style.PURPLE}
    for group, values in trace.cores.items():
        cores = np.frombuffer(values, dtype=np.float64)
        axes.plot(*thinned(at, cores), color=colours.get(group, style.GREY), linewidth=1.8)
    axes.set_ylim(bottom=0)
    style.plain_numbers(axes)


def _broken(at: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return a line broken where time has a hole, so that turns of a twin are not joined."""
    if len(at) < 2:
        return at, values
    steps = np.diff(at)
    holes = np.nonzero(steps > 1.5 * np.median(steps))[0] + 1
    return np.insert(at, holes, np.nan), np.insert(values, holes, np.nan)


def _keys(findings: Findings, *, waits: bool, by_letter: bool) -> list[Line2D | Patch]:
    keys: list[Line2D | Patch] = [Line2D([], [], color=look.colour, label=look.label) for look in style.looks(findings)]
    keys += [Patch(color=look.colour, alpha=0.15, label=f"{look.label} under load") for look in style.looks(findings)]
    keys.append(Line2D([], [], color=style.GREY, linewidth=1.2, label="offered"))
    if waits and any(load.dropped for load in findings.run.load.seconds.values()):
        keys.append(Line2D([], [], color=style.GREY, marker="x", linestyle="", label="dropped in a second"))
    keys.append(Line2D([], [], color=style.PURPLE, label="generator"))
    keys.append(Line2D([], [], color=style.GREEN, linewidth=2, label=f"SLO: p99 ≤ {findings.run.plan.slo.p99_ms:g} ms"))
    if by_letter:
        known = [f"{ENDPOINT_LETTERS[name]}: {name}" for name in findings.endpoints if name in ENDPOINT_LETTERS]
        keys += [Line2D([], [], linestyle="", label=text) for text in known]
    return keys
