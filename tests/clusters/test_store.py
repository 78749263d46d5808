"""The store of a run: started first, told to every instance, gone with its owner however that ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from clusters import CannotStart, Clusters, Death, check_current, recorded, start_clusters, status, stop_recorded
from clusters.command import launches, split_address
from clusters.errors import ClusterError
from clusters.record import Entry, read_entries
from clusters.store import NAME, recorded_store
from records.plan import Plan
from records.plan_file import check_plan, plan_tree

Tree = Callable[..., dict[str, Any]]
needs_redis = pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")

OWNER = """\
import json, sys, time
from pathlib import Path
from clusters import start_clusters
from records.plan_file import check_plan
root = Path(sys.argv[1])
plan = check_plan(json.loads((root / "plan.json").read_text()), "test")
with start_clusters(plan, root, say=lambda line: None):
    print("all ready", flush=True)
    time.sleep(600)
"""


def quiet(_: str) -> None:
    pass


@pytest.fixture
def shared(tree: Tree) -> Plan:
    """Two twins whose instances are told of a store that the run starts."""
    values = tree() | {"store": {"kind": "redis", "start": True}}
    for twin in values["twins"].values():
        twin["command"] = [*twin["command"], "{store}"]
    return check_plan(values, "test")


def store_of(root: Path) -> Entry:
    found = recorded_store(read_entries(root))
    assert found is not None
    return found


def ping(address: str | None) -> bytes:
    with socket.create_connection(split_address(address or ""), timeout=10) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(16)


def gone(pid: int | None) -> bool:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            if pid is None or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


@needs_redis
def test_a_store_answers_before_the_instances_and_is_gone_with_them(shared: Plan, root: Path) -> None:
    said: list[str] = []
    with start_clusters(shared, root, say=said.append) as up:
        store = store_of(root)
        assert said[0].startswith("store: process")
        assert ping(store.instance.address) == b"+PONG\r\n"
        assert store.instance.address is not None
        assert store.instance.address.startswith("127.0.0.1:")
        urls = {
            entry.argv[-1] for entry in read_entries(root) if entry is not store and entry.instance.role == "target"
        }
        assert urls == {f"redis://{store.instance.address}"}
        assert [one.name for one in up.instances] == ["go-1", "go-2", "rust-1", "rust-2"]
        assert psutil.Process(store.instance.pid).cpu_affinity() == shared.twins["go"].cpu_set
        assert not any(Path(root / ".twinload/store").iterdir())
    assert gone(store.instance.pid)
    assert read_entries(root) == ()


def deaths_of(up: Clusters) -> tuple[Death, ...]:
    """Wait for the first deaths: a killed process of several threads is a zombie before it can be waited for."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if found := up.deaths():
            return found
        time.sleep(0.02)
    return ()


@needs_redis
def test_the_death_of_a_store_is_told_once_with_its_log(shared: Plan, root: Path) -> None:
    with start_clusters(shared, root, say=quiet) as up:
        pid = store_of(root).instance.pid
        assert pid is not None
        assert up.deaths() == ()
        os.kill(pid, signal.SIGKILL)
        (death,) = deaths_of(up)
        assert (death.name, death.how) == (NAME, "was killed by SIGKILL")
        assert any("Ready to accept connections" in line for line in death.log_tail)
        assert up.deaths() == ()


@needs_redis
def test_a_store_dies_with_an_owner_that_is_killed(shared: Plan, root: Path) -> None:
    (root / "plan.json").write_text(json.dumps(plan_tree(shared)))
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(root)], stdout=subprocess.PIPE, text=True, env=environ
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "all ready\n"
        pid = store_of(root).instance.pid
        owner.kill()
    assert gone(pid)


@needs_redis
def test_what_is_up_keeps_its_store_until_the_last_twin_goes_down(shared: Plan, root: Path) -> None:
    start_clusters(shared, root, twins=["go"], detach=True, say=quiet)
    try:
        first = store_of(root).instance
        start_clusters(shared, root, twins=["rust"], detach=True, say=quiet)
        assert store_of(root).instance == first
        up = recorded(root)
        assert [one.name for one in up] == ["go-1", "go-2", "rust-1", "rust-2"]
        check_current(shared, root, up)
        state = next(one for one in status(root) if one.instance.name == NAME)
        assert (state.running, state.ready) == (True, None)
        stop_recorded(root, ["go"])
        assert ping(first.address) == b"+PONG\r\n"
    finally:
        stopped = stop_recorded(root)
    assert NAME in [one.name for one in stopped]
    assert gone(first.pid)
    assert read_entries(root) == ()


@needs_redis
def test_nothing_is_left_of_a_store_whose_instances_do_not_start(tree: Tree, root: Path) -> None:
    values = tree("broken") | {"store": {"kind": "redis", "start": True}}
    for twin in values["twins"].values():
        twin["command"] = [*twin["command"], "{store}"]
    with pytest.raises(ClusterError):
        start_clusters(check_plan(values, "test"), root, say=quiet)
    assert read_entries(root) == ()


def test_a_machine_without_the_program_is_told_how_to_get_it(
    shared: Plan, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(root))
    with pytest.raises(
        CannotStart, match=r"redis-server is not found in PATH; `apt-get install redis-server`, or give"
    ):
        start_clusters(shared, root, say=quiet)


def test_instances_are_told_of_a_store_that_runs_already(tree: Tree) -> None:
    values = tree() | {"store": {"kind": "redis", "redis": "redis://127.0.0.1:6379"}}
    for twin in values["twins"].values():
        twin["command"] = [*twin["command"], "{store}"]
    what = launches(check_plan(values, "test"), Path("/plan"), ("go", "rust"), {})
    assert {launch.argv[-1] for launch in what} == {"redis://127.0.0.1:6379"}
    values["store"] = {"kind": "none"}
    what = launches(check_plan(values, "test"), Path("/plan"), ("go", "rust"), {})
    assert {launch.argv[-1] for launch in what} == {"none"}
