"""SIGTERM ends a command as Ctrl-C does: through one KeyboardInterrupt, so that every `with` cleans up."""

from __future__ import annotations

import signal
from types import FrameType


def end_on_sigterm() -> None:
    """Let SIGTERM raise KeyboardInterrupt in the main thread."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)  # also where a shell started us with SIGINT ignored


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)
