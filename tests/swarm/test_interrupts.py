"""Ctrl-C reaches the main greenlet, whichever greenlet Python was in: real signals in processes of their own."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import signal, sys
import gevent
from swarm.interrupts import lead_to_main

if "ignored" in sys.argv:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
lead_to_main()

def works():
    for _ in range(2):
        signal.raise_signal(signal.SIGINT)  # as Ctrl-C in the midst of this greenlet's work
        gevent.sleep(0.01)
    return "whole"

working = gevent.spawn(works)
heard = 0
while not working.dead:
    try:
        working.join()
    except KeyboardInterrupt:
        heard += 1
print(heard, working.value)
"""


def said(*words: str) -> str:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], check=False, capture_output=True, text=True, timeout=120, cwd=root,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_work_goes_on_and_the_main_greenlet_hears_each_interrupt() -> None:
    assert said() == "2 whole"


def test_a_process_that_ignores_interrupts_goes_on_ignoring_them() -> None:
    assert said("ignored") == "0 whole"
