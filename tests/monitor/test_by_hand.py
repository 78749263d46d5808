"""The watch of a run by hand: what it tells of processes that end, and how it ends itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_pair import wait_until

from monitor.by_hand import HandMonitor
from records.clock import Clock
from records.event import Event
from records.instance import Instance
from records.plan import Plan
from records.plan_file import check_plan
from records.usage import UsageLine


def plan() -> Plan:
    def twin(name: str, port: int) -> dict[str, object]:
        return {"start": "external", "instances": [{"name": name, "address": f"127.0.0.1:{port}", "serves": ["a"]}]}

    twins = {"go": twin("x", 8), "rust": twin("y", 9)}
    return check_plan({"twins": twins, "workload": [{"name": "a", "path": "/", "hot": True}]}, "test")


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as started:
        yield started
        started.kill()


def test_a_process_that_ends_is_told_once_with_the_end_of_its_log(
    tmp_path: Path, process: subprocess.Popen[bytes]
) -> None:
    (tmp_path / "go-1.log").write_text("listening\npanic: no more\n", encoding="utf-8")
    mine = Instance("go-1", "target", twin="go", watch="process", pid=process.pid, log="go-1.log")
    me = Instance("generator", "generator", watch="process", pid=os.getpid())
    monitor, lines, told = HandMonitor(plan(), tmp_path, (mine, me), Clock.now()), list[UsageLine](), list[Event]()
    monitor.start(lines.append, {"generator": (os.getpid(),)})
    try:
        assert monitor.news() == ()
        wait_until(lambda: bool(lines), what="a sample of it")
        process.kill()
        wait_until(lambda: bool(told.extend(monitor.news()) or told), what="the death")
        assert monitor.news() == ()
    finally:
        monitor.stop()
    assert [(event.kind, event.instance, event.text) for event in told] == [
        ("instance-died", "go-1", "go-1 ended\n  | listening\n  | panic: no more")
    ]
    assert lines[0].cpu_s[0] is not None
    assert lines[0].cpu_s[1] is not None


def test_a_watch_that_never_began_ends_all_the_same(tmp_path: Path) -> None:
    HandMonitor(plan(), tmp_path, (Instance("host", "host", watch="host"),), Clock.now()).stop()
