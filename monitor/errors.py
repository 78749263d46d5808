"""Errors of the monitor: drawn as a tree in the package's docstring."""

from __future__ import annotations


class MonitorError(Exception):
    """Base of what can go wrong with the watch; the message says what, which value and what to do."""


class UnknownInstance(MonitorError):  # noqa: N818  named by what is wrong
    """A name was given that is not among the watched instances."""


class SamplingFailed(MonitorError):  # noqa: N818  named by what is wrong
    """The sampling thread ended with an error, which is its cause; samples up to then are good."""


class SourceUnavailable(MonitorError):  # noqa: N818  named by what is wrong
    """What should tell an instance's CPU and memory does not: found before any load."""
