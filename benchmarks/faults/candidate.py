"""A candidate of the faults' trials with what stands before and behind it, and the eight faults that befall it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.faults.board import Board
from benchmarks.faults.service import Sickness
from clusters.contract.store import is_installed, running_store

ROOT: Final = Path(__file__).parents[2]
_DIES_WITHIN_S: Final = 60.0


@dataclass(slots=True)
class Candidate:
    """A service that runs; `sent` is where what it was sent is noted, None when it cannot be seen at its side."""

    address: str
    process: subprocess.Popen[str]
    board: Board
    sent: Board | None
    cut: Board | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What befalls a candidate. `strike` does it and returns when, ns of the monotonic clock.

    `is_noted_before`: a forwarder before the candidate notes what is sent. `is_dead`: nothing can be sent any more, so
    that only the gateway knows what it tried to. `has_store`: it has a store, behind a forwarder.
    """

    name: str
    strike: Callable[[Candidate], int]
    is_noted_before: bool = False
    is_dead: bool = False
    has_store: bool = False


def _killed(candidate: Candidate) -> int:
    struck_ns = time.monotonic_ns()
    candidate.process.kill()
    return struck_ns


def _stopped(candidate: Candidate) -> int:
    struck_ns = time.monotonic_ns()
    candidate.process.send_signal(signal.SIGSTOP)
    return struck_ns


def _out_of_memory(candidate: Candidate) -> int:
    """Have it leak; the fault is its death."""
    candidate.board.sickness = Sickness.LEAK
    candidate.process.wait(_DIES_WITHIN_S)
    return candidate.board.died_ns


def _store_lost(candidate: Candidate) -> int:
    assert candidate.cut is not None
    struck_ns = time.monotonic_ns()
    candidate.cut.sickness = 1
    return struck_ns


def _sick(sickness: Sickness) -> Callable[[Candidate], int]:
    def strike(candidate: Candidate) -> int:
        struck_ns = time.monotonic_ns()
        candidate.board.sickness = sickness
        return struck_ns

    return strike


FAULTS: Final = (
    Fault("killed", _killed, is_dead=True),
    Fault("stopped", _stopped, is_noted_before=True),
    Fault("status 500", _sick(Sickness.STATUS_500)),
    Fault("garbage", _sick(Sickness.GARBAGE)),
    Fault("resets", _sick(Sickness.RESETS)),
    Fault("ten times slower", _sick(Sickness.SLOW)),
    Fault("out of memory", _out_of_memory, is_dead=True),
    Fault("store lost", _store_lost, has_store=True),
)


def missing_for(fault: Fault) -> str | None:
    """Return why a fault cannot be made here, None when it can."""
    return "redis-server is not installed" if fault.has_store and not is_installed() else None


@contextmanager
def running_program(module: str, options: Sequence[str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run one of this folder's programs; yield it and its address. Whatever state it is in, it ends with the block."""
    argv = [sys.executable, "-m", f"benchmarks.faults.{module}", *options]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().removeprefix("ready ").strip()
        finally:
            process.kill()


@contextmanager
def running_candidate(fault: Fault, folder: Path) -> Iterator[Candidate]:
    """Start a candidate for a fault, with its store and the forwarders that it needs."""
    with ExitStack() as stack:
        options, cut = [f"--board={folder / 'candidate'}", f"--writes={folder / 'candidate-writes'}"], None
        if fault.has_store:
            store = stack.enter_context(running_store(folder))
            address = stack.enter_context(_forwarder(f"127.0.0.1:{store.port}", folder / "store"))
            options.append(f"--store={address}")
            cut = Board(folder / "store")
        process, address = stack.enter_context(running_program("service", options))
        board = Board(folder / "candidate")
        sent = None if fault.is_dead else board
        if fault.is_noted_before:
            address = stack.enter_context(_forwarder(address, folder / "before"))
            sent = Board(folder / "before")
        yield Candidate(address, process, board, sent, cut)


@contextmanager
def _forwarder(to: str, board: Path) -> Iterator[str]:
    with running_program("forwarder", [f"--board={board}", f"--to={to}"]) as (_, address):
        yield address
