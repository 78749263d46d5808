"""The swarm in one Locust process, from its first to its last run: who conducts, who sends, when it ends, how it exits.

| process | conducts | sends |
|---|---|---|
| `locust`, `locust --headless` (local runner) | yes | yes |
| master (`--master`, `--processes N`) | yes | |
| worker | | yes |

A campaign's channel or the schedule by hand drives; both end the same way: the conductor is over, the shape returns
None, Locust stops its users.
"""

from __future__ import annotations

from locust import LoadTestShape, User
from locust import log as locust_log
from locust.env import Environment
from locust.rpc import Message
from locust.runners import LocalRunner, MasterRunner, Runner, WorkerRunner

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import gevent

from records.channel import VARIABLE
from records.clock import Clock
from records.plan import Plan
from swarm.bulk_statistics import BulkStatistics
from swarm.channel_driver import ChannelDriver, inherited_socket
from swarm.conductor import GRACE_S, Conductor, Crew, Driver, Terms
from swarm.crews import CUT, KEY, ORDER, LocalCrew, MasterCrew
from swarm.hand_driver import HandDriver, MakeWatch
from swarm.interrupts import lead_to_main
from swarm.preparation import FAULTS, Preparation, prepare
from swarm.proof import prover
from swarm.seats import seats_wanted
from swarm.senders import AnyStation, Post, SeatClasses, take_post
from swarm.station import decode_order
from swarm.tally import Report, encode_report

logger = logging.getLogger("twinload.swarm")
BAD_USAGE: Final = 2
OUR_FAULT: Final = 3
INTERRUPTED: Final = 130
SPARE_S: Final = 5.0
PUMP_S: Final = 0.1
"""How often the engine is read: Locust's own files are written every second, and a live stage shall follow soon."""


