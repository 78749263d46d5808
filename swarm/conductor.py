"""The conductor: drives sweeps on the crew and hands what was counted to a driver. One greenlet on the runner.

    driver (what to do) -> conductor -> crew (who does it) -> reports -> gathering -> driver (seconds, lines, events)

A crew is this process alone or a master's workers; a driver is a campaign behind a channel or the schedule by hand. The
conductor knows neither Locust nor files. It ends when the driver has no further sweep, when it is told to, or when a
recorder failed.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from records.clock import NS, Clock
from records.event import Event, EventKind
from records.instance import Instance
from records.second import Second
from records.stage import Stage, StageLine
from swarm.gathering import Gathering, Sender
from swarm.proof import Prove
from swarm.station import Order
from swarm.tally import Report

logger = logging.getLogger("twinload.swarm")
POLL_S = 0.05
GRACE_S = 8.0
"""How long after its last possible answer a worker may keep its last report; beyond, it counts as lost."""
SEATED_S = 60.0
LEAD_NS = 400_000_000
"""At least so long before its first second a sweep is handed out, when its one worker is this process; else a second:
time enough to make the threads and open connections, and for a message to other workers."""

Outcome = Literal["finished", "interrupted", "failed"]


class Crew(Protocol):
    """Who sends: this process, or a master's workers."""

    def members(self) -> tuple[int, ...]:
        """Return the numbers of the workers that live now."""

    def seats(self) -> tuple[int, int]:
        """Return how many seats are taken and how many there shall be, over all workers."""

    def begin(self, order: Order) -> None:
        """Hand an order to every worker."""

    def cut(self) -> None:
        """Let every worker end its sweep."""

    def reports(self) -> tuple[Report, ...]:
        """Return the reports that came since the last call."""

    def pids(self) -> tuple[int, ...]:
        """Return the processes whose CPU is the generator's."""

    def fault(self) -> str | None:
        """Return what failed in taking reports, or None."""


class Driver(Protocol):
    """Who decides on sweeps and keeps what was counted."""

    def ready(self, pids: tuple[int, ...], seats: int) -> None:
        """Hear that all seats stand."""

    def next_sweep(self) -> tuple[Stage, ...] | None:
        """Return the next sweep; None when there is none. May wait, and must return when `wake` is called."""

    def wake(self) -> None:
        """Let `next_sweep` return None."""

    def stop_wanted(self) -> str | None:
        """Return why the sweep under way shall end, or None."""

    def counted(self, second: Second) -> None:
        """Keep a second."""

    def stage_done(self, line: StageLine) -> None:
        """Keep a stage's line."""

    def told(self, event: Event) -> None:
        """Keep an event."""

    def sweep_done(self) -> None:
        """Hear that nothing of the sweep is in flight any more."""

    def closed(self, outcome: Outcome, text: str) -> None:
        """Hear that the run is over."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for a whole run.

    `timeout_s`: how long after a stage its last request may end. `prove` makes the stages' proofs; `takes_over`: when
    a worker is lost, the others take its users and its share of the load within the sweep.
    """

    instances: tuple[Instance, ...]
    sender: str
    seed: int
    timeout_s: float
    prove: Prove | None = None
    takes_over: bool = False


