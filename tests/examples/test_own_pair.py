"""The page "your service in 15 minutes", command by command, on the example's own plan."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLAN = ROOT / "examples" / "own-pair" / "twinload.toml"
PAGE = ROOT / "docs" / "own-pair.md"


def call(*words: str, runs: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "twinload.cli", *words, "--plan", str(PLAN), "--runs", str(runs)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=180, cwd=ROOT, check=False)


@pytest.mark.parametrize("word", ["check", "gate", "run"])
def test_the_page_names_the_commands_that_are_tried_here(word: str) -> None:
    assert f"twinload {word}" in PAGE.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_example_pair_passes_its_gate_and_a_quick_run(tmp_path: Path) -> None:
    checked = call("check", runs=tmp_path)
    assert checked.returncode == 0, checked.stderr
    gated = call("gate", runs=tmp_path)
    assert gated.returncode == 0, gated.stdout + gated.stderr
    ran = call("run", "--quick", "--set", "stages.fractions=[0.5, 1.2]", runs=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "latest" / "report" / "index.html").is_file()
