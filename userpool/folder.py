"""A pool's folder, written whole or not at all: files go to a folder beside it that takes its place at the end."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from userpool.errors import PoolCorrupt, PoolError, PoolMissing, PoolTaken
from userpool.record import CSV_NAME, LEDGER_NAME, RECORD_NAME, PoolFile, PoolRecord, Recipe, encode, read_record

_PARTIAL: Final = "partial"
_OURS: Final = frozenset({CSV_NAME, LEDGER_NAME, RECORD_NAME})


def standing(out: Path, recipe: Recipe) -> PoolRecord | None:
    """Return the record of a pool that stands in `out` and was made by the same recipe; None when one must be made.

    Looks at the record and at file sizes alone, so it takes milliseconds.
    Raises: PoolTaken when `out` holds what must not be replaced: anything that is not a pool's, or imported users when
    generated ones are wanted.
    """
    if not out.exists() and not out.is_symlink():
        return None
    if not out.is_dir() or not {path.name for path in out.iterdir()} <= _OURS:
        raise PoolTaken(f"{out}: holds something that is not a pool; name another folder, or move it away")
    try:
        record = read_record(out)
    except (PoolMissing, PoolCorrupt):
        return None
    if record.recipe.source is not None and recipe.source is None:
        raise PoolTaken(
            f"{out}: holds imported users, which generated ones would replace; "
            "add import_file and key_file to the plan's [pool], or name another folder"
        )
    return record if record.recipe == recipe else None


@contextmanager
def drafted(out: Path) -> Iterator[Path]:
    """Give an empty folder beside `out` that takes its place when the block ends well, and goes when it does not.

    Raises: PoolError when the disk is full or the place cannot be written.
    """
    out = out.resolve()  # a name of its own even for `.`, and the folder behind a link rather than the link
    draft = out.with_name(f".{out.name}.{os.getpid()}.{_PARTIAL}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _sweep(out)
        draft.mkdir()
        yield draft
        _place(draft, out)
    except OSError as error:
        raise PoolError(
            f"{out}: the pool cannot be written ({error.strerror}); free space or name another folder"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write(draft: Path, name: str, pieces: Iterable[bytes | memoryview]) -> PoolFile:
    """Write a file piece by piece and return its entry for the record."""
    path = draft / name
    path.parent.mkdir(exist_ok=True)
    hashed = hashlib.sha256()
    size_bytes = 0
    with path.open("wb") as file:
        for piece in pieces:
            file.write(piece)
            hashed.update(piece)
            size_bytes += len(piece)
    return PoolFile(name, size_bytes, hashed.hexdigest())


def seal(draft: Path, record: PoolRecord) -> None:
    """Write the record, the last file of a pool."""
    (draft / RECORD_NAME).write_bytes(encode(record))


def _place(draft: Path, out: Path) -> None:
    """Move the draft to its place; an older pool steps aside first and is removed after."""
    if not out.exists():
        draft.rename(out)
        return
    old = draft.with_suffix(".old")
    out.rename(old)
    try:
        draft.rename(out)
    except OSError:
        old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _sweep(out: Path) -> None:
    """Remove what killed makers of this pool left behind."""
    for leaving in (*out.parent.glob(f".{out.name}.*.{_PARTIAL}"), *out.parent.glob(f".{out.name}.*.old")):
        maker = leaving.suffixes[-2].removeprefix(".") if len(leaving.suffixes) > 1 else ""
        if maker.isdigit() and not Path(f"/proc/{maker}").exists():
            shutil.rmtree(leaving, ignore_errors=True)
