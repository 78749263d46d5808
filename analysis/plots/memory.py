"""memory.png: the working set of each instance, against the rate offered, with limits and the idle base."""

from __future__ import annotations

from typing import Final

from matplotlib.figure import Figure

from analysis.findings import Findings, memory_of
from analysis.plots import style
from analysis.plots.instances import Value, draw_instances

_MIB: Final = float(1 << 20)


def draw(findings: Findings) -> Figure:
    """Return the picture."""
    title = "Memory of each instance against offered rate. Lower is better"
    figure = style.new_figure(findings, f"{title}{_idle(findings)}", style.height_for(findings, 6.2, 2.9))
    value = Value(
        axis="working set (MiB)",
        of_instance=lambda point: point.memory_bytes,
        of_block=lambda block: block.memory_bytes,
        limit=lambda twin, endpoint: memory_of(findings.run, twin, endpoint).limit_bytes,
        limit_name="limit (MiB)",
        own_limit=lambda container: container.memory_limit_bytes,
        own_limit_name="own limit (MiB)",
        scale=_MIB,
    )
    draw_instances(figure, findings, value)
    return figure


def _idle(findings: Findings) -> str:
    """Return what the instances of the first sweep used before any load, in words."""
    parts = []
    for look in style.looks(findings):
        idle = memory_of(findings.run, look.twin, findings.endpoints[0]).idle_bytes if findings.endpoints else None
        if idle is not None:
            parts.append(f"{look.label} {idle / _MIB:,.0f} MiB")
    return f" (idle, before any load: {', '.join(parts)})" if parts else ""
