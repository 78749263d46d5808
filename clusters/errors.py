"""Errors of the clusters: drawn as a tree in the package's docstring."""
# ruff: noqa: N818  the base ends in Error; its kinds are named by what is wrong

from __future__ import annotations


class ClusterError(Exception):
    """Base of what can go wrong with a cluster; the message says what, which value and what to do."""


class CannotStart(ClusterError):
    """Nothing was started; `faults` holds every fault found, not the first alone."""

    def __init__(self, faults: tuple[ClusterError, ...]) -> None:
        self.faults = faults
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__("\n".join([f"clusters not started: {count}", *(f"  {fault}" for fault in faults)]))


class UnknownTwin(ClusterError):
    """A twin was named that the plan does not have."""


class PortTaken(ClusterError):
    """Another process listens where an instance should; the message names it."""


class AddressUnusable(ClusterError):
    """An instance's address cannot be bound on this machine."""


class BinaryMissing(ClusterError):
    """The program of a command does not exist or may not be executed."""


class CoresMissing(ClusterError):
    """A CPU set names cores that this process may not use."""


class VariableMissing(ClusterError):
    """A `${NAME}` names an environment variable that is not set."""


class FolderUnwritable(ClusterError):
    """Logs or records cannot be written."""


class StoreMissing(ClusterError):
    """The program of a store that a run should start is not installed."""


class Held(ClusterError):
    """Another owner has the clusters: a run under way, or instances that `twinload up` left running."""


class NotReady(ClusterError):
    """An instance ended before it was ready, or was not ready in time."""


class Outdated(ClusterError):
    """Recorded instances are not what the plan would start now."""


class RecordUnreadable(ClusterError):
    """The record of what runs cannot be read."""


class EngineMissing(ClusterError):
    """No Docker engine answers where one should."""


class EngineDenied(ClusterError):
    """The engine's socket may not be used by this user."""


class EngineTooOld(ClusterError):
    """The engine, or the compose program, is older than what is used of it."""


class ComposeMissing(ClusterError):
    """Neither `docker compose` nor `docker-compose` is installed."""


class LimitMissing(ClusterError):
    """The kernel under the engine does not offer a limit that the plan asks for."""


class ImageMissing(ClusterError):
    """An image is not there and cannot be built."""
