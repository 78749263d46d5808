"""Gate records on disk: `.twinload/gate/<key>.json`, and beside it what differed.

A record is written whole or not at all. `forget` takes the record away before a gate is made again, so that neither a
failed gate nor an interrupted one leaves a passing record behind.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from records.manifest import GateRecord
from shadow.errors import StoreError
from shadow.finding import Finding, text_of
from shadow.report import GateReport

FOLDER: Final = ".twinload/gate"


@dataclass(frozen=True, slots=True)
class Kept:
    """What stands in a record's file: the record and, for twins that can change unseen, until when it holds."""

    record: GateRecord
    expires_utc: str | None


def folder_of(root: Path) -> Path:
    """Return the folder of the gate's records."""
    return root / FOLDER


def find(root: Path, key: str, now: datetime) -> GateRecord | None:
    """Return the record of a passed gate of this key that still holds at `now` (aware); None when there is none."""
    try:
        kept = msgspec.json.decode((folder_of(root) / f"{key}.json").read_bytes(), type=Kept)
        expires = datetime.fromisoformat(kept.expires_utc) if kept.expires_utc else None
    except (OSError, msgspec.DecodeError, ValueError):
        return None  # absent or damaged: the gate is made again
    fits = kept.record.key == key and kept.record.passed and not kept.record.skipped
    return kept.record if fits and (expires is None or now <= expires) else None


def save(root: Path, record: GateRecord, *, now: datetime, max_age_h: float | None = None) -> Path:
    """Write a record, atomically, and return its file.

    Args:
        now: when the gate was made, aware.
        max_age_h: how long it holds; None for twins that cannot change without changing the key.
    Raises: StoreError when it cannot be written.
    """
    expires = (now + timedelta(hours=max_age_h)).isoformat() if max_age_h is not None else None
    data = msgspec.json.format(msgspec.json.encode(Kept(record, expires)), indent=1) + b"\n"
    return write_whole(folder_of(root) / f"{record.key}.json", data)


def forget(root: Path, key: str) -> None:
    """Take a record and its differences away.

    Raises: StoreError when they stand there and cannot be removed.
    """
    for suffix in (".json", ".differences.jsonl", ".txt", ".known.npz"):
        path = folder_of(root) / f"{key}{suffix}"
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _cannot("remove", path, error) from error


def write_findings(folder: Path, stem: str, report: GateReport) -> tuple[Path, Path] | None:
    """Write `<stem>.differences.jsonl` and a readable `<stem>.txt`; None, and no file, when there is no finding.

    Raises: StoreError when they cannot be written.
    """
    if not report.findings:
        return None
    lines = b"".join(msgspec.json.encode(finding) + b"\n" for finding in report.findings)
    text = _text(report.findings, report)
    return write_whole(folder / f"{stem}.differences.jsonl", lines), write_whole(folder / f"{stem}.txt", text.encode())


def _text(findings: Iterable[Finding], report: GateReport) -> str:
    head = f"{report.baseline} (-) against {report.candidate} (+), {report.utc}"
    tail = f"{report.withheld:,} more of the same kinds are not shown" if report.withheld else ""
    return "\n\n".join(part for part in (head, *report.why, *map(text_of, findings), tail) if part) + "\n"


def write_whole(path: Path, data: bytes) -> Path:
    """Write a file whole or not at all.

    Raises: StoreError when it cannot be written.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        raise _cannot("write", path, error) from error
    return path


def _cannot(verb: str, path: Path, error: OSError) -> StoreError:
    return StoreError(f"cannot {verb} {path}: {error.strerror or error}; give it room and write permission")
