"""A gateway between recording services and callers: what its tests share."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

BINARY = Path(__file__).resolve().parents[2] / ".twinload" / "bin" / "gateway"
TOKEN = "a-token-for-the-tests"  # noqa: S105
PATIENCE_S = 60.0
"""For anything that must happen: far more than it takes on any machine."""

Tree: TypeAlias = dict[str, Any]
Behaviour: TypeAlias = "Callable[[Request], bytes | None]"
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Request:
    """A request as a service read it: nothing decoded but a chunked body."""

    line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    raw_head: bytes

    def values(self, name: str) -> list[str]:
        """Return the values of a header in their order."""
        return [value for key, value in self.headers if key.lower() == name]

    @property
    def path(self) -> str:
        """The target as it was sent."""
        return self.line.split(" ")[1]


def reply(body: bytes = b"{}", status: str = "200 OK", **headers: str) -> bytes:
    """Return the bytes of an answer; `_` in a header's name stands for `-`."""
    lines = {"content-type": "application/json", "content-length": str(len(body))}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


@dataclass
class Service:
    """An HTTP/1.1 service of which every byte is known; answers as `behaviour` says, None closes the connection."""

    behaviour: Behaviour = field(default=lambda _request: reply())
    health: Callable[[], bytes | None] = field(default=reply)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0), backlog=256))
    _open: list[socket.socket] = field(default_factory=list)
    _accepting: threading.Thread | None = None

    @property
    def address(self) -> str:
        """Where it listens, host:port."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def asked(self) -> list[Request]:
        """Return the requests so far without those of health checks."""
        return [request for request in list(self.requests) if request.path != "/readyz"]

    def close_connections(self) -> None:
        """Close what is open now; new connections are taken."""
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Service:
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        assert self._accepting is not None
        self._accepting.join()
        self._listener.close()
        self.close_connections()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                one, _ = self._listener.accept()
                self.connections += 1
                self._open.append(one)
                threading.Thread(target=self._serve, args=(one,), daemon=True).start()

    def _serve(self, one: socket.socket) -> None:
        with one, one.makefile("rb") as stream, suppress(OSError, ValueError):
            while (request := read_request(stream)) is not None:
                self.requests.append(request)
                answer = self.health() if request.path == "/readyz" else self.behaviour(request)
                if answer is None:
                    one.shutdown(socket.SHUT_RDWR)
                    return
                one.sendall(answer)


def read_request(stream: Any) -> Request | None:
    """Return the next request of a connection, strictly framed; None at its end."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            return None
        head += line
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
    lengths = [value for name, value in headers if name.lower() == "content-length"]
    codings = [value for name, value in headers if name.lower() == "transfer-encoding"]
    assert not (lengths and codings), f"ambiguous framing was forwarded: {head!r}"
    assert max(len(lengths), len(codings)) < 2, f"framing was repeated: {head!r}"
    body = b""
    if codings:
        while size := int(stream.readline().strip(), 16):
            body += stream.read(size)
            assert stream.readline() == b"\r\n"
        assert stream.readline() == b"\r\n"
    elif lengths:
        body = stream.read(int(lengths[0]))
        if len(body) < int(lengths[0]):
            return None  # it broke off
    return Request(first, headers, body, head)


def instance(name: str, service: Service, *routes: str) -> Tree:
    """Return an instance of a configuration."""
    return {"name": name, "address": service.address, "routes": list(routes)}


def side(*instances: Tree, **more: Any) -> Tree:
    """Return a side of a configuration."""
    return {"instances": list(instances), "health": "/readyz", "host": None, "headers": {}} | more


