"""Nothing here runs without the program."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from gateway_rig import BINARY, Behaviour, Request, Service, reply
from gray_release import BASELINE, CANDIDATE, Silent


def _held() -> socket.socket:
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    return held


@dataclass
class Gone(Service):
    """A service that is gone: connections are refused, and no other process takes its port meanwhile."""

    _listener: socket.socket = field(default_factory=_held)

    def __enter__(self) -> Gone:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()


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


@pytest.fixture
def gone() -> Iterator[Service]:
    """A service that refuses connections."""
    with Gone() as service:
        yield service


@pytest.fixture
def _named(baseline: Service, candidate: Service) -> None:
    """Each side says which one it is."""
    baseline.behaviour = lambda _request: reply(BASELINE)
    candidate.behaviour = lambda _request: reply(CANDIDATE)


@pytest.fixture
def silent() -> Iterator[Silent]:
    """Return a behaviour that holds a body back, as a stopped process does, until the end of the test."""
    silence = threading.Event()

    def holding(body: bytes) -> Behaviour:
        def behaviour(_request: Request) -> bytes:
            silence.wait()
            return reply(body)

        return behaviour

    yield holding
    silence.set()
