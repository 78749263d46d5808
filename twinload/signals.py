"""SIGINT and SIGTERM: outside the load they end a command at once, under load they ask for an orderly end first."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


def end_on_signals() -> None:
    """Let both raise KeyboardInterrupt in the main thread, so that every `with` cleans up.

    SIGINT too: a shell may have started us with it ignored.
    """
    for number in _NUMBERS:
        signal.signal(number, _raise)


@contextmanager
def orderly_end(say: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Give a function that tells whether the end is wanted: the first signal sets it, a second one raises."""
    wanted: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if wanted:
            _raise(number, frame)
        wanted.append(number)
        say()

    for number in _NUMBERS:
        signal.signal(number, note)
    try:
        yield lambda: bool(wanted)
    finally:
        end_on_signals()


def _raise(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)
