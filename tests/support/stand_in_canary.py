"""The gray release of the stand-in gateway: who goes to the candidate, what is counted, what operators may say."""

from __future__ import annotations

import json
import threading
import time
import zlib
from pathlib import Path
from typing import Any

KINDS = ("refused", "reset", "late", "status", "invalid", "garbage", "unhealthy")
BEGUN_NS = time.monotonic_ns()


def _side() -> dict[str, Any]:
    counts: dict[str, Any] = {"requests": 0, "failed": dict.fromkeys(KINDS, 0), "fell_back": 0, "caller_failed": 0}
    return {**counts, "latency": {}}


class Canary:
    """State and counts; a state file, where one is named, outlives it."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._section: dict[str, Any] = config["canary"]
        self._state = Path(config["state_file"]) if config["state_file"] else None
        self.mode: str = config["mode"]
        self.share: float = self._section["share"]
        self.latched = False
        self.opens = 0
        self.is_open = False
        self._failures = 0
        self._lock = threading.Lock()
        self._events: list[dict[str, Any]] = []
        self._routes: dict[str, dict[str, Any]] = {}
        if self._state is not None and self._state.exists():
            kept = json.loads(self._state.read_text(encoding="utf-8"))
            self.mode, self.share, self.latched = kept["mode"], kept["share"], kept["latched"]
            self.opens = kept["breaker"]["opens"]

    def goes_to_candidate(self, user: str | None) -> bool:
        """Say on which side a user is."""
        if self.mode != "canary" or self.latched or self.is_open or user is None:
            return False
        bucket = zlib.crc32((self._section["salt"] + user).encode()) % 10_000
        return bucket < round(self.share * 10_000) or user in self._section["whitelist"]

    def count(self, route: str, side: str, ms: float, failed: str | None, fell_back: bool) -> None:
        """Count an answer, or how it failed; as many failures in a row as the plan says open the breaker."""
        with self._lock:
            counts = self._route(route)[side]
            counts["requests"] += 1
            upper = min((int(100 * 1.1**n) for n in range(121) if 100 * 1.1**n >= ms * 1000), default=None)
            counts["latency"][upper] = counts["latency"].get(upper, 0) + 1
            if failed is not None:
                counts["failed"][failed] += 1
                counts["fell_back"] += fell_back
            if side == "candidate":
                self._failures = self._failures + 1 if failed is not None else 0
                if self._failures >= self._section["breaker"]["failures"] and not self.is_open:
                    self.is_open, self.opens = True, self.opens + 1
                    figures = {"failed": self._failures, "requests": self._failures}
                    self._tell("breaker", **{"from": "closed", "to": "open", "reason": "failures", "figures": figures})

    def compared(self, route: str, result: str) -> None:
        """Count a pair."""
        with self._lock:
            self._route(route)["compared"][result] += 1

    def status(self) -> dict[str, Any]:
        """Return `canary` of the status."""
        with self._lock:
            routes = {
                name: {
                    "baseline": _plain(one["baseline"]), "candidate": _plain(one["candidate"]),
                    "compared": dict(one["compared"]),
                }
                for name, one in self._routes.items()
            }  # fmt: skip
        breaker = {
            "state": "open" if self.is_open else "closed", "opens": self.opens,
            "reason": "failures" if self.is_open else None, "reopens_in_s": None, "probes_ok": 0,
        }  # fmt: skip
        return {
            "share": self.share, "latched": self.latched, "whitelist": len(self._section["whitelist"]),
            "breaker": breaker, "retry_budget": 1000.0, "unknown_user": 0, "routes": routes,
        }  # fmt: skip

    def order(self, path: str, tree: dict[str, Any]) -> None:
        """Obey a POST."""
        with self._lock:
            if path == "/mode":
                self._tell("mode", **{"from": self.mode, "to": tree["mode"]})
                self.mode = tree["mode"]
            elif path == "/canary":
                self._tell("share", **{"from": self.share, "to": tree["share"], "latched": False})
                self.share, self.latched = tree["share"], self.latched and tree["share"] == 0
            elif path == "/operator":
                self._tell("operator", do=tree["do"], why=tree["why"])
                if tree["do"] == "back":
                    self.share, self.latched = 0.0, True
        self._keep()

    def events(self, after: int) -> dict[str, Any]:
        """Return what happened after a number."""
        with self._lock:
            found = self._events[after:]
            return {"events": found, "oldest": 1, "next": len(self._events) + 1, "begun_ns": BEGUN_NS}

    def _tell(self, kind: str, **figures: Any) -> None:
        utc = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        head = {"n": len(self._events) + 1, "utc": utc, "t_ns": time.monotonic_ns(), "kind": kind}
        self._events.append({**head, **figures})

    def _keep(self) -> None:
        if self._state is not None:
            kept = {"mode": self.mode, "share": self.share, "latched": self.latched, "breaker": {"opens": self.opens}}
            self._state.write_text(json.dumps(kept), encoding="utf-8")

    def _route(self, name: str) -> dict[str, Any]:
        none = dict.fromkeys(("match", "mismatch", "raced", "unresponsive"), 0)
        return self._routes.setdefault(name, {"baseline": _side(), "candidate": _side(), "compared": none})


def _plain(side: dict[str, Any]) -> dict[str, Any]:
    buckets = sorted(side["latency"].items(), key=lambda one: (one[0] is None, one[0] or 0))
    return {**side, "failed": dict(side["failed"]), "latency": [list(one) for one in buckets]}
