"""The request event, fired for every call: what `EventHook.fire` does, without making the keywords a dict twice.

Locust's own listener, its statistics, is served without keywords (`swarm.native.statistics`).
"""

from __future__ import annotations

from locust import log as locust_log
from locust.event import EventHook
from locust.exception import InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopTest, StopUser

import logging
import traceback
from typing import Any

from swarm.native.statistics import log, stats_of

CONTROL = (StopUser, StopTest, RescheduleTask, RescheduleTaskImmediately, InterruptTaskSet)


def fire_request(  # noqa: PLR0913, PLR0917 - the keywords of Locust's event
    event: Any,
    request_type: str,
    name: str,
    context: dict[str, Any],
    response: Any,
    exception: Any,
    start_time: float,
    url: str,
    response_length: int,
    response_time: float,
) -> None:
    """Fire a request event; a listener's own fault is logged and hinders no other, as in Locust."""
    told = (request_type, name, context, response, exception, start_time, url, response_length, response_time)
    if type(event) is not EventHook:
        _tell(event.fire, *told)
        return
    for handler in event._handlers.copy():
        try:
            stats = stats_of(handler) if exception is None else None
            if stats is not None:
                log(stats, request_type, name, response_time, response_length)
            else:
                _tell(handler, *told)
        except CONTROL:
            raise
        except Exception:
            logging.error("Uncaught exception in event handler: \n%s", traceback.format_exc())
            locust_log.unhandled_greenlet_exception = True


def _tell(  # noqa: PLR0913, PLR0917 - the keywords of Locust's event
    listener: Any,
    request_type: str,
    name: str,
    context: dict[str, Any],
    response: Any,
    exception: Any,
    start_time: float,
    url: str,
    response_length: int,
    response_time: float,
) -> None:
    listener(
        request_type=request_type,
        name=name,
        context=context,
        response=response,
        exception=exception,
        start_time=start_time,
        url=url,
        response_length=response_length,
        response_time=response_time,
    )
