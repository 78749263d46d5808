"""Counting servers, and a project that is driven against two of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import unpatched_locust  # noqa: F401  # before any test imports what imports Locust
from swarm_cases import Project, Target, open_project, start_target

from userpool import make_pool


@pytest.fixture
def targets() -> Iterator[Callable[[float], Target]]:
    """Start counting servers; they end with the test."""
    started: list[Target] = []

    def start(answer_ms: float = 0.0) -> Target:
        started.append(start_target(answer_ms))
        return started[-1]

    yield start
    for target in started:
        target.end()


@pytest.fixture(scope="session")
def pool_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool of 300 users without ledgers."""
    return make_pool(300, 7, tmp_path_factory.mktemp("made") / "pool", ledgers=False).folder


@pytest.fixture
def project(tmp_path: Path, pool_folder: Path) -> Iterator[Project]:
    """A project against two quick counting servers."""
    with open_project(tmp_path, pool_folder) as made:
        yield made
