"""Users and their ledger entries, read from and written to the data directory that the twins load [D1] [D2].

The directory holds `userpool.csv` (row order = user index, first column = id) and `ledger/*.npy`, flat columns grouped
by user. Everything here is plain Python integers; numpy only reads and writes the files.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

NO_PARTY = 0xFFFFFFFF
"""The party of an entry that has none [D2]."""

COLUMN_DTYPES = {
    "offsets": "<i8",
    "seq": "<u4",
    "time_ms": "<i8",
    "kind": "|u1",
    "amount": "<u4",
    "party": "<u4",
    "ref": "<u4",
}
"""The files of `ledger/` with the NumPy type of each [D2]."""


class Kind(enum.IntEnum):
    """The kinds of entry, numbered as in the files [D3]."""

    recharge = 1
    gift_sent = 2
    gift_received = 3
    withdrawal = 4
    hold = 5
    capture = 6
    release = 7
    bonus = 8


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the ledger; `kind` stays a plain int so that a broken ledger can be told."""

    seq: int
    time_ms: int
    kind: int
    amount: int
    party: int
    ref: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """All users by index, with the entries of each in ascending seq."""

    user_ids: tuple[str, ...]
    entries: tuple[tuple[Entry, ...], ...]

    def index_of(self, user_id: str) -> int | None:
        """Return the index of the user with this id, None when there is none."""
        return self.user_ids.index(user_id) if user_id in self.user_ids else None

    def last(self) -> Entry | None:
        """Return the entry with the highest seq of all users, None for an empty ledger."""
        return max((entry for rows in self.entries for entry in rows), key=lambda entry: entry.seq, default=None)

    @property
    def as_of(self) -> int:
        """The highest seq, 0 when empty [D4]."""
        last = self.last()
        return 0 if last is None else last.seq

    @property
    def now_ms(self) -> int:
        """The time of the entry with the highest seq, 0 when empty [D4]."""
        last = self.last()
        return 0 if last is None else last.time_ms


def write_data_dir(ledger: Ledger, directory: Path) -> Path:
    """Write `userpool.csv` and `ledger/*.npy` as the twins load them; return the directory."""
    (directory / "ledger").mkdir(parents=True, exist_ok=True)
    lines = ["user_id,name", *(f"{user_id},Zoë Łuk" for user_id in ledger.user_ids)]
    (directory / "userpool.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    offsets = [0]
    for rows in ledger.entries:
        offsets.append(offsets[-1] + len(rows))
    flat = [entry for rows in ledger.entries for entry in rows]
    _save(directory, "offsets", offsets)
    for name in ("seq", "time_ms", "kind", "amount", "party", "ref"):
        _save(directory, name, [getattr(entry, name) for entry in flat])
    return directory


def _save(directory: Path, name: str, values: Sequence[int]) -> None:
    array = np.array(values, dtype=COLUMN_DTYPES[name])
    with (directory / "ledger" / f"{name}.npy").open("wb") as file:
        np.lib.format.write_array(file, array, version=(1, 0))


def load_columns(directory: Path) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """Return the seven columns of a data directory by name.

    Raises: ValueError when a column has another type than [D2] says.
    """
    columns = {name: np.load(directory / "ledger" / f"{name}.npy") for name in COLUMN_DTYPES}
    for name, dtype in COLUMN_DTYPES.items():
        if columns[name].dtype != np.dtype(dtype):
            raise ValueError(f"{name}.npy holds {columns[name].dtype}, the contract says {dtype}: write it anew")
    return columns


def load_user_ids(directory: Path) -> tuple[str, ...]:
    """Return the ids of `userpool.csv` in row order."""
    with (directory / "userpool.csv").open(encoding="utf-8") as file:
        next(file)
        return tuple(line.rstrip("\n").split(",", 1)[0] for line in file)


def iter_wallets(directory: Path) -> Iterator[tuple[Entry, ...]]:
    """Yield the entries of each user of a data directory, in user order, one user in memory at a time."""
    columns = load_columns(directory)
    bounds = columns["offsets"].tolist()
    names = ("seq", "time_ms", "kind", "amount", "party", "ref")
    for start, stop in itertools.pairwise(bounds):
        lists = [columns[name][start:stop].tolist() for name in names]
        yield tuple(map(Entry, *lists))


def load_data_dir(directory: Path) -> Ledger:
    """Return the whole ledger of a data directory; about 200 bytes of memory an entry."""
    return Ledger(user_ids=load_user_ids(directory), entries=tuple(iter_wallets(directory)))
