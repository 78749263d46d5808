"""The pictures of a report, one module each: findings in, a matplotlib Figure out, PNG bytes at the end.

No pyplot and no state: figures are objects, drawn by Agg under the style's settings. Equal findings give equal bytes.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Final

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from analysis.findings import Findings
from analysis.plots import cpu, headline, latency, memory, saturation, spectrum, style, timeline

PICTURES: Final[dict[str, Callable[[Findings], Figure]]] = {
    "headline.png": headline.draw,
    "saturation.png": saturation.draw,
    "latency.png": latency.draw,
    "cpu.png": cpu.draw,
    "memory.png": memory.draw,
    "timeline.png": timeline.draw,
    "spectrum.png": spectrum.draw,
}


def draw_picture(name: str, findings: Findings) -> Figure:
    """Return one picture by its file's name, laid out; KeyError for a name that is none."""
    with mpl.rc_context(style.SETTINGS):
        figure = PICTURES[name](findings)
        figure.set_canvas(FigureCanvasAgg(figure))
        figure.draw_without_rendering()
    return figure


def png_of(name: str, findings: Findings) -> bytes:
    """Return one picture as PNG, 1,600 pixels wide; no date or version in it."""
    return png(lambda: PICTURES[name](findings))


def png(draw: Callable[[], Figure]) -> bytes:
    """Return what is drawn as PNG."""
    with mpl.rc_context(style.SETTINGS):
        figure = draw()
        out = io.BytesIO()
        figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
