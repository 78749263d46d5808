"""`pool.json`: what a pool is, what it was made from, and the hash of each of its files; with its codec."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

from userpool.errors import PoolCorrupt, PoolMissing
from userpool.shape import PoolShape

FORMAT: Final = 1
"""Grows when the same seed would give other bytes or other files."""
CSV_NAME: Final = "userpool.csv"
RECORD_NAME: Final = "pool.json"
LEDGER_NAME: Final = "ledger"


@dataclass(frozen=True, slots=True)
class PoolFile:
    """One file of a pool: its path below the pool's folder, `/` between names, its size and its SHA-256 in hex."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides a pool's bytes. A pool in place whose recipe is the wanted one is kept.

    Attributes:
        format: `FORMAT` of the code that made it.
        users: None for an import, where the file decides.
        seed, shape: None for an import.
        ledgers: whether the users have ledgers.
        source: of an import, a keyed digest of the file; None otherwise.
        versions: of the libraries that decide names and numbers.
    """

    format: int
    users: int | None
    seed: int | None
    ledgers: bool
    shape: PoolShape | None
    source: str | None
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class PoolRecord:
    """The content of `pool.json`; the means are rounded down and None without ledgers, as are `entries`.

    Attributes:
        recipe: what decides the bytes.
        users, entries: how many there are.
        now_ms: time of the last entry, Unix ms; None for an import, whose time nobody knows.
        request_weighted_entries: mean ledger of a request, users drawn by activity.
        seats, seated_entries: mean ledger of a request from that many seats that ask equally often.
        files: every file but this one, by name.
        digest: SHA-256 over the names and hashes of `files`; names the pool in every later record.
    """

    recipe: Recipe
    users: int
    entries: int | None
    now_ms: int | None
    request_weighted_entries: int | None
    seats: int | None
    seated_entries: int | None
    files: tuple[PoolFile, ...]
    digest: str

    @property
    def imported(self) -> bool:
        """Return whether the users came from a file of real ids."""
        return self.recipe.source is not None


@dataclass(frozen=True, slots=True)
class PoolSummary:
    """What a call made or found: fields as in `PoolRecord`, `kept` when the pool was there already."""

    folder: Path
    kept: bool
    users: int
    entries: int | None
    seed: int | None
    digest: str
    imported: bool
    now_ms: int | None
    request_weighted_entries: int | None
    seats: int | None
    seated_entries: int | None

    @classmethod
    def of(cls, record: PoolRecord, folder: Path, *, kept: bool) -> PoolSummary:
        """Return the summary of a pool that stands in the folder."""
        return cls(
            folder=folder,
            kept=kept,
            users=record.users,
            entries=record.entries,
            seed=record.recipe.seed,
            digest=record.digest,
            imported=record.imported,
            now_ms=record.now_ms,
            request_weighted_entries=record.request_weighted_entries,
            seats=record.seats,
            seated_entries=record.seated_entries,
        )


def versions() -> dict[str, str]:
    """Return the versions that the bytes of a generated pool depend on."""
    return {name: version(name) for name in ("faker", "numpy")}


def digest_of(files: Iterable[PoolFile]) -> str:
    """Return the SHA-256 over `<sha256>  <name>` lines, ascending by name: what `sha256sum` would print, hashed."""
    lines = [f"{file.sha256}  {file.name}\n" for file in sorted(files, key=lambda file: file.name)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def encode(record: PoolRecord) -> bytes:
    """Return the bytes of `pool.json`."""
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"


def read_record(folder: Path) -> PoolRecord:
    """Return the record of the pool in a folder.

    Raises: PoolMissing when there is none, PoolCorrupt when it cannot be read or files are missing or of another size.
    """
    path = folder / RECORD_NAME
    try:
        record = msgspec.json.decode(path.read_bytes(), type=PoolRecord)
    except FileNotFoundError:
        raise PoolMissing(f"{folder}: no pool here ({RECORD_NAME} is missing); make it with `twinload pool`") from None
    except (OSError, msgspec.MsgspecError) as error:
        raise PoolCorrupt(f"{path}: cannot be read ({error}); make the pool again with `twinload pool`") from error
    for file in record.files:
        _check_size(folder, file)
    return record


def _check_size(folder: Path, file: PoolFile) -> None:
    try:
        size_bytes = (folder / file.name).stat().st_size
    except OSError as error:
        raise PoolCorrupt(
            f"{folder / file.name}: {error.strerror}; make the pool again with `twinload pool`"
        ) from error
    if size_bytes != file.size_bytes:
        raise PoolCorrupt(
            f"{folder / file.name}: {size_bytes} bytes, {RECORD_NAME} says {file.size_bytes}; "
            "make the pool again with `twinload pool`"
        )
