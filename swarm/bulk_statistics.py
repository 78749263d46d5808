"""Locust's own figures of what the engine sent: bulks are merged into `environment.stats`, and told as request events.

Nothing of Locust is patched. A second's bulks become two statistics entries (its own and the total) in the form in
which Locust's workers tell theirs, so that a master adds them up without knowing. Then `events.request` is fired once a
bulk for those who listen: Locust's own listener counts one more request with each event, which a listener that is
registered right behind it takes back. So the figures are whole before anybody is told, and a listener that raises
costs no count.

| figure | from |
|---|---|
| requests, failures | requests that ended, and arrivals that were dropped: those failed, without a response time |
| response times | the histograms: latency from the intended start in an open loop, else service time |
| requests and failures a second | the second in which they ended, or were dropped |
"""

from __future__ import annotations

from locust.env import Environment
from locust.exception import InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopTest, StopUser
from locust.stats import RequestStats, StatsEntry, StatsEntryDict, StatsError, bucket_response_time

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import gevent

from records.clock import NS, Clock
from swarm.bulk import Asked, Bulk, bucket_ms, bulks_of
from swarm.connection import RequestError
from swarm.engine_plan import EngineLine

logger = logging.getLogger("twinload.swarm")
BULK_KEY: Final = "twinload_bulk"
"""Where a request event's context holds its Bulk."""


@dataclass(frozen=True, slots=True)
class _Before:
    """Times as they stood before an event: Locust's listener writes now in their place."""

    entry_s: float | None
    total_s: float | None
    error_s: float | None


