"""Reads a pool back: what the swarm draws users from and what the gate asks for. A third of a second at most."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from userpool.errors import PoolCorrupt
from userpool.record import CSV_NAME, PoolRecord, read_record
from userpool.shape import IntArray


class Columns(Mapping[str, tuple[str, ...]]):
    """The columns of `userpool.csv` by name, each cut from the lines when it is first asked for."""

    __slots__ = ("_cut", "_lines", "_places")

    def __init__(self, header: str, lines: tuple[str, ...]) -> None:
        self._places = {name: place for place, name in enumerate(header.split(","))}
        self._lines = lines
        self._cut: dict[str, tuple[str, ...]] = {}

    def __getitem__(self, name: str) -> tuple[str, ...]:
        place = self._places[name]
        if name not in self._cut:
            self._cut[name] = tuple([line.split(",", place + 1)[place] for line in self._lines])
        return self._cut[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """The users of a pool, in the order of `userpool.csv`: a user's index is its place.

    Attributes:
        ids: what requests name; of an import, pseudonyms.
        activity: weights, shape (users,), >= 1.
        tiers: the kind of each user.
        entries: ledger lengths, shape (users,); None when the pool has no ledgers.
        columns: every column as text, for the workload's templates.
        record: how the pool was made.
    """

    ids: tuple[str, ...] = field(repr=False)
    activity: IntArray = field(repr=False)
    tiers: tuple[str, ...] = field(repr=False)
    entries: IntArray | None = field(repr=False)
    columns: Columns = field(repr=False)
    folder: Path
    record: PoolRecord = field(repr=False)

    @property
    def digest(self) -> str:
        """Return the digest of the pool's files."""
        return self.record.digest

    def __len__(self) -> int:
        return len(self.ids)


def read_pool(folder: Path) -> Pool:
    """Return the pool in a folder, after checking `userpool.csv` against its hash and the other files' sizes.

    Raises: PoolMissing when there is none, PoolCorrupt when files and record do not agree.
    """
    record = read_record(folder)
    path = folder / CSV_NAME
    data = path.read_bytes()
    expected = next((file.sha256 for file in record.files if file.name == CSV_NAME), None)
    if hashlib.sha256(data).hexdigest() != expected:
        raise PoolCorrupt(f"{path}: changed after the pool was made; make the pool again with `twinload pool`")
    header, *lines = data.decode().removesuffix("\n").split("\n")
    columns = Columns(header, tuple(lines))
    return Pool(
        ids=columns["user_id"],
        activity=_integers(columns["activity"]),
        tiers=columns["tier"],
        entries=_integers(columns["entries"]) if record.entries is not None else None,
        columns=columns,
        folder=folder,
        record=record,
    )


def _integers(texts: tuple[str, ...]) -> IntArray:
    return np.fromiter(map(int, texts), dtype=np.int64, count=len(texts))
