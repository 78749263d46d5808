"""One sweep gathered from all workers: their parts become seconds, and seconds a stage's line. Pure.

A second is written once, when every worker of the crew has told all of it; a stage's line when every worker is past the
stage, so after its drain. A worker that died is waited for no longer: what it told counts, and its stages are marked
incomplete.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from records.clock import NS, Clock
from records.hdr import Histogram
from records.second import Second, StatusCount, merge_status
from records.stage import Phase, Proof, Stage, StageLine
from swarm.pacing import Course
from swarm.proof import Prove
from swarm.tally import Key, Part, Report, Sending, phase_of

_PHASES: Final[tuple[Phase, ...]] = ("probe", "warmup", "measure", "drain")


@dataclass(slots=True)
class _Sum:
    """One second of one phase of a stage over all workers.

    The backlogs add up to an upper bound: each worker's most need not have been at the same moment.
    """

    sent: int = 0
    status: dict[str, StatusCount] = field(default_factory=dict)
    offered: int = 0
    dropped: int = 0
    checked: int | None = None
    send_lag: Histogram | None = None
    backlog_max: int | None = None

    def add(self, part: Part) -> None:
        self.sent += part.sent
        self.offered += part.offered or 0
        self.dropped += part.dropped
        if part.checked is not None:
            self.checked = (self.checked or 0) + part.checked
        if part.backlog_max is not None:
            self.backlog_max = (self.backlog_max or 0) + part.backlog_max
        if part.send_lag is not None:
            self.send_lag = self.send_lag or Histogram()
            self.send_lag.add(part.send_lag)
        for name, count in part.status.items():
            self.status[name] = merge_status(self.status[name], count) if name in self.status else count


@dataclass(slots=True)
class _Measured:
    """Counts of a stage's measured part: starts and ends that lie in its seconds."""

    sent: int = 0
    done: int = 0
    offered: float = 0.0
    dropped: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    seconds: list[Second] = field(default_factory=list)

    def add(self, second: Second) -> None:
        self.seconds.append(second)
        self.sent += second.sent
        self.done += second.done
        self.offered += second.offered or 0.0
        self.dropped += second.dropped
        for count in second.status.values():
            for cause, number in count.failed.items():
                self.failed[cause] = self.failed.get(cause, 0) + number


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends, for the stage lines: its name in the plan, and how many Locust users it has.

    `prove` makes the proof of a stage from the seconds of its measured part; None for a sender without one.
    """

    name: str
    seats: int
    prove: Prove | None = None


class Gathering:
    """The state of one sweep under way.

    Args:
        stages: the sweep, back to back from `start_second` on.
        start_second: monotonic second in which the first stage begins.
        crew: numbers of the workers that take part.
        clock: turns monotonic time to UTC.
        sender: for the stage lines.
    """

    def __init__(
        self,
        stages: tuple[Stage, ...],
        start_second: int,
        crew: tuple[int, ...],
        clock: Clock,
        *,
        sender: Sender,
    ) -> None:
        self._stages = {stage.id: stage for stage in stages}
        self._course = Course(stages)
        self._start = start_second
        self._clock = clock
        self._sender = sender
        self._sending: dict[int, Sending] = {}
        self._through = dict.fromkeys(crew, start_second)
        self._past: dict[int, set[int]] = {number: set() for number in crew}
        self._sums: dict[Key, _Sum] = {}
        self._measured = {stage.id: _Measured() for stage in stages}
        self._written = start_second
        self._cut_second: int | None = None
        self._why: dict[int, list[str]] = {stage.id: [] for stage in stages}
        self._cut_short: set[int] = set()
        self._open = list(stages)

    @property
    def over(self) -> bool:
        """Whether every stage that began has its line."""
        return not self._open

    @property
    def crew(self) -> tuple[int, ...]:
        """The workers that are still waited for."""
        return tuple(self._through)

    @property
    def end_second(self) -> int:
        """The second in which the last stage ends, its drain apart."""
        planned = self._start + self._course.length_s
        return planned if self._cut_second is None else min(planned, self._cut_second + 1)

    def take(self, report: Report) -> None:
        """Add what a worker told."""
        for part in report.parts:
            if part.stage in self._stages:
                self._sums.setdefault((part.second, part.stage, part.phase), _Sum()).add(part)
        for told in report.sending:
            second = max(told.second, self._written)
            known = self._sending.get(second)
            moved = replace(told, second=second)
            self._sending[second] = known.merged(moved) if known else moved
        if report.worker in self._through:
            self._through[report.worker] = max(self._through[report.worker], report.through)
            self._past[report.worker].update(report.past)

    def lose(self, worker: int, second: int, *, taken_over: bool = False) -> tuple[int, ...]:
        """Wait no longer for a worker that died; return the ids of the stages that it leaves incomplete.

        Those are all that it is not past: until the next sweep, which gets a new crew, nobody drives its users. Where
        the others take its share over, only those that have begun.
        """
        told = self._past.pop(worker)
        del self._through[worker]
        touched = [stage for stage in self._open if stage.id not in told]
        if taken_over:
            touched = [stage for stage in touched if self._begins(stage) <= second]
        for stage in touched:
            self._why[stage.id].append(f"worker {worker} was lost")
        if not self._through:
            self.cut(second, "no worker is left")
        return tuple(stage.id for stage in touched)

    def cut(self, second: int, why: str) -> None:
        """End the sweep in this second: stages that have not begun are dropped, the one under way is incomplete."""
        if self._cut_second is not None:
            return
        self._cut_second = second
        self._open = [stage for stage in self._open if self._begins(stage) <= second]
        for stage in self._open:
            if self._begins(stage) + stage.length_s > second:
                self._cut_short.add(stage.id)
                if not stage.live:  # that one ends when a person ends it
                    self._why[stage.id].append(why)

    def seconds(self) -> tuple[Second, ...]:
        """Return the seconds that became whole since the last call, in order; those of a stage's plan even if empty."""
        through = min(self._through.values(), default=max([self._written, *(key[0] + 1 for key in self._sums)]))
        out: list[Second] = []
        while self._written < through:
            out += self._rows(self._written)
            self._written += 1
        for second in out:
            start, end = self._measured_bounds(self._stages[second.stage])
            if start <= second.second < end:
                self._measured[second.stage].add(second)
        return tuple(out)

    def lines(self, now_ns: int) -> tuple[StageLine, ...]:
        """Return the lines of stages that became whole; call `seconds` first."""
        out = []
        while self._open and all(self._open[0].id in past for past in self._past.values()):
            stage = self._open[0]
            if self._through and self._written < min(self._begins(stage) + stage.length_s, self.end_second):
                break
            if any(key[1] == stage.id and key[0] >= self._written for key in self._sums):
                break  # one worker told of a second that another is still in
            self._open.pop(0)
            out.append(self._line(stage, now_ns))
        return tuple(out)

    def _line(self, stage: Stage, now_ns: int) -> StageLine:
        counts, why = self._measured[stage.id], tuple(self._why[stage.id])
        offered = None if stage.rate_rps is None else stage.rate_rps * stage.measure_s
        if stage.loop == "open":
            offered = counts.offered
        return StageLine(
            t_ns=now_ns, utc=self._clock.utc(now_ns), stage=stage, sender=self._sender.name, seats=self._sender.seats,
            start_second=self._begins(stage), offered=offered, sent=counts.sent, done=counts.done,
            failed=counts.failed, dropped=counts.dropped, complete=not why and stage.id not in self._cut_short, why=why,
            proof=self._proof(stage, counts),
        )  # fmt: skip

    def _proof(self, stage: Stage, counts: _Measured) -> Proof | None:
        if self._sender.prove is None or stage.kind == "probe":
            return None
        return self._sender.prove(counts.seconds)

    def _rows(self, second: int) -> list[Second]:
        keys = {key for key in self._sums if key[0] == second}
        stage, own = self._course.stage_at(second - self._start), None
        if stage is not None and second < self.end_second:
            own = (second, stage.id, self._own_phase(stage, second))
            keys.add(own)
        order = sorted(keys, key=lambda key: (key[1], _PHASES.index(key[2])))
        rows = [self._row(key, self._sums.pop(key, _Sum())) for key in order]
        sending = self._sending.pop(second, None)
        if sending is not None and rows:  # it belongs to the second: told once, with the stage and phase under way
            place = order.index(own) if own is not None else 0
            rows[place] = replace(rows[place], opened=sending.opened, sender_cpu_ratio=sending.cpu_ratio)
        return rows

    def _row(self, key: Key, counted: _Sum) -> Second:
        second, stage_id, phase = key
        stage = self._stages[stage_id]
        return Second(
            t_ns=second * NS, utc=self._clock.utc(second * NS), second=second, stage=stage_id, twin=stage.twin,
            endpoint=stage.endpoint, phase=phase, sent=counted.sent,
            offered=float(counted.offered) if stage.loop == "open" else self._offered(stage, second, phase),
            dropped=counted.dropped, send_lag=counted.send_lag.sparse() if counted.send_lag else None,
            backlog_max=counted.backlog_max, status=dict(sorted(counted.status.items())), checked=counted.checked,
        )  # fmt: skip

    def _offered(self, stage: Stage, second: int, phase: Phase) -> float | None:
        """Of a closed loop: planned starts belong to the phase in which they start, other rows have none."""
        if stage.rate_rps is None:
            return None
        if self._course.stage_at(second - self._start) is not stage or phase != self._own_phase(stage, second):
            return 0.0
        return self._course.offered(second - self._start)

    def _own_phase(self, stage: Stage, second: int) -> Phase:
        return phase_of(stage, second - self._begins(stage))

    def _begins(self, stage: Stage) -> int:
        return self._start + self._course.bounds_s(stage)[0]

    def _measured_bounds(self, stage: Stage) -> tuple[int, int]:
        start = self._begins(stage) + stage.warmup_s
        return start, start + stage.measure_s
