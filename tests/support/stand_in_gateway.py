"""A stand-in for the gateway, for tests of what starts, asks and reads one: real sockets, the same files, no speed.

    python stand_in_gateway.py --config FILE

It answers from the first instance of the baseline that serves a route, asks the candidate for safe requests at once,
compares status, content type and bytes, and writes pairs and coverage. `POST /flush` and `GET /status` are there.
With a section "canary" users go to the candidate by its share, and what it fails the baseline answers.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from stand_in_canary import Canary

CONFIG: dict[str, Any] = json.loads(Path(sys.argv[sys.argv.index("--config") + 1]).read_text(encoding="utf-8"))
PAIRS = Path(CONFIG["compare"]["pairs_file"])
TOKEN = Path(CONFIG["token_file"]).read_text(encoding="ascii").strip()
LOCK = threading.Lock()
COUNTS: dict[str, dict[str, int]] = {}
HERE = threading.local()
CANARY = Canary(CONFIG) if CONFIG.get("canary") else None


def route_of(method: str, target: str) -> dict[str, Any] | None:
    parts = target.partition("?")[0].split("/")
    for route in CONFIG["routes"]:
        wanted = route["path"].split("/")
        fits = len(wanted) == len(parts) and all(
            w == p or w.startswith("{") for w, p in zip(wanted, parts, strict=True)
        )
        if route["method"] == method and fits:
            return dict(route)
    return None


def ask(side: str, route: str, handler: BaseHTTPRequestHandler, body: bytes) -> dict[str, Any]:
    instances = CONFIG["sides"][side]["instances"]
    one = next(i for i in instances if route in i["routes"])
    connections = HERE.__dict__.setdefault("connections", {})
    key = side, one["address"]
    if key not in connections:
        connections[key] = http.client.HTTPConnection(one["address"], timeout=CONFIG["mirror"]["timeout_s"])
    connection = connections[key]
    start_s = time.monotonic()
    try:
        connection.request(handler.command, handler.path, body, dict(handler.headers.items()))
        answer = connection.getresponse()
        found = answer.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        del connections[key]
        raise
    headers = [[name.lower(), value] for name, value in answer.getheaders()]
    return {
        "status": answer.status, "headers": headers, "body": found.decode(), "truncated": False,
        "ms": 1e3 * (time.monotonic() - start_s), "instance": one["name"],
    }  # fmt: skip


def user_of(route: dict[str, Any] | None, handler: BaseHTTPRequestHandler) -> str | None:
    """Return who asks: by the placeholder of the path, else by the header."""
    if route is None or CANARY is None:
        return None
    user = CONFIG["canary"]["user"]
    words = zip(route["path"].split("/"), handler.path.partition("?")[0].split("/"), strict=True)
    found = next((word for wanted, word in words if wanted == f"{{{user['placeholder']}}}"), None)
    return found or (handler.headers.get(user["header"]) if user["header"] else None)


def tried(route: dict[str, Any], handler: BaseHTTPRequestHandler, body: bytes) -> dict[str, Any] | None:
    """Let the candidate answer; None when it failed and the baseline is to answer instead."""
    assert CANARY is not None
    start_s, found, failed = time.monotonic(), None, None
    try:
        found = ask("candidate", route["name"], handler, body)
        failed = "status" if found["status"] >= 500 else None
    except ConnectionRefusedError:
        failed = "refused"
    except (OSError, http.client.HTTPException):
        failed = "reset"
    CANARY.count(route["name"], "candidate", 1e3 * (time.monotonic() - start_s), failed, failed is not None)
    if failed is not None or found is None:
        return None
    if route["safe"]:
        same = signature(found) == signature(ask("baseline", route["name"], handler, body))
        CANARY.compared(route["name"], "match" if same else "mismatch")
    return found


def signature(answer: dict[str, Any]) -> tuple[Any, ...]:
    kept = [value for name, value in answer["headers"] if name in CONFIG["compare"]["headers"]]
    return answer["status"], kept, answer["body"]


def compare(route: str, handler: BaseHTTPRequestHandler, baseline: dict[str, Any]) -> None:
    candidate, error = None, None
    try:
        candidate = ask("candidate", route, handler, b"")
    except TimeoutError:
        error = "timeout"
    except ConnectionRefusedError:
        error = "refused"
    except (OSError, http.client.HTTPException):
        error = "reset"
    same = candidate is not None and signature(candidate) == signature(baseline)
    result = "match" if same else "unresponsive" if candidate is None else "mismatch"
    line = {
        "utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "t_ns": time.monotonic_ns(), "route": route,
        "method": handler.command, "target": handler.path, "request_headers": [],
        "kind": "unresponsive" if candidate is None else "body", "baseline": baseline, "candidate": candidate,
        "second": None, "candidate_error": error,
    }  # fmt: skip
    counted = {"t_ns": line["t_ns"], "route": route, "class": f"{baseline['status'] // 100}xx", result: 1}
    with LOCK:
        COUNTS.setdefault(route, {})[result] = COUNTS.get(route, {}).get(result, 0) + 1
        if not same:
            with PAIRS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        with Path(f"{PAIRS}.coverage").open("a", encoding="utf-8") as file:
            file.write(json.dumps(counted) + "\n")


class Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_: object) -> None:
        pass

    def write(self, status: int, headers: list[list[str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Callers(Quiet):
    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        route = route_of(self.command, self.path)
        if CANARY is not None:
            self.write_one(route, body)
            return
        found = ask("baseline", route["name"] if route else "*", self, body)
        self.write(found["status"], found["headers"], found["body"].encode())
        if route is not None and route["safe"]:
            compare(route["name"], self, found)

    def write_one(self, route: dict[str, Any] | None, body: bytes) -> None:
        assert CANARY is not None
        user = user_of(route, self)
        found = tried(route, self, body) if route is not None and CANARY.goes_to_candidate(user) else None
        if found is None:
            found = ask("baseline", route["name"] if route else "*", self, body)
            if route is not None:
                CANARY.count(route["name"], "baseline", found["ms"], None, False)
        self.write(found["status"], found["headers"], found["body"].encode())

    do_GET = do_HEAD = do_POST = answer  # noqa: N815  the names that http.server asks for


class Admin(Quiet):
    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.headers.get("authorization") != f"Bearer {TOKEN}":
            self.write(401, [], b"")
            return
        if CANARY is not None:
            self.answer_canary(json.loads(body) if body else {})
            return
        routes = {name: {"pairs": counts} for name, counts in COUNTS.items()}
        sides = {"baseline": {"instances": [{"name": "b-1", "healthy": True}]}}
        self.write(200, [], json.dumps({"mode": CONFIG["mode"], "sides": sides, "routes": routes}).encode())

    def answer_canary(self, tree: dict[str, Any]) -> None:
        assert CANARY is not None
        path, _, query = self.path.partition("?")
        if path == "/events":
            self.write(200, [], json.dumps(CANARY.events(int(query.partition("=")[2] or 0))).encode())
            return
        if self.command == "POST":
            CANARY.order(path, tree)
        self.write(200, [], json.dumps({"mode": CANARY.mode, "canary": CANARY.status()}).encode())

    do_GET = do_POST = answer  # noqa: N815


def main() -> None:
    servers = []
    for key, handler in (("admin", Admin), ("listen", Callers)):
        host, _, port = CONFIG[key].rpartition(":")
        server = ThreadingHTTPServer((host, int(port)), handler)
        server.daemon_threads = True
        servers.append(threading.Thread(target=server.serve_forever, daemon=True))
        servers[-1].start()
    print(f"ready {CONFIG['listen']}", flush=True)
    for each in servers:
        each.join()


if __name__ == "__main__":
    main()
