"""The page "your service in 15 minutes", command by command, on a copy of the example, from a folder beside it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from live_pair import EXAMPLE, ROOT, TWINLOAD

from clusters.ports import free_ports

PAGE = ROOT / "docs" / "own-pair.md"


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """Return a folder that holds a copy of the example, on free ports."""
    copy = tmp_path / "own-pair"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("__pycache__", ".twinload", "runs"))
    text = (copy / "twinload.toml").read_text(encoding="utf-8")
    for port, free in zip(("18301", "18302"), free_ports(2), strict=True):
        assert port in text
        text = text.replace(port, str(free))
    (copy / "twinload.toml").write_text(text, encoding="utf-8")
    return tmp_path


def call(beside: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command as the page does: with a plan named relative to where the reader stands."""
    argv = [*TWINLOAD, *words, "--plan", "own-pair/twinload.toml"]
    return subprocess.run(argv, capture_output=True, text=True, timeout=180, cwd=beside, check=False)


@pytest.mark.parametrize("word", ["check", "gate", "run"])
def test_the_page_names_the_commands_that_are_tried_here(word: str) -> None:
    assert f"twinload {word}" in PAGE.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_example_pair_passes_its_gate_and_a_quick_run(beside: Path) -> None:
    checked = call(beside, "check")
    assert checked.returncode == 0, checked.stderr
    gated = call(beside, "gate")
    assert gated.returncode == 0, gated.stdout + gated.stderr
    ran = call(beside, "run", "--quick", "--set", "stages.fractions=[0.5, 1.2]")
    assert ran.returncode == 0, ran.stderr
    assert (beside / "runs" / "latest" / "report" / "index.html").is_file()
