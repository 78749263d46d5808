"""Waiting until every instance answers its ready path with 200, or naming the first that will not."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clusters.ask import Answer
from clusters.child import Exit, last_lines
from clusters.containers import ContainerExit
from clusters.errors import NotReady

_STEP_S: Final = 0.05
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Waiting:
    """An instance to wait for: how to ask it, how to see that it ended, and until when."""

    name: str
    path: str
    timeout_s: float
    ask: Callable[[], Answer]
    ended: Callable[[], Exit | ContainerExit | None]
    log: Path | None = None
    save_log: Callable[[], None] = lambda: None  # before the log is read: a container's is its engine's


def wait_ready(
    waiting: Sequence[Waiting],
    say: Say,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Come back when all are ready.

    Raises: NotReady at once when one ends, or when one's time is up; the message ends in its last log lines.
    """
    began = clock()
    left = list(waiting)
    while left:
        for one in tuple(left):
            if _is_ready(one, clock, began):
                left.remove(one)
                say(f"{one.name} is ready after {clock() - began:.1f} s")
        if left:
            sleep(_STEP_S)


def _is_ready(one: Waiting, clock: Callable[[], float], began: float) -> bool:
    answer = one.ask()
    ended = one.ended()
    if ended is not None:
        raise NotReady(f"{one.name} {ended} before it was ready{log_text(one.log)}")
    if answer.status == 200:
        return True
    if clock() - began >= one.timeout_s:
        one.save_log()
        remedy = "raise ready_timeout_s, or see why it does not answer"
        raise NotReady(f"{one.name}: {one.path} {answer} after {one.timeout_s:g} s; {remedy}{log_text(one.log)}")
    return False


def log_text(log: Path | None) -> str:
    """Return the end of a log as the end of a message."""
    if log is None:
        return ""
    lines = last_lines(log)
    return "\n".join([f"; the end of {log}:", *(f"  | {line}" for line in lines)]) if lines else f"; {log} is empty"