class BulkStatistics:
    """The way from engine lines to `environment.stats`; one a process that sends, made once its runner stands.

    Args:
        environment: Locust's; its runner must exist, for the order of listeners.
        clock: a pair of readings by which monotonic seconds become epoch seconds.
        now_ns: the monotonic clock.
        now_s: seconds since the epoch.
    Raises: RuntimeError when there is no runner yet.
    """

    def __init__(
        self,
        environment: Environment,
        clock: Clock | None = None,
        now_ns: Callable[[], int] = time.monotonic_ns,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        if environment.runner is None:
            raise RuntimeError("Locust has made no runner yet: make the statistics in a listener of `init`")
        self._environment = environment
        self._clock = clock or Clock.now()
        self._now_ns = now_ns
        self._now_s = now_s
        self._from_second = 0
        self._before: dict[int, _Before] = {}
        environment.events.request.add_listener(self._take_back)  # type: ignore[no-untyped-call]

    def add(self, lines: Iterable[EngineLine], asked: Sequence[Asked]) -> None:
        """Count what the engine told, then tell it to the listeners of the request event.

        Args:
            lines: as drained, each once.
            asked: one for each of the schedule's endpoints, in its order.
        """
        bulks = bulks_of(lines, asked, from_second=self._from_second)
        self._merge(bulks)
        for bulk in bulks:
            self._tell(bulk)

    def reset(self) -> None:
        """Leave out from now on what ended before the next whole second: the figures begin anew."""
        self._from_second = self._now_ns() // NS + 1

    @property
    def _stats(self) -> RequestStats:
        return self._environment.stats

    def _merge(self, bulks: Sequence[Bulk]) -> None:
        if not bulks:
            return
        stats = self._stats
        by_name: dict[tuple[str, str], list[Bulk]] = {}
        for bulk in bulks:
            by_name.setdefault((bulk.asked.name, bulk.asked.method), []).append(bulk)
            if bulk.cause is not None:
                self._add_error(bulk)
        for (name, method), own in by_name.items():
            told = StatsEntry.unserialize(self._figures(name, method, own), stats)
            stats.entries[(name, method)].extend(told)
            stats.total.extend(told)

    def _figures(self, name: str, method: str, bulks: Sequence[Bulk]) -> StatsEntryDict:
        """Return bulks in the form in which a worker tells an entry."""
        response_times, sum_ms, timed = _times(bulks)
        held = [bulk.times for bulk in bulks if bulk.times]
        requests = sum(bulk.count for bulk in bulks)
        failed = [bulk for bulk in bulks if bulk.cause is not None]
        return {
            "name": name,
            "method": method,
            "last_request_timestamp": max(self._ended_s(bulk) for bulk in bulks),
            "start_time": min(self._epoch_s(bulk.second) for bulk in bulks),
            "num_requests": requests,
            "num_none_requests": requests - timed,
            "num_failures": sum(bulk.count for bulk in failed),
            "total_response_time": sum_ms,  # type: ignore[typeddict-item]  # a float serves as well, all the way
            # histograms are ascending
            "max_response_time": bucket_ms(max(times[-1][0] for times in held)).highest if held else 0,  # type: ignore[typeddict-item]
            "min_response_time": bucket_ms(min(times[0][0] for times in held)).lowest if held else None,  # type: ignore[typeddict-item]
            "total_content_length": sum(bulk.bytes or 0 for bulk in bulks),
            "response_times": response_times,  # type: ignore[typeddict-item]
            "num_reqs_per_sec": self._by_second(bulks),
            "num_fail_per_sec": self._by_second(failed),
        }

    def _by_second(self, bulks: Iterable[Bulk]) -> dict[int, int]:
        """Return counts by the epoch second that overlaps most with the monotonic one."""
        out: dict[int, int] = {}
        for bulk in bulks:
            second = int(self._epoch_s(bulk.second) + 0.5)
            out[second] = out.get(second, 0) + bulk.count
        return out

    def _epoch_s(self, second: int) -> float:
        return (self._clock.wall_ns + second * NS - self._clock.mono_ns) / NS

    def _ended_s(self, bulk: Bulk) -> float:
        return min(self._epoch_s(bulk.second + 1), self._now_s())

    def _add_error(self, bulk: Bulk) -> None:
        errors, at_s = self._stats.errors, self._ended_s(bulk)
        asked, error = bulk.asked, RequestError(bulk.cause or "")
        key = StatsError.create_key(asked.method, asked.name, error)
        known = errors.setdefault(key, StatsError(asked.method, asked.name, error))
        known.occurrences += bulk.count
        known.first_seen = at_s if known.first_seen is None else min(known.first_seen, at_s)
        known.last_seen = at_s if known.last_seen is None else max(known.last_seen, at_s)

    def _tell(self, bulk: Bulk) -> None:
        """Fire one event; what Locust's own listener counts with it is taken back before the next listener runs."""
        asked, stats = bulk.asked, self._stats
        error = RequestError(bulk.cause) if bulk.cause is not None else None
        known = stats.errors.get(StatsError.create_key(asked.method, asked.name, error)) if error else None
        self._before[id(bulk)] = _Before(  # a listener that waits lets another drain in between
            stats.entries[(asked.name, asked.method)].last_request_timestamp,
            stats.total.last_request_timestamp,
            known.last_seen if known else None,
        )
        try:
            self._environment.events.request.fire(  # type: ignore[no-untyped-call]
                request_type=asked.method, name=asked.name, response_time=bulk.response_time_ms,
                response_length=bulk.mean_bytes, response=None, context={BULK_KEY: bulk}, exception=error,
                start_time=self._epoch_s(bulk.second), url=None,
            )  # fmt: skip
        except StopTest as stop:
            self._end_test(stop)
        except (StopUser, RescheduleTask, RescheduleTaskImmediately, InterruptTaskSet) as given:
            logger.warning("a request listener raised %s: no user's task stands behind a bulk", type(given).__name__)
        finally:
            self._before.pop(id(bulk), None)

    def _end_test(self, stop: StopTest) -> None:
        """Do what Locust does when a task raises StopTest; apart, so that all that was drained is told."""
        logger.error("%s", stop)
        runner, options = self._environment.runner, self._environment.parsed_options
        if runner is not None:
            gevent.spawn(runner.quit if options is not None and options.headless else runner.stop)

    def _take_back(
        self, *, request_type: str, name: str, response_time: float | None, response_length: int,
        context: Mapping[str, Any] | None = None, exception: BaseException | None = None, **_: Any,
    ) -> None:  # fmt: skip
        """Take back the one request that Locust's own listener, the one before this, has just counted."""
        before = self._before.pop(id((context or {}).get(BULK_KEY)), None)
        if before is None:
            return
        stats = self._stats
        for entry, last_s in ((stats.entries[(name, request_type)], before.entry_s), (stats.total, before.total_s)):
            _take_one(entry, response_time, response_length, failed=exception is not None)
            entry.last_request_timestamp = last_s
        if exception is not None:
            key = StatsError.create_key(request_type, name, exception)  # type: ignore[arg-type]
            if (known := stats.errors.get(key)) is not None:
                known.occurrences -= 1
                known.last_seen = before.error_s
                if not known.occurrences:
                    del stats.errors[key]


def _times(bulks: Sequence[Bulk]) -> tuple[dict[float, int], float, int]:
    """Return counts by ms of three digits, the sum of all times in ms, and how many there are."""
    out: dict[float, int] = {}
    sum_ms, timed = 0.0, 0
    for bulk in bulks:
        for bucket, count in bulk.times:
            place = bucket_ms(bucket)
            out[place.key] = out.get(place.key, 0) + count
            sum_ms += place.middle * count
            timed += count
    return out, sum_ms, timed


def _take_one(entry: StatsEntry, response_time: float | None, response_length: int, *, failed: bool) -> None:
    """Undo StatsEntry.log, and log_error of a failed request; a reset in between leaves an empty entry."""
    second = int(entry.last_request_timestamp or 0)
    entry.num_requests -= 1
    entry.total_content_length -= response_length
    _less(entry.num_reqs_per_sec, second)
    if failed:
        entry.num_failures -= 1
        _less(entry.num_fail_per_sec, second if second in entry.num_fail_per_sec else second + 1)
    if response_time is None:
        entry.num_none_requests -= 1
        return
    entry.total_response_time -= response_time  # type: ignore[assignment]
    _less(entry.response_times, bucket_response_time(response_time))
    if not entry.num_requests:
        entry.total_response_time, entry.min_response_time, entry.max_response_time = 0, None, 0


def _less(counts: dict[int, int], key: int) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
