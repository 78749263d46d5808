"""Locust's own figures of the native schedule, end to end: files, summary, listeners and web UI against the targets."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from swarm_cases import Project, open_project, start_target

from clusters.ports import free_ports

pytestmark = pytest.mark.slow
pytest.importorskip("twinload_engine")

LISTENING = """
import json
import os
from collections import Counter

from locust import events
from swarm.schedule_seat import ScheduleSeat
from swarm.wiring import RampStages, connect

class Handle(ScheduleSeat):
    pass

class Ramp(RampStages):
    pass

connect(events, seat_classes={"native-schedule": Handle}, shape_class=Ramp)
heard = Counter()

@events.request.add_listener
def hear(name, context, **_):
    bulk = context["twinload_bulk"]
    heard[f"{name} {bulk.status} {bulk.cause}"] += bulk.count
    if "RAISING" in os.environ:
        raise ValueError("a listener that raises")

@events.quit.add_listener
def tell(**_):
    with open(f"heard-{os.getpid()}.json", "w") as file:
        json.dump(heard, file)
"""
NATIVE = ("--set", 'swarm.sender="native-schedule"', "--csv", "run", "--html", "run.html")
HEADLESS = ("--headless", *NATIVE)


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that is over, with what it left."""

    project: Project
    code: int
    err: str

    def rows(self, name: str) -> list[dict[str, str]]:
        """Return a CSV file's rows; they have an end each, the last one too."""
        with (self.project.folder / name).open(newline="") as file:
            return list(csv.DictReader(file))

    @property
    def total(self) -> dict[str, str]:
        """The last row of the statistics."""
        return self.rows("run_stats.csv")[-1]

    @property
    def requests(self) -> dict[str, int]:
        """Requests by name, from the CSV file."""
        return {row["Name"]: int(row["Request Count"]) for row in self.rows("run_stats.csv")[:-1]}

    @property
    def failures(self) -> Counter[str]:
        """Failures by cause, from the CSV file."""
        out = Counter[str]()
        for row in self.rows("run_failures.csv"):
            out[row["Error"]] += int(row["Occurrences"])
        return out

    @property
    def heard(self) -> Counter[str]:
        """What the listeners of all processes heard."""
        out = Counter[str]()
        for file in self.project.folder.glob("heard-*.json"):
            out.update(json.loads(file.read_text()))
        return out

    @property
    def served(self) -> int:
        """What the targets counted."""
        return self.project.one.count() + self.project.two.count()


def listening(project: Project) -> Project:
    project.locustfile = project.folder / "listening.py"
    project.locustfile.write_text(LISTENING)
    return project


def run(project: Project, *options: str, **popen: Any) -> Ended:
    code, _, err = listening(project).run(*HEADLESS, "--json-file", "run", *options, **popen)
    return Ended(project, code, err)


def local(project: Project) -> Ended:
    code, _, err = listening(project).run(*HEADLESS, "--rates", "400,900")
    return Ended(project, code, err)


def mix_of_two_workers(project: Project) -> Ended:
    return run(project, "--processes", "2", "--endpoints", "mix", "--rates", "600")


def failing(project: Project) -> Ended:
    project.edit('path = "/front/{user_id}?tier={tier}"', 'path = "/fail/{user_id}"')
    return run(project, "--rates", "300", "--twins", "one", "--set", "engine.loop='open'")


def raising(project: Project) -> Ended:
    return run(project, "--rates", "300", "--twins", "one", env={"RAISING": "1"})


def overloaded(project: Project) -> Ended:
    project.one.end()
    project.one = start_target(answer_ms=20)
    address = re.search(r"one-1\"\naddress = \"(127.0.0.1:\d+)\"", project.plan_file.read_text())
    assert address is not None
    project.edit(address[1], f"127.0.0.1:{project.one.port}")
    limits = ("--set", "engine.connections=2", "--set", "engine.queue_limit_s=0.3")
    return run(project, "--rates", "300", "--twins", "one", *limits)


def interrupted(project: Project) -> Ended:
    child = listening(project).start(*HEADLESS, "--rates", "300", "--measure-s", "60", "--twins", "one")
    until = time.monotonic() + 30
    while time.monotonic() < until and project.one.count() < 500:
        time.sleep(0.1)
    os.kill(child.pid, signal.SIGINT)
    _, err = child.communicate(timeout=120)
    return Ended(project, child.returncode, err)


CODES = {"raising": 3, "interrupted": 130}
SCENARIOS: dict[str, Callable[[Project], Ended]] = {
    "local": local,
    "workers": mix_of_two_workers,
    "failing": failing,
    "raising": raising,
    "overloaded": overloaded,
    "interrupted": interrupted,
}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory, pool_folder: Path) -> Iterator[Callable[[str], Ended]]:
    """Return what came of a scenario; they wait most of the time, so three go on at once."""
    with ExitStack() as stack, ThreadPoolExecutor(3) as threads:

        def begin(scenario: Callable[[Project], Ended]) -> Ended:
            return scenario(stack.enter_context(open_project(tmp_path_factory.mktemp("project"), pool_folder)))

        futures = {name: threads.submit(begin, scenario) for name, scenario in SCENARIOS.items()}
        yield lambda name: futures[name].result(timeout=150)


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name != "overloaded"])
def test_every_figure_of_every_file_is_what_the_targets_counted(ended: Callable[[str], Ended], name: str) -> None:
    run = ended(name)
    assert run.code == CODES.get(name, 0), run.err
    assert run.served > 250
    # what waited when the run was interrupted reached nobody
    told = run.served + (run.failures["RequestError('dropped')"] if name == "interrupted" else 0)
    assert int(run.total["Request Count"]) == sum(run.requests.values()) == told
    assert int(run.total["Failure Count"]) == sum(run.failures.values())
    assert int(run.rows("run_stats_history.csv")[-1]["Total Request Count"]) == told
    page = (run.project.folder / "run.html").read_text()
    assert f'"name": "Aggregated", "num_failures": {run.total["Failure Count"]}, "num_requests": {told}' in page