@dataclass(slots=True)
class Conductor:
    """One run. `clock` is monotonic ns, `sleep` takes seconds.

    `foreseen` are the errors that a person can set right: logged as a message alone. `error` is the first that failed
    the run.
    """

    crew: Crew
    driver: Driver
    terms: Terms
    clock: Callable[[], int]
    sleep: Callable[[float], None]
    utc: Clock
    foreseen: tuple[type[Exception], ...] = ()
    over: bool = False
    outcome: Outcome = "finished"
    error: Exception | None = None
    _why: str | None = None
    _finished: bool = False
    _sweeps: int = field(default=0, init=False)
    _seats: int = field(default=0, init=False)
    _turns: Counter[tuple[str, str, str, int]] = field(default_factory=Counter, init=False)

    def end(self, why: str, *, finished: bool = False) -> None:
        """End the run: the sweep under way is cut, what was counted is kept; `finished`: as it was meant to end."""
        if self._why is None and not self.over:
            self._why, self._finished = why, finished
            self.driver.wake()

    def run(self) -> None:
        """Drive until there is nothing left to drive; never raises, a failure is the outcome."""
        text = "all sweeps were driven"
        try:
            self._await_seats()
            self.driver.ready(self.crew.pids(), self._seats)
            while self._why is None and (stages := self.driver.next_sweep()) is not None:
                self._sweep(stages)
            if self._why is not None:
                self.outcome, text = "finished" if self._finished else "interrupted", self._why
        except Exception as error:
            text = self._fail(error)
        self._close(text)

    def _fail(self, error: Exception) -> str:
        """Let the run fail of an error and return it in words."""
        self.outcome, self.error = "failed", self.error or error
        if isinstance(error, self.foreseen):
            logger.error("%s", error)
            return str(error)
        logger.error("the run failed", exc_info=error)
        return f"{type(error).__name__}: {error}"

    def _close(self, text: str) -> None:
        """Tell how the run ended; the driver closes what it holds also when nothing can be told (a full disk)."""
        try:
            if self.outcome == "failed":
                self.crew.cut()
                self.tell("failed", text)
        except Exception as error:
            self._fail(error)
        finally:
            self._close_driver(text)

    def _close_driver(self, text: str) -> None:
        try:
            self.driver.closed(self.outcome, text)
        except Exception as error:
            self._fail(error)
        finally:
            self.over = True

    def tell(
        self, kind: EventKind, text: str, *, stage: int | None = None, figures: dict[str, float] | None = None
    ) -> None:
        """Hand an event to the driver."""
        now_ns = self.clock()
        self.driver.told(Event(now_ns, self.utc.utc(now_ns), kind, text, stage, None, figures or {}))

    def _await_seats(self) -> None:
        until_ns = self.clock() + int(SEATED_S * NS)
        taken, wanted = self.crew.seats()
        while self._why is None and (taken != wanted or not wanted):
            if self.clock() > until_ns:
                raise RuntimeError(f"{taken} of {wanted} seats stand after {SEATED_S:g} s; use fewer seats a process")
            self.sleep(POLL_S)
            self._check(self.crew.reports())
            taken, wanted = self.crew.seats()
        self._seats = taken

    def _sweep(self, stages: tuple[Stage, ...]) -> None:
        crew, (self._seats, _) = self.crew.members(), self.crew.seats()
        now_ns = self.clock()
        lead_ns = LEAD_NS if len(crew) == 1 else NS
        start_second = (now_ns + lead_ns) // NS + 1
        order = Order(
            self._sweeps, stages, start_second, start_second * NS - now_ns, crew, self._seed(stages[0]),
            self.terms.instances,
        )  # fmt: skip
        self._sweeps += 1
        sender = Sender(self.terms.sender, self._seats, self.terms.prove)
        gathering = Gathering(stages, start_second, crew, self.utc, sender=sender)
        self.crew.begin(order)
        cut = False
        while not gathering.over:
            self.sleep(POLL_S)
            if not cut and (why := self._why or self.driver.stop_wanted()) is not None:
                cut = True
                self.crew.cut()
                gathering.cut(self.clock() // NS, why)
            lost = self._collect(gathering)
            if lost and self.terms.takes_over and not cut:
                self._take_over(order, gathering)
        self.driver.sweep_done()

    def _take_over(self, order: Order, gathering: Gathering) -> None:
        """Let the workers that are left carry the whole load from now on."""
        now_ns = self.clock()
        if not gathering.crew or now_ns // NS >= gathering.end_second:
            return
        seed = f"{order.seed}/{len(gathering.crew)} left"
        begins_in_ns = order.start_second * NS - now_ns
        self.crew.begin(replace(order, begins_in_ns=begins_in_ns, crew=gathering.crew, seed=seed))

    def _collect(self, gathering: Gathering) -> bool:
        """Take reports and hand on what became whole; say whether a worker was lost."""
        reports = self.crew.reports()
        self._check(reports)
        for report in reports:
            gathering.take(report)
        lost = self._drop_lost(gathering)
        for second in gathering.seconds():
            self.driver.counted(second)
        for line in gathering.lines(self.clock()):
            self.driver.stage_done(line)
            logger.info("%s", describe(line))
        return lost

    def _check(self, reports: tuple[Report, ...]) -> None:
        fault = self.crew.fault() or next((f"worker {r.worker}: {r.fault}" for r in reports if r.fault), None)
        if fault is not None:
            raise RuntimeError(f"the recorder failed: {fault}")

    def _drop_lost(self, gathering: Gathering) -> bool:
        second, before = self.clock() // NS, gathering.crew
        living = self.crew.members()
        silent = second > gathering.end_second + self.terms.timeout_s + GRACE_S
        for worker in gathering.crew:
            if worker in living and not silent:
                continue
            touched = gathering.lose(worker, second, taken_over=self.terms.takes_over)
            text = (
                f"worker {worker} was lost: what it sent since its last report is unknown; its users move to the others"
            )
            for stage in touched or (None,):
                self.tell("worker-lost", text, stage=stage)
            logger.error("%s", text)
        return gathering.crew != before

    def _seed(self, stage: Stage) -> str:
        """Both twins of a pair draw the same users in the same order, as far as their counts go.

        Of several sweeps of a block, as a search has them, each draws anew: its turn belongs to the seed.
        """
        place = (stage.twin, stage.endpoint, stage.kind, stage.pair)
        turn = self._turns[place]
        self._turns[place] += 1
        seed = f"{self.terms.seed}/{stage.endpoint}/{stage.kind}/{stage.pair}"
        return f"{seed}/{turn}" if turn else seed


def describe(line: StageLine) -> str:
    """Return a stage in one line of a log: what was offered, what was achieved."""
    stage = line.stage
    achieved_rps = line.done / stage.measure_s
    offered = "as fast as it goes" if line.offered is None else f"of {line.offered / stage.measure_s:.0f} rps offered"
    failed = sum(line.failed.values())
    dropped = f", {line.dropped} dropped" if line.dropped else ""
    tail = "" if line.complete else f" [incomplete: {'; '.join(line.why)}]"
    return (
        f"{stage.twin} {stage.endpoint} {stage.name}: {achieved_rps:.0f} rps {offered}, {failed} failed{dropped}{tail}"
    )
