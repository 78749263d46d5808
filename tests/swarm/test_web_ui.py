"""The web UI as a person uses it: the form, Start, both twins apart, Stop, Start again."""

from __future__ import annotations

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from swarm_cases import Project

from clusters.ports import free_ports
from records.errors import RunFolderError

pytestmark = pytest.mark.slow


class Browser:
    """Asks the web UI."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.base + path, timeout=10) as answer:
            return str(answer.read().decode())

    def post(self, path: str, **fields: str) -> Any:
        data = urllib.parse.urlencode(fields).encode()
        with urllib.request.urlopen(self.base + path, data=data, timeout=30) as answer:
            text = answer.read().decode()
            return json.loads(text) if text.startswith("{") else text

    def stats(self) -> dict[str, Any]:
        return dict(json.loads(self.get("/stats/requests")))

    def until(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        """Wait for something to come true."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.stats()
            time.sleep(0.1)

    def reached(self) -> bool:
        try:
            return bool(self.get("/"))
        except OSError:
            return False


def test_a_run_in_the_web_ui_starts_shows_both_twins_stops_and_starts_again(project: Project) -> None:
    port = free_ports(1)[0]
    child = project.start("--web-host", "127.0.0.1", "--web-port", str(port))
    browser = Browser(port)
    browser.until(browser.reached)
    page = browser.get("/")
    for field in ("twins", "endpoints", "stages_kind", "rates", "warmup_s", "measure_s", "pairs", "seats", "sender"):
        assert f'"{field}"' in page
    refused = browser.post("/swarm", twins="one,three")
    assert (refused["success"], "there are: one, two" in refused["message"]) == (False, True)

    assert browser.post("/swarm", rates="80", measure_s="1", seats="10")["success"]
    browser.until(lambda: browser.stats()["state"] == "stopped")
    counts = {row["name"]: row["num_requests"] for row in browser.stats()["stats"]}
    assert counts["one front"] == project.one.count() > 100
    assert counts["two front"] == project.two.count() > 100
    assert [line.seats for line in project.reader().stages()] == [10, 10]

    assert browser.post("/swarm", rates="50", measure_s="60", seats="20")["success"]
    before = project.one.count() + project.two.count()
    browser.until(lambda: project.one.count() + project.two.count() > before)
    browser.post("/stats/reset")
    assert browser.post("/stop")["success"]
    browser.until(lambda: browser.stats()["state"] == "stopped")
    (line,) = project.reader().stages()
    assert (line.complete, line.why) == (False, ("stopped by hand",))
    assert len(list((project.folder / "runs").glob("*-by-hand"))) == 2
    child.terminate()
    _, err = child.communicate(timeout=60)
    assert child.returncode == 0, err


def test_the_engine_is_a_choice_of_the_form_and_a_live_stage_follows_the_users_that_a_person_sets(
    project: Project,
) -> None:
    project.edit("[stages]", "user_rate_rps = 2.0\n[stages]")
    port = free_ports(1)[0]
    child = project.start("--web-host", "127.0.0.1", "--web-port", str(port))
    browser = Browser(port)
    browser.until(browser.reached)

    assert browser.post("/swarm", sender="native-schedule", rates="80", measure_s="2", seats="10")["success"]
    browser.until(lambda: browser.stats()["state"] == "stopped")
    counts = {row["name"]: row["num_requests"] for row in browser.stats()["stats"]}
    assert counts["one front"] == project.one.count() > 100
    assert counts["two front"] == project.two.count() > 100
    assert [line.sender for line in project.reader().stages()] == ["native-schedule"] * 2

    before = project.reader().path.resolve()
    fields = {
        "sender": "native-schedule", "stages_kind": "live", "twins": "one", "rates": "", "measure_s": "60",
        "spawn_rate": "1000",
    }  # fmt: skip
    assert browser.post("/swarm", user_count="20", **fields)["success"]
    browser.until(lambda: len(_sent(project, before)) >= 4)
    assert browser.post("/swarm", user_count="120", **fields)["success"]
    more = len(_sent(project, before)) + 2
    browser.until(lambda: len(_sent(project, before)) >= more + 3)
    assert browser.post("/stop")["success"]
    browser.until(lambda: browser.stats()["state"] == "stopped")
    sent = _sent(project, before)
    # 20 users at 2 a second, then 120: six standard errors of a second's count.
    assert all(abs(count - 40) <= 6 * 40**0.5 for count in sent[:3]), sent
    assert all(abs(count - 240) <= 6 * 240**0.5 for count in sent[more : more + 3]), sent
    (line,) = project.reader().stages()
    assert (line.stage.live, line.complete) == (True, False)

    counted = project.two.count()
    assert browser.post("/swarm", **{**fields, "stages_kind": "steps", "rates": "50", "measure_s": "1", "twins": "two"})
    browser.until(lambda: browser.stats()["state"] == "stopped" and project.two.count() > counted)
    child.terminate()
    _, err = child.communicate(timeout=60)
    assert child.returncode == 0, err


def _sent(project: Project, before: Path) -> list[int]:
    """Return what was sent in each second of the newest run; nothing while that is still the one before."""
    try:
        if project.reader().path.resolve() == before:
            return []
        return [second.sent for second in project.reader().seconds()]
    except (OSError, RunFolderError):
        return []


def test_start_answers_with_both_ways_when_nothing_runs(project: Project) -> None:
    project.edit(
        '[twins.two]\nstart = "external"', '[twins.two]\nstart = "process"\ncommand = ["false"]\ncpu_set = [0]'
    )
    port = free_ports(1)[0]
    project.start("--web-host", "127.0.0.1", "--web-port", str(port))
    browser = Browser(port)
    browser.until(browser.reached)
    answer = browser.post("/swarm")
    assert answer["success"] is False
    assert "twinload up" in answer["message"]
    assert browser.stats()["state"] == "ready"
