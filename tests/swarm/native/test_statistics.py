"""The statistics of Locust: what is written in its place is the same, to the last number."""

from __future__ import annotations

import locust.stats
from locust.env import Environment
from locust.runners import LocalRunner
from locust.stats import RequestStats, StatsEntry

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.native import statistics
from swarm.native.events import fire_request
from swarm.native.statistics import log, stats_of


class Clock:
    """A clock that a test sets; both ways of counting see it."""

    def __init__(self) -> None:
        self.now_s = 1_000.25

    def time(self) -> float:
        return self.now_s


@pytest.fixture(autouse=True)
def _listeners_anew() -> None:
    statistics._runners.clear()


@pytest.fixture
def runner() -> LocalRunner:
    return Environment(user_classes=[]).create_local_runner()


def all_of(stats: RequestStats) -> list[dict[str, Any]]:
    entries = [stats.total, *stats.entries.values()]
    return [{name: value for name, value in vars(entry).items() if name != "stats"} for entry in entries]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["/a", "/b"]),
            st.sampled_from(["GET", "POST"]),
            st.floats(0, 200_000, allow_nan=False),
            st.integers(0, 1 << 40),
            st.sampled_from([0.0, 0.3, 1.0, 25.0]),
        ),
        max_size=25,
    ),
    st.booleans(),
)
def test_every_number_is_the_one_that_locust_counts(requests: list[tuple[Any, ...]], cache: bool) -> None:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("locust.stats.time.time", clock.time)
        patch.setattr(statistics, "time", clock.time)
        mine, own = RequestStats(cache), RequestStats(cache)
        for name, method, ms, size, step_s in requests:
            clock.now_s += step_s
            log(mine, method, name, ms, size)
            own.log_request(method, name, ms, size)
    assert all_of(mine) == all_of(own)


def test_a_runners_listener_is_known_and_no_other(runner: LocalRunner) -> None:
    listeners = runner.environment.events.request._handlers
    assert [stats_of(listener) for listener in listeners] == [runner.stats]

    def on_request(request_type: str, name: str, response_time: float, response_length: int, **_kwargs: Any) -> None:
        """Somebody else's of the same name."""

    assert stats_of(on_request) is None
    assert stats_of(on_request) is None
    assert stats_of(print) is None


def test_statistics_that_somebody_changed_are_called_as_they_are(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[float] = []
    monkeypatch.setattr(StatsEntry, "log", lambda _self, ms, _length: called.append(ms))
    fire_request(runner.environment.events.request, "GET", "/a", {}, None, None, 0.0, "http://h/a", 7, 1.5)
    assert called == [1.5, 1.5]
    assert runner.stats.total.num_requests == 0


def test_rounding_that_somebody_changed_counts(runner: LocalRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locust.stats, "bucket_response_time", lambda ms: int(ms) + 1_000)
    fire_request(runner.environment.events.request, "GET", "/a", {}, None, None, 0.0, "http://h/a", 7, 1.5)
    assert runner.stats.total.response_times == {1_001: 1}


def test_a_failure_is_counted_with_its_error(runner: LocalRunner) -> None:
    error = ValueError("no")
    fire_request(runner.environment.events.request, "GET", "/a", {}, None, error, 0.0, "http://h/a", 7, 1.5)
    fire_request(runner.environment.events.request, "GET", "/a", {}, None, None, 0.0, "http://h/a", 7, 1.5)
    assert (runner.stats.total.num_requests, runner.stats.total.num_failures) == (2, 1)
    assert [entry.occurrences for entry in runner.stats.errors.values()] == [1]