def configuration(folder: Path, baseline: Service, candidate: Service | None = None, **sections: Any) -> Tree:
    """Return a whole configuration with files in `folder`; `sections` are merged into it, one level deep."""
    token_file = folder / "token"
    token_file.touch(mode=0o600)
    token_file.write_text(TOKEN, encoding="ascii")
    tree: Tree = {
        "listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "token_file": str(token_file),
        "mode": "off" if candidate is None else "shadow", "state_file": None,
        "sides": {
            "baseline": side(instance("base-1", baseline, "balance", "recharge", "*")),
            "candidate": None if candidate is None else side(instance("cand-1", candidate, "balance")),
            "second": None,
        },
        "routes": [
            {"name": "balance", "method": "GET", "path": "/v1/users/{user_id}/balance", "safe": True},
            {"name": "recharge", "method": "POST", "path": "/v1/users/{user_id}/recharges", "safe": False},
        ],
        "limits": {"header_bytes": 8_192, "body_bytes": 100_000, "timeout_s": 30.0, "idle_s": 60.0, "connections": 500},
        "mirror": {
            "queue": 1_000, "concurrency": 64, "timeout_s": 30.0, "body_bytes": 100_000, "retries": 3, "share": 1.0,
        },
        "compare": {
            "headers": ["content-type", "ledger-as-of"], "raced_header": "ledger-as-of",
            "redact_headers": ["authorization"], "pairs_file": str(folder / "pairs.jsonl"), "pairs_per_kind": 100,
        },
        "health": {"interval_s": 0.1, "timeout_s": 5.0, "fails": 2, "passes": 2}, "canary": None,
    }  # fmt: skip
    for name, section in sections.items():
        tree[name] = (tree[name] or {}) | section if isinstance(section, dict) else section
    return tree


def canary(**keys: Any) -> Tree:
    """Return the section of a gray release that no slow machine disturbs; `keys` are merged into it, one level deep."""
    tree: Tree = {
        "share": 0.0, "whitelist": [], "user": {"placeholder": "user_id", "header": None}, "salt": "",
        "budget_ms": {"min": 60_000.0, "max": 60_000.0, "factor": 3.0}, "retry": {"ratio": 0.2, "burst": 1_000},
        "breaker": {
            "window_ms": 200, "failures": 5, "ratio": 0.3, "slow_factor": 1_000.0, "slow_floor_ms": 60_000.0,
            "slow_samples": 20, "open_s": 60.0, "max_open_s": 300.0, "probes": 5,
        },
        "check": "json", "compare_share": 0.0,
    }  # fmt: skip
    for name, key in keys.items():
        tree[name] = tree[name] | key if isinstance(key, dict) else key
    return tree


