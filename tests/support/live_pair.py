"""A small real pair for whole runs: the example's two services, copied to a folder of their own, on free ports."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "own-pair"
TWINLOAD = [sys.executable, "-m", "twinload.cli"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A copy of the example pair in a folder of its own."""

    folder: Path
    ports: tuple[int, int]

    @property
    def plan(self) -> Path:
        return self.folder / "twinload.toml"

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    def argv(self, *words: str) -> list[str]:
        return [*TWINLOAD, *words, "--plan", str(self.plan), "--runs", str(self.runs)]

    def call(self, *words: str, timeout: float = 150, **options: object) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.argv(*words), capture_output=True, text=True, timeout=timeout, cwd=self.folder, check=False, **options
        )  # type: ignore[call-overload, no-any-return]

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command in a group of its own, as a shell does."""
        return subprocess.Popen(
            self.argv(*words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.folder,
            start_new_session=True,
        )  # fmt: skip

    @property
    def latest(self) -> Path:
        return (self.runs / "latest").resolve()

    def processes(self) -> list[psutil.Process]:
        """Return what runs of this pair: servers and generators that name its folder or work in it."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.pid != os.getpid() and Path(process.cwd()).is_relative_to(self.folder):
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found


def wait_until(true: Callable[[], bool], *, timeout_s: float = 60, what: str = "it") -> None:
    """Wait for a condition; fail by name when it does not come."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if true():
            return
        time.sleep(0.05)
    pytest.fail(f"{what} did not come within {timeout_s} s")
