"""For all tests: a runner that was started with SIGINT ignored (in the background of a shell, by some CI) must not
hand that to the programs that the tests interrupt. A handler of our own becomes the default in every child."""

from __future__ import annotations

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
