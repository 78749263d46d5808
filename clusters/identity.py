"""Is this still the process that we started? A pid alone says nothing: the kernel gives it out again.

A process is known by its pid together with the kernel's start time of it (clock ticks since boot, with the boot's id),
and by what it runs: the command's arguments at the end of its command line (an interpreter stands before a script), or
our mark in its environment (a program may change its command line, less often both).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from clusters.command import MARK

_START_FIELD: Final = 19  # field 22 of /proc/PID/stat, counted after the command name


def start_token(pid: int) -> str | None:
    """Return what names a process beyond reuse of its pid; None when there is none (a zombie still has one)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (FileNotFoundError, ProcessLookupError):
        return _portable_token(pid)
    return f"{boot}:{stat.rpartition(')')[2].split()[_START_FIELD]}"


def _portable_token(pid: int) -> str | None:
    if Path("/proc/self/stat").exists():
        return None
    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.Error:
        return None


def is_running(pid: int, token: str) -> bool:
    """Say whether the process of that pid and start runs (a zombie does not)."""
    if start_token(pid) != token:
        return False
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def is_ours(pid: int, token: str, argv: tuple[str, ...], mark: str) -> bool:
    """Say whether a pid is a process that we started: its start and what it runs must both agree."""
    if not is_running(pid, token):
        return False
    try:
        line = tuple(psutil.Process(pid).cmdline())
    except psutil.Error:
        return False
    return _tail_agrees(line, argv) or has_mark(pid, mark)


def _tail_agrees(line: tuple[str, ...], argv: tuple[str, ...]) -> bool:
    """Agree when all arguments are the same and the program's file name stands right before them."""
    count = len(argv) - 1
    if count < 0 or len(line) <= count or line[len(line) - count :] != argv[1:]:
        return False
    return Path(line[len(line) - count - 1]).name == Path(argv[0]).name


def has_mark(pid: int, mark: str) -> bool:
    """Say whether a process carries our mark in its environment; False where that may not be read."""
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return f"{MARK}={mark}".encode() in environ


def orphans(leader: int, mark: str) -> Iterator[int]:
    """Yield the processes that an instance left in its session when it ended: same session and our mark."""
    for pid in psutil.pids():
        with suppress(OSError):
            if pid != leader and os.getsid(pid) == leader and has_mark(pid, mark):
                yield pid


def signal_group(leader: int, number: signal.Signals) -> None:
    """Signal an instance and its children; its pid must be known to be still its own."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)
