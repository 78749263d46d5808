"""A stand-in for the gateway, for tests of what starts, asks and reads one: real sockets, the same files, no speed.

    python stand_in_gateway.py --config FILE

It answers from the first instance of the baseline that serves a route, asks the candidate for safe requests at once,
compares status, content type and bytes, and writes pairs and coverage. `POST /flush` and `GET /status` are there.
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

CONFIG: dict[str, Any] = json.loads(Path(sys.argv[sys.argv.index("--config") + 1]).read_text(encoding="utf-8"))
PAIRS = Path(CONFIG["compare"]["pairs_file"])
TOKEN = Path(CONFIG["token_file"]).read_text(encoding="ascii").strip()
LOCK = threading.Lock()
COUNTS: dict[str, dict[str, int]] = {}
HERE = threading.local()


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
        found = ask("baseline", route["name"] if route else "*", self, body)
        self.write(found["status"], found["headers"], found["body"].encode())
        if route is not None and route["safe"]:
            compare(route["name"], self, found)

    do_GET = do_HEAD = do_POST = answer  # noqa: N815  the names that http.server asks for


class Admin(Quiet):
    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.headers.get("authorization") != f"Bearer {TOKEN}":
            self.write(401, [], b"")
            return
        routes = {name: {"pairs": counts} for name, counts in COUNTS.items()}
        sides = {"baseline": {"instances": [{"name": "b-1", "healthy": True}]}}
        self.write(200, [], json.dumps({"mode": CONFIG["mode"], "sides": sides, "routes": routes}).encode())

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
