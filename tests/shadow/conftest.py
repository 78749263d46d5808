"""A small pool, a plan for two tiny services, and the services themselves: real HTTP servers on free ports."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from records.instance import Instance
from records.plan import Plan
from records.plan_file import check_plan

TIERS = ("viewer", "fan", "whale", "host")


@dataclass(frozen=True)
class People:
    """A pool of n users in four tiers; every tenth has an empty ledger."""

    ids: Sequence[str]
    tiers: Sequence[str]
    columns: Mapping[str, Sequence[str]]
    digest: str = "pool-digest"


@pytest.fixture
def people() -> Callable[[int], People]:
    def make(n: int) -> People:
        ids = tuple(f"u{i:05d}x" for i in range(n))
        tiers = tuple(TIERS[(i // 10) % 4] if i >= 4 else TIERS[i] for i in range(n))
        columns = {
            "user_id": ids,
            "tier": tiers,
            "first_seen_ms": tuple(str(1_000 + i) for i in range(n)),
            "until_ms": tuple(str(900_000 + i) for i in range(n)),
            "entries": tuple("0" if i % 10 == 0 else str(i) for i in range(n)),
        }
        return People(ids, tiers, columns)

    return make


@pytest.fixture
def plan_of() -> Callable[..., Plan]:
    """Return a plan whose instances stand at the given addresses, external unless a command is given."""

    def make(
        baseline: Sequence[str] = ("127.0.0.1:1",),
        candidate: Sequence[str] = ("127.0.0.1:2",),
        *,
        bound: float = 0.01,
        command: Sequence[str] | None = None,
        **sections: Any,
    ) -> Plan:
        def twin(name: str, addresses: Sequence[str]) -> dict[str, Any]:
            start = {"start": "external"}
            if command is not None:
                start = {"start": "process", "command": list(command), "cpu_set": [0]}  # type: ignore[dict-item]
            served = [
                {"name": f"{name}-{i}", "address": a, "serves": ["balance", "statistics"]}
                for i, a in enumerate(addresses, start=1)
            ]
            return {**start, "instances": served, **sections.pop(name, {})}

        expect = {"status": 200, "headers": {"content-type": "application/json"}}
        tree = {
            "schema": 1,
            "twins": {"old": twin("old", baseline), "new": twin("new", candidate)},
            "workload": [
                {"name": "balance", "path": "/v1/users/{user_id}/balance", "hot": True, "expect": expect},
                {
                    "name": "statistics",
                    "path": "/v1/users/{user_id}/statistics?from={first_seen_ms}&to={until_ms}&bucket=day",
                    "hot": True,
                    "expect": expect,
                },
            ],
            "swarm": {"timeout_s": 5.0},
            "shadow": {
                "bound": bound,
                "headers": ["Content-Type", "Allow"],
                "case": [
                    {
                        "endpoint": "balance",
                        "kind": "empty-ledger",
                        "path": "/v1/users/{user_id}/balance",
                        "where": {"entries": "0"},
                    }
                ],
            },
        }
        for name, section in sections.items():
            old = tree.get(name)
            tree[name] = {**old, **section} if isinstance(old, dict) else section
        return check_plan(tree, "test plan")

    return make


@dataclass
class Reply:
    """What a tiny service answers; `body` as it is, or `hang_s` seconds of silence first."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    body: bytes = b"{}"
    length: int | None = None


Answering = Callable[[str, str], Reply | None]


@dataclass
class Service:
    """A running tiny service: its address, and the request lines that arrived (as sent)."""

    address: str
    arrived: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)


def wallet(method: str, target: str) -> Reply:
    """Answer like a small wallet: one document per user id, equal for equal requests."""
    path, _, query = target.partition("?")
    parts = path.split("/")
    if len(parts) != 5 or parts[:3] != ["", "v1", "users"] or parts[4] not in ("balance", "statistics"):
        return problem(404, "not-found")
    if method not in ("GET", "HEAD"):
        reply = problem(405, "method-not-allowed")
        reply.headers["Allow"] = "GET, HEAD"
        return reply
    if parts[4] == "statistics":
        fields = dict(piece.partition("=")[::2] for piece in query.split("&"))
        bad = next(
            (n for n in ("from", "to") if not fields.get(n, "").isascii() or not fields.get(n, "").isdigit()), None
        )
        if bad is not None:
            return problem(400, f"bad {bad}")
    user = parts[3]
    if len(user) != 7 or not user.startswith("u") or not user.endswith("x"):
        return problem(404, "unknown-user")
    number = int(user[1:6]) if user[1:6].isdigit() else 0
    lots = [{"id": i, "remaining": number * 10 + i} for i in range(3)]
    body = json.dumps({"user_id": user, "lots": lots, "query": query}).encode()
    return Reply(headers={"Content-Type": "application/json", "Ledger-As-Of": "77"}, body=body)


def problem(status: int, slug: str) -> Reply:
    body = json.dumps({"type": f"/problems/{slug}", "status": status}).encode()
    return Reply(status, {"Content-Type": "application/problem+json"}, body)


@pytest.fixture
def serve() -> Iterator[Callable[..., Service]]:
    """Return a starter of services; a service that answers None keeps silent until the test is over."""
    running: list[tuple[ThreadingHTTPServer, threading.Thread, Service]] = []

    def start(answering: Answering = wallet) -> Service:
        service = Service("")
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(service, answering))
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that hang up are part of the tests
        service.address = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        running.append((server, thread, service))
        return service

    yield start
    for server, thread, service in running:
        service.release.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


def _handler(service: Service, answering: Answering) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _reply(self) -> None:
            target = self.requestline.split(" ")[1]  # self.path is normalised
            service.arrived.append(self.requestline)
            service.headers.append({k.lower(): v for k, v in self.headers.items()})
            reply = answering(self.command, target)
            if reply is None:
                service.release.wait(30)
                self.close_connection = True
                return
            head = [f"HTTP/1.1 {reply.status} X"]
            head += [f"{name}: {value}" for name, value in reply.headers.items()]
            head.append(f"Content-Length: {len(reply.body) if reply.length is None else reply.length}")
            body = b"" if self.command == "HEAD" else reply.body
            self.wfile.write("\r\n".join([*head, "", ""]).encode() + body)
            if reply.length is not None:
                self.close_connection = True

        do_GET = do_HEAD = do_POST = do_DELETE = do_OPTIONS = _reply  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@pytest.fixture
def instances_of() -> Callable[[Plan], tuple[Instance, ...]]:
    """Return the plan's instances as if all of them ran."""

    def make(plan: Plan) -> tuple[Instance, ...]:
        return tuple(
            Instance(i.name, "target", twin=name, address=i.address, scheme=twin.scheme, serves=tuple(i.serves))
            for name, twin in plan.twins.items()
            for i in twin.instances
        )

    return make


@pytest.fixture
def wallet_answers() -> Callable[[str, str], Reply]:
    return wallet


@pytest.fixture
def reply_type() -> type[Reply]:
    return Reply
