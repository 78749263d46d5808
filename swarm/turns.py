"""Blocks that take turns, a sweep each. Pure; part of the schedule.

A machine that others share is faster now and slower then, for seconds and for minutes: of two blocks of half a minute,
one behind the other, the ratio holds all of that; of turns of ten seconds a part.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

from records.stage import Stage, StageLine

Sweeps = Generator[tuple[Stage, ...], tuple[StageLine, ...], None]
"""Yields sweeps and gets the lines of each."""


def in_turns(blocks: Sequence[Sweeps]) -> Sweeps:
    """Yield the sweeps of blocks in turns, of A and B in the order A B, B A, A B, …; who goes on alone goes on.

    The order that turns round makes a steady drift of the machine weigh on both alike.
    """
    waiting: list[tuple[Sweeps, tuple[StageLine, ...] | None]] = [(block, None) for block in blocks]
    while waiting:
        driven: list[tuple[Sweeps, tuple[StageLine, ...] | None]] = []
        for block, lines in waiting:
            try:
                sweep = next(block) if lines is None else block.send(lines)
            except StopIteration:
                continue
            driven.append((block, (yield sweep)))
        waiting = driven[::-1]
