"""The open loop of a drawn run: what arrives, waits and is answered, second by second."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from drawn_run import BUSY_CORES, Drawn, asked, knee_of, sender_of

from records.clock import NS, Clock
from records.hdr import Histogram, Sparse, bucket_of, quantile_us
from records.second import Second, StatusCount
from records.stage import Proof, Stage, StageLine


@dataclass(slots=True)
class Row:
    """What is counted of one stage in one phase of one second of an open loop."""

    offered: int = 0
    sent: int = 0
    dropped: int = 0
    latency: Histogram = field(default_factory=Histogram)
    service: Histogram = field(default_factory=Histogram)


class Flow:
    """An open loop, second by second: arrivals wait in order until the twin has room for them."""

    def __init__(self, drawn: Drawn, planned: list[tuple[int, Stage]]) -> None:
        self.drawn = drawn
        self.planned = [(start, stage) for start, stage in planned if stage.kind == "measure"]
        self.rows: dict[tuple[int, int, str], Row] = {}
        self.answered: dict[int, tuple[Stage, int]] = {}
        self.waiting: dict[int, int] = {}
        self.told = 0
        queue: list[list[Any]] = []  # [second of arrival, stage, phase, how many]
        under_way: tuple[int, Stage] | None = None
        by_second = {start + i: (start, stage) for start, stage in self.planned for i in range(stage.length_s)}
        for second in range(min(by_second, default=0), max(by_second, default=-1) + drawn.drain_s):
            under_way = by_second.get(second, under_way)
            assert under_way is not None
            start, stage = under_way
            if second in by_second:
                phase = "warmup" if second < start + stage.warmup_s else "measure"
                count = round(asked(drawn, stage))
                self._row(second, stage, phase).offered += count
                queue.append([second, stage, phase, count])
            self._serve(second, stage, queue)
            self.waiting[second] = sum(one[3] for one in queue)

    def _serve(self, second: int, stage: Stage, queue: list[list[Any]]) -> None:
        capacity = self.capacity(stage)
        room = capacity
        while queue and (room or second - queue[0][0] > self.drawn.queue_limit_s):
            arrived, own, phase, count = queue[0]
            if second - arrived > self.drawn.queue_limit_s:
                self._row(second, own, phase).dropped += count
                queue.pop(0)
                continue
            served = min(room, count)
            room -= served
            ends = next(start + one.length_s for start, one in self.planned if one.id == own.id)
            self._row(second, own, phase).sent += served
            ended = self._row(second, own, "drain" if second >= ends else phase)
            slow = round(served * 0.02)
            for value, many in ((self.drawn.fast[own.twin], served - slow), (self.drawn.slow[own.twin], slow)):
                if many:
                    ended.service.add([(bucket_of(value), many)])
                    ended.latency.add([(bucket_of(value + (second - arrived) * 1_000_000), many)])
            queue[0][3] -= served
            if not queue[0][3]:
                queue.pop(0)
        self.answered[second] = (stage, capacity - room)

    def capacity(self, stage: Stage) -> int:
        """Return how many a stage's twin answers in a second."""
        knee = knee_of(self.drawn, stage)
        return round(min(knee, asked(self.drawn, stage)) / 2 if stage.id in self.drawn.few_connections else knee)

    def cores(self, second: int) -> float:
        """Return the cores that the twin uses in a second."""
        stage, answered = self.answered[second]
        return 0.3 if stage.id in self.drawn.few_connections else BUSY_CORES * answered / knee_of(self.drawn, stage)

    def seconds(self, clock: Clock, before: int) -> Iterator[Second]:
        """Yield the seconds below `before` that were not told yet."""
        stages = {stage.id: stage for _, stage in self.planned}
        first = {start for start, stage in self.planned if stage.name == "steps-1"}
        for second, number, phase in sorted(key for key in self.rows if self.told <= key[0] < before):
            yield self._second(second, stages[number], phase, self.rows[second, number, phase], second in first, clock)
        self.told = before

    def _row(self, second: int, stage: Stage, phase: str) -> Row:
        return self.rows.setdefault((second, stage.id, phase), Row())

    def _second(self, second: int, stage: Stage, phase: str, row: Row, opens: bool, clock: Clock) -> Second:
        drawn, done = self.drawn, row.service.total
        own = self.answered[second][0].id == stage.id and phase != "drain"
        told = drawn.told and own
        checked = round(done * drawn.checked_ratio) if told and drawn.checked_ratio else None
        failed = {"body": 1} if checked and stage.id in drawn.differed else {}
        status = {"2xx": StatusCount(done, failed, row.service.sparse(), row.latency.sparse())} if done else {}
        return Second(
            second * NS, clock.utc(second * NS), second, stage.id, stage.twin, stage.endpoint, phase, row.offered,  # type: ignore[arg-type]
            row.sent, row.dropped, self.lag(stage, row.sent) if drawn.told else None,
            self.waiting[second] if told else None, status, (128 if opens else 0) if told else None,
            self.cpu_ratio(stage) if told else None, checked,
        )  # fmt: skip

    def line(self, start: int, stage: Stage, clock: Clock) -> StageLine:
        drawn, end_ns = self.drawn, (start + stage.length_s) * NS
        seconds = range(start + stage.warmup_s, start + stage.length_s)
        rows = [row for key, row in self.rows.items() if key[0] in seconds]
        own = [row for key, row in self.rows.items() if key[1:] == (stage.id, "measure")]
        lag = self.lag(stage, sum(row.sent for row in own))
        proof = Proof(
            quantile_us(lag, 0.5), quantile_us(lag, 0.99), 8_000.0 if stage.id in drawn.late_stages else 20.0,
            max(self.waiting[second] for second in seconds), self.cpu_ratio(stage), 0, 0, drawn.coalesce_us,
        )  # fmt: skip
        line = StageLine(
            end_ns, clock.utc(end_ns), stage, sender_of(drawn), drawn.live_users or 800, start,
            float(sum(row.offered for row in rows)), sum(row.sent for row in rows),
            sum(row.service.total for row in rows), dropped=sum(row.dropped for row in own),
            proof=proof if drawn.told else None,
        )  # fmt: skip
        return replace(line, valid=True) if drawn.judged else line

    def lag(self, stage: Stage, sent: int) -> Sparse:
        """Return the send lags of a stage's sends."""
        late = round(sent * 0.02) if stage.id in self.drawn.late_stages else 0
        return tuple((bucket_of(us), many) for us, many in ((20, sent - late), (8_000, late)) if many)

    def cpu_ratio(self, stage: Stage) -> float:
        """Return the share of a core that the busiest sending thread uses in a stage."""
        return 0.95 if stage.id in self.drawn.busy_thread else 0.35
