"""Numbers as people read them, alike in pictures, pages and Markdown. Pure."""

from __future__ import annotations

from typing import Final

UNKNOWN: Final = "–"


def number(value: float | None) -> str:
    """Return a number with three digits that count, thousands apart; a dash for what is unknown."""
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def percent(ratio: float | None) -> str:
    """Return a ratio in percent."""
    return UNKNOWN if ratio is None else f"{100 * ratio:.2f} %"
