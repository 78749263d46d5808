"""Resets of Locust's figures: what each kind of process forgets."""

from __future__ import annotations

from locust.env import Environment
from locust.event import Events
from locust.rpc import Message

from types import SimpleNamespace
from typing import Any

import pytest

from swarm import statistics_reset
from swarm.statistics_reset import RESET, RESETS_KEY, StatisticsReset


class Counted:
    """Stands in for the bulk statistics: counts resets."""

    resets = 0

    def reset(self) -> None:
        self.resets += 1


class Runner:
    """Stands in for a master's or a worker's runner."""

    def __init__(self, *workers: str) -> None:
        self.clients = SimpleNamespace(all=[SimpleNamespace(id=worker) for worker in workers])
        self.sent: list[tuple[str, Any]] = []
        self.heard: dict[str, Any] = {}

    def send_message(self, kind: str, data: Any) -> None:
        self.sent.append((kind, data))

    def register_message(self, kind: str, listener: Any) -> None:
        self.heard[kind] = listener


def connected(runner: Runner | None = None, *, reset_stats: bool = False) -> tuple[Events, Environment, Counted]:
    events, counted = Events(), Counted()
    StatisticsReset(events, lambda: counted)  # type: ignore[arg-type, return-value]
    environment = Environment(events=events, reset_stats=reset_stats)
    environment.runner = runner  # type: ignore[assignment]
    events.init.fire(environment=environment)
    return events, environment, counted


def report(number: int) -> dict[str, Any]:
    return {
        "stats": [{"name": "a", "method": "GET"}],
        "stats_total": {"name": "Aggregated", "method": "", "num_requests": 7},
        "errors": {"key": {}},
        RESETS_KEY: number,
    }


def test_a_local_reset_begins_the_bulk_statistics_anew() -> None:
    events, _, counted = connected()
    events.reset_stats.fire()
    assert counted.resets == 1


@pytest.mark.parametrize("wanted", [True, False])
def test_the_end_of_spawning_is_a_reset_when_reset_stats_is_set(wanted: bool) -> None:
    events, _, counted = connected(reset_stats=wanted)
    events.spawning_complete.fire(user_count=1)
    assert counted.resets == int(wanted)


def test_a_master_tells_its_workers_and_drops_their_figures_until_each_has_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(statistics_reset, "MasterRunner", Runner)
    runner = Runner("one", "two")
    events, _, _ = connected(runner)
    events.reset_stats.fire()
    assert runner.sent == [(RESET, {"number": 1})]
    early, answered, other, after = report(0), report(1), report(0), report(1)
    events.worker_report.fire(client_id="one", data=early)
    events.worker_report.fire(client_id="one", data=answered)
    events.worker_report.fire(client_id="two", data=other)
    events.worker_report.fire(client_id="one", data=after)
    for dropped in (early, other):
        assert (dropped["stats"], dropped["errors"]) == ([], {})
        assert dropped["stats_total"] == {"name": "Aggregated", "method": ""}
    assert answered == after == report(1)


def test_a_worker_that_connects_after_a_reset_is_believed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics_reset, "MasterRunner", Runner)
    events, _, _ = connected(Runner("one"))
    events.reset_stats.fire()
    late = report(0)
    events.worker_report.fire(client_id="three", data=late)
    assert late == report(0)


def test_a_worker_forgets_what_it_has_not_reported_and_says_so_with_its_next_report(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(statistics_reset, "WorkerRunner", Runner)
    runner = Runner()
    events, environment, counted = connected(runner)
    environment.stats.log_request("GET", "a", 1, 1)
    environment.stats.log_error("GET", "a", "bad")
    runner.heard[RESET](environment=environment, msg=Message(RESET, {"number": 3}, "master"))
    assert counted.resets == 1
    assert (environment.stats.num_requests, environment.stats.errors) == (0, {})
    data: dict[str, Any] = {}
    events.report_to_master.fire(client_id="one", data=data)
    assert data == {RESETS_KEY: 3}
