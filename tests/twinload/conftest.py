"""The pair that whole runs are made with."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_pair import EXAMPLE, Pair

from clusters.ports import free_ports


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """A pair whose plan takes some ten seconds; whatever it leaves behind is ended and fails the test."""
    yield from _pair(tmp_path / "pair")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A pair with one whole run behind it, for tests that only look."""
    made = _pair(tmp_path_factory.mktemp("finished") / "pair")
    pair = next(made)
    done = pair.call("run")
    assert done.returncode == 0, done.stderr
    yield pair
    next(made, None)


def _pair(folder: Path) -> Iterator[Pair]:
    one, two = free_ports(2)
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", ".twinload", "runs"))
    text = (folder / "twinload.toml").read_text(encoding="utf-8")
    text = text.replace("18301", str(one)).replace("18302", str(two)).replace("users = 2000", "users = 300")
    text = text.replace("pairs = 3", "pairs = 1")
    start = text.index("[stages]")
    end = text.index("[search]")
    stages = '[stages]\nkind = "steps"\nrates_rps = [60.0, 120.0]\nmeasure_s = 2\n\n[shadow]\nbound = 0.02\n\n'
    (folder / "twinload.toml").write_text(text[:start] + stages + text[end:], encoding="utf-8")
    made = Pair(folder, (one, two))
    yield made
    # one without a command line is ending: its memory is gone already
    left = {process: command for process in made.processes() if (command := process.cmdline())}
    for process in left:
        process.send_signal(signal.SIGKILL)
    assert not left, f"left running: {left}"
