"""What the comparison of the bridge and the host's network makes of its windows."""

from __future__ import annotations

from benchmarks.bridge import Window, table


def test_a_ratio_is_of_pairs_and_cells_are_medians_with_quartiles() -> None:
    rows = [(Window(1_000.0 * k, 0.5), Window(500.0 * k, 1.0)) for k in (1, 2, 3, 4, 5)]
    lines = list(table({16: rows, 1: rows[:2]}))
    assert lines[2] == (
        "| 16 connections: requests a second | 3,000 (quartiles 1,500 to 4,500) | 1,500 (quartiles 750 to 2,250) "
        "| 0.50 (0.50 to 0.50) |"
    )
    assert lines[3].endswith("| 2.00 (2.00 to 2.00) |")
    assert lines[4].startswith("| 1 connection: requests a second | 1,000 to 2,000 |")
