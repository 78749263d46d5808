"""Proxies under measurement: the gateway in a mode and nginx as a reverse proxy, each one process on one core."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.sending.target import ROOT
from clusters.ports import free_ports

BINARY = ROOT / ".twinload" / "bin" / "gateway"
PATH = "/v1/users/u1/balance"
TOKEN = "only-for-the-benchmark"  # noqa: S105
_BEGIN_S = 30.0

NGINX = """\
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.err warn;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  upstream service {{ server {upstream}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen {address};
    location / {{
      proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that runs: where callers come in, its process, and the gateway's admin interface."""

    address: str
    pid: int
    admin: str | None = None

    def status(self) -> dict[str, Any]:
        """Return the gateway's status."""
        return self._ask("GET", "/status")

    def switch(self, mode: str) -> None:
        """Switch the gateway's mode."""
        self._ask("POST", "/mode", json.dumps({"mode": mode}).encode())

    def flush(self) -> None:
        """Wait until the gateway has compared everything."""
        self._ask("POST", "/flush", b"")

    def compared(self) -> int:
        """Return how many pairs the gateway has compared."""
        return int(self.status()["routes"]["balance"]["pairs"]["compared"])

    def _ask(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        request = urllib.request.Request(f"http://{self.admin}{path}", data=body, method=method)
        request.add_header("Authorization", f"Bearer {TOKEN}")
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            tree: dict[str, Any] = json.load(answer)
            return tree


def has_nginx() -> bool:
    """Return whether nginx is installed."""
    return shutil.which("nginx") is not None


@contextmanager
def nginx(folder: Path, core: int, upstream: str) -> Iterator[Proxy]:
    """Start nginx with one worker pinned to a core; it ends with the block."""
    folder.mkdir()
    address = f"127.0.0.1:{free_ports(1)[0]}"
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, upstream=upstream, address=address), "ascii")
    with _process(["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")], core) as process:
        _await(address)
        yield Proxy(address, process.pid)


@contextmanager
def gateway(folder: Path, core: int, upstream: str, candidate: str) -> Iterator[Proxy]:
    """Start the gateway in mode off with one worker, pinned to a core; it ends with the block."""
    folder.mkdir()
    address, admin = (f"127.0.0.1:{port}" for port in free_ports(2))
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(TOKEN, "ascii")
    config = folder / "gateway.json"
    config.write_text(json.dumps(_configuration(address, admin, str(token), upstream, candidate)), "utf-8")
    with _process([str(BINARY), "--config", str(config)], core) as process:
        _await(address)
        yield Proxy(address, process.pid, admin)


def _configuration(address: str, admin: str, token: str, upstream: str, candidate: str) -> dict[str, Any]:
    def side(name: str, where: str) -> dict[str, Any]:
        instance = {"name": name, "address": where, "routes": ["balance"]}
        return {"instances": [instance], "health": None, "host": None, "headers": {}}

    return {
        "listen": address, "admin": admin, "token_file": token, "mode": "off", "state_file": None, "workers": 1,
        "sides": {"baseline": side("baseline", upstream), "candidate": side("candidate", candidate), "second": None},
        "routes": [{"name": "balance", "method": "GET", "path": "/v1/users/{user_id}/balance", "safe": True}],
        "limits": {"header_bytes": 32768, "body_bytes": 1048576, "timeout_s": 10, "idle_s": 60, "connections": 1000},
        "mirror": {"queue": 1000, "concurrency": 64, "timeout_s": 2, "body_bytes": 1048576, "retries": 3, "share": 1},
        "compare": {
            "headers": ["content-type", "ledger-as-of", "allow"], "raced_header": "ledger-as-of",
            "redact_headers": ["authorization"], "pairs_file": None, "pairs_per_kind": 100,
        },
        "health": {"interval_s": 1, "timeout_s": 1, "fails": 2, "passes": 2},
    }  # fmt: skip


@contextmanager
def _process(argv: list[str], core: int) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program, pinned before it makes its threads; it ends with the block."""
    pinned = ["taskset", "--cpu-list", str(core), *argv]
    with subprocess.Popen(pinned, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()


def _await(address: str) -> None:
    """Wait until something answers at an address.

    Raises: RuntimeError when nothing does.
    """
    deadline_s = time.monotonic() + _BEGIN_S
    while time.monotonic() < deadline_s:
        with suppress(OSError), urllib.request.urlopen(f"http://{address}{PATH}", timeout=10):
            return
        time.sleep(0.05)
    raise RuntimeError(f"nothing answers at {address} within {_BEGIN_S:g} s")


def cores() -> tuple[int, int]:
    """Return the core of services and load, and that of the proxies."""
    first, second = sorted(os.sched_getaffinity(0))[:2]
    return second, first
