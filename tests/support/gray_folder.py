"""A gray release as a folder, drawn second by second: four steps, and a fault that brings all back, if wanted."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from records.clock import NS, Clock
from records.manifest import HostFacts, Manifest, PoolFacts
from records.plan_file import check_plan, plan_tree
from records.run_folder import MANIFEST

POLL_S = 0.5
PLAN = {
    "twins": {
        name: {"start": "external", "label": label,
               "instances": [{"name": f"{name}-1", "address": f"127.0.0.1:{port}",
                              "serves": ["balance", "statistics"]}]}
        for name, label, port in (("old", "Go", 1), ("new", "Rust", 2))
    },
    "workload": [
        {"name": "balance", "path": "/v1/users/{user_id}/balance", "hot": True},
        {"name": "statistics", "path": "/v1/users/{user_id}/statistics", "hot": True},
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Gray:
    """What is drawn. `fault_s`: when every answer of the candidate begins to fail, for `open_s` until all is back.

    `killed`: no canary.json and half a last line. `mean_ms` of baseline and candidate.
    """

    steps: tuple[float, ...] = (0.01, 0.05, 0.25, 0.5, 1.0)
    step_s: float = 30.0
    rate_rps: float = 600.0
    fault_s: float | None = None
    fault_told: bool = False
    open_after_s: float = 0.23
    mean_ms: tuple[float, float] = (4.0, 2.5)
    mismatch_ratio: float = 0.0
    killed: bool = False
    seed: int = 7


@dataclass
class _Side:
    requests: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    fell_back: int = 0
    latency: Counter[int | None] = field(default_factory=Counter)

    def plain(self) -> dict[str, Any]:
        buckets = sorted(((-1 if at is None else at), count) for at, count in self.latency.items())
        return {
            "requests": self.requests, "failed": dict(self.failed), "fell_back": self.fell_back, "caller_failed": 0,
            "latency": [[None if at == -1 else at, count] for at, count in buckets],
        }  # fmt: skip


def manifest_of(label: str = "gray") -> Manifest:
    """Return a gray release's manifest."""
    host = HostFacts("here", "Linux", "cpu", 2, 1, 1, None, 0.0)
    plan = check_plan(PLAN, "plan")
    return Manifest(
        1, f"20260101T000000Z-{label}-canary", label, "2026-01-01T00:00:00Z", 5 * NS, 1_767_225_600 * NS, (), "abc",
        False, {}, {}, host, plan_tree(plan), "d" * 64, PoolFacts(10, 1, None, "p" * 64, False), None, (), 1,
        "native-schedule",
    )  # fmt: skip


