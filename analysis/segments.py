"""A run that was killed or interrupted, and went on: what its events say of its segments. Pure.

A segment is one process's part of a run; all stand on the run's clock (`records.segment`). A pair whose blocks were
not all measured in one segment is no lie, but its blocks are not adjacent: twins were started anew in between, and the
machine may have had another day. Such pairs count as replicates, with whatever spread that gives, and are told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from records.clock import NS
from records.event import Event
from records.stage import StageLine


def resumed_ns(events: Iterable[Event]) -> tuple[int, ...]:
    """Return when each later segment began, on the run's clock."""
    return tuple(event.t_ns for event in events if event.kind == "resumed")


def of_last_segment(events: Sequence[Event]) -> tuple[Event, ...]:
    """Return the events of the last segment: what earlier ones told of the run's end holds no more."""
    begun = [place for place, event in enumerate(events) if event.kind == "resumed"]
    return tuple(events[begun[-1] :] if begun else events)


def aborted_stages(events: Iterable[Event]) -> frozenset[int]:
    """Return the stages that were left unfinished and driven again: neither their lines nor their seconds count."""
    return frozenset(event.stage for event in events if event.kind == "stage-aborted" and event.stage is not None)


def pairs_apart(lines: Iterable[StageLine], begun_ns: Sequence[int]) -> tuple[int, ...]:
    """Return the pairs with stages in more than one segment, from 0 as in the records; probes belong to no pair."""
    segments: dict[int, set[int]] = {}
    for line in lines:
        if line.stage.pair >= 0 and line.stage.kind != "probe":
            segments.setdefault(line.stage.pair, set()).add(sum(at <= line.start_second * NS for at in begun_ns))
    return tuple(sorted(pair for pair, found in segments.items() if len(found) > 1))


def segment_texts(lines: Iterable[StageLine], events: Sequence[Event]) -> list[str]:
    """Return what a reader must know of a resumed run; [] of one that was not."""
    begun_ns = resumed_ns(events)
    if not begun_ns:
        return []
    aborted = len(aborted_stages(events))
    times = "once" if len(begun_ns) == 1 else f"{len(begun_ns)} times"
    left_out = "1 unfinished stage" if aborted == 1 else f"{aborted} unfinished stages"
    text = f"the run was cut short and resumed {times}; {left_out} left out"
    apart = pairs_apart(lines, begun_ns)
    if apart:
        names = ", ".join(str(pair + 1) for pair in apart)
        text += f"; of pair {names} not all was measured in one go: twins were started anew in between"
    return [text]
