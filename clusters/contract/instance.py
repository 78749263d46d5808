"""Starts one twin program for the suite: on port 0, with a data directory, stopped whatever happens.

Only what [P1] promises is used: the flags, the line `listening ADDR` on stdout, exit codes. Running twins for a
campaign is the business of the packages above; the contract suite must not depend on what it helps to test.
"""

from __future__ import annotations

import os
import queue
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from clusters.contract.answers import Request, Serve
from clusters.contract.wire import Address, WireError, ask

Twin = Literal["go", "rust"]
READY_WITHIN_S = 20.0
STOPS_WITHIN_S = 15.0
DEFAULT_BIN = ".twinload/bin"


class StartError(Exception):
    """A twin program is missing, ended early or does not become ready; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A running twin: its address, what it serves, its process, the file that holds its stderr."""

    twin: Twin
    address: Address
    serve: Serve
    process: subprocess.Popen[str]
    stderr_file: Path


def binary(twin: Twin) -> Path:
    """Return the program of a twin in the directory that TWINLOAD_BIN names, `.twinload/bin` without it.

    Raises: StartError when it is not there.
    """
    path = Path(os.environ.get("TWINLOAD_BIN", DEFAULT_BIN)) / f"wallet-{twin}"
    if not path.is_file():
        raise StartError(f"{path} is missing: run `make setup`, or name its directory in TWINLOAD_BIN")
    return path.resolve()


def command(twin: Twin, data: Path, serve: Serve = "hot", store: str | None = None) -> list[str]:
    """Return the command that starts a twin on a port of the system's choice."""
    shared = [] if store is None else ["--store", store]
    own = ["--listen", "127.0.0.1:0", "--data", str(data), "--serve", serve, "--name", "contract"]
    return [str(binary(twin)), *own, *shared]


@contextmanager
def running(
    twin: Twin, data: Path, logs: Path, *, serve: Serve = "hot", store: str | None = None, await_ready: bool = True
) -> Iterator[Instance]:
    """Run a twin until the block ends; its stderr goes to a file in `logs`.

    `store` is the address of the store that it shares. Without `await_ready` the block starts as soon as the twin has
    said its address.

    Raises: StartError when it does not say its address or become ready within 20 seconds.
    """
    number = len(list(logs.glob("*.stderr")))
    stderr_file = logs / f"wallet-{twin}-{serve}-{data.name}-{number}.stderr"
    with stderr_file.open("w", encoding="utf-8") as stderr:
        process = subprocess.Popen(
            command(twin, data, serve, store),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**os.environ, "GOMAXPROCS": "1", "WORKERS": "1"},
        )
    try:
        instance = Instance(twin, _read_address(process, stderr_file), serve, process, stderr_file)
        if await_ready:
            _await_ready(instance)
        yield instance
    finally:
        process.kill()
        process.wait(STOPS_WITHIN_S)
        if process.stdout is not None:
            process.stdout.close()


def _first_line(stream: IO[str], lines: queue.Queue[str]) -> None:
    lines.put(stream.readline())


def _read_address(process: subprocess.Popen[str], stderr_file: Path) -> Address:
    assert process.stdout is not None  # noqa: S101 - stdout is a pipe by construction
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_first_line, args=(process.stdout, lines), daemon=True).start()
    try:
        line = lines.get(timeout=READY_WITHIN_S)
    except queue.Empty:
        line = ""
    word, _, address = line.strip().partition(" ")
    host, _, port = address.rpartition(":")
    if word != "listening" or not port.isdigit():
        raise StartError(f"no line `listening ADDR` but {line!r}; stderr: {tail(stderr_file)}")
    return host, int(port)


def _await_ready(instance: Instance) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    status: int | None = None
    while time.monotonic() < deadline:
        try:
            status = ask(instance.address, Request("GET", "/readyz")).status
        except (OSError, WireError):
            status = None
        if status == 200:
            return
        if instance.process.poll() is not None:
            break
        time.sleep(0.02)
    raise StartError(f"wallet-{instance.twin} is not ready (status {status}); stderr: {tail(instance.stderr_file)}")


def tail(file: Path, lines: int = 5) -> str:
    """Return the last lines of a log, for an error message."""
    return " | ".join(file.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def refused(arguments: Sequence[str], *, timeout_s: float = 20.0) -> tuple[int, str, str]:
    """Run a command that should refuse its flags or data; return exit code, stdout and stderr."""
    done = subprocess.run(
        list(arguments), capture_output=True, text=True, timeout=timeout_s, check=False, stdin=subprocess.DEVNULL
    )
    return done.returncode, done.stdout, done.stderr
