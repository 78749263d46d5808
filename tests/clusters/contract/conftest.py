"""Twins for the contract suite: started here on port 0, with a store and without, or an address given by --base-url."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from clusters.contract.answers import Serve
from clusters.contract.golden.ledger import golden_ledger
from clusters.contract.instance import Instance, StartError, Twin, running
from clusters.contract.ledger import Ledger, write_data_dir
from clusters.contract.store import MISSING, Store, is_installed, running_store
from clusters.contract.wire import Address

TWINS: dict[str, Twin] = {"go": "go", "rust": "rust", "go-redis": "go", "rust-redis": "rust"}
"""What a test with an `address` runs against: each twin, without a store and with one."""
Start = Callable[..., Instance]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--base-url", default=None, help="run against this address, which serves the golden ledger")


def base_url(config: pytest.Config) -> str | None:
    """The option is known only when this folder is named on the command line; the environment works always."""
    return config.getoption("--base-url", default=None) or os.environ.get("TWINLOAD_BASE_URL")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "address" in metafunc.fixturenames:
        given = base_url(metafunc.config)
        metafunc.parametrize("address", [given] if given else list(TWINS), indirect=True, scope="session")


@pytest.fixture(scope="session")
def golden_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data_dir(golden_ledger(), tmp_path_factory.mktemp("golden"))


@pytest.fixture(scope="session")
def golden_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store that nobody writes to."""
    needs_redis()
    with running_store(tmp_path_factory.mktemp("store")) as store:
        yield store


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store of the test's own, in memory alone."""
    needs_redis()
    with running_store(tmp_path_factory.mktemp("store")) as own:
        yield own


def needs_redis() -> None:
    if not is_installed():
        pytest.skip(MISSING)


@pytest.fixture(scope="session")
def address(
    request: pytest.FixtureRequest, golden_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Address]:
    """Where a hot instance with the golden ledger answers."""
    if request.param not in TWINS:
        parts = urlsplit(request.param)
        yield parts.hostname or "127.0.0.1", parts.port or 80
        return
    shared: Store | None = request.getfixturevalue("golden_store") if request.param.endswith("-redis") else None
    url = shared.url if shared is not None else None
    try:
        with running(TWINS[request.param], golden_data, tmp_path_factory.mktemp("logs"), store=url) as instance:
            yield instance.address
            assert instance.process.poll() is None, f"wallet-{instance.twin} ended during the tests"
    except StartError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    """Starts a twin of one's own with a ledger; stopped when the test ends."""
    if base_url(request.config):
        pytest.skip("starts twins of its own; --base-url names one that runs")
    with ExitStack() as stack:

        def start_one(
            twin: Twin, ledger: Ledger, serve: Serve = "hot", *, store: str | None = None, await_ready: bool = True
        ) -> Instance:
            data = write_data_dir(ledger, tmp_path / f"{twin}-{serve}-{len(list(tmp_path.iterdir()))}")
            try:
                one = running(twin, data, tmp_path, serve=serve, store=store, await_ready=await_ready)
                return stack.enter_context(one)
            except StartError as error:
                pytest.fail(str(error), pytrace=False)

        yield start_one
