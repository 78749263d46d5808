"""Drawn runs (tests/support/drawn_run.py) as folders and as findings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drawn_folder import write_run
from drawn_run import Drawn
from searched_run import Searched, write_searched

from analysis.findings import Findings, find
from analysis.run import read_run
from records.run_folder import RunReader


@pytest.fixture
def write_drawn(tmp_path: Path) -> Callable[..., Path]:
    """Write a drawn run, described by what differs from the default one, and return its folder."""

    def write(**changes: Any) -> Path:
        return write_run(tmp_path / "run", Drawn(**changes))

    return write


@pytest.fixture(scope="session")
def find_drawn(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Findings]:
    """Write a drawn run and return what is found in it; a run drawn twice is written once."""
    known: dict[str, Findings] = {}

    def find_it(**changes: Any) -> Findings:
        key = repr(sorted(changes.items()))
        if key not in known:
            known[key] = find(
                read_run(RunReader(write_run(tmp_path_factory.mktemp("drawn") / "run", Drawn(**changes))))
            )
        return known[key]

    return find_it


@pytest.fixture(scope="session")
def find_searched(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Findings]:
    """Simulate a run that searched a capacity and return what is found in it; one simulated twice is written once."""
    known: dict[str, Findings] = {}

    def find_it(**changes: Any) -> Findings:
        key = repr(sorted(changes.items()))
        if key not in known:
            folder = write_searched(tmp_path_factory.mktemp("searched") / "run", Searched(**changes))
            known[key] = find(read_run(RunReader(folder)))
        return known[key]

    return find_it
