"""For all tests: what the machine that runs them must not change.

A runner that was started with SIGINT ignored (in the background of a shell, by some CI) must not hand that to the
programs that the tests interrupt: a handler of our own becomes the default in every child. A property holds however
slow the machine is: examples have no time limit.
"""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")
