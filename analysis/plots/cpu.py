"""cpu.png: the cores that each instance used, against the rate offered, with the twins' allotment and own limits."""

from __future__ import annotations

from matplotlib.figure import Figure

from analysis import setting
from analysis.containers import HELD_RATIO
from analysis.findings import Findings
from analysis.plots import style
from analysis.plots.instances import Value, draw_instances


def draw(findings: Findings) -> Figure:
    """Return the picture."""
    title = "CPU of each instance against offered rate. Lower is better"
    figure = style.new_figure(findings, title, style.height_for(findings, 6.2, 2.9))
    instances, plan = findings.run.manifest.instances, findings.run.plan

    def limit(twin: str, endpoint: str) -> float | None:
        return setting.twin_cores(instances, setting.serving(instances, twin, endpoint, plan), plan, twin)

    value = Value(
        axis="CPU (cores)",
        of_instance=lambda point: point.cpu_cores,
        of_block=lambda block: block.target_cores,
        limit=limit,
        limit_name="allotment (cores)",
        own_limit=lambda container: container.cpu_limit_cores,
        own_limit_name="own limit (cores)",
        marked=lambda point: {name for name, ratio in point.throttled.items() if ratio >= HELD_RATIO},
        marked_name=f"throttled in {HELD_RATIO:.0%} of its periods or more",
    )
    draw_instances(figure, findings, value)
    return figure
