"""Imports real ids: a CSV file becomes a pool of pseudonyms. Raw ids stay in memory, in no file, log or message.

The file: UTF-8, a header line of column names, the id in the first column, no quoting. Columns `tier` and `activity`
are used when there, every further column is kept for the workload's templates.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from userpool.errors import SHOWN_FAULTS, ImportFault, LineFault, PoolError
from userpool.folder import drafted, seal, standing, write
from userpool.pseudonyms import pseudonym, read_key
from userpool.record import CSV_NAME, FORMAT, PoolRecord, PoolSummary, Recipe, digest_of

ID_MAX_BYTES: Final = 256
ACTIVITY_MAX: Final = 10**9
DEFAULT_TIER: Final = "imported"
_COLUMN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_FORBIDDEN: Final = re.compile(r'["\x00-\x1f\x7f]')
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_CHUNK_ROWS: Final = 50_000


@dataclass(slots=True)
class _Faults:
    """Collects the faults of a file: keeps the first, counts all."""

    source: str
    first: list[LineFault] = field(default_factory=list)
    count: int = 0

    def add(self, line: int, what: str) -> None:
        self.count += 1
        if len(self.first) < SHOWN_FAULTS:
            self.first.append(LineFault(line, what))

    def raise_any(self) -> None:
        if self.count:
            raise ImportFault(self.source, tuple(self.first), self.count)


@dataclass(frozen=True, slots=True)
class _Table:
    """A clean import file: column names and rows, each row as long as the names."""

    names: tuple[str, ...] = field(repr=False)
    rows: tuple[tuple[str, ...], ...] = field(repr=False)


def import_pool(
    ids_csv: Path, key_file: Path, out: Path, *, progress: Callable[[str], None] = lambda _: None
) -> PoolSummary:
    """Make a pool of pseudonyms in folder `out` from a file of real ids, or keep it when file and key are the same.

    Raises: ImportFault with every fault of the file by line, KeyFault, PoolTaken, PoolError.
    """
    key = read_key(key_file)
    data = _read(ids_csv)
    source = hmac.new(key, b"import file\0" + data, "sha256").hexdigest()
    recipe = Recipe(FORMAT, None, None, False, None, source, {})
    record = standing(out, recipe)
    if record is not None:
        progress(f"pool kept: {out} holds the {record.users} users of this file and key already")
        return PoolSummary.of(record, out, kept=True)
    table = _parse(str(ids_csv), data)
    progress(f"importing {len(table.rows)} users under pseudonyms")
    pseudonyms = _pseudonyms(str(ids_csv), key, table)
    with drafted(out) as draft:
        files = (write(draft, CSV_NAME, _csv_chunks(table, pseudonyms)),)
        record = PoolRecord(recipe, len(table.rows), None, None, None, None, None, files, digest_of(files))
        seal(draft, record)
    progress(f"pool made: {out}, {record.digest[:12]}")
    return PoolSummary.of(record, out, kept=False)


def raw_ids(ids_csv: Path, key_file: Path) -> dict[str, str]:
    """Return the real id of each pseudonym, for a target that knows no pseudonyms. Keep it in memory alone.

    Raises: ImportFault, KeyFault, PoolError as `import_pool` does.
    """
    key = read_key(key_file)
    table = _parse(str(ids_csv), _read(ids_csv))
    pseudonyms = _pseudonyms(str(ids_csv), key, table)
    return {pseudonym: row[0] for pseudonym, row in zip(pseudonyms, table.rows, strict=True)}


def _read(ids_csv: Path) -> bytes:
    try:
        return ids_csv.read_bytes()
    except OSError as error:
        raise PoolError(f"{ids_csv}: the ids cannot be read ({error.strerror}); name a readable file") from None


def _parse(source: str, data: bytes) -> _Table:
    """Return the file's table.

    Raises: ImportFault with all faults: of the header alone, or else of all lines.
    """
    faults = _Faults(source)
    lines = data.removeprefix(_BYTE_ORDER_MARK).removesuffix(b"\n").split(b"\n")
    header = _text(lines[0], 1, faults)
    names = tuple(header.split(",")) if header is not None else ()
    _check_header(names, faults)
    if len(lines) < 2:
        faults.add(1, "no user follows the header: one user a line")
    faults.raise_any()
    rows = tuple(_rows(lines, names, faults))
    faults.raise_any()
    _check_copies(names, rows, faults)
    faults.raise_any()
    return _Table(names, rows)


def _check_header(names: tuple[str, ...], faults: _Faults) -> None:
    for place, name in enumerate(names, 1):
        if not _COLUMN_NAME.match(name):
            faults.add(1, f"column {place} has no name of letters, digits and _: the first line names the columns")
    if len(set(names)) != len(names) or "user_id" in names[1:]:
        faults.add(1, "a column is named twice: give each its own name, user_id to the first alone")


def _rows(lines: list[bytes], names: tuple[str, ...], faults: _Faults) -> Iterator[tuple[str, ...]]:
    seen: dict[str, int] = {}
    activity = names.index("activity") if "activity" in names[1:] else None
    for number, line in enumerate(lines[1:], 2):
        text = _text(line, number, faults)
        if text is None:
            continue
        cells = tuple(text.split(","))
        what = _fault_of(cells, len(names), activity)
        if what is None and cells[0] in seen:
            what = f"the id of line {seen[cells[0]]} again: every user once"
        if what is not None:
            faults.add(number, what)
            continue
        seen[cells[0]] = number
        yield cells


def _fault_of(cells: tuple[str, ...], columns: int, activity: int | None) -> str | None:
    """Return what is wrong with a row by itself, None when nothing is; never says what stands there."""
    if not cells[0].strip():
        return "the id is empty"
    if len(cells[0].encode()) > ID_MAX_BYTES:
        return f"the id is longer than {ID_MAX_BYTES} bytes"
    if len(cells) < columns:
        return f"a column is missing: {len(cells)} of {columns}"
    if len(cells) > columns:
        return f"{len(cells)} columns, the header names {columns}: a value must not hold a comma"
    if activity is not None and not _is_weight(cells[activity]):
        return f"activity is not an integer from 1 to {ACTIVITY_MAX}"
    return None


def _is_weight(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(ACTIVITY_MAX)) and 1 <= int(text) <= ACTIVITY_MAX


def _text(line: bytes, number: int, faults: _Faults) -> str | None:
    """Return a line as text, None after adding its fault."""
    try:
        text = line.removesuffix(b"\r").decode()
    except UnicodeDecodeError as error:
        faults.add(number, f"byte {error.start + 1} of the line is not UTF-8: save the file as UTF-8")
        return None
    if _FORBIDDEN.search(text):
        faults.add(number, "a value holds a quote, a line end or another control character: write plain values")
        return None
    return text


def _check_copies(names: tuple[str, ...], rows: tuple[tuple[str, ...], ...], faults: _Faults) -> None:
    """Add a fault for each column that repeats the id on every line: it would carry real ids into the pool."""
    for place in range(1, len(names)):
        if len(rows) > 1 and all(row[place] == row[0] for row in rows):
            faults.add(1, f"column {place + 1} repeats the id on every line: leave it out")


def _pseudonyms(source: str, key: bytes, table: _Table) -> tuple[str, ...]:
    pseudonyms = tuple([pseudonym(key, row[0].encode()) for row in table.rows])
    if len(set(pseudonyms)) != len(pseudonyms):
        raise PoolError(f"{source}: two ids have one pseudonym under this key; use another key")
    return pseudonyms


def _csv_chunks(table: _Table, pseudonyms: tuple[str, ...]) -> Iterator[bytes]:
    """Yield `userpool.csv`: pseudonym, tier, activity, then the further columns in the file's order."""
    places = {name: place for place, name in enumerate(table.names) if place > 0}
    tier, activity = places.pop("tier", None), places.pop("activity", None)
    yield (",".join(["user_id", "tier", "activity", *places]) + "\n").encode()
    further = tuple(places.values())
    for start in range(0, len(pseudonyms), _CHUNK_ROWS):
        part = slice(start, start + _CHUNK_ROWS)
        lines: list[str] = []
        for alias, row in zip(pseudonyms[part], table.rows[part], strict=True):
            kind = DEFAULT_TIER if tier is None else row[tier] or DEFAULT_TIER
            weight = "1" if activity is None else row[activity]
            lines.append(",".join([alias, kind, weight, *[row[place] for place in further]]) + "\n")
        yield "".join(lines).encode()
