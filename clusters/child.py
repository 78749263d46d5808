"""One process of ours: started in a session of its own, watched without being forgotten, stopped whole.

Started by posix_spawn (no shell, no code of ours between fork and exec) into `launch.py`, which pins it and ties its
life to ours. A child that ended stays a zombie until it is collected, so its pid cannot become another process's while
its group may still be signalled. The kernel ties it to the starting *thread*: start from one that lives as long.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clusters import launch
from clusters.identity import signal_group, start_token

TAIL_LINES: Final = 20
_TAIL_BYTES: Final = 1 << 16
_STEP_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: its exit code, or the signal that killed it; both None when nobody can know."""

    code: int | None
    signal: int | None

    def __str__(self) -> str:
        if self.signal is not None:
            return f"was killed by {signal.Signals(self.signal).name}"
        return "ended, how is not known" if self.code is None else f"ended with exit code {self.code}"


@dataclass(frozen=True, slots=True)
class Program:
    """What a child becomes: the program's path, its arguments, where and with what."""

    path: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    folder: Path
    cores: tuple[int, ...]
    log: Path


class Child:
    """A running, ended or collected process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.token = start_token(pid) or ""
        self._exit: Exit | None = None
        self._collected = False

    @classmethod
    def start(cls, program: Program, *, outlive: bool = False) -> Child:
        """Start a program; with `outlive` it goes on when this process ends, else the kernel kills it then.

        Raises: OSError when no process can be made or the log cannot be written.
        """
        wrapper = [
            sys.executable, "-I", "-S", launch.__file__, "0" if outlive else str(os.getpid()),
            ",".join(map(str, program.cores)) or "-", str(program.folder), program.path, *program.argv,
        ]  # fmt: skip
        log_flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        return cls(
            os.posix_spawn(
                wrapper[0],
                wrapper,
                program.env,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, str(program.log), log_flags, 0o644),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                ],
                setsid=True,
                setsigmask=(),
                setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD),
            )
        )

    def poll(self) -> Exit | None:
        """Return how the process ended, None while it runs; it is not collected."""
        if self._exit is None:
            try:
                state = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                self._exit, self._collected = Exit(None, None), True
                return self._exit
            if state is not None:
                exited = state.si_code == os.CLD_EXITED
                self._exit = Exit(state.si_status, None) if exited else Exit(None, state.si_status)
        return self._exit

    def signal(self, number: signal.Signals) -> None:
        """Signal the process and its children; nothing once it was collected."""
        if not self._collected:
            signal_group(self.pid, number)

    def collect(self) -> None:
        """Kill what is left of the process and its children, and let the kernel forget it."""
        if self._collected:
            return
        self.signal(signal.SIGKILL)
        try:
            os.waitpid(self.pid, 0)
        except ChildProcessError:
            pass
        finally:
            self.poll()
            self._collected = True


def stop_all(children: Sequence[Child], grace_s: float) -> None:
    """End children together: SIGTERM, up to `grace_s` for them to go, then SIGKILL; also when interrupted meanwhile."""
    try:
        for child in children:
            if child.poll() is None:
                child.signal(signal.SIGTERM)
        end = time.monotonic() + grace_s
        while any(child.poll() is None for child in children) and time.monotonic() < end:
            time.sleep(_STEP_S)
    finally:
        for child in children:
            child.signal(signal.SIGKILL)
        for child in children:
            child.collect()


def last_lines(log: Path | None, count: int = TAIL_LINES) -> tuple[str, ...]:
    """Return the last lines of a log, () when there is none; reads 64 KiB at most."""
    if log is None:
        return ()
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            text = file.read()
    except OSError:
        return ()
    return tuple(text.decode("utf-8", "replace").splitlines()[-count:])
