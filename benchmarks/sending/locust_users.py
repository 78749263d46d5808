"""Ordinary Locust users as senders: one Locust process for all slots, idle between them."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from benchmarks.sending.target import ROOT, Target


class LocustUsers(AbstractContextManager["LocustUsers"]):
    """Users of one kind, `fasthttp` or `native-users`, in a process pinned to a core."""

    def __init__(self, kind: str, core: int, users: int) -> None:
        self._users = users
        argv = [sys.executable, "-m", "benchmarks.sending.locust_driver", kind]
        self._process = subprocess.Popen(
            argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        os.sched_setaffinity(self._process.pid, {core})

    def with_users(self, users: int) -> Self:
        """Use so many users from the next slot on."""
        self._users = users
        return self

    def begin(self, target: Target) -> None:
        """Spawn the users."""
        self._tell(f"start http://{target.address} {self._users}")

    def end(self) -> None:
        """Stop the users."""
        self._tell("stop")

    @property
    def pid(self) -> int:
        """The Locust process."""
        return self._process.pid

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        if not self._process.stdout.readline():
            raise RuntimeError(f"the Locust process ended at {line!r}")

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
