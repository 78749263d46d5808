"""What the engine's threads told of one sweep, until it is reported: their lines become parts of seconds. Pure.

    thread reports -> engine tally -> parts and sending figures -> report -> gathering

Several schedules can send for one sweep, one after the other: a process that takes over the share of a lost one starts
a second. A sweep's seconds are numbered by the conductor; `offset` turns this machine's into them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from records.clock import NS
from records.hdr import Histogram
from records.second import StatusCount, merge_status
from swarm.engine_plan import END, EngineLine, EngineStatus, ThreadReport, ThreadSecond
from swarm.tally import Key, Part, Sending

NEVER: Final = -1


@dataclass(slots=True)
class _Thread:
    """`told` is the second up to which the last figures stood, with these figures; None before the first."""

    through: int
    told: ThreadSecond | None = None


@dataclass(slots=True)
class _Cell:
    """Counts of one second of one phase of a stage that are not reported yet."""

    offered: int = 0
    sent: int = 0
    dropped: int = 0
    checked: int | None = None
    backlog_max: int = 0
    send_lag: Histogram = field(default_factory=Histogram)
    status: dict[str, StatusCount] = field(default_factory=dict)

    def add(self, line: EngineLine, *, is_open: bool) -> None:
        self.offered += line.offered
        self.sent += line.sent
        self.dropped += line.dropped
        self.backlog_max += line.backlog_max
        if line.checked is not None:
            self.checked = (self.checked or 0) + line.checked
        self.send_lag.add(line.send_lag)
        for one in line.status:
            count = _count(one, is_open=is_open)
            known = self.status.get(one.class_)
            self.status[one.class_] = merge_status(known, count) if known else count


@dataclass(slots=True)
class _Flight:
    """How many requests of a stage were offered and not ended, and the last second that tells of it."""

    under_way: int = 0
    last_second: int = NEVER


class EngineTally:
    """One sweep in one process.

    Args:
        offset: the conductor's number of a second minus this machine's.
        loops: for every stage of the sweep, whether its loop is open.
    """

    def __init__(self, offset: int, loops: Mapping[int, bool]) -> None:
        self._offset = offset
        self._loops = dict(loops)
        self._threads: dict[tuple[int, int], _Thread] = {}
        self._cells: dict[Key, _Cell] = {}
        self._sending: list[Sending] = []
        self._flights = {stage: _Flight() for stage in loops}

    def expect(self, source: int, threads: int, second: int) -> None:
        """Wait for the threads of a further schedule, which tell nothing of seconds below this one."""
        for number in range(threads):
            self._threads[source, number] = _Thread(second + self._offset)

    def take(self, source: int, reports: Sequence[ThreadReport]) -> None:
        """Add what a schedule's threads told."""
        for number, report in enumerate(reports):
            thread = self._threads[source, number]
            thread.through = END if report.through == END else max(thread.through, report.through + self._offset)
            for line in report.lines:
                self._add(line)
            for figures in report.seconds:
                self._send(thread, figures)

    def through(self, now_second: int) -> int:
        """Return the second below which everything is told; `now_second`, the one under way, at most.

        Where every thread has told everything, nothing more can fall into the one under way, and it is told too: a
        sweep is over as soon as its last answer is there, not a second later. Seconds by the conductor's numbers.
        """
        if self._threads and self.is_over:
            return now_second + 1
        return min([thread.through for thread in self._threads.values()] + [now_second])

    @property
    def is_over(self) -> bool:
        """Whether every thread has told everything."""
        return all(thread.through == END for thread in self._threads.values())

    def is_past(self, stage: int, through: int) -> bool:
        """Say whether nothing of a stage that has ended is in flight and all of it lies in seconds below `through`."""
        flight = self._flights[stage]
        return (self.is_over or flight.under_way == 0) and flight.last_second < through

    def parts(self) -> tuple[Part, ...]:
        """Return and forget what was counted, in order of time."""
        cells, self._cells = self._cells, {}
        return tuple(self._part(key, cells[key]) for key in sorted(cells))

    def sending(self) -> tuple[Sending, ...]:
        """Return and forget the threads' own figures."""
        told, self._sending = tuple(self._sending), []
        return told

    def _add(self, line: EngineLine) -> None:
        second = line.second + self._offset
        cell = self._cells.setdefault((second, line.stage, line.phase), _Cell())
        cell.add(line, is_open=self._loops[line.stage])
        flight = self._flights[line.stage]
        flight.under_way += line.offered - line.dropped - sum(one.done for one in line.status)
        flight.last_second = max(flight.last_second, second)

    def _send(self, thread: _Thread, figures: ThreadSecond) -> None:
        """Note what a thread used since its last figures; its first ones have nothing to be compared with."""
        last, thread.told = thread.told, figures
        opened = figures.opened - (last.opened if last else 0)
        if figures.second == END or (last and figures.second <= last.second):
            if last and opened:
                self._sending.append(Sending(last.second + self._offset, opened, None))
            return
        first = last.second if last else figures.second - 1
        span_ns = (figures.second - first) * NS
        ratio = (figures.cpu_ns - last.cpu_ns) / span_ns if last else None
        for second in range(first, figures.second):
            is_last = second == figures.second - 1
            self._sending.append(Sending(second + self._offset, opened if is_last else 0, ratio))

    def _part(self, key: Key, cell: _Cell) -> Part:
        second, stage, phase = key
        is_open = self._loops[stage]
        return Part(
            second, stage, phase, cell.sent, dict(sorted(cell.status.items())),
            offered=cell.offered if is_open else None, dropped=cell.dropped, checked=cell.checked,
            send_lag=cell.send_lag.sparse() if is_open else None, backlog_max=cell.backlog_max,
        )  # fmt: skip


def _count(one: EngineStatus, *, is_open: bool) -> StatusCount:
    return StatusCount(one.done, one.failed, one.service, one.latency if is_open else None, one.bytes)
