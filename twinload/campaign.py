"""The campaign: drives the schedule through the generator, watches, judges each stage, and writes all of it down.

    schedule --Sweep--> generator --Second, StageLine, Event--> campaign --lines--> run folder
                        monitor   --UsageLine----------------------^

A stage is judged when its last usage sample is there, so its line follows its end by about a second. An instance of the
twin under load that dies, or someone who wants the end, ends the sweep under way; what it still counts is kept and
judged. A twin without one of its instances gets no more sweeps (`roll`), the other twin's go on.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from analysis.asked import LoadCost, load_costs, standing
from analysis.validity import UNJUDGED, figures_of, judge
from clusters import Clusters
from monitor import Monitor
from records.channel import Counted, Ready, StageDone, Sweep, SweepDone, ToCampaign, Told
from records.clock import NS, Clock
from records.event import Event, EventKind
from records.instance import Instance
from records.plan import Plan
from records.run_folder import RunWriter
from records.second import Second
from records.stage import Stage, StageLine
from records.usage import UsageLine
from swarm.schedule import Answers, Note, ScheduleError, Scope, campaign
from swarm.trials import Counts, TrialBook
from twinload.errors import INTERRUPTED, BadEnvironment, InstanceDied, Interrupted, OwnFault
from twinload.generator import Generator
from twinload.progress import Progress
from twinload.roll import Roll

_SPOKEN: Final = frozenset(
    {"probe", "search", "schedule-cut", "worker-lost", "stage-invalid", "instance-oom", "instance-restarted"}
)
_POLL_S: Final = 0.2
_LATE_S: Final = 30.0  # beyond its length and the last time-out, a sweep is lost
_SETTLE_S: Final = 3.0  # for the usage sample after a stage's end
_KEEP: Final = 60  # usage lines kept from before a sweep
_REST_S: Final = 2.0  # two samples of the twins at rest: what their memory is compared with


@dataclass(slots=True)
class Campaign:
    """One campaign over started clusters; `run` comes back when the schedule is done, or raises why it is not."""

    plan: Plan
    instances: Sequence[Instance]
    clusters: Clusters
    generator: Generator
    writer: RunWriter
    clock: Clock
    progress: Progress
    end_wanted: Callable[[], bool]
    is_ready: Callable[[Instance], bool] = lambda _: True
    usage: list[UsageLine] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    samples: queue.SimpleQueue[UsageLine] = field(default_factory=queue.SimpleQueue)
    told: queue.SimpleQueue[Event] = field(default_factory=queue.SimpleQueue)
    pending: list[StageLine] = field(default_factory=list)
    roll: Roll = field(default_factory=Roll)
    judged: dict[int, StageLine] = field(default_factory=dict)
    costs: list[LoadCost] = field(default_factory=list)
    book: TrialBook = field(init=False)

    def __post_init__(self) -> None:
        self.book = TrialBook(self.plan)

    def run(self, monitor: Monitor, read_counters: Callable[[], dict[str, float]]) -> None:
        """Drive the whole schedule; the targets' own counters are read right before and right after it.

        Raises: Interrupted, BadEnvironment, OwnFault: the load has ended, what was counted is written; InstanceDied
        at the end of a schedule in which one died.
        """
        self._rest()
        self.tell("counters", "the targets' counters before the load", figures=read_counters())
        answers = Answers(self._counts, lambda trials: standing(trials, self.costs, self.plan))
        scope = Scope.of(self.plan)
        schedule = campaign(
            self.plan, scope, clock=time.monotonic, tell=self._note, answers=answers, is_gone=self._is_gone
        )
        try:
            stages = next(schedule)
            while True:
                stages = schedule.send(self._sweep(stages, monitor))
        except StopIteration:
            pass
        except ScheduleError as error:
            if not self.roll.died:
                raise BadEnvironment(str(error)) from error
        monitor.check()
        self.tell("counters", "the targets' counters after the load", figures=read_counters())
        if self.roll.died:
            cut = "; ".join(event.text for event in self.events if event.kind == "schedule-cut")
            left = cut or "only the sweep under way was ended"
            raise InstanceDied(f"{', '.join(self.roll.died)} died under load: {left}; all else was measured")
        self.tell("finished", "the schedule is done")

    def tell(self, kind: EventKind, text: str, *, instance: str | None = None, stage: int | None = None,
             figures: dict[str, float] | None = None) -> None:  # fmt: skip
        """Write an event of now."""
        now = time.monotonic_ns()
        self._record(Event(now, self.clock.utc(now), kind, text, stage, instance, figures or {}))

    def _rest(self) -> None:
        until = time.monotonic() + _REST_S
        while time.monotonic() < until:
            self._heed_end()
            time.sleep(_POLL_S)

    def _heed_end(self) -> None:
        if self.end_wanted():
            raise Interrupted(INTERRUPTED)

    def _sweep(self, stages: tuple[Stage, ...], monitor: Monitor) -> tuple[StageLine, ...]:
        self._heed_end()
        del self.usage[:-_KEEP]
        self.book.forget()
        self.progress.sweep(stages)
        self.generator.sweep(Sweep(stages))
        lines: list[StageLine] = []
        try:
            self._collect(monitor, lines, stages[0].twin, length_s=sum(stage.length_s for stage in stages))
        finally:
            self._judge_all()
        self._heed_end()
        return tuple(self.judged.pop(line.stage.id, line) for line in lines)

    def _counts(self, line: StageLine) -> Counts:
        return self.book.counts(line)

    def _collect(self, monitor: Monitor, lines: list[StageLine], twin: str, *, length_s: int) -> None:
        """Take messages until the sweep is done; end it early when its twin lost an instance or the end is wanted."""
        drain_s = self.plan.last_answer_s + _LATE_S
        until, stopping, before = time.monotonic() + length_s + drain_s, False, self._losses(twin)
        while time.monotonic() < until:
            for message in self.generator.messages(timeout_s=_POLL_S):
                if self._take(message, lines):
                    return
            monitor.check()
            self._take_samples()
            self._judge(patient=True)
            self._hear_deaths()
            if not stopping and (self._losses(twin) > before or self.end_wanted()):
                self.generator.stop_sweep()
                stopping, until = True, time.monotonic() + drain_s
        last = self.generator.last_lines()
        raise OwnFault(f"a sweep of {length_s} s did not end; the generator's last lines:\n{last}")

    def _take(self, message: ToCampaign, lines: list[StageLine]) -> bool:
        """File one message; True when it ends the sweep."""
        match message:
            case Counted(second):
                self._count(second)
            case StageDone(line):
                lines.append(line)
                self.pending.append(line)
            case Told(event):
                self._record(event)
            case SweepDone():
                return True
            case Ready():
                raise OwnFault("the generator said twice that it is ready")
        return False

    def _count(self, second: Second) -> None:
        self.writer.write(second)
        self.book.add(second)
        self.progress.count(second)

    def _take_samples(self) -> None:
        with suppress(queue.Empty):
            while True:
                line = self.samples.get_nowait()
                self.writer.write(line)
                self.usage.append(line)
        with suppress(queue.Empty):
            while True:
                self._heed(self.told.get_nowait())

    def _judge_all(self) -> None:
        deadline = time.monotonic() + _SETTLE_S
        while self.pending and time.monotonic() < deadline:
            time.sleep(_POLL_S / 4)
            self._take_samples()
            self._judge(patient=True)
        self._judge(patient=False)

    def _judge(self, *, patient: bool) -> None:
        """Judge what can be judged: a stage whose end the usage samples have reached, or all when out of patience."""
        while self.pending:
            line = self.pending[0]
            end_ns = (line.start_second + line.stage.length_s) * NS
            if patient and (not self.usage or self.usage[-1].t_ns < end_ns):
                return
            figures = figures_of(line, self.usage, self.instances, self.plan, events=self.events)
            why = judge(line, figures, is_slow_itself=self.book.is_slow_itself(line))
            judged = replace(line, valid=None if line.stage.kind in UNJUDGED else not why, why=why)
            self.writer.write(judged)
            self.judged[line.stage.id] = judged
            self.costs += load_costs(judged, figures)
            self.pending.pop(0)
            self.progress.stage(judged, figures)
            if why:
                self.tell("stage-invalid", f"{line.stage.name}: {'; '.join(why)}", stage=line.stage.id)

    def _hear_deaths(self) -> None:
        for death in self.clusters.deaths():
            if self.roll.hear_death(death.name):
                self._mourn(death.name, str(death))

    def _heed(self, event: Event) -> None:
        """Take an event of the watch; of an instance's first death the clusters tell, with the end of its log."""
        name = event.instance or ""
        if event.kind == "instance-died":
            if self.roll.see_death(name):
                self._mourn(name, event.text)
            return
        if event.kind == "instance-restarted":
            self._hear_deaths()  # so that a death stands before the new life
            if self.roll.see_restart(name):
                self._mourn(name, f"{name} ended")
        self._record(event)

    def _mourn(self, name: str, text: str) -> None:
        self.tell("instance-died", text, instance=name)
        self.progress.say(text)

    def _losses(self, twin: str) -> int:
        return sum(self.roll.deaths.get(one.name, 0) for one in self.instances if one.twin == twin)

    def _is_gone(self, twin: str) -> bool:
        """Say whether an instance of a twin is gone, or back and not ready yet."""
        self._hear_deaths()
        self._take_samples()
        own = [one for one in self.instances if one.twin == twin and one.name in self.roll.deaths]
        return any(one.name in self.roll.gone or not self.is_ready(one) for one in own)

    def _note(self, note: Note) -> None:
        self.tell(note.kind, note.text, stage=note.stage, figures=note.figures)

    def _record(self, event: Event) -> None:
        self.events.append(event)
        self.writer.write(event)
        if event.kind in _SPOKEN:
            self.progress.say(event.text)
