"""The generator: one Locust process, started once for a campaign and spoken to over a socket.

It is pinned to the generator's cores and ends when its end of the socket closes, so also when this process is killed.
What it prints goes to `.twinload/logs/generator.log`, never into a terminal that shows progress.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from records.channel import VARIABLE, Quit, Ready, Stop, Sweep, ToCampaign, decode_report, encode
from records.plan import Plan
from records.plan_file import SETS_VARIABLE
from twinload.errors import INTERRUPTED, BadEnvironment, Interrupted, OwnFault

LOCUSTFILE: Final = Path(__file__).resolve().parents[1] / "locustfile.py"
_START_S: Final = 60.0
_END_S: Final = 15.0
_LAST_LINES: Final = 15


class Generator:
    """The Locust child. `wait_ready` blocks until all seats stand; `messages` yields what it tells."""

    def __init__(self, plan: Plan, plan_path: Path, root: Path, *, sets: tuple[str, ...] = ()) -> None:
        self.log = root / ".twinload" / "logs" / "generator.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        mine, theirs = socket.socketpair()
        self._socket = mine
        self._rest = b""
        self._lines: deque[bytes] = deque()
        environ = dict(os.environ) | {VARIABLE: str(theirs.fileno()), "TWINLOAD_PLAN": str(plan_path.resolve())}
        environ[SETS_VARIABLE] = json.dumps(sets)
        with self.log.open("wb") as log, theirs:
            self._process = subprocess.Popen(
                _locust_argv(plan), cwd=root, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=[theirs.fileno()], start_new_session=True,
            )  # fmt: skip
        if plan.swarm.cpu_set:
            os.sched_setaffinity(self._process.pid, plan.swarm.cpu_set)

    def wait_ready(self, end_wanted: Callable[[], bool] = lambda: False) -> Ready:
        """Return once all seats stand.

        Raises: OwnFault with the last lines of its log when that does not come, Interrupted when the end is wanted.
        """
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if end_wanted():
                raise Interrupted(INTERRUPTED)
            for message in self.messages(timeout_s=0.5):
                if isinstance(message, Ready):
                    return message
        raise OwnFault(f"the generator was not ready after {_START_S:.0f} s:\n{self.last_lines()}")

    def sweep(self, sweep: Sweep) -> None:
        """Ask for a sweep."""
        self._send(encode(sweep))

    def stop_sweep(self) -> None:
        """Ask for the end of the sweep under way."""
        self._send(encode(Stop()))

    def messages(self, *, timeout_s: float) -> Iterator[ToCampaign]:
        """Yield what has arrived, waiting at most `timeout_s` for the first; what is not taken stays for the next call.

        Raises: BadEnvironment when the generator found that it cannot send, OwnFault when it is gone otherwise.
        """
        if not self._lines:
            self._receive(timeout_s)
        while self._lines:
            yield decode_report(self._lines.popleft())

    def _receive(self, timeout_s: float) -> None:
        if not select.select([self._socket], [], [], timeout_s)[0]:
            return
        try:
            chunk = self._socket.recv(1 << 20)
        except ConnectionError:
            chunk = b""
        if not chunk:
            raise self._gone()
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        self._lines.extend(lines)

    def _gone(self) -> BadEnvironment | OwnFault:
        code = self._wait(_END_S)
        if code == BadEnvironment.code:
            return BadEnvironment(f"the generator cannot send; its last lines:\n{self.last_lines()}")
        return OwnFault(f"the generator ended by itself (exit code {code}); its last lines:\n{self.last_lines()}")

    def last_lines(self) -> str:
        """Return the end of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-_LAST_LINES:]) + f"\n  (all of it: {self.log})"

    def close(self) -> None:
        """End the process: asked first, then told, then made to. Safe to call twice."""
        with suppress(OSError):  # it may be gone already
            self._socket.sendall(encode(Quit()))
        self._socket.close()
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number is not None and self._process.poll() is None:
                os.killpg(self._process.pid, number)
            if self._wait(_END_S / 3) is not None:
                return

    def _wait(self, timeout_s: float) -> int | None:
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def _send(self, line: bytes) -> None:
        try:
            self._socket.sendall(line)
        except OSError:
            raise self._gone() from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def _locust_argv(plan: Plan) -> list[str]:
    argv = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary"]
    return [*argv, "--processes", str(plan.swarm.processes)] if plan.swarm.processes > 1 else argv
