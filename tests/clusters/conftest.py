"""A tiny HTTP server as the program under start, free ports, and plans of both."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from clusters.ports import free_ports
from records.plan import Plan
from records.plan_file import check_plan

SERVER = '''\
"""Answers any GET; argv: ADDRESS [MODE]. Started as an instance by the tests."""
import os, signal, socket, subprocess, sys, time
address, mode = sys.argv[1], (sys.argv[2:] or ["good"])[0]
print("server", mode, "begins", flush=True)
if mode == "broken":
    print("the ledger has no rows", file=sys.stderr, flush=True)
    sys.exit(3)
if mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if mode == "parent":
    print("child", subprocess.Popen(["/bin/sleep", "60"]).pid, flush=True)
host, port = address.rsplit(":", 1)
listener = socket.create_server((host, int(port)))
while True:
    connection, _ = listener.accept()
    with connection:
        path = connection.recv(65536).split(b" ")[1].decode()
        status = "503 Later" if mode == "late" else "200 OK"
        if path == "/metrics":
            body = 'http_requests_total{code="200"} 3\\nhttp_requests_total{code="404"} 1\\n'
        elif path == "/env":
            body = "\\n".join(f"{k}={v}" for k, v in sorted(os.environ.items()))
        else:
            body = "cores " + ",".join(map(str, sorted(os.sched_getaffinity(0))))
        data = body.encode()
        head = f"HTTP/1.1 {status}\\r\\nContent-Length: {len(data)}\\r\\nConnection: close\\r\\n\\r\\n"
        connection.sendall(head.encode() + data)
'''


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A plan's folder with a server in it; at the end no process works in it any more."""
    (tmp_path / "server.py").write_text(SERVER, encoding="utf-8")
    yield tmp_path
    left = [p for p in psutil.process_iter() if _works_in(p, tmp_path)]
    for process in left:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    assert not left, f"left behind: {left}"


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(folder)
    except psutil.Error:
        return False


@pytest.fixture
def ports() -> tuple[int, ...]:
    """Four ports that were free a moment ago."""
    return free_ports(4)


def make_tree(ports: tuple[int, ...], mode: str = "good", **twin: Any) -> dict[str, Any]:
    """Return the tree of a plan with two twins of two instances each; `mode` is that of the second twin."""
    core = min(os.sched_getaffinity(0))

    def one(name: str, pair: tuple[int, ...], mode: str) -> dict[str, Any]:
        return {
            "start": "process",
            "command": [sys.executable, "-S", "server.py", "{address}", mode],
            "cpu_set": [core],
            "ready": "/readyz",
            "ready_timeout_s": 10.0,
            "metrics": "/metrics",
            "version": "/version",
            "instances": [
                {"name": f"{name}-{i}", "address": f"127.0.0.1:{port}", "serves": ["balance"]}
                for i, port in enumerate(pair, start=1)
            ],
            **twin,
        }

    return {
        "schema": 1,
        "twins": {"go": one("go", ports[:2], "good"), "rust": one("rust", ports[2:], mode)},
        "workload": [{"name": "balance", "path": "/v1/users/{user_id}/balance", "hot": True}],
    }


@pytest.fixture
def tree(ports: tuple[int, ...]) -> Callable[..., dict[str, Any]]:
    """Build a plan's tree over the free ports."""
    return lambda mode="good", **twin: make_tree(ports, mode, **twin)


@pytest.fixture
def plan(ports: tuple[int, ...]) -> Plan:
    """Two twins of two good servers each."""
    return check_plan(make_tree(ports), "test")
