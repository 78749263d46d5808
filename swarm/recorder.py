"""The recorder: hears Locust's request event and counts each end at the station. It fails loudly.

Locust swallows what a listener raises, so the recorder guards itself: its first exception is logged, kept as the
station's fault, told with the next report, and ends the run with exit code 3.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from swarm.connection import RequestError
from swarm.station import Hit, Station
from swarm.tally import NO_ANSWER, Outcome

logger = logging.getLogger("twinload.swarm")
_CLASSES: Final = {code: f"{code // 100}xx" for code in range(100, 600)}


class RequestListener(Protocol):
    """What Locust's request event calls."""

    def __call__(
        self, *, response_time: float, response_length: int, response: Any, context: Mapping[str, Any],
        exception: BaseException | None, **_: Any,
    ) -> None: ...  # fmt: skip


def record(
    station: Station, response_time_ms: float, size_bytes: int, response: Any, exception: BaseException | None, hit: Hit
) -> None:
    """Count one request's end."""
    status = _CLASSES.get(getattr(response, "status_code", 0), NO_ANSWER)
    cause = None
    if exception is not None:
        cause = exception.cause if isinstance(exception, RequestError) else "other"
    station.ended(hit, Outcome(status, cause, max(1, round(response_time_ms * 1000)), size_bytes))


def recorder(station_now: Callable[[], Station | None]) -> RequestListener:
    """Return the listener; `station_now` gives the station of the run under way."""

    def on_request(
        *, response_time: float, response_length: int, response: Any, context: Mapping[str, Any],
        exception: BaseException | None, **_: Any,
    ) -> None:  # fmt: skip
        station, hit = station_now(), context.get("hit")
        if station is None or hit is None:
            return  # a request of somebody's own task
        try:
            record(station, response_time, response_length, response, exception, hit)
        except Exception as error:
            if station.fault is None:
                logger.exception("the recorder failed; the run ends")
                station.fault = f"{type(error).__name__}: {error}"

    return on_request
