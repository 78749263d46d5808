"""A value of every instance against the rate offered: what the CPU and the memory pictures share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis import setting
from analysis.curve import BlockPoint, CurvePoint
from analysis.findings import Findings
from analysis.plots import style

_MARKERS: Final = ("^", "v", "D", "P", "X", "<", ">", "*")
_NAMED: Final = 4  # more instances of a twin than this share one entry of the legend


@dataclass(frozen=True, slots=True)
class Value:
    """What to draw: of an instance in a point, and of all that serve in a block; `limit` of a twin."""

    axis: str
    of_instance: Callable[[CurvePoint], Mapping[str, float | None]]
    of_block: Callable[[BlockPoint], float | None]
    limit: Callable[[str, str], float | None]
    limit_name: str
    scale: float = 1.0


def draw_instances(figure: Figure, findings: Findings, value: Value) -> None:
    """Draw a panel an endpoint: per twin the sum over the instances that serve, and each instance thin."""
    for endpoint, axes in style.panels(figure, findings).items():
        axes.set_xlabel(style.rate_label(findings))
        axes.set_ylabel(value.axis)
        top = max((p.at_rps for twin in findings.twins for p in findings.curves[twin, endpoint].points), default=0.0)
        if not top:
            style.no_data(axes, "no measured stage")
            continue
        highest = max(_draw_twin(axes, findings, endpoint, look, value) for look in style.looks(findings))
        if not highest:
            style.no_data(axes, "no usage samples of these instances")
            continue
        highest = _draw_limits(axes, findings, endpoint, value, highest)
        axes.set_xlim(0, top * 1.04)
        axes.set_ylim(0, highest * 1.15)
        style.plain_numbers(axes)
    style.add_legend(figure, _keys(findings, value), columns=5)


def names_of(findings: Findings, twin: str) -> tuple[str, ...]:
    """Return the names of a twin's instances that serve a sweep, then of the others."""
    instances = findings.run.manifest.instances
    serving = {i for e in findings.endpoints for i in setting.serving(instances, twin, e, findings.run.plan)}
    own = setting.of_twin(instances, twin)
    return tuple(instances[i].name for i in sorted(own, key=lambda i: (i not in serving, i)))


def _draw_twin(axes: Axes, findings: Findings, endpoint: str, look: style.Look, value: Value) -> float:
    """Draw one twin and return the highest value drawn."""
    points = findings.curves[look.twin, endpoint].points

    def scaled(found: float | None) -> float | None:
        return None if found is None else found / value.scale

    def of_blocks(point: CurvePoint) -> float | None:
        known = [found for block in point.counted if (found := value.of_block(block)) is not None]
        return scaled(sum(known) / len(known)) if known else None

    style.draw_series(axes, points, look, style.Series(of_blocks, lambda block: scaled(value.of_block(block))))
    drawn = [found for point in points if (found := of_blocks(point)) is not None]
    for number, name in enumerate(names_of(findings, look.twin)):
        rows = [
            (point.at_rps, found)
            for point in points
            if point.valid and (found := scaled(value.of_instance(point).get(name))) is not None
        ]
        if rows:
            drawn += [found for _, found in rows]
            axes.plot(
                *zip(*rows, strict=True), color=look.colour, marker=_MARKERS[number % len(_MARKERS)], markersize=6,
                linewidth=1.1, linestyle="--", alpha=0.75,
            )  # fmt: skip
    return max(drawn, default=0.0)


def _draw_limits(axes: Axes, findings: Findings, endpoint: str, value: Value, highest: float) -> float:
    """Draw each twin's limit and return the highest value drawn.

    A limit more than twice what was used is written instead, so that the curves stay readable.
    """
    far, used = [], highest
    limits = {look.label: value.limit(look.twin, endpoint) for look in style.looks(findings)}
    for level in sorted({limit / value.scale for limit in limits.values() if limit is not None}):
        owners = " and ".join(
            label for label, limit in limits.items() if limit is not None and limit / value.scale == level
        )
        if level <= 2 * used:
            axes.axhline(level, color=style.GREEN, linewidth=2, zorder=1)
            highest = max(highest, level)
        else:
            far.append(f"{value.limit_name} of {owners}: {level:,.4g} (above this axis)")
    if far:
        axes.text(0.02, 0.98, "\n".join(far), transform=axes.transAxes, va="top", color=style.GREY)
    return highest


def _keys(findings: Findings, value: Value) -> list[Line2D]:
    keys: list[Line2D] = []
    for look in style.looks(findings):
        keys.append(
            Line2D([], [], color=look.colour, marker=look.marker, label=f"{look.label}: sum of those that serve")
        )
        names = names_of(findings, look.twin)
        if len(names) > _NAMED:
            keys.append(Line2D([], [], color=look.colour, linestyle="--", label=f"each of {len(names)} instances"))
            continue
        keys += [
            Line2D(
                [], [], color=look.colour, marker=_MARKERS[i % len(_MARKERS)], markersize=6, linewidth=1.1,
                linestyle="--", label=name,
            )
            for i, name in enumerate(names)
        ]  # fmt: skip
    keys.append(Line2D([], [], color=style.GREEN, linewidth=2, label=value.limit_name))
    if style.has_invalid(findings):
        keys.append(style.invalid_key())
    return keys