@dataclass(slots=True)
class Swarm:
    """All runs of one process. The methods `on_…` are listeners of Locust's events of that name."""

    environment: Environment
    seat_classes: SeatClasses
    make_watch: MakeWatch | None = None
    foreseen: tuple[type[Exception], ...] = FAULTS
    post: Post | None = None
    conductor: Conductor | None = None
    statistics: BulkStatistics | None = None
    _preparation: Preparation | None = None
    _crew: Crew | None = None
    _greenlet: gevent.Greenlet | None = None
    _channel: ChannelDriver | None = None
    _shape: LoadTestShape | None = None
    _seats: int | None = None
    _began_s: float = 0.0
    _runs: int = 0
    _ending: bool = False
    _fault: str | None = None

    @property
    def runner(self) -> Runner:
        """Locust's runner of this process."""
        runner = self.environment.runner
        if runner is None:
            raise RuntimeError("Locust has made no runner yet")
        return runner

    @property
    def conducts(self) -> bool:
        """Whether this process is the one that conducts."""
        return not isinstance(self.runner, WorkerRunner)

    @property
    def options(self) -> dict[str, Any]:
        """Locust's options, the swarm's own among them."""
        return vars(self.environment.parsed_options)

    @property
    def station(self) -> AnyStation | None:
        """The station of the run under way, where this process sends."""
        return self.post.station if self.post is not None else None

    @property
    def is_under_way(self) -> bool:
        """Whether a run is conducted here."""
        return self.conductor is not None and not self.conductor.over

    @property
    def headless(self) -> bool:
        """Whether nobody watches in a browser."""
        return bool(self.options.get("headless"))

    def on_init(self) -> None:
        """Take the channel, hear a master's messages, and end with code 2 when a headless run cannot start."""
        lead_to_main()
        self.statistics = BulkStatistics(self.environment)
        self._shape = self.environment.shape_class
        self.runner.register_message(ORDER, self._on_order)
        self.runner.register_message(CUT, self._on_cut)
        if not self.conducts:
            if VARIABLE in os.environ:
                os.close(int(os.environ.pop(VARIABLE)))  # it belongs to the master alone
            return
        sock = inherited_socket()
        self._channel = ChannelDriver(sock) if sock is not None else None
        if self.headless and (fault := self.fault_of(self.options)):
            sys.stderr.write(fault + "\n")
            raise SystemExit(BAD_USAGE)
        if self.headless:
            # Locust hears of SIGTERM only when a shape's run is over; until then it ends the run as SIGINT does.
            gevent.signal_handler(signal.SIGTERM, os.kill, os.getpid(), signal.SIGINT)
            self.hand_over()
        gevent.get_hub().loop.update_now()  # reading took seconds: Locust's --run-time shall count from now

    def fault_of(self, options: Mapping[str, Any]) -> str | None:
        """Return why a run with these options cannot start, or None; what was read is kept for the start."""
        try:
            self._prepare(options)
        except FAULTS as error:
            return str(error)
        if isinstance(self.runner, MasterRunner) and not self.headless and not self.runner.worker_count:
            return "no worker is connected; start one with `locust --worker`"
        return None

    def hand_over(self) -> None:
        """Let Locust's own users and spawn rate steer a live stage: the shape stands aside then, and else not.

        The native schedule's users move to the other workers when one is lost, as Locust does when it is asked to.
        """
        plan = self._prepared().plan
        self.environment.shape_class = None if plan.stages.kind == "live" else self._shape
        self.environment.user_classes = [self.seat_classes[plan.swarm.sender]]
        if plan.swarm.sender == "native-schedule" and self.environment.parsed_options is not None:
            self.environment.parsed_options.enable_rebalancing = True

    def renew(self) -> None:
        """Forget a run that is over, and read the plan again for the next."""
        if self.conductor is None or self.conductor.over:
            self.conductor = self._preparation = self._fault = self._seats = None
            self._ending = False

    def tick(self) -> tuple[int, float, list[type[User]]] | None:
        """Return users, spawn rate and class: all seats at once while the run goes on, None when it is over."""
        if self._fault is not None or (self.conductor is not None and self.conductor.over and not self._ending):
            return None
        if self._preparation is None and (fault := self.fault_of(self.options)):
            logger.error("%s", fault)
            return None
        seats = self._wanted(self._prepared().plan)
        return seats, float(max(seats, 1)), [self.seat_classes[self._prepared().plan.swarm.sender]]

    def on_test_start(self) -> None:
        """Make the seats of this process and, where it conducts, the conductor; a failure ends the run."""
        if self.conductor is not None and self.conductor.over:
            self.renew()  # no shape did
        try:
            preparation = self._prepared() if self.conducts else self._prepare(self.options)
            self.environment.stop_timeout = preparation.plan.last_answer_s + 1
            self._runs += 1
            self._began_s = time.monotonic()
            if isinstance(self.runner, LocalRunner | WorkerRunner):
                self._take_post(preparation)
            if self.conducts:
                self._set_up_conductor(preparation)
        except Exception as error:
            logger.exception("the run cannot start")
            self._fault = f"{type(error).__name__}: {error}"

    def on_test_stopping(self) -> None:
        """End the run and wait until its last request is counted and written."""
        if self.station is not None:
            self.station.cut()
        self._end("stopped by hand", finished=self._run_time_is_over)

    def on_quitting(self) -> None:
        """End the run and set the exit code: failed requests are a result, not a failure of the job."""
        self._end("interrupted")
        if self.post is not None and self.post.end is not None:
            self.post.end()
        self.environment.process_exit_code = self.exit_code()

    def exit_code(self) -> int:
        """Return 0 when the job was done, 130 for a headless run that was interrupted, 2 or 3 when it failed.

        2 is for what a person can set right, 3 for our own fault.
        """
        outcome = self.conductor.outcome if self.conductor is not None else "finished"
        faults = (self._fault, self.station.fault if self.station is not None else None)
        if any(faults) or locust_log.unhandled_greenlet_exception:
            return OUR_FAULT
        if outcome == "failed":
            return BAD_USAGE if self.conductor and isinstance(self.conductor.error, self.foreseen) else OUR_FAULT
        return INTERRUPTED if outcome == "interrupted" and self.headless else 0

    def on_report_to_master(self, data: dict[str, Any]) -> None:
        """Add this worker's report to Locust's own."""
        if self.station is not None and self._fault is None:
            data[KEY] = encode_report(self.station.report())
        elif self._fault is not None:
            data[KEY] = encode_report(Report(self._worker(), 0, 0, os.getpid(), 0, 0, fault=self._fault))

    def on_worker_report(self, data: dict[str, Any]) -> None:
        """Take a worker's report."""
        if isinstance(self._crew, MasterCrew):
            self._crew.take(data)

    def _prepare(self, options: Mapping[str, Any]) -> Preparation:
        started = self._channel is not None
        self._preparation = prepare(options, started=started, sending=self.conducts)
        return self._preparation

    def _prepared(self) -> Preparation:
        return self._preparation or self._prepare(self.options)

    def _wanted(self, plan: Plan) -> int:
        """Return how many Locust users there shall be.

        The native schedule's stay as many when a worker is lost: they move to the others.
        """
        workers = self.runner.worker_count if isinstance(self.runner, MasterRunner) else 1
        if plan.swarm.sender != "native-schedule":
            return seats_wanted(plan, workers)
        self._seats = self._seats or seats_wanted(plan, workers)
        return self._seats

    def _take_post(self, preparation: Preparation) -> None:
        if self.statistics is None:
            raise RuntimeError("a run began before Locust's init event")
        post = take_post(self.seat_classes, preparation, self.statistics.add, worker=self._worker(), run=self._runs)
        self.post = post
        if post.pump is not None:
            gevent.spawn(self._pump, post)

    def _pump(self, post: Post) -> None:
        """Read the engine while this run's post stands, so that Locust's figures and a live stage's load are fresh."""
        while self.post is post and post.pump is not None:
            post.pump()
            gevent.sleep(PUMP_S)

    def _set_up_conductor(self, preparation: Preparation) -> None:
        plan = preparation.plan
        if isinstance(self.runner, MasterRunner):
            self._crew = MasterCrew(self.runner, self._seats_to_await(plan))
        elif self.post is not None:
            self._crew = LocalCrew(self.post, self._seats_to_await(plan))
        if self._crew is None:
            raise RuntimeError(f"{type(self.runner).__name__} is no runner that conducts")
        driver: Driver = self._channel or HandDriver(
            preparation.choice, preparation.pool, preparation.instances, now_ns=time.monotonic_ns, say=_say,
            make_watch=self.make_watch,
        )  # fmt: skip
        native = plan.swarm.sender == "native-schedule"
        terms = Terms(
            preparation.instances, plan.swarm.sender, plan.search.seed, plan.last_answer_s,
            prover(plan.engine.coalesce_us) if native else None, takes_over=native,
        )  # fmt: skip
        self.conductor = Conductor(
            self._crew, driver, terms, time.monotonic_ns, gevent.sleep, Clock.now(), self.foreseen
        )
        self._greenlet = gevent.spawn(self._conduct, self.conductor)

    def _seats_to_await(self, plan: Plan) -> Callable[[], int | None]:
        """Return what tells how many seats shall stand before the first sweep; None: any, Locust's users steer."""
        return lambda: None if plan.stages.kind == "live" else self._wanted(plan)

    def _conduct(self, conductor: Conductor) -> None:
        """Conduct; where no shape ends the run, end it."""
        conductor.run()
        if self.environment.shape_class is None and not self._ending:
            if self.headless:
                self.runner.quit()
            else:
                self.runner.stop()

    @property
    def _run_time_is_over(self) -> bool:
        """Whether a live run has had the time that --run-time gave it: that is its planned end."""
        given_s = self.options.get("run_time")
        if self.environment.shape_class is not None or not given_s:
            return False
        return time.monotonic() - self._began_s >= float(given_s) - SPARE_S / 10

    def _end(self, why: str, *, finished: bool = False) -> None:
        conductor, greenlet = self.conductor, self._greenlet
        if conductor is None or greenlet is None or conductor.over:
            return
        self._ending = True  # the shape keeps its users until what is in flight has ended
        conductor.end(why, finished=finished)
        greenlet.join(timeout=conductor.terms.timeout_s + GRACE_S + SPARE_S)
        self._ending = False

    def _on_order(self, msg: Message, **_: Any) -> None:
        if self.post is None:
            return
        try:
            self.post.begin(decode_order(msg.data["order"]))
        except Exception as error:  # Locust would only log it, and the seats would stay idle
            logger.exception("an order cannot be followed")
            self._fault = f"{type(error).__name__}: {error}"

    def _on_cut(self, **_: Any) -> None:
        if self.station is not None:
            self.station.cut()

    def _worker(self) -> int:
        return int(getattr(self.runner, "worker_index", 0))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
