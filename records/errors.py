"""Errors of the records: drawn as a tree in the package's docstring."""

from __future__ import annotations

from dataclasses import dataclass


class RecordError(Exception):
    """Base of what can go wrong with a plan or a run folder."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a plan: where it stands, what stands there, what would be right."""

    path: str
    value: str
    remedy: str

    def __str__(self) -> str:
        shown = f" = {self.value}" if self.value else ""
        return f"{self.path}{shown}: {self.remedy}"


class PlanError(RecordError):
    """The plan cannot be used; `faults` holds every fault found, not the first alone."""

    def __init__(self, source: str, faults: tuple[Fault, ...]) -> None:
        self.source = source
        self.faults = faults
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__("\n".join([f"{source}: {count}", *(f"  {fault}" for fault in faults)]))


class RunFolderError(RecordError):
    """A run folder cannot be made, written or read back; the message names the file and the remedy."""
