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

from locust import log as locust_log
from locust.env import Environment
from locust.rpc import Message
from locust.runners import LocalRunner, MasterRunner, Runner, WorkerRunner

import logging
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import gevent

from records.channel import VARIABLE
from records.clock import Clock
from swarm.channel_driver import ChannelDriver, inherited_socket
from swarm.conductor import GRACE_S, Conductor, Crew, Driver, Terms
from swarm.crews import CUT, KEY, ORDER, LocalCrew, MasterCrew
from swarm.hand_driver import HandDriver, MakeWatch
from swarm.preparation import FAULTS, Preparation, prepare
from swarm.seat_user import Kit, SeatUser
from swarm.station import Station, decode_order
from swarm.tally import Report, encode_report
from swarm.targets import make_routes

logger = logging.getLogger("twinload.swarm")
BAD_USAGE: Final = 2
OUR_FAULT: Final = 3
INTERRUPTED: Final = 130
SPARE_S: Final = 5.0


@dataclass(slots=True)
class Swarm:
    """All runs of one process. The methods `on_…` are listeners of Locust's events of that name."""

    environment: Environment
    seat_class: type[SeatUser]
    make_watch: MakeWatch | None = None
    station: Station | None = None
    conductor: Conductor | None = None
    _preparation: Preparation | None = None
    _crew: Crew | None = None
    _greenlet: gevent.Greenlet | None = None
    _channel: ChannelDriver | None = None
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
    def headless(self) -> bool:
        """Whether nobody watches in a browser."""
        return bool(self.options.get("headless"))

    def on_init(self) -> None:
        """Take the channel, hear a master's messages, and end with code 2 when a headless run cannot start."""
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

    def fault_of(self, options: Mapping[str, Any]) -> str | None:
        """Return why a run with these options cannot start, or None; what was read is kept for the start."""
        try:
            self._prepare(options)
        except FAULTS as error:
            return str(error)
        if isinstance(self.runner, MasterRunner) and not self.headless and not self.runner.worker_count:
            return "no worker is connected; start one with `locust --worker`"
        return None

    def renew(self) -> None:
        """Forget a run that is over, and read the plan again for the next."""
        if self.conductor is None or self.conductor.over:
            self.conductor = self._preparation = self._fault = None
            self._ending = False

    def tick(self) -> tuple[int, float] | None:
        """Return Locust's users and spawn rate: all seats at once while the run goes on, None when it is over."""
        if self._fault is not None or (self.conductor is not None and self.conductor.over and not self._ending):
            return None
        if self._preparation is None and (fault := self.fault_of(self.options)):
            logger.error("%s", fault)
            return None
        workers = self.runner.worker_count if isinstance(self.runner, MasterRunner) else 1
        seats = self._prepared().plan.seats * workers
        return seats, float(max(seats, 1))

    def on_test_start(self) -> None:
        """Make the seats of this process and, where it conducts, the conductor; a failure ends the run."""
        try:
            preparation = self._prepared() if self.conducts else self._prepare(self.options)
            self.environment.stop_timeout = preparation.plan.swarm.timeout_s + 1
            self._runs += 1
            if isinstance(self.runner, LocalRunner | WorkerRunner):
                self._set_up_seats(preparation)
            if self.conducts:
                self._set_up_conductor(preparation)
        except Exception as error:
            logger.exception("the run cannot start")
            self._fault = f"{type(error).__name__}: {error}"

    def on_test_stopping(self) -> None:
        """End the run and wait until its last request is counted and written."""
        if self.station is not None:
            self.station.cut()
        self._end("stopped by hand")

    def on_quitting(self) -> None:
        """End the run and set the exit code: failed requests are a result, not a failure of the job."""
        self._end("interrupted")
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
            return BAD_USAGE if self.conductor and isinstance(self.conductor.error, FAULTS) else OUR_FAULT
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

    def _set_up_seats(self, preparation: Preparation) -> None:
        plan, pool, root = preparation.plan, preparation.pool, preparation.choice.root
        station = Station(
            pool.ids, pool.activity, seats=plan.seats, worker=self._worker(), run=self._runs,
            clock=time.monotonic_ns,
        )  # fmt: skip
        self.station = station
        self.seat_class.kit = Kit(
            station, lambda instances: make_routes(plan, instances, root=root, environ=os.environ),
            preparation.entries, preparation.mix, plan.swarm.timeout_s,
        )  # fmt: skip

    def _set_up_conductor(self, preparation: Preparation) -> None:
        plan = preparation.plan
        if isinstance(self.runner, MasterRunner):
            self._crew = MasterCrew(self.runner, plan.seats)
        elif self.station is not None and self.seat_class.kit is not None:
            self._crew = LocalCrew(self.station, plan.seats, self.seat_class.kit.begin)
        if self._crew is None:
            raise RuntimeError(f"{type(self.runner).__name__} is no runner that conducts")
        driver: Driver = self._channel or HandDriver(
            preparation.choice, preparation.pool, preparation.instances, now_ns=time.monotonic_ns, say=_say,
            make_watch=self.make_watch,
        )  # fmt: skip
        terms = Terms(preparation.instances, plan.swarm.sender, plan.search.seed, plan.swarm.timeout_s)
        self.conductor = Conductor(self._crew, driver, terms, time.monotonic_ns, gevent.sleep, Clock.now(), FAULTS)
        self._greenlet = gevent.spawn(self.conductor.run)

    def _end(self, why: str) -> None:
        conductor, greenlet = self.conductor, self._greenlet
        if conductor is None or greenlet is None or conductor.over:
            return
        self._ending = True  # the shape keeps its users until what is in flight has ended
        conductor.end(why)
        greenlet.join(timeout=conductor.terms.timeout_s + GRACE_S + SPARE_S)
        self._ending = False

    def _on_order(self, msg: Message, **_: Any) -> None:
        if self.seat_class.kit is None:
            return
        try:
            self.seat_class.kit.begin(decode_order(msg.data["order"]))
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