def write_lines(folder: Path, polls: list[dict[str, Any]], events: list[dict[str, Any]]) -> Path:
    """Write a folder of given lines, without a result."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest_of()))
    for name, lines in (("canary.jsonl", polls), ("events.jsonl", events)):
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def write_gray(folder: Path, drawn: Gray) -> Path:
    """Write the folder of a drawn release."""
    rng = np.random.default_rng(drawn.seed)
    clock = Clock(0, 1_767_225_600 * NS)
    sides = {name: (_Side(), _Side()) for name in ("balance", "statistics")}
    compared = {name: Counter(match=0, mismatch=0, raced=0, unresponsive=0) for name in sides}
    polls, events, callers = [], [], Counter[str]()
    end_s = drawn.step_s * len(drawn.steps)
    back_s = None if drawn.fault_s is None else drawn.fault_s + drawn.open_after_s
    if drawn.fault_s is not None:
        end_s = drawn.fault_s + 12
    for number in range(int(end_s / POLL_S) + 1):
        at_s = number * POLL_S
        step = min(int((at_s - POLL_S) / drawn.step_s), len(drawn.steps) - 1) if number else 0
        ordered = drawn.steps[step]
        if back_s is not None and at_s > back_s + POLL_S:
            ordered = 0.0
        if number:
            for name, pair in sides.items():
                _serve(rng, drawn, at_s, ordered, pair, compared[name])
            callers["done"] += round(drawn.rate_rps * POLL_S)
        polls.append(
            {
                "t_s": at_s, "utc": clock.utc(int(at_s * NS)), "share": ordered, "step": step,
                "waits": ["12 of 30 s soaked"],
                "routes": {
                    name: {"baseline": one.plain(), "candidate": two.plain(), "compared": dict(compared[name])}
                    for name, (one, two) in sides.items()
                },
                "callers": {
                    "sent": callers["done"], "done": callers["done"], "dropped": 0, "failed": {}, "p50_ms": 3.9,
                    "p99_ms": 17.5,
                },
            }
        )  # fmt: skip

    def tell(at_s: float, by: str, kind: str, share: float, reasons: list[str], **figures: Any) -> None:
        events.append(
            {"t_s": at_s, "utc": clock.utc(int(at_s * NS)), "by": by, "kind": kind, "share": share,
             "reasons": reasons, "figures": figures}
        )  # fmt: skip

    for number, share in enumerate(drawn.steps):
        at_s = number * drawn.step_s
        if at_s < end_s and (back_s is None or at_s < back_s):
            why = ["the first step"] if not number else ["not worse in failures, p50 and p99 by the margins"]
            figures = {"failures": {"bound": 0.0004, "margin": 0.001}, "p99": {"ratio": 0.71}, "requests": 900 * number}
            tell(at_s + 0.02, "controller" if not number else "judge", "step", share, why, **figures)
    if drawn.fault_s is not None and back_s is not None:
        share = drawn.steps[min(int(drawn.fault_s / drawn.step_s), len(drawn.steps) - 1)]
        if drawn.fault_told:
            tell(drawn.fault_s, "harness", "fault", share, ["SIGKILL to rust-1"])
        counts = {"failed": 31, "requests": 40, "median_ms": None}
        tell(back_s, "gateway", "breaker", share, ["failures"], **_turn("closed", "open", "failures", counts))
        tell(back_s + 0.4, "breaker", "back", 0.0, ["the breaker opened (failures)"], opens=1)
        tell(back_s + 10.4, "gateway", "breaker", 0.0, ["probe"], **_turn("open", "half-open", "probe", {}))
    elif not drawn.killed:
        tell(end_s, "judge", "done", drawn.steps[-1], ["the last step passed"])
    events.sort(key=lambda one: float(one["t_s"]))
    write_lines(folder, polls, events)
    if drawn.killed:
        with (folder / "canary.jsonl").open("a") as file:
            file.write('{"t_s": 99')
        return folder
    back = drawn.fault_s is not None
    result = {
        "outcome": "back" if back else "done", "share": max(poll["share"] for poll in polls),
        "callers": polls[-1]["callers"],
        "reasons": ["the breaker opened (failures)" if back else "the last step passed"],
        "left": "all users are with Go" if back else "all users are with Rust",
    }  # fmt: skip
    (folder / "canary.json").write_text(json.dumps(result))
    return folder


def _turn(before: str, after: str, reason: str, counts: dict[str, Any]) -> dict[str, Any]:
    return {"from": before, "to": after, "reason": reason, "figures": counts}


def _serve(
    rng: np.random.Generator, drawn: Gray, at_s: float, share: float, pair: tuple[_Side, _Side], pairs: Counter[str]
) -> None:
    """Let both sides answer what came in the half second up to `at_s`, for one of two routes."""
    count = int(rng.poisson(drawn.rate_rps * POLL_S / 2))
    began = drawn.fault_s
    is_open = began is not None and at_s - POLL_S >= began + drawn.open_after_s
    mine = 0 if is_open else int(rng.binomial(count, share))
    failed = 0
    if began is not None and at_s > began and not is_open:
        part = min(at_s - began, drawn.open_after_s) / POLL_S
        mine = int(mine * part) if began + drawn.open_after_s < at_s else mine
        failed = int(rng.binomial(mine, min(part, 1.0)))
    for side, asked, mean_ms in ((pair[0], count - mine, drawn.mean_ms[0]), (pair[1], mine, drawn.mean_ms[1])):
        side.requests += asked
        times_us = 1000 * mean_ms * rng.lognormal(0, 0.6, asked)
        upper = np.ceil(100 * 1.1 ** np.ceil(np.log(np.maximum(times_us, 100) / 100) / np.log(1.1)))
        for at_us in upper:
            side.latency[int(at_us)] += 1
    pair[1].failed["refused"] += failed
    pair[1].fell_back += failed
    unlike = int(rng.binomial(mine - failed, drawn.mismatch_ratio))
    pairs["match"] += mine - failed - unlike
    pairs["mismatch"] += unlike
