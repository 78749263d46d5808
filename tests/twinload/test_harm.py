"""Whole runs that end by themselves: a rule of `[safety]` is broken, a hook fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_pair import Pair
from wallet_pair import BINARIES, wallet_pair

from records.run_folder import REPORT_FILES, RunReader

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not all(one.is_file() for one in BINARIES.values()), reason="the wallet is not built"),
]
HOOKED = """
[hooks]
before_block = [["sh", "-c", "echo block $1 for $2", "sh", "{block}", "{twin}"]]
"""
ANY_ANSWER_IS_HARM = """
[[safety.stop_when]]
figure = "p99_ms"
above = 0.0
for_s = 1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "pair"
    yield path
    for process in Pair(path, (0, 0)).processes():
        process.kill()


def test_a_run_that_harms_a_target_ends_by_itself_and_reports_what_there_is(folder: Path) -> None:
    pair = wallet_pair(folder, more=HOOKED + ANY_ANSWER_IS_HARM)
    done = pair.call("run", "--no-gate", "--check", "--set", "stages.rates_rps=[300.0, 300.0]", timeout=300)
    assert done.returncode == 1, done.stderr
    assert "stopped for safety: " in done.stderr
    assert "the p99 of the service times was" in done.stderr
    reader = RunReader(pair.latest)
    kinds = [event.kind for event in reader.events()]
    assert kinds[-1] == "safety-stop"
    first = reader.stages()[0].stage
    assert f"block 0 for {first.twin}\n" == (pair.latest / "logs" / "before-block-0-1.log").read_text(encoding="utf-8")
    assert [event.figures["block"] for event in reader.events() if event.kind == "hook"] == [0]
    run = json.loads((pair.latest / "report" / "summary.json").read_bytes())["run"]
    assert run["partial"] is True
    assert run["partial_reason"].startswith("safety-stop: stopped for safety: ")
    assert sorted(p.name for p in (pair.latest / "report").iterdir()) == sorted(REPORT_FILES)
    assert pair.call("audit", str(pair.latest)).returncode == 0


def test_a_hook_that_fails_ends_the_run_before_its_block(folder: Path) -> None:
    pair = wallet_pair(folder, more='[hooks]\nbefore_block = [["sh", "-c", "echo no such table; exit 3"]]')
    done = pair.call("run", "--no-gate", timeout=300)
    assert done.returncode == 2, done.stderr
    assert "ended with exit code 3" in done.stderr
    assert "| no such table" in done.stderr
    assert list(RunReader(pair.latest).seconds()) == []
    assert RunReader(pair.latest).events()[-1].kind == "failed"


def test_a_hook_that_is_no_program_is_refused_before_anything_starts(folder: Path) -> None:
    pair = wallet_pair(folder, more='[hooks]\nbefore_block = [["./reset"]]')
    done = pair.call("run", "--no-gate")
    assert done.returncode == 2
    assert "hooks.before_block[0] = ./reset: is no program that can be run beside the plan" in done.stderr
    assert not pair.runs.exists()