@pytest.mark.parametrize("name", ["workers", "failing", "raising"])
def test_the_json_holds_the_same_by_second_and_by_response_time(ended: Callable[[str], Ended], name: str) -> None:
    run = ended(name)
    stored = json.loads((run.project.folder / "run.json").read_text())
    assert {entry["name"]: entry["num_requests"] for entry in stored} == run.requests
    assert sum(sum(entry["num_reqs_per_sec"].values()) for entry in stored) == run.served
    assert sum(sum(entry["response_times"].values()) for entry in stored) == run.served


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_listeners_hear_of_every_request(ended: Callable[[str], Ended], name: str) -> None:
    run = ended(name)
    assert sum(run.heard.values()) == int(run.total["Request Count"])


def test_the_console_tells_the_same_at_the_end(ended: Callable[[str], Ended]) -> None:
    run = ended("local")
    summary = run.err.split("Shutting down")[1]
    assert re.findall(r"Aggregated +(\d+) +(\d+)\(", summary) == [(str(run.served), "0")]


def test_failures_are_told_by_cause(ended: Callable[[str], Ended]) -> None:
    run = ended("failing")
    assert run.failures == {"RequestError('status-500')": run.served}
    assert set(run.heard) == {"one front 5xx status-500"}


def test_workers_add_up_by_entry_of_the_mix(ended: Callable[[str], Ended]) -> None:
    run = ended("workers")
    assert set(run.requests) == {"one mix front", "one mix back", "two mix front", "two mix back"}
    for name in ("one", "two"):
        target = getattr(run.project, name)
        assert sum(count for entry, count in run.requests.items() if entry.startswith(name)) == target.count()
    assert len(list(run.project.folder.glob("heard-*.json"))) == 3
    assert run.heard == {f"{name} 2xx None": count for name, count in run.requests.items()}


def test_dropped_arrivals_are_failures_without_a_response_time(ended: Callable[[str], Ended]) -> None:
    run = ended("overloaded")
    assert run.code == 0, run.err
    dropped = run.failures["RequestError('dropped')"]
    assert dropped > 50
    assert int(run.total["Request Count"]) - dropped == run.served
    stored = json.loads((run.project.folder / "run.json").read_text())
    assert sum(entry["num_none_requests"] for entry in stored) == dropped
    assert sum(sum(entry["response_times"].values()) for entry in stored) == run.served
    assert float(run.total["50%"]) > 100  # from the intended start, so the wait counts
    offered = sum(second.offered or 0 for second in run.project.reader().seconds())
    assert int(run.total["Request Count"]) == offered


def asked(port: int, path: str, data: bytes | None = None) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data=data, timeout=10) as answer:
        return json.loads(answer.read().decode() if path != "/stats/reset" else "0")


def test_the_web_ui_shows_the_same_and_begins_anew_after_a_reset(tmp_path: Path, pool_folder: Path) -> None:
    port = free_ports(1)[0]
    with open_project(tmp_path, pool_folder) as project:
        rates = ("--rates", "300", "--measure-s", "60", "--twins", "one")
        child = listening(project).start(*NATIVE, *rates, "--autostart", "--web-host", "127.0.0.1", "-P", str(port))
        shown = {"num_requests": 0}
        until = time.monotonic() + 40
        while time.monotonic() < until and shown["num_requests"] < 1500:
            time.sleep(0.3)
            with suppress(OSError):
                shown = asked(port, "/stats/requests")["stats"][-1]
        assert shown["num_requests"] <= project.one.count()
        assert shown["current_rps"] == pytest.approx(300, rel=0.5)
        assert 0 < shown["median_response_time"] < 100
        assert isinstance(shown["median_response_time"], float)
        asked(port, "/stats/reset", b"")
        before = project.one.count()
        time.sleep(3)
        told = asked(port, "/stats/requests")["stats"][-1]["num_requests"]
        assert 0 < told <= project.one.count() - before
        asked(port, "/stop", b"")
        time.sleep(2.5)  # answers are kept for a while
        told = asked(port, "/stats/requests")["stats"][-1]["num_requests"]
        assert project.one.count() - before - 600 <= told <= project.one.count() - before
        child.terminate()
        child.communicate(timeout=120)
        run = Ended(project, child.returncode, "")
        assert int(run.total["Request Count"]) == sum(run.requests.values()) == told
        seconds = sum(second.done for second in project.reader().seconds())
        assert seconds == project.one.count()
