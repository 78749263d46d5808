"""Nothing here runs without the program."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gateway_rig import BINARY, Service


@pytest.fixture(scope="session", autouse=True)
def _built() -> None:
    if not BINARY.is_file():
        pytest.fail(f"{BINARY} is missing: run `make setup`")


@pytest.fixture
def baseline() -> Iterator[Service]:
    """A service that answers."""
    with Service() as service:
        yield service


@pytest.fixture
def candidate() -> Iterator[Service]:
    """A service that is compared."""
    with Service() as service:
        yield service
