"""Whole runs on containers of a real engine: one elsewhere, and by hand in Locust with a container that dies."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine import ROOT, Case, engine_or_skip, make_case, make_folder
from forward import tcp_to_unix
from live_pair import wait_until

from clusters.compose import find_compose
from clusters.compose_file import compose_text
from clusters.engine import USUAL
from monitor import window
from records.run_folder import RunReader

pytestmark = pytest.mark.slow
SECTIONS: dict[str, Any] = {
    "pool": {"folder": "pool", "users": 20},  # as in the folder
    "swarm": {"processes": 1, "timeout_s": 5.0},
    "stages": {"kind": "steps", "rates_rps": [50.0, 100.0], "warmup_s": 1, "measure_s": 2},
    "search": {"pairs": 1},
    "shadow": {"bound": 0.1},
}


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    """Make a case; nothing of its project may be left at the end."""
    with engine_or_skip() as client:
        made = make_case(client, make_folder(tmp_path / "twins"), f"test-{secrets.token_hex(4)}")
        yield made
        left = made.containers()
        names = [one.name for one in left]
        for one in left:
            one.remove(force=True)
    assert not names, f"left behind: {names}"


def start(case: Case, *words: str, **environ: str) -> subprocess.Popen[str]:
    """Start a Python module in the case's folder, its words after the module's name."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LOCUST", "TWINLOAD"))}
    return subprocess.Popen(
        [sys.executable, "-m", *words], cwd=case.folder, env={**clean, "PYTHONPATH": str(ROOT), **environ},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def test_a_whole_run_with_an_engine_elsewhere_is_watched_by_its_streams(case: Case) -> None:
    where = os.environ.get("DOCKER_HOST") or USUAL
    if not where.startswith("unix://"):
        pytest.skip(f"needs an engine on this machine, not one at {where}")
    plan, runs = case.write_plan(**SECTIONS), case.folder / "runs"
    with tcp_to_unix(where.removeprefix("unix://")) as address:
        words = ("twinload.cli", "run", "--plan", str(plan), "--runs", str(runs))
        run = start(case, *words, DOCKER_HOST=f"tcp://{address}")
        said, _ = run.communicate(timeout=200)
    assert run.returncode == 0, said
    assert f"CPU and memory of go-1, rust-1: the engine's statistics stream (the engine is at tcp://{address})" in said
    reader = RunReader(runs / "latest")
    instances, usage = reader.manifest().instances, list(reader.usage())
    assert [(one.name, one.pid) for one in instances if one.watch == "container"] == [("go-1", None), ("rust-1", None)]
    for index in (0, 1):
        assert (window.resolution_s(usage, index) or 0.0) == pytest.approx(1.0, abs=0.3)
        shown = next(line.containers[index] for line in reversed(usage) if line.containers[index] is not None)
        assert shown is not None
        assert (shown.cpu_limit_cores, shown.memory_limit_bytes) == (1.0, 64 << 20)
    summary = json.loads((runs / "latest" / "report" / "summary.json").read_text(encoding="utf-8"))
    for twin, name in (("go", "go-1"), ("rust", "rust-1")):
        for stage in summary["twins"][twin]["balance"]["stages"]:
            assert 0.0 < stage["cpu_cores"][name] < 1.1
            assert 1 << 20 < stage["memory_bytes"][name] < 64 << 20


def test_by_hand_a_container_that_dies_is_named_and_its_twin_left_out_of_what_follows(case: Case) -> None:
    plan = case.write_plan(**SECTIONS | {"search": {"pairs": 3}})
    (case.folder / "by-hand.yml").write_text(compose_text(case.plan), encoding="utf-8")
    compose = [*find_compose(), "-f", "by-hand.yml", "-p", case.plan.compose.project]
    subprocess.run([*compose, "up", "-d", "--build"], cwd=case.folder, check=True, capture_output=True, timeout=120)
    try:
        locust = start(case, "locust", "-f", str(ROOT / "locustfile.py"), "--headless", "--plan", str(plan))
        folder = case.folder / "runs" / "latest"
        wait_until((folder / "seconds.jsonl").exists, what="the run folder")
        wait_until(lambda: any(True for _ in RunReader(folder).seconds()), what="load")
        twin = next(iter(RunReader(folder).seconds())).twin
        (victim,) = (one for one in RunReader(folder).manifest().instances if one.twin == twin)
        case.client.containers.get(victim.container).kill()
        said, _ = locust.communicate(timeout=150)
    finally:
        subprocess.run([*compose, "down"], cwd=case.folder, check=True, capture_output=True, timeout=60)
    assert locust.returncode == 2, said
    assert f"{victim.name} was killed by SIGKILL (exit code 137)" in said
    reader = RunReader(folder)
    events = [(event.kind, event.instance) for event in reader.events()]
    assert events == [("instance-died", victim.name), ("schedule-cut", None), ("failed", None)]
    lines = reader.stages()
    cut = [line for line in lines if line.stage.twin == twin]
    assert any(f"{victim.name} died" in why for line in cut for why in line.why) or not cut
    assert all(line.stage.pair == 0 for line in cut)
    # The rest of the run is usable: three pairs of two rates of the other twin, watched from files.
    whole = [line for line in lines if line.stage.twin != twin]
    assert [line.stage.rate_rps for line in whole] == [50.0, 100.0] * 3
    assert all(line.complete for line in whole)
    index = next(i for i, one in enumerate(reader.manifest().instances) if one.role == "target" and one.twin != twin)
    assert all(line.cpu_s[index] is not None for line in list(reader.usage())[1:])
