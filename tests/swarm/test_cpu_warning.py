"""The CPU warning judges Python alone: real threads of this process, and hand-made figures."""

from __future__ import annotations

from locust import runners
from locust.env import Environment
from locust.event import Events

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swarm.cpu_warning import CpuWarning, ThreadCpu, python_threads

NS = 1_000_000_000


class Machine:
    """A clock and thread figures that a test sets."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.cpu: ThreadCpu = {}

    def threads(self) -> ThreadCpu:
        return self.cpu

    def clock(self) -> int:
        return self.now_ns


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(runners, "CPU_WARNING_THRESHOLD", runners.CPU_WARNING_THRESHOLD)  # put back afterwards
    return Machine()


@pytest.fixture
def environment(machine: Machine) -> Iterator[Environment]:
    events = Events()
    CpuWarning(events, machine.threads, machine.clock)
    made = Environment(events=events)
    runner = made.create_local_runner()
    events.init.fire(environment=made)
    yield made
    runner.greenlet.kill()


def measured(environment: Environment, machine: Machine, after_s: float, cpu_s: dict[int, float]) -> float:
    """Let Locust measure, the whole process at 400 %; return what is shown then."""
    assert environment.runner is not None
    machine.now_ns += int(after_s * NS)
    machine.cpu = {thread: int(used_s * NS) for thread, used_s in cpu_s.items()}
    environment.runner.current_cpu_usage = 400.0
    environment.events.usage_monitor.fire(environment=environment, cpu_usage=400.0, memory_usage=1)
    return environment.runner.current_cpu_usage


def test_what_is_shown_is_the_share_of_the_threads_that_count(environment: Environment, machine: Machine) -> None:
    assert measured(environment, machine, 10, {1: 3.0}) == pytest.approx(30)
    assert measured(environment, machine, 10, {1: 5.0, 2: 1.5}) == pytest.approx(35)
    assert measured(environment, machine, 5, {1: 5.5}) == pytest.approx(10)  # thread 2 ended


def test_a_busy_engine_is_no_warning_and_a_busy_python_is_one(
    environment: Environment, machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    warned: list[float] = []
    environment.events.cpu_warning.add_listener(lambda cpu_usage, **_: warned.append(cpu_usage))
    with caplog.at_level(logging.WARNING, "twinload.swarm"):
        measured(environment, machine, 10, {1: 8.9})
        assert (warned, caplog.records) == ([], [])
        for used_s in (18.4, 27.9):
            measured(environment, machine, 10, {1: used_s})
    assert warned == pytest.approx([95, 95])
    assert [record.getMessage()[:30] for record in caplog.records] == ["Python uses 95% of a core (the"]
    assert environment.runner is not None
    assert environment.runner.cpu_warning_emitted


def test_locusts_own_judgement_of_the_whole_process_never_comes(environment: Environment) -> None:
    assert runners.CPU_WARNING_THRESHOLD > 100_000


def test_threads_named_as_the_engine_names_its_own_do_not_count(tmp_path: Path) -> None:
    ticks = "S 1 2 3 4 5 6 7 8 9 10 {user} {system} 0 0"
    for thread, name, user, system in ((11, "python) x", 300, 40), (12, "twinload-0", 900, 100), (13, "gevent", 1, 0)):
        (tmp_path / str(thread)).mkdir()
        (tmp_path / str(thread) / "stat").write_text(f"{thread} ({name}) {ticks.format(user=user, system=system)}\n")
    (tmp_path / "14").mkdir()  # it has just ended
    assert python_threads(tmp_path) == {11: 3_400_000_000, 13: 10_000_000}


def test_this_processs_own_threads_are_seen() -> None:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append((threading.get_native_id(), python_threads())))
    thread.start()
    thread.join()
    ((native_id, seen),) = found
    assert native_id in seen
    assert threading.get_native_id() in seen


def test_without_proc_the_whole_process_counts(tmp_path: Path) -> None:
    (used_ns,) = python_threads(tmp_path / "nothing").values()
    assert used_ns > 0
