"""Twins as containers on a real engine: up, found, watched, and gone, however their owner ends."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient
from engine import PROGRAM, ROOT, Case, engine_or_skip, make_case, make_folder
from live_pair import wait_until

from clusters import (
    CannotStart,
    Held,
    ImageMissing,
    NotReady,
    Outdated,
    PortTaken,
    check_current,
    fetch_counters,
    recorded,
    start_clusters,
    status,
    stop_recorded,
)
from clusters.compose import find_compose
from records.plan_file import check_plan, plan_tree

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client() -> Iterator[DockerClient]:
    with engine_or_skip() as client:
        yield client


@pytest.fixture(scope="module")
def folder(client: DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("containers") / "twins")


@pytest.fixture
def case(client: DockerClient, folder: Path) -> Iterator[Callable[..., Case]]:
    """Make cases in projects of their own, of which nothing may be left at the end."""
    made: list[Case] = []

    def make(**twin: Any) -> Case:
        made.append(make_case(client, folder, f"test-{secrets.token_hex(4)}", **twin))
        return made[-1]

    yield make
    left = [one for each in made for one in each.containers()]
    names = [one.name for one in left]
    for one in left:
        one.remove(force=True)
    (folder / ".twinload" / "up.json").unlink(missing_ok=True)
    assert not names, f"left behind: {names}"


def _say(_: str) -> None:
    """Say nothing."""


def test_containers_are_up_ready_limited_and_gone_with_the_block(case: Callable[..., Case]) -> None:
    one = case()
    with start_clusters(one.plan, one.folder, say=_say) as clusters:
        instances = clusters.instances
        assert [instance.name for instance in instances] == ["go-1", "rust-1"]
        assert {container.id for container in one.containers()} == {instance.container for instance in instances}
        assert all(instance.watch == "container" and instance.memory_limit_bytes == 64 << 20 for instance in instances)
        assert set(fetch_counters(one.plan, instances)) == {"go-1", "rust-1"}
        assert clusters.deaths() == ()
        settings = one.containers()[0].attrs["HostConfig"]
        assert (settings["Memory"], settings["MemorySwap"]) == (64 << 20, 64 << 20)
        assert (settings["NanoCpus"], settings["PidsLimit"], settings["ReadonlyRootfs"]) == (10**9, 128, True)
        assert settings["CapDrop"] == ["ALL"]
    assert one.containers() == []
    assert '"ready"' in (one.folder / ".twinload/logs/go-1.log").read_text(encoding="utf-8")


def test_a_container_that_is_killed_is_told_once_by_name_and_signal(case: Callable[..., Case]) -> None:
    one = case()
    with start_clusters(one.plan, one.folder, say=_say) as clusters:
        victim = next(instance.container for instance in clusters.instances if instance.name == "rust-1")
        one.client.containers.get(victim).kill()
        told: list[str] = []
        wait_until(lambda: bool(told.extend(map(str, clusters.deaths())) or told), timeout_s=10, what="the death")
        assert told[0].startswith("rust-1 was killed by SIGKILL (exit code 137)")
        assert '"ready"' in told[0]
        assert clusters.deaths() == ()


def test_of_an_owner_that_is_killed_no_container_is_left(case: Callable[..., Case], tmp_path: Path) -> None:
    one = case()
    script = (
        "import json, sys, time; from pathlib import Path; from clusters import start_clusters\n"
        "from records.plan_file import check_plan\n"
        "with start_clusters(check_plan(json.loads(sys.argv[1]), 'test'), Path(sys.argv[2]), say=print):\n"
        "    print('up', flush=True); time.sleep(60)\n"
    )
    paths = os.pathsep.join(path for path in sys.path if path)
    argv = [sys.executable, "-c", script, json.dumps(one.tree), str(one.folder)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths}) as owner:
        assert owner.stdout is not None
        lines = iter(owner.stdout.readline, "")
        assert any(line == "up\n" for line in lines)
        assert len(one.containers()) == 2
        owner.send_signal(signal.SIGKILL)
    wait_until(lambda: one.containers() == [], timeout_s=20, what="the removal of the containers")


def test_an_exception_leaves_no_container(case: Callable[..., Case]) -> None:
    one = case()
    with pytest.raises(KeyboardInterrupt), start_clusters(one.plan, one.folder, say=_say):
        raise KeyboardInterrupt
    assert one.containers() == []


def test_containers_that_stay_are_recorded_current_and_stopped(case: Callable[..., Case]) -> None:
    one = case()
    started = start_clusters(one.plan, one.folder, detach=True, say=_say).instances
    assert recorded(one.folder) == started
    assert [(state.running, state.ready) for state in status(one.folder)] == [(True, True)] * 2
    check_current(one.plan, one.folder, started)
    with pytest.raises(Held, match="up already"):
        start_clusters(one.plan, one.folder, say=_say)
    changed = check_plan(plan_tree(case(memory="96MiB").plan), "test")
    with pytest.raises(Outdated, match="was changed in the plan"):
        check_current(changed, one.folder, started)
    assert stop_recorded(one.folder) == started
    assert one.containers() == []


def test_containers_of_another_twin_that_were_started_by_hand_are_found(case: Callable[..., Case]) -> None:
    one = case()
    start_clusters(one.plan, one.folder, detach=True, say=_say)
    (one.folder / ".twinload/up.json").rename(one.folder / "up.json")  # as if nobody had recorded them
    found = recorded(one.folder, one.plan)
    assert [instance.name for instance in found] == ["go-1", "rust-1"]
    assert {container.id for container in one.containers()} == {instance.container for instance in found}
    (one.folder / "up.json").rename(one.folder / ".twinload/up.json")
    stop_recorded(one.folder)


def test_what_an_owner_could_not_remove_is_removed_by_the_next(case: Callable[..., Case]) -> None:
    one = case()
    start_clusters(one.plan, one.folder, detach=True, say=_say)
    (one.folder / ".twinload/up.json").unlink()
    lines: list[str] = []
    with pytest.raises(CannotStart, match="port"):  # the left container still has its port
        start_clusters(one.plan, one.folder, say=lines.append)
    for container in one.containers():
        container.kill()
    with start_clusters(one.plan, one.folder, say=lines.append) as clusters:
        assert len(one.containers()) == len(clusters.instances) == 2
    assert any("was left over" in line for line in lines)


def test_a_container_that_ends_before_it_is_ready_is_told_with_its_log(case: Callable[..., Case]) -> None:
    one = case(command=[f"bin/{PROGRAM}", "--listen", "{address}", "--data", "/nothing"])
    with pytest.raises(NotReady, match=r"exit code 2 before it was ready(.|\n)*/nothing/userpool.csv"):
        start_clusters(one.plan, one.folder, say=_say)
    assert one.containers() == []


def test_a_taken_port_is_told_before_anything_is_started(case: Callable[..., Case]) -> None:
    one = case()
    address = one.plan.twins["go"].instances[0].address
    with (
        socket.create_server(("127.0.0.1", int(address.rsplit(":", 1)[1]))),
        pytest.raises(CannotStart) as caught,
    ):
        start_clusters(one.plan, one.folder, say=_say)
    assert [type(fault) for fault in caught.value.faults] == [PortTaken]


def test_an_image_that_cannot_be_built_is_told_with_the_remedy(case: Callable[..., Case], folder: Path) -> None:
    program = f"absent-{secrets.token_hex(4)}"
    one = case()
    for twin in one.tree["twins"].values():
        twin["command"] = [f"bin/{program}"]
    tree = one.tree | {"compose": one.tree["compose"] | {"images": {program: "nowhere"}}}
    (folder / "nowhere").mkdir(exist_ok=True)
    lines = f"FROM twinload/{program}-base:nowhere\n"
    (folder / "nowhere" / "Dockerfile").write_text(lines, encoding="utf-8")
    with pytest.raises(CannotStart) as caught:
        start_clusters(check_plan(tree, "test"), folder, say=_say)
    assert [type(fault) for fault in caught.value.faults] == [ImageMissing]
    assert "make images" in str(caught.value)


def test_the_checked_in_compose_file_is_valid() -> None:
    argv = [*find_compose(), "-f", str(ROOT / "docker-compose.yml"), "config"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_on_the_bridge_an_instance_answers_at_its_published_port(case: Callable[..., Case]) -> None:
    one = case()
    if not any(network.name == "bridge" for network in one.client.networks.list()):
        pytest.skip("needs an engine with a bridge network")
    plan = check_plan(one.tree | {"compose": one.tree["compose"] | {"network": "bridge"}}, "test")
    with start_clusters(plan, one.folder, say=_say) as clusters:
        assert clusters.deaths() == ()
    label = f"com.docker.compose.project={plan.compose.project}"
    assert one.client.networks.list(filters={"label": label}) == []
