"""Bulks in Locust's own statistics, with a real environment and runner: every figure by hand."""

from __future__ import annotations

from locust.env import Environment
from locust.exception import StopTest
from locust.stats import StatsEntry, StatsError

from collections.abc import Callable, Iterator
from typing import Any

import gevent
import msgspec
import pytest

from records.clock import NS, Clock
from records.hdr import bucket_of
from swarm.bulk import Asked, Bulk
from swarm.bulk_statistics import BULK_KEY, BulkStatistics
from swarm.connection import RequestError
from swarm.engine_plan import EngineLine, EngineStatus

ASKED = (Asked("go", "mix", "balance", "GET"), Asked("go", "mix", "history", "POST"))
BALANCE, HISTORY = ("go mix balance", "GET"), ("go mix history", "POST")
EPOCH_S = 1_800_000_000
CLOCK = Clock(mono_ns=0, wall_ns=EPOCH_S * NS + NS // 4)
"""Monotonic second s began a quarter second after epoch second EPOCH_S + s."""
Statistics = Callable[..., BulkStatistics]


@pytest.fixture
def environment() -> Iterator[Environment]:
    made = Environment()
    runner = made.create_local_runner()
    made.stats.total.start_time = float(EPOCH_S)
    yield made
    runner.greenlet.kill()


@pytest.fixture
def statistics(environment: Environment) -> Statistics:
    def make(now_s: float = EPOCH_S + 1000.0) -> BulkStatistics:
        return BulkStatistics(environment, CLOCK, now_ns=lambda: 7 * NS + 1, now_s=lambda: now_s)

    return make


def line(second: int, endpoint: int, *status: EngineStatus, dropped: int = 0) -> EngineLine:
    return EngineLine(second, 1, endpoint, "measure", 0, 0, dropped, 0, (), status)


GOOD = EngineStatus("2xx", 4, {}, ((50, 4),), ((100, 1), (200, 1), (300, 1), (bucket_of(20_000), 1)), 400)
BAD = EngineStatus("5xx", 3, {"status-500": 1, "status-503": 2}, ((60, 3),), ((700, 3),), 30)


def figures(entry: StatsEntry) -> dict[str, Any]:
    """Return an entry's figures; its start is the moment in which it was made, its sum of times inexact."""
    told = dict(entry.serialize())
    del told["start_time"]
    return told | {"total_response_time": pytest.approx(told["total_response_time"])}


def test_all_figures_of_an_entry_are_right(environment: Environment, statistics: Statistics) -> None:
    statistics().add([line(5, 0, GOOD, BAD, dropped=2), line(6, 1, GOOD)], ASKED)
    entry = environment.stats.entries[BALANCE]
    assert entry.num_requests == 9
    assert entry.num_failures == 5
    assert entry.num_none_requests == 2
    assert entry.total_content_length == 430
    assert dict(entry.response_times) == {0.1: 1, 0.2: 1, 0.3: 1, 0.7: 3, 20.0: 1}
    assert entry.min_response_time == 0.1
    assert entry.max_response_time == 20.015  # 20,000 µs lie in the bucket of 16 µs from 20,000 on
    assert entry.total_response_time == pytest.approx(0.6 + 2.1 + 20.0075)
    assert dict(entry.num_reqs_per_sec) == {EPOCH_S + 5: 9}
    assert dict(entry.num_fail_per_sec) == {EPOCH_S + 5: 5}
    assert entry.last_request_timestamp == EPOCH_S + 6.25
    assert entry.fail_ratio == 5 / 9


def test_the_total_is_the_sum_of_the_entries(environment: Environment, statistics: Statistics) -> None:
    statistics().add([line(5, 0, GOOD, BAD, dropped=2), line(6, 1, GOOD)], ASKED)
    entries = [environment.stats.entries[BALANCE], environment.stats.entries[HISTORY]]
    total = environment.stats.total
    for name in ("num_requests", "num_failures", "num_none_requests", "total_content_length"):
        assert getattr(total, name) == sum(getattr(entry, name) for entry in entries)
    assert dict(total.num_reqs_per_sec) == {EPOCH_S + 5: 9, EPOCH_S + 6: 4}
    assert sum(total.response_times.values()) == 11
    assert total.total_rps == pytest.approx(13 / 7.25)


def test_percentiles_are_of_three_digits_and_below_a_millisecond_too(
    environment: Environment, statistics: Statistics
) -> None:
    times = tuple((100 + number, 1) for number in range(100))
    statistics().add([line(5, 0, EngineStatus("2xx", 100, {}, times, (), 0))], ASKED)
    entry = environment.stats.entries[BALANCE]
    assert entry.median_response_time == 0.15
    assert entry.get_response_time_percentile(0.95) == 0.195
    assert entry.get_response_time_percentile(1.0) == 0.199
    assert entry.avg_response_time == pytest.approx(0.1495)


def test_errors_are_counted_by_cause_under_the_key_that_locust_itself_would_use(
    environment: Environment, statistics: Statistics
) -> None:
    made = statistics()
    made.add([line(5, 0, BAD, dropped=2)], ASKED)
    made.add([line(6, 0, BAD)], ASKED)
    counted = {error.error.cause: error for error in environment.stats.errors.values()}  # type: ignore[union-attr]
    assert {cause: error.occurrences for cause, error in counted.items()} == {
        "status-500": 2, "status-503": 4, "dropped": 2,
    }  # fmt: skip
    assert (counted["status-500"].first_seen, counted["status-500"].last_seen) == (EPOCH_S + 6.25, EPOCH_S + 7.25)
    assert counted["dropped"].last_seen == EPOCH_S + 6.25
    environment.stats.log_error("GET", "go mix balance", RequestError("dropped"))
    key = StatsError.create_key("GET", "go mix balance", RequestError("dropped"))
    assert environment.stats.errors[key].occurrences == 3


class Silent(BulkStatistics):
    """Tells nobody."""

    def _tell(self, bulk: Bulk) -> None:
        """Fire no event."""


def test_the_events_leave_no_trace_in_the_figures(environment: Environment, statistics: Statistics) -> None:
    other = Environment()
    runner = other.create_local_runner()
    lines = [line(5, 0, GOOD, BAD, dropped=2), line(6, 1, GOOD), line(7, 1, BAD)]
    try:
        Silent(other, CLOCK, now_s=lambda: EPOCH_S + 1000.0).add(lines, ASKED)
        statistics().add(lines, ASKED)
        for key in (BALANCE, HISTORY):
            assert figures(environment.stats.entries[key]) == figures(other.stats.entries[key])
        assert figures(environment.stats.total) == figures(other.stats.total)
        assert [error.serialize() for error in environment.stats.errors.values()] == [
            error.serialize() for error in other.stats.errors.values()
        ]
    finally:
        runner.greenlet.kill()


def test_a_listener_hears_each_bulk_once_with_its_count(environment: Environment, statistics: Statistics) -> None:
    heard: list[dict[str, Any]] = []
    environment.events.request.add_listener(lambda **given: heard.append(given))
    statistics().add([line(5, 0, GOOD, BAD, dropped=2), line(6, 1, GOOD)], ASKED)
    bulks: list[Bulk] = [given["context"][BULK_KEY] for given in heard]
    assert [(b.second, b.entry, b.status, b.cause, b.count) for b in bulks] == [
        (5, "balance", "2xx", None, 4), (5, "balance", "5xx", "status-500", 1), (5, "balance", "5xx", "status-503", 2),
        (5, "balance", "none", "dropped", 2), (6, "history", "2xx", None, 4),
    ]  # fmt: skip
    assert sum(b.count for b in bulks) == environment.stats.total.num_requests == 13
    assert [(given["request_type"], given["name"], str(given["exception"])) for given in heard[:2]] == [
        ("GET", "go mix balance", "None"), ("GET", "go mix balance", "status-500"),
    ]  # fmt: skip
    assert heard[1]["response_time"] == pytest.approx(0.7)
    assert heard[3]["response_time"] is None
    assert heard[0]["response_length"] == 100
    assert heard[0]["start_time"] == EPOCH_S + 5.25


@pytest.mark.parametrize("error", [ValueError("broken"), StopTest("enough")])
@pytest.mark.parametrize("early", [True, False])
def test_a_listener_that_raises_costs_no_count(error: Exception, early: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    environment, heard = Environment(), 0

    def raising(**_: Any) -> None:
        raise error

    def counting(context: dict[str, Bulk], **_: Any) -> None:
        nonlocal heard
        heard += context[BULK_KEY].count

    if early:
        environment.events.request.add_listener(raising)
    runner = environment.create_local_runner()
    stopped: list[str] = []
    monkeypatch.setattr(runner, "stop", lambda: stopped.append("stop"))
    made = BulkStatistics(environment, CLOCK)
    environment.events.request.add_listener(counting)
    if not early:
        environment.events.request.add_listener(raising)
    try:
        made.add([line(5, 0, GOOD, BAD, dropped=2)], ASKED)
        gevent.sleep(0)
        assert environment.stats.total.num_requests == 9
        assert sum(environment.stats.total.response_times.values()) == 7
        assert sum(error.occurrences for error in environment.stats.errors.values()) == 5
        assert heard == (0 if early and isinstance(error, StopTest) else 9)
        assert bool(stopped) is isinstance(error, StopTest)
    finally:
        runner.greenlet.kill()


def test_a_listener_that_waits_lets_another_drain_in_and_costs_no_count() -> None:
    environment = Environment()
    environment.events.request.add_listener(lambda **_: gevent.sleep(0.001))
    runner = environment.create_local_runner()
    made = BulkStatistics(environment, CLOCK)
    try:
        drains = [gevent.spawn(made.add, [line(second, 0, GOOD, BAD, dropped=2)], ASKED) for second in range(3)]
        gevent.joinall(drains, raise_error=True)
        assert environment.stats.total.num_requests == 27
        assert sum(environment.stats.total.response_times.values()) == 21
        assert sum(environment.stats.total.num_fail_per_sec.values()) == 15
        assert sum(error.occurrences for error in environment.stats.errors.values()) == 15
    finally:
        runner.greenlet.kill()


def test_requests_of_own_tasks_are_counted_beside_the_bulks(environment: Environment, statistics: Statistics) -> None:
    made = statistics()
    environment.events.request.fire(
        request_type="GET", name="own", response_time=12, response_length=3, exception=None, context={}
    )
    made.add([line(5, 0, GOOD)], ASKED)
    assert environment.stats.entries["own", "GET"].num_requests == 1
    assert environment.stats.total.num_requests == 5


def test_after_a_reset_only_seconds_that_began_later_are_shown(
    environment: Environment, statistics: Statistics
) -> None:
    made = statistics()
    made.add([line(5, 0, GOOD)], ASKED)
    environment.stats.reset_all()
    made.reset()  # at 7 s and 1 ns
    made.add([line(6, 0, GOOD), line(7, 0, GOOD), line(8, 0, GOOD, BAD)], ASKED)
    assert environment.stats.total.num_requests == 7
    assert dict(environment.stats.total.num_reqs_per_sec) == {EPOCH_S + 8: 7}


def test_the_last_request_is_never_in_the_future(environment: Environment, statistics: Statistics) -> None:
    statistics(now_s=EPOCH_S + 5.5).add([line(5, 0, GOOD)], ASKED)
    assert environment.stats.last_request_timestamp == EPOCH_S + 5.5


def test_current_rates_are_those_of_the_last_whole_seconds(environment: Environment, statistics: Statistics) -> None:
    made = statistics()
    for second in range(30):
        count = 100 + second
        made.add([line(second, 0, EngineStatus("2xx", count, {"body": 10}, ((50, count),), (), 0))], ASKED)
    # last = 30.25 s: the seconds 18 … 27
    assert environment.stats.total.current_rps == pytest.approx(100 + (18 + 27) / 2)
    assert environment.stats.total.current_fail_per_sec == 10


def test_a_workers_report_adds_up_at_the_master_to_the_request(
    environment: Environment, statistics: Statistics
) -> None:
    made, master = statistics(), Environment().stats
    lines = [line(5, 0, GOOD, BAD, dropped=2), line(6, 1, GOOD)]
    for worker_lines in (lines, lines[1:]):
        made.add(worker_lines, ASKED)
        told = msgspec.msgpack.decode(
            msgspec.msgpack.encode(
                [environment.stats.serialize_stats(), environment.stats.total.get_stripped_report()]
            ),
            strict=False,
        )
        for entry in told[0]:
            master.entries[entry["name"], entry["method"]].extend(StatsEntry.unserialize(entry, master))
        master.total.extend(StatsEntry.unserialize(told[1], master))
    assert master.total.num_requests == 17
    assert master.entries[BALANCE].num_requests == 9
    assert master.entries[HISTORY].num_requests == 8
    assert master.total.response_times[0.1] == 3
    assert environment.stats.total.num_requests == 0


def test_without_a_runner_the_order_of_listeners_would_be_wrong() -> None:
    with pytest.raises(RuntimeError, match="no runner yet"):
        BulkStatistics(Environment())
