"""The texts of a picture as they are drawn: none over another, none cut."""

from __future__ import annotations

import itertools
from unittest import mock

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text


def texts_of(figure: Figure) -> list[Text]:
    """Return the texts that are really drawn, so that tick labels beyond an axis' end are left out."""
    drawn: dict[int, Text] = {}
    draw = Text.draw

    def recorded(text: Text, renderer: object) -> None:
        if text.get_text().strip() and text.get_visible():
            drawn[id(text)] = text
        draw(text, renderer)

    figure.set_layout_engine("none")  # it is laid out already
    with mock.patch.object(Text, "draw", recorded):
        figure.draw_without_rendering()
    return list(drawn.values())


def check_texts(figure: Figure, name: str) -> None:
    """Fail with what overlaps, or leaves the picture."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in texts_of(figure)]
    for (one, a), (two, b) in itertools.combinations(boxes, 2):
        overlap = min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
        assert not overlap, f"{name}: {one!r} over {two!r}"
    for text, box in boxes:
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1
        assert inside, f"{name}: {text!r} leaves the picture"
