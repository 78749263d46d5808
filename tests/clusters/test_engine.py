"""What keeps containers from being started is told by name, before anything runs."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from clusters.command import launches
from clusters.compose import find_compose
from clusters.containers import ContainerExit, Found, Watched
from clusters.engine import Engine, connect, limits_missing
from clusters.errors import ComposeMissing, EngineDenied, EngineMissing, EngineTooOld
from records.plan_compose import as_containers
from records.plan_file import read_plan

ROOT = Path(__file__).parents[2]


class _OldEngine(BaseHTTPRequestHandler):
    def address_string(self) -> str:
        return "a socket"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        body = json.dumps({"Version": "19.03.15", "ApiVersion": "1.40"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def old_engine(tmp_path: Path) -> Iterator[str]:
    """The address of something that answers as an old engine does."""
    path = tmp_path / "old.sock"
    with socketserver.ThreadingUnixStreamServer(str(path), _OldEngine) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"unix://{path}"
        server.shutdown()
        thread.join()


def test_no_engine_at_the_socket_is_told_with_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(EngineMissing, match=r"no Docker engine at unix://.*absent.sock: No such file.*DOCKER_HOST"):
        connect({"DOCKER_HOST": f"unix://{tmp_path}/absent.sock"})


def test_no_engine_at_an_address_is_told(unused_port: int) -> None:
    with pytest.raises(EngineMissing, match=r"no Docker engine answers at tcp://127.0.0.1"):
        connect({"DOCKER_HOST": f"tcp://127.0.0.1:{unused_port}"})


@pytest.fixture
def unused_port(ports: tuple[int, ...]) -> int:
    return ports[0]


def test_a_socket_that_may_not_be_used_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("clusters.engine.socket.socket.connect", refuse, raising=False)
    with pytest.raises(EngineDenied, match=r"no permission to use .* join the group"):
        connect({})


def test_an_old_engine_is_told_with_its_version(old_engine: str) -> None:
    with pytest.raises(EngineTooOld, match=r"is 19.03.15 \(API 1.40\): install 20.10"):
        connect({"DOCKER_HOST": old_engine})


def test_a_limit_that_the_kernel_does_not_offer_is_told_by_its_key() -> None:
    plan = as_containers(read_plan(ROOT / "twinload.toml", environ={}))
    what = launches(plan, ROOT, ("go",), {})
    info = {"MemoryLimit": False, "CpuCfsQuota": False, "CPUSet": True, "PidsLimit": False}
    told = [str(fault) for fault in limits_missing(info, what)]
    assert [text.split(":")[0].rpartition(" ")[2] for text in told] == ["memory", "cpus", "compose.pids"]
    unlimited = [replace(one, instance=replace(one.instance, cpus=None)) for one in what]
    assert not any("cpus" in str(fault) for fault in limits_missing(info, unlimited))
    assert list(limits_missing({"MemoryLimit": True}, what)) == []


def _program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    (folder / name).chmod(0o755)


def test_the_compose_plugin_comes_before_the_program_of_its_own(tmp_path: Path) -> None:
    _program(tmp_path, "docker", "echo 2.40.3")
    _program(tmp_path, "docker-compose", "echo 1.29.2")
    assert find_compose({"PATH": str(tmp_path)}) == (str(tmp_path / "docker"), "compose")


def test_docker_without_the_plugin_leaves_the_program_of_its_own(tmp_path: Path) -> None:
    _program(tmp_path, "docker", "exit 1")
    _program(tmp_path, "docker-compose", "echo 1.29.2")
    assert find_compose({"PATH": str(tmp_path)}) == (str(tmp_path / "docker-compose"),)


def test_no_compose_and_an_old_one_are_told(tmp_path: Path) -> None:
    with pytest.raises(ComposeMissing, match="install one of them"):
        find_compose({"PATH": str(tmp_path)})
    _program(tmp_path, "docker-compose", "echo 1.25.0")
    with pytest.raises(EngineTooOld, match=r"docker-compose is 1.25: install compose 1.27"):
        find_compose({"PATH": str(tmp_path)})


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (ContainerExit(2), "ended with exit code 2"),
        (ContainerExit(137), "was killed by SIGKILL (exit code 137)"),
        (ContainerExit(137, out_of_memory=True), "reached its memory limit"),
        (ContainerExit(190), "ended with exit code 190"),
        (ContainerExit(None), "was removed by someone"),
        (ContainerExit(None, restarted=True), "was restarted by someone"),
    ],
)
def test_how_a_container_ended_is_told_in_words(end: ContainerExit, words: str) -> None:
    assert words in str(end)


class _Client:
    """An engine's answers on one container, in turn."""

    def __init__(self, *states: dict[str, Any]) -> None:
        self.states = list(states)
        self.api = self

    def inspect_container(self, _: str) -> dict[str, Any]:
        return {"State": self.states.pop(0)}


def _watched(client: _Client, clock: list[float], pid: int | None = None) -> Watched:
    engine = Engine(client, "test", local=False)  # type: ignore[arg-type]
    return Watched(engine, {"go-1": Found("c1", pid, "gone", None)}, clock=lambda: clock[0])


def test_an_engine_elsewhere_is_asked_once_a_second_and_no_more_after_the_end() -> None:
    running = {"Running": True, "Pid": 7}
    clock = [10.0]
    client = _Client(running, running, {"Running": False, "ExitCode": 137, "OOMKilled": True})
    watched = _watched(client, clock)
    ends = []
    for now in (10.0, 10.5, 11.0, 11.9, 12.0, 12.1, 99.0):
        clock[0] = now
        ends.append(watched.ended("go-1"))
    assert ends == [None] * 4 + [ContainerExit(137, out_of_memory=True)] * 3
    assert client.states == []


def test_a_container_whose_process_is_another_one_was_restarted() -> None:
    watched = _watched(_Client({"Running": True, "Pid": 8}), [0.0], pid=2**22 + 1)
    assert watched.ended("go-1") == ContainerExit(None, restarted=True)


def test_a_process_that_is_just_gone_is_not_yet_an_end_for_its_engine() -> None:
    pid = 2**22 + 1  # above the kernel's largest
    watched = _watched(_Client({"Running": True, "Pid": pid}), [0.0], pid=pid)
    assert watched.ended("go-1") is None
