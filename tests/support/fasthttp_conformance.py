"""Runs Locust's own tests of FastHttpUser on NativeHttpUser.

Locust's distributions hold no tests, so a folder of its repository is needed: git clone it, check out the installed
version's tag, and give the clone's path. Nothing of it is kept here. Its tests need cryptography and pyquery.

    python tests/support/fasthttp_conformance.py /path/to/locust
"""

from __future__ import annotations

import locust
from locust.contrib.fasthttp import FastHttpSession, FastHttpUser

import argparse
import importlib
import sys
import unittest
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from swarm.native.session import NativeSession
from swarm.native.user import NativeHttpUser

EXCEPTIONS: dict[str, str] = {}
"""Tests that cannot hold, by name, with the reason; the same list as in docs/engine.md."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of the tests, by name."""

    passed: tuple[str, ...]
    failed: tuple[str, ...]
    excepted: tuple[str, ...]
    stale: tuple[str, ...]
    """Exceptions that are none any more, or name no test."""

    @property
    def is_good(self) -> bool:
        """Whether all hold that are not excepted, and no exception is stale."""
        return bool(self.passed) and not self.failed and not self.stale


class _Names(unittest.TestResult):
    def __init__(self) -> None:
        super().__init__()
        self.good: list[str] = []

    def addSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's name
        super().addSuccess(test)
        self.good.append(short_name(test))


def short_name(test: unittest.TestCase) -> str:
    """Return `Class.method` of a test."""
    return ".".join(test.id().split(".")[-2:])


def load(folder: Path) -> ModuleType:
    """Return Locust's test module with the classes swapped.

    Raises: FileNotFoundError when the folder has none, ImportError when the module needs what is not installed.
    """
    if not (folder / "locust/test/test_fasthttp.py").is_file():
        raise FileNotFoundError(f"{folder}: no locust/test/test_fasthttp.py; give a clone of Locust's repository")
    locust.__path__.append(str(folder / "locust"))
    module = importlib.import_module("locust.test.test_fasthttp")
    swaps = {FastHttpUser: NativeHttpUser, FastHttpSession: NativeSession}
    for name, value in list(vars(module).items()):
        if isinstance(value, type) and value in swaps:
            setattr(module, name, swaps[value])
    return module


def run(folder: Path) -> Outcome:
    """Run the tests of a clone of Locust's repository and tell what came of them; failures go to stderr."""
    result = _Names()
    unittest.defaultTestLoader.loadTestsFromModule(load(folder)).run(result)
    bad = {short_name(test): text for test, text in [*result.failures, *result.errors]}
    for name, text in bad.items():
        if name not in EXCEPTIONS:
            print(f"{name}\n{text}", file=sys.stderr)
    return Outcome(
        passed=tuple(result.good),
        failed=tuple(name for name in bad if name not in EXCEPTIONS),
        excepted=tuple(name for name in bad if name in EXCEPTIONS),
        stale=tuple(name for name in EXCEPTIONS if name not in bad),
    )


def main(argv: list[str] | None = None) -> int:
    """Run the tests; 0 when all hold that are not excepted, 1 otherwise, 2 when there are none to run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a clone of Locust's repository")
    folder = parser.parse_args(argv).folder
    try:
        outcome = run(folder)
    except (FileNotFoundError, ImportError) as error:
        print(error, file=sys.stderr)
        return 2
    for name in outcome.excepted:
        print(f"excepted {name}: {EXCEPTIONS[name]}")
    for name in outcome.stale:
        print(f"excepted, but holds or is gone: {name}")
    print(f"{len(outcome.passed)} passed, {len(outcome.failed)} failed, {len(outcome.excepted)} excepted")
    return 0 if outcome.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
