"""The record of what runs: `.twinload/up.json`, written before an instance is waited for; and the lock of its owner.

An entry that is `kept` belongs to `twinload up` and stays; any other belongs to the owner of the lock. The kernel drops
the lock with its owner, however that ended: an entry that is not kept, found under the lock, is a leftover.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec
import psutil

from clusters.errors import FolderUnwritable, Held, RecordUnreadable
from clusters.program import Files
from records.instance import Instance

FOLDER: Final = ".twinload"
RECORD: Final = f"{FOLDER}/up.json"
LOCK: Final = f"{FOLDER}/clusters.lock"


@dataclass(frozen=True, slots=True)
class Entry:
    """One started instance: what it is, by what it is known again, and how it is asked whether it is ready.

    `token` names the process's start, `mark` is ours in its environment; an external instance has neither. Of a kept
    one, `files` are what its command ran at its start, and `variables` the names that the plan set in its environment.
    """

    instance: Instance
    ready: str
    argv: tuple[str, ...] = ()
    token: str = ""
    mark: str = ""
    kept: bool = False
    files: Files = ()
    variables: tuple[str, ...] = ()


def read_entries(folder: Path) -> tuple[Entry, ...]:
    """Return what is recorded; () when nothing is.

    Raises: RecordUnreadable.
    """
    path = folder / RECORD
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[Entry, ...])
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.DecodeError) as error:
        remedy = "end what still runs by hand and delete the file"
        raise RecordUnreadable(f"{path} cannot be read: {error}; {remedy}") from error


def write_entries(folder: Path, entries: Iterable[Entry]) -> None:
    """Replace the record at once; an empty one is removed. Only the owner of the lock may.

    Raises: FolderUnwritable.
    """
    path, rows = folder / RECORD, tuple(entries)
    part = path.with_suffix(".part")
    try:
        if not rows:
            path.unlink(missing_ok=True)
            return
        part.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=1) + b"\n")
        part.replace(path)
    except OSError as error:
        raise FolderUnwritable(f"cannot write {path}: {error.strerror}; give the folder write permission") from error


class Lock:
    """The right to start and stop the clusters of a folder; held by one process, dropped by the kernel at its end."""

    def __init__(self, folder: Path) -> None:
        """Take the lock.

        Raises: Held, which names the owner; FolderUnwritable.
        """
        path = folder / LOCK
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise FolderUnwritable(
                f"cannot write {path}: {error.strerror}; give the folder write permission"
            ) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip()
            os.close(self._fd)
            raise Held(
                f"the clusters of {folder} are held by {_describe(owner)}; wait for its end, or end it"
            ) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    @property
    def held(self) -> bool:
        """Whether this lock was not given back yet."""
        return self._fd >= 0

    def release(self) -> None:
        """Give the lock back; again does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.release()


def _describe(owner: str) -> str:
    if not owner.isdigit():
        return "another process"
    try:
        return f"process {owner} ({' '.join(psutil.Process(int(owner)).cmdline())[:120]})"
    except psutil.Error:
        return f"process {owner}"
