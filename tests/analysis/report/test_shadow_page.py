"""The page of a shadow run: outcome, bounds, paths and marked diffs, with nothing taken as markup."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from analysis.report.shadow_page import shadow_page
from records.manifest import HostFacts, Manifest, PoolFacts
from records.plan_file import check_plan, plan_tree
from records.run_folder import MANIFEST
from shadow.live import Live, ShadowRun, read_run, write_live
from shadow.mirrored import COVERAGE, PAIRS

PLAN = {
    "twins": {
        name: {"start": "external", "label": label,
               "instances": [{"name": f"{name}-1", "address": f"127.0.0.1:{port}", "serves": ["balance"]}]}
        for name, label, port in (("old", "Go <1>", 1), ("new", "Rust", 2))
    },
    "workload": [{"name": "balance", "path": "/v1/users/{user_id}/balance", "hot": True}],
    "shadow": {"bound": 0.01, "rule": [{"do": "ignore", "path": "$.at"}]},
}  # fmt: skip


def answer(body: str) -> dict[str, object]:
    headers = [["content-type", "application/json"]]
    return {"status": 200, "headers": headers, "body": body, "truncated": False, "ms": 1.0, "instance": "old-1"}


def written(folder: Path, candidates: list[str], stopped: str = "") -> ShadowRun:
    plan = check_plan(PLAN, "plan")
    host = HostFacts("here", "Linux", "cpu", 2, 1, 1, None, 0.0)
    manifest = Manifest(
        1, "r-shadow", "r", "now", 0, 0, (), "abc", False, {}, {}, host, plan_tree(plan), "d" * 64,
        PoolFacts(10, 1, None, "p" * 64, False), None, (), 1, "native-schedule",
    )  # fmt: skip
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    baseline = answer('{"user_id":"ann","n":120,"at":1,"text":"<b>"}')
    pairs = [
        {"utc": "now", "t_ns": 1, "route": "balance", "method": "GET", "target": "/v1/users/ann/balance",
         "kind": "body", "baseline": baseline, "candidate": answer(body), "second": None, "candidate_error": None}
        for body in candidates
    ]  # fmt: skip
    coverage = {"t_ns": 1, "route": "balance", "class": "2xx", "match": 400, "mismatch": len(pairs), "dropped": 7}
    (folder / PAIRS).write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    (folder / COVERAGE).write_text(json.dumps(coverage) + "\n")
    traffic = {"sent": 410, "done": 410, "dropped": 0, "failed": {}, "classes": {}, "p50_ms": 1.25, "p99_ms": None}
    write_live(folder, Live("now", 300, stopped, {"ann": "whale"}, traffic, None))
    return read_run(folder)


def test_a_failed_gate_shows_the_path_the_kind_and_the_marked_digit(tmp_path: Path) -> None:
    run = written(tmp_path, ['{"user_id":"ann","n":130,"at":2,"text":"<b>"}'])
    page = shadow_page(run, run.report)
    for part in (
        "The gate FAILED.", "balance: 1 of 401 differ", "digit at $.n", "<mark>2</mark>0", "<mark>3</mark>0",
        "tier whale", "/v1/users/ann/balance", "Go &lt;1&gt;", "&lt;b&gt;", "hid 1 differences in 1 pairs",
        "latency p50 1.2 ms", "Lines with − are Go &lt;1&gt;'s, with + Rust's",
    ):  # fmt: skip
        assert part in page, part
    assert "<script" not in page
    assert "http" not in page


def test_a_passed_gate_shows_its_bound_and_what_was_dropped(tmp_path: Path) -> None:
    run = written(tmp_path, [])
    assert run.report.passed
    page = shadow_page(run, run.report)
    assert "The gate passed." in page
    assert "0 of 400 differ: mismatch rate below 0.75 % (95 %)" in page
    assert '<td class="n">7</td>' in page


def test_a_run_that_was_stopped_is_marked_and_does_not_pass(tmp_path: Path) -> None:
    run = written(tmp_path, [], stopped="interrupted by the person at the terminal")
    assert not run.report.passed
    page = shadow_page(run, run.report)
    assert "partial" in page
    assert "interrupted by the person" in page


def test_a_folder_that_is_no_shadow_run_is_told(tmp_path: Path) -> None:
    written(tmp_path, [])
    (tmp_path / "live.json").unlink()
    with pytest.raises(Exception, match="is no shadow run"):
        read_run(tmp_path)
