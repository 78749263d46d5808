"""Locust's own listener of the request event, its statistics, written for speed: the same numbers in the same places.

Every event goes to it, and as Locust has it, it costs more than all the rest of a request's Python: ten keywords
matched with five names, two clocks, seven calls. What is replaced is Locust's as it was read (the version is pinned);
a listener of anybody else's, or a part of the statistics that somebody changed, is called as it is.
"""

from __future__ import annotations

import locust.stats
from locust.runners import Runner
from locust.stats import RequestStats, StatsEntry

from time import time
from types import CodeType, FunctionType
from typing import Any

LISTENERS_KEPT = 16
_PARTS = (
    (RequestStats, "log_request"),
    (StatsEntry, "log"),
    (StatsEntry, "_log_time_of_request"),
    (StatsEntry, "_log_response_time"),
)
_TAKES = ("request_type", "name", "response_time", "response_length", "exception", "_kwargs")


def _own_code() -> CodeType | None:
    """Return the code of the listener that every runner adds; None when it is not the one that is known here."""
    for code in Runner.__init__.__code__.co_consts:
        if isinstance(code, CodeType) and code.co_varnames == _TAKES and code.co_freevars == ("self",):
            return code if code.co_names == ("stats", "log_request", "log_error") else None
    return None


_OWN_CODE = _own_code()
_WRITTEN = [getattr(owner, name) for owner, name in _PARTS]


_runners: dict[FunctionType, Runner | None] = {}
"""The runners of listeners that are Locust's own, None for others."""


def stats_of(listener: Any) -> RequestStats | None:
    """Return the statistics that a listener writes to, when it is Locust's own.

    None also when a part of the statistics was not Locust's own any more as the listener was met first.
    """
    if type(listener) is not FunctionType:
        return None
    runner = _runners.get(listener, False)
    if runner is False:
        runner = _remember(listener)
    if runner is None:
        return None
    stats: RequestStats = runner.stats  # type: ignore[union-attr]
    return stats if type(stats) is RequestStats else None


def _remember(listener: FunctionType) -> Runner | None:
    runner: Runner | None = None
    if listener.__code__ is _OWN_CODE and [getattr(owner, name) for owner, name in _PARTS] == _WRITTEN:
        runner = listener.__closure__[0].cell_contents  # type: ignore[index]
    if len(_runners) >= LISTENERS_KEPT:
        _runners.clear()
    _runners[listener] = runner
    return runner


def log(stats: RequestStats, method: str, name: str, response_time: float, length: int) -> None:
    """Count a request that succeeded, as `RequestStats.log_request` does.

    Args:
        response_time: ms.
        length: bytes of the answer's body.
    """
    now_s = time()
    second = int(now_s)
    bucket = locust.stats.bucket_response_time(response_time)
    for entry in (stats.total, stats.entries[name, method]):
        last_s = entry.last_request_timestamp
        if last_s and entry.use_response_times_cache and second > int(last_s):
            entry._cache_response_times(second - 1)
        entry.num_requests += 1
        entry.num_reqs_per_sec[second] += 1
        entry.last_request_timestamp = now_s
        entry.total_response_time += response_time  # type: ignore[assignment]
        least = entry.min_response_time
        if least is None or response_time < least:
            entry.min_response_time = response_time  # type: ignore[assignment]
        if response_time > entry.max_response_time:  # noqa: PLR1730 - max() takes four times as long
            entry.max_response_time = response_time  # type: ignore[assignment]
        entry.response_times[bucket] += 1
        entry.total_content_length += length
