"""The reference pool, made once for the tests that look at all of its users."""

from __future__ import annotations

from pathlib import Path

import pytest

from userpool import PoolSummary, make_pool

SEED = 20_260_101


@pytest.fixture(scope="session")
def reference_pool(tmp_path_factory: pytest.TempPathFactory) -> PoolSummary:
    """Return the summary of the pool of 16,000 users, standing in a folder of this session."""
    return make_pool(16_000, SEED, tmp_path_factory.mktemp("reference") / "pool")


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """Return a key file that is fit for use."""
    path = tmp_path / "pseudonym.key"
    path.write_bytes(bytes(range(32)))
    path.chmod(0o600)
    return path
