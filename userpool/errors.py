"""Errors of the user pool: drawn as a tree in the package's docstring."""

from __future__ import annotations

from dataclasses import dataclass

SHOWN_FAULTS = 20


class PoolError(Exception):
    """Base of what can go wrong with a pool of users."""


class PoolTaken(PoolError):  # noqa: N818 - the name says what is wrong
    """The folder that should hold the pool holds something else."""


class PoolMissing(PoolError):  # noqa: N818 - the name says what is wrong
    """There is no pool where one should be read."""


class PoolCorrupt(PoolError):  # noqa: N818 - the name says what is wrong
    """The files of a pool do not agree with its record."""


class KeyFault(PoolError):  # noqa: N818 - the name says what is wrong
    """The key file cannot be used; the message holds the remedy and nothing of the key."""


@dataclass(frozen=True, slots=True)
class LineFault:
    """One fault of an import file. `line` counts from 1, the header included; `what` never holds an id."""

    line: int
    what: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}"


class ImportFault(PoolError):  # noqa: N818 - the name says what is wrong
    """The import file cannot be used: the first faults are kept in `faults`, all are counted in `count`."""

    def __init__(self, source: str, faults: tuple[LineFault, ...], count: int) -> None:
        self.source = source
        self.faults = faults
        self.count = count
        head = f"{source}: 1 fault" if count == 1 else f"{source}: {count} faults"
        lines = [head, *(f"  {fault}" for fault in faults)]
        if count > len(faults):
            lines.append(f"  and {count - len(faults)} more")
        super().__init__("\n".join(lines))
