"""Connects the swarm to Locust: the shape, the events, the web UI. Called once by the locustfile, does no work itself.

The listener that adds a worker's counts to its report is registered at import, so before Locust's own, and what it
adds travels in the same message.
"""

from __future__ import annotations

from locust import LoadTestShape, User, runners
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.event import Events
from locust.web import WebUI

import functools
import logging
import sys
from collections.abc import Callable
from typing import Any, ClassVar

from clusters.ports import free_ports
from swarm.cpu_warning import CpuWarning
from swarm.final_csv import complete_files_at_exit
from swarm.hand_driver import MakeWatch
from swarm.options import add_options, bind_to_loopback, plan_source
from swarm.preparation import FAULTS
from swarm.recorder import recorder
from swarm.runs import Swarm
from swarm.senders import SeatClasses
from swarm.station import Station
from swarm.statistics_reset import StatisticsReset

REPORT_INTERVAL_S = 0.5


class RampStages(LoadTestShape):
    """The shape: as many Locust users as there are seats, all through the run. Stages change the seats' pacing.

    So no stage is skipped or blocked by a ramp of users.
    """

    abstract = True
    swarm: ClassVar[Swarm | None] = None

    def reset_time(self) -> None:
        """Begin anew: Locust calls this at every start."""
        super().reset_time()  # type: ignore[no-untyped-call]
        if self.swarm is not None:
            self.swarm.renew()

    use_common_options = True
    """Locust's own fields of users and spawn rate stay in the form: they steer a live stage, where no shape does."""

    def tick(self) -> tuple[int, float, list[type[User]]] | None:
        """Return (seats, seats a second, their class) while the run goes on, None when it is over."""
        return self.swarm.tick() if self.swarm is not None else None


def connect(
    events: Events,
    *,
    seat_classes: SeatClasses,
    shape_class: type[RampStages],
    make_watch: MakeWatch | None = None,
    watch_faults: tuple[type[Exception], ...] = (),
    record_with: Callable[[Callable[[], Station | None]], Any] = recorder,
) -> None:
    """Register all listeners.

    Args:
        events: Locust's, of the module.
        seat_classes: the concrete user class of each sender.
        shape_class: the concrete shape.
        make_watch: makes the watch over CPU and memory of a run by hand.
        watch_faults: its errors that a person can set right.
        record_with: makes the listener of the request event.
    """
    source = plan_source(sys.argv[1:])
    own_port = functools.cache(lambda: free_ports(1)[0])  # options are parsed more than once
    complete_files_at_exit(events)
    CpuWarning(events)
    StatisticsReset(events, lambda: now.statistics if (now := swarm()) else None)

    def swarm() -> Swarm | None:
        return shape_class.swarm

    def seated() -> Station | None:
        station = now.station if (now := swarm()) else None
        return station if isinstance(station, Station) else None

    def on_parser(parser: LocustArgumentParser, **_: Any) -> None:
        add_options(parser, source)
        bind_to_loopback(parser, sys.argv[1:], own_port)

    def on_init(environment: Environment, web_ui: WebUI | None = None, **_: Any) -> None:
        runners.WORKER_REPORT_INTERVAL = REPORT_INTERVAL_S
        logging.getLogger("locust.runners").addFilter(_no_spawn_warning)
        shape_class.swarm = Swarm(environment, seat_classes, make_watch, (*FAULTS, *watch_faults))
        shape_class.swarm.on_init()
        if web_ui is not None and web_ui.app is not None:
            _answer_faults(web_ui, shape_class.swarm)

    def tell(name: str, *wanted: str) -> Callable[..., None]:
        def listener(**given: Any) -> None:
            if (now := swarm()) is not None:
                getattr(now, name)(*(given[key] for key in wanted))

        return listener

    events.init_command_line_parser.add_listener(on_parser)  # type: ignore[no-untyped-call]
    events.init.add_listener(on_init)  # type: ignore[no-untyped-call]
    events.request.add_listener(record_with(seated))  # type: ignore[no-untyped-call]
    events.test_start.add_listener(tell("on_test_start"))  # type: ignore[no-untyped-call]
    events.test_stopping.add_listener(tell("on_test_stopping"))  # type: ignore[no-untyped-call]
    events.quitting.add_listener(tell("on_quitting"))  # type: ignore[no-untyped-call]
    events.report_to_master.add_listener(tell("on_report_to_master", "data"))  # type: ignore[no-untyped-call]
    events.worker_report.add_listener(tell("on_worker_report", "data"))  # type: ignore[no-untyped-call]


def _answer_faults(web_ui: WebUI, swarm: Swarm) -> None:
    """Let Start answer with what is wrong, in place of a run that cannot begin."""
    from flask import jsonify, request

    def before_start() -> Any:
        if request.method != "POST" or not request.path.endswith("/swarm"):
            return None
        if swarm.is_under_way:
            return None  # Locust's users are changed
        fault = swarm.fault_of({**swarm.options, **request.form.to_dict()})
        if fault is None:
            swarm.hand_over()
            return None
        return jsonify({"success": False, "message": fault, "host": swarm.environment.host})

    if web_ui.app is not None:
        web_ui.app.before_request(before_start)


def _no_spawn_warning(record: logging.LogRecord) -> bool:
    """Seats connect with their first request, not when they are spawned: Locust's warning about it does not apply."""
    return not str(record.msg).startswith("Your selected spawn rate is very high")