@dataclass
class Gateway:
    """A gateway that runs."""

    address: str
    admin: str
    process: subprocess.Popen[str]
    log: Path
    pairs_file: Path

    def get(self, path: str = "/v1/users/u1/balance", **headers: str) -> tuple[int, bytes]:
        """Ask once, on a connection of its own; return status and body."""
        return self.ask("GET", path, headers=headers)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Ask once, on a connection of its own; return status and body."""
        answer, text = exchange(self.address, method, path, body, headers)
        return answer.status, text

    def operate(self, method: str, path: str, tree: Tree | None = None, token: str | None = TOKEN) -> tuple[int, bytes]:
        """Ask the admin interface; return status and body."""
        body = None if tree is None else json.dumps(tree).encode()
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        answer, text = exchange(self.admin, method, path, body, headers)
        return answer.status, text

    def status(self) -> Tree:
        """Return the status."""
        return self._json(*self.operate("GET", "/status"))

    def switch(self, mode: str) -> Tree:
        """Switch the mode; return the status after."""
        return self._json(*self.operate("POST", "/mode", {"mode": mode}))

    def share(self, share: float) -> Tree:
        """Give the candidate a share of the users; return the gray release's status after."""
        tree: Tree = self._json(*self.operate("POST", "/canary", {"share": share}))["canary"]
        return tree

    def order(self, do: str, why: str = "") -> Tree:
        """Say an operator's order; return the gray release's status after."""
        tree: Tree = self._json(*self.operate("POST", "/operator", {"do": do, "why": why}))["canary"]
        return tree

    def events(self, after: int = 0) -> Tree:
        """Return what happened after an event's number, with the oldest and the next number."""
        return self._json(*self.operate("GET", f"/events?after={after}"))

    def flush(self) -> Tree:
        """Wait until all copies are compared; return the status after."""
        return self._json(*self.operate("POST", "/flush"))

    def metric(self, line: str) -> float:
        """Return the value of a line of /metrics."""
        page = self.operate("GET", "/metrics", token=None)[1].decode()
        return float(next(text for text in page.splitlines() if text.startswith(line + " ")).split(" ")[-1])

    def pairs(self) -> list[Tree]:
        """Return the pairs that were written."""
        return [json.loads(line) for line in self.pairs_file.read_text(encoding="utf-8").splitlines()]

    def coverage(self) -> list[Tree]:
        """Return the lines of the coverage."""
        path = self.pairs_file.with_name(self.pairs_file.name + ".coverage")
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def kill(self) -> None:
        """End it by SIGKILL."""
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def terminate(self) -> int:
        """Send SIGTERM, wait for the end, return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    @staticmethod
    def _json(status: int, text: bytes) -> Tree:
        assert status == 200, text
        tree: Tree = json.loads(text)
        return tree


def exchange(
    address: str, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[HTTPResponse, bytes]:
    """Send a request on a connection of its own; return the answer and its body."""
    host, port = address.split(":")
    connection = HTTPConnection(host, int(port), timeout=PATIENCE_S)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


@contextmanager
def gateway(folder: Path, tree: Tree) -> Iterator[Gateway]:
    """Start a gateway; it ends with the block."""
    path, log = folder / "gateway.json", folder / "gateway.log"
    path.write_text(json.dumps(tree), encoding="utf-8")
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            [str(BINARY), "--config", str(path)], stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            ready = process.stdout.readline().split()
            assert ready[:1] == ["ready"], log.read_text(encoding="utf-8")
            lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
            admin = next(line["admin"] for line in lines if line["msg"] == "ready")
            yield Gateway(ready[1], admin, process, log, Path(tree["compare"]["pairs_file"]))
        finally:
            process.kill()


def refused(folder: Path, tree: Tree) -> subprocess.CompletedProcess[str]:
    """Start a gateway that must not start; return how it ended."""
    path = folder / "gateway.json"
    path.write_text(json.dumps(tree), encoding="utf-8")
    argv = [str(BINARY), "--config", str(path)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=PATIENCE_S)


def until(found: Callable[[], Found | None], what: str) -> Found:
    """Wait until `found` returns something true, and return it."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not (value := found()):
        assert time.monotonic() < deadline_s, f"not within {PATIENCE_S:g} s: {what}"
        time.sleep(0.01)
    return value


def send_raw(address: str, data: bytes) -> bytes:
    """Send bytes, end the sending half, and return everything that comes back."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as one:
        one.sendall(data)
        return read_all(one)


def read_all(one: socket.socket) -> bytes:
    """Return everything until the other side closes; a reset ends it too."""
    data = b""
    with suppress(ConnectionResetError):
        while piece := one.recv(1 << 16):
            data += piece
    return data


class Callers:
    """Callers that keep asking on kept connections, each in a thread; every answer that is not 200 is a failure."""

    def __init__(self, address: str, count: int, path: str = "/v1/users/u{}/balance") -> None:
        self._address = address
        self._path = path
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(number,), daemon=True) for number in range(count)]
        self.answered = 0
        self.failures: list[str] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def until_answered(self, more: int) -> None:
        """Wait until so many further requests are answered."""
        wanted = self.answered + more
        until(lambda: self.answered >= wanted or self.failures, f"{more} more answers")

    def _call(self, number: int) -> None:
        host, port = self._address.split(":")
        connection = HTTPConnection(host, int(port), timeout=PATIENCE_S)
        while not self._stop.is_set():
            try:
                connection.request("GET", self._path.format(number))
                answer = connection.getresponse()
                fault = None if answer.status == 200 else f"{answer.status} {answer.read()!r}"
                answer.read()
            except (OSError, ValueError) as error:
                fault = repr(error)
                connection.close()
            with self._lock:
                self.answered += 1
                if fault is not None:
                    self.failures.append(fault)
        connection.close()
