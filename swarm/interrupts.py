"""Ctrl-C in a process of greenlets: it ends what the main one waits for, wherever Python was when it came.

Python raises KeyboardInterrupt in the code that it runs just then. That may be the greenlet that conducts a run, which
would die of it with all that it had measured, while Locust, that never heard, would end as if the run were over.
"""

from __future__ import annotations

import signal

import gevent


def lead_to_main() -> None:
    """From now on raise SIGINT's KeyboardInterrupt in the main greenlet. Where SIGINT is ignored it stays so."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        gevent.signal_handler(signal.SIGINT, _interrupt)


def _interrupt() -> None:
    gevent.get_hub().handle_system_error(KeyboardInterrupt, KeyboardInterrupt())
