from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from clusters import (
    CannotStart,
    Held,
    NotReady,
    fetch_counters,
    fetch_version,
    recorded,
    start_clusters,
    status,
    stop_recorded,
)
from clusters.record import read_entries, write_entries
from records.plan import Plan
from records.plan_file import check_plan, plan_tree

REPOSITORY = Path(__file__).parents[2]

OWNER = """\
import json, signal, sys, time
from pathlib import Path
from clusters import start_clusters
from records.plan_file import check_plan
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
root, moment = Path(sys.argv[1]), sys.argv[2]
plan = check_plan(json.loads((root / "plan.json").read_text()), "test")
def say(line):
    print(line, flush=True)
with start_clusters(plan, root, say=say):
    say("all ready")
    while True:
        time.sleep(0.1)
"""


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def gone_within(pids: list[int], limit_s: float) -> bool:
    end = time.monotonic() + limit_s
    while any(alive(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(alive(pid) for pid in pids)


def quiet(_: str) -> None:
    pass


def pids_of(root: Path) -> list[int]:
    return [entry.instance.pid for entry in read_entries(root) if entry.instance.pid is not None]


def wait_for(what: Callable[[], bool], limit_s: float = 20.0) -> None:
    end = time.monotonic() + limit_s
    while not what():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.02)


def test_both_twins_are_up_at_once_pinned_recorded_and_gone_afterwards(plan: Plan, root: Path) -> None:
    said: list[str] = []
    with start_clusters(plan, root, say=said.append) as clusters:
        assert [i.name for i in clusters.instances] == ["go-1", "go-2", "rust-1", "rust-2"]
        assert all(i.pid and i.started and alive(i.pid) for i in clusters.instances)
        core = plan.twins["go"].cpu_set[0]
        assert {fetch_version(plan, i) for i in clusters.instances} == {f"cores {core}"}
        assert set(fetch_counters(plan, clusters.instances).values()) == {4.0}
        assert pids_of(root) == [i.pid for i in clusters.instances]
        assert recorded(root) == ()
        assert [os.getsid(i.pid or 0) for i in clusters.instances] == [i.pid for i in clusters.instances]
        assert clusters.deaths() == ()
    assert gone_within([i.pid or 0 for i in clusters.instances], 0.0)
    assert read_entries(root) == ()
    assert sum("is ready after" in line for line in said) == 4
    assert (root / ".twinload/logs/go-1.log").read_text() == "server good begins\n"
    clusters.stop()


def test_an_instance_that_dies_is_told_once_with_how_and_its_last_lines(plan: Plan, root: Path) -> None:
    with start_clusters(plan, root, say=quiet) as clusters:
        os.kill(clusters.instances[1].pid or 0, signal.SIGKILL)
        wait_for(lambda: not alive(clusters.instances[1].pid or 0))
        deaths = clusters.deaths()
        assert clusters.deaths() == ()
    (death,) = deaths
    assert str(death) == "go-2 was killed by SIGKILL\n  | server good begins"


def test_an_instance_that_ends_before_it_is_ready_is_named_and_nothing_is_left(tree, root: Path) -> None:
    plan = check_plan(tree("broken"), "test")
    with pytest.raises(NotReady, match=r"rust-\d ended with exit code 3 before it was ready(.|\n)*no rows"):
        start_clusters(plan, root, say=quiet)
    assert read_entries(root) == ()


def test_an_instance_that_never_gets_ready_is_named_with_what_it_answers(tree, root: Path) -> None:
    plan = check_plan(tree("late", ready_timeout_s=1.0), "test")
    with pytest.raises(NotReady, match=r"rust-[12]: /readyz answered 503 after 1 s"):
        start_clusters(plan, root, say=quiet)


def test_all_faults_come_at_once_and_nothing_was_started(tree, ports, root: Path) -> None:
    values = tree()
    values["twins"]["rust"]["command"] = ["./nothing-here"]
    with socket.create_server(("127.0.0.1", ports[0])), pytest.raises(CannotStart) as caught:
        start_clusters(check_plan(values, "test"), root, twins=["go", "rust", "zig"], say=quiet)
    kinds = [type(fault).__name__ for fault in caught.value.faults]
    assert kinds == ["UnknownTwin", "PortTaken", "BinaryMissing", "BinaryMissing"]
    assert read_entries(root) == ()
    start_clusters(check_plan(tree(), "test"), root, twins=["go"], say=quiet).stop()


def test_a_program_that_cannot_be_executed_says_so_in_its_log(tree, root: Path) -> None:
    (root / "nonsense").write_bytes(b"\x7fELF nonsense")
    (root / "nonsense").chmod(0o755)
    values = tree()
    values["twins"]["rust"]["command"] = ["./nonsense"]
    with pytest.raises(NotReady, match=r"exit code 126(.|\n)*cannot become .*nonsense: .*Exec format error"):
        start_clusters(check_plan(values, "test"), root, say=quiet)


def test_what_ignores_sigterm_and_what_it_started_itself_are_killed(tree, root: Path) -> None:
    plan = check_plan(tree("stubborn"), "test")
    with start_clusters(plan, root, twins=["rust"], say=quiet) as clusters:
        stubborn = [i.pid or 0 for i in clusters.instances]
        clusters.stop(grace_s=0.3)
    assert gone_within(stubborn, 0.0)
    plan = check_plan(tree("parent"), "test")
    with start_clusters(plan, root, twins=["rust"], say=quiet) as clusters:
        logs = [(root / (i.log or "")).read_text() for i in clusters.instances]
        children = [int(log.split("child ")[1].split()[0]) for log in logs]
        assert all(alive(pid) for pid in children)
    assert gone_within(children, 2.0)


def test_the_log_of_the_start_before_is_kept(plan: Plan, root: Path) -> None:
    for _ in range(2):
        start_clusters(plan, root, twins=["go"], say=quiet).stop()
    assert (root / ".twinload/logs/go-1.log.1").read_text() == "server good begins\n"


def test_an_instance_inherits_no_secret(plan: Plan, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_STARTER", "x")
    values = plan_tree(plan)
    values["twins"]["go"]["version"] = "/env"
    values["twins"]["go"]["env"] = {"GOMAXPROCS": "1"}
    seen = check_plan(values, "test")
    with start_clusters(seen, root, twins=["go"], say=quiet) as clusters:
        text = fetch_version(seen, clusters.instances[0]) or ""
    assert "GOMAXPROCS=1" in text
    assert "SECRET_OF_THE_STARTER" not in text


def test_what_up_leaves_running_is_recorded_told_and_ended_by_down(plan: Plan, root: Path) -> None:
    with start_clusters(plan, root, twins=["go"], detach=True, say=quiet) as clusters:
        pids = [i.pid or 0 for i in clusters.instances]
    try:
        assert [i.name for i in recorded(root)] == ["go-1", "go-2"]
        assert all(s.running and s.ready and s.memory_bytes and s.cpu_s is not None for s in status(root))
        with pytest.raises(Held, match=r"go-1, go-2 up already, since `twinload up`; `twinload down` stops them"):
            start_clusters(plan, root, say=quiet)
        with start_clusters(plan, root, twins=["rust"], say=quiet):
            assert len(status(root)) == 4
            with pytest.raises(Held, match=f"held by process {os.getpid()}"):
                stop_recorded(root)
        assert [i.name for i in recorded(root)] == ["go-1", "go-2"]
        os.kill(pids[0], signal.SIGKILL)
        wait_for(lambda: not alive(pids[0]))
        assert [(s.running, s.ready) for s in status(root)] == [(False, False), (True, True)]
        assert [i.name for i in stop_recorded(root, ["rust"])] == []
        assert [i.name for i in stop_recorded(root, ["go"])] == ["go-2"]
        assert gone_within(pids, 0.0)
        assert status(root) == ()
    finally:
        clusters.stop()


def test_what_a_dead_owner_left_is_ended_by_the_next_start_but_a_strangers_process_is_not(
    plan: Plan, root: Path
) -> None:
    clusters = start_clusters(plan, root, twins=["go"], detach=True, say=quiet)
    left, spared = (i.pid or 0 for i in clusters.instances)
    try:
        one, two = read_entries(root)
        write_entries(root, [replace(one, kept=False), replace(two, kept=False, token="another:1")])  # noqa: S106
        said: list[str] = []
        start_clusters(plan, root, twins=["rust"], say=said.append).stop()
        assert not alive(left)
        assert alive(spared)
        assert any(f"process {left} was left over" in line for line in said)
    finally:
        clusters.stop()


def test_external_twins_are_waited_for_and_not_watched(plan: Plan, tree, root: Path) -> None:
    values = tree(start="external")
    with start_clusters(plan, root, say=quiet), pytest.raises(Held):
        start_clusters(check_plan(values, "test"), root, say=quiet)
    other = root / "other"
    other.mkdir()
    with start_clusters(plan, root, say=quiet):
        with start_clusters(check_plan(values, "test"), other, say=quiet) as found:
            assert {(i.watch, i.pid) for i in found.instances} == {("none", None)}
            assert found.deaths() == ()
        assert fetch_version(plan, found.instances[0]) is not None
    with pytest.raises(NotReady, match=r"no answer \(Connection refused\) after 0.2 s"):
        start_clusters(check_plan(tree(start="external", ready_timeout_s=0.2), "test"), other, say=quiet)


@pytest.mark.parametrize("moment", ["starting", "ready"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_instance_survives_its_owner(tree, root: Path, number: signal.Signals, moment: str) -> None:
    values = tree("good" if moment == "ready" else "late")
    (root / "plan.json").write_text(json.dumps(values))
    with (root / "owner.log").open("w") as log:
        command = [sys.executable, "-c", OWNER, str(root), moment]
        owner = subprocess.Popen(command, stdout=log, stderr=log, cwd=REPOSITORY)
    try:
        sign = "all ready" if moment == "ready" else "rust-2: process"
        wait_for(lambda: sign in (root / "owner.log").read_text())
        pids = pids_of(root)
        assert len(pids) == 4
        owner.send_signal(number)
        assert gone_within(pids, 3.0)
        owner.wait(timeout=10)
    finally:
        owner.kill()
        owner.wait(timeout=10)
    entries = read_entries(root)
    assert len(entries) == (4 if number == signal.SIGKILL else 0)
    assert status(root) == () or not any(s.running for s in status(root))
    start_clusters(check_plan(tree(), "test"), root, twins=["go"], say=quiet).stop()
    assert read_entries(root) == ()
