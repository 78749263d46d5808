"""A value of every instance against the rate offered: what the CPU and the memory pictures share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis import setting
from analysis.containers import ContainerFigures
from analysis.curve import BlockPoint, CurvePoint
from analysis.findings import Findings
from analysis.plots import style

_MARKERS: Final = ("^", "v", "D", "P", "X", "<", ">", "*")
_MARKED: Final[dict[str, Any]] = {
    "marker": "o", "markersize": 14, "markerfacecolor": "none", "markeredgecolor": style.PURPLE, "markeredgewidth": 1.6,
    "linestyle": "",
}  # fmt: skip
_WHOLE: Final[dict[str, Any]] = {"color": style.GREEN, "linewidth": 2, "zorder": 1}
_OWN: Final[dict[str, Any]] = {"color": "black", "linewidth": 1.8, "linestyle": (0, (5, 4)), "zorder": 1.5}
_NAMED: Final = 4  # more instances of a twin than this share one entry of the legend


@dataclass(frozen=True, slots=True)
class Value:
    """What to draw: of an instance in a point, and of all that serve in a block; `limit` of a twin.

    `own_limit` is a container's own; `marked` names the instances of a point that were at it.
    """

    axis: str
    of_instance: Callable[[CurvePoint], Mapping[str, float | None]]
    of_block: Callable[[BlockPoint], float | None]
    limit: Callable[[str, str], float | None]
    limit_name: str
    own_limit: Callable[[ContainerFigures], float | None]
    own_limit_name: str
    marked: Callable[[CurvePoint], set[str]] = lambda _: set()
    marked_name: str = ""
    scale: float = 1.0


def draw_instances(figure: Figure, findings: Findings, value: Value) -> None:
    """Draw a panel an endpoint: per twin the sum over the instances that serve, and each instance thin."""
    for endpoint, axes in style.panels(figure, findings).items():
        axes.set_xlabel(style.rate_label(findings))
        axes.set_ylabel(value.axis)
        top = style.highest_rate(findings, endpoint)
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
    lines = {str(line.get_gid()) for axes in figure.axes for line in axes.lines}
    style.add_legend(figure, _keys(findings, value, lines), columns=5)


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
    trials = findings.trials.get((look.twin, endpoint), ())
    style.draw_trials(axes, trials, look, lambda block: scaled(value.of_block(block)))
    drawn += [found for one in trials if (found := scaled(value.of_block(one.point))) is not None]
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
        held = {point.at_rps for point in points if name in value.marked(point)}
        marked = [row for row in rows if row[0] in held]
        if marked:
            axes.plot(*zip(*marked, strict=True), **_MARKED, gid="marked")
    return max(drawn, default=0.0)


def _draw_limits(axes: Axes, findings: Findings, endpoint: str, value: Value, highest: float) -> float:
    """Draw each twin's limit and each container's own, and return the highest value drawn.

    A limit more than twice what was used (a container's own: four times) is written instead, so that the curves stay
    readable; one below another that is drawn is drawn too.
    """
    far, used = [], highest
    limits = {look.label: value.limit(look.twin, endpoint) for look in style.looks(findings)}
    drawn = (
        (_levels(_own_limits(findings, endpoint, value), value.scale), value.own_limit_name, _OWN, 4),
        (_levels(limits, value.scale), value.limit_name, _WHOLE, 2),
    )
    for levels, name, look, reach in drawn:
        for level, owners in levels.items():
            if level <= max(reach * used, highest):
                axes.axhline(level, **look, gid=name)
                highest = max(highest, level)
            else:
                far.append(f"{name} of {owners}: {level:,.4g} (above this axis)")
    if far:
        axes.text(0.02, 0.98, "\n".join(far), transform=axes.transAxes, va="top", color=style.GREY)
    return highest


def _levels(limits: Mapping[str, float | None], scale: float) -> dict[float, str]:
    """Return the owners of each level of a limit, as far as there is one, from low to high."""
    scaled = {owner: limit / scale for owner, limit in limits.items() if limit is not None}
    return {
        level: _owners([owner for owner, one in scaled.items() if one == level])
        for level in sorted(set(scaled.values()))
    }


def _owners(names: Sequence[str]) -> str:
    return " and ".join(names) if len(names) < 3 else f"each of {len(names)} containers"


def _own_limits(findings: Findings, endpoint: str, value: Value) -> dict[str, float | None]:
    """Return the own limit of each container, as it was in force at the last point."""
    points = [point for twin in findings.twins for point in findings.curves[twin, endpoint].points]
    return {name: value.own_limit(one) for point in points for name, one in point.containers.items()}


def _keys(findings: Findings, value: Value, lines: set[str]) -> list[Line2D | Patch]:
    """Return the keys of a legend; of limits those that are among the lines drawn, by their names."""
    keys: list[Line2D | Patch] = []
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
    limits = ((value.limit_name, _WHOLE), (value.own_limit_name, _OWN))
    keys += [Line2D([], [], **look, label=name) for name, look in limits if name in lines]
    points = [point for curve in findings.curves.values() for point in curve.points]
    if any(value.marked(point) for point in points):
        keys.append(Line2D([], [], **_MARKED, label=value.marked_name))
    if any(len(point.counted) > 1 for point in points):
        keys += style.spread_keys()
    if style.has_invalid(findings):
        keys.append(style.invalid_key())
    keys += [key for key in style.capacity_keys(findings) if "trial" in str(key.get_label())]
    return keys
