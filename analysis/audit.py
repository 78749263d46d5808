"""The audit: does a report follow from its raw lines, and is every byte of the folder as it was sealed?

    run folder --seal--> faults by file
               --raw lines--> findings -> summary (again) --figure by figure--> differences from report/summary.json

Reads a run folder, writes nothing. The texts beside the summary (page, Markdown, JUnit) are made again too where the
seal holds; pictures are held by their hashes alone. Judgements on record (`valid`, `why` of a stage) are raw lines and
stand.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from analysis import plots
from analysis.findings import Findings, find
from analysis.report.write import texts_of
from analysis.run import read_run
from analysis.summary import summarise
from analysis.summary_schema import Summary
from records.errors import RecordError
from records.run_folder import MANIFEST, RAW, REPORT, RunReader
from records.seal_check import seal_faults, sealed_files

SUMMARY: Final = f"{REPORT}/summary.json"
NOISE: Final = 1e-9  # relative; other machines and versions round the last digits of a float another way
_ABSENT: Final = "absent"

Leaf = str | float | int | bool | None


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """One thing that does not hold: in which file, for a figure its path with both values, and in words what."""

    file: str
    text: str
    figure: str | None = None
    recorded: Leaf = None
    derived: Leaf = None


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit looked at and found; it passed when there is nothing against the folder."""

    files: int
    figures: int
    findings: tuple[AuditFinding, ...]

    @property
    def passed(self) -> bool:
        """Whether every byte is as sealed and every figure follows from the lines."""
        return not self.findings


def audit_run(folder: Path) -> Audit:
    """Hold a run folder against its seal and its report against its lines.

    Raises: RunFolderError when there is no run folder at all.
    """
    reader = RunReader(folder)
    broken = [AuditFinding(fault.file, fault.text) for fault in seal_faults(folder)]
    recorded, unreadable = _recorded(folder)
    derived, underivable = _derived(reader, {finding.file for finding in broken})
    found = [*broken, *unreadable, *underivable]
    figures = 0
    if derived is not None:
        found += _plan_digest(reader)
    if recorded is not None and derived is not None:
        findings, summary = derived
        tree = json.loads(msgspec.json.encode(summary))
        figures = sum(1 for _ in leaves(tree))
        found += differences(recorded, tree)
        if not broken:
            found += _texts(folder, findings, summary)
    return Audit(len(sealed_files(folder)), figures, tuple(found))


def differences(recorded: Any, derived: Any) -> tuple[AuditFinding, ...]:
    """Return every figure in which two summaries differ, by its path; floats may differ by `NOISE` of their size."""
    ours, theirs = dict(leaves(recorded)), dict(leaves(derived))
    paths = [*theirs, *(path for path in ours if path not in theirs)]
    return tuple(
        _difference(path, ours.get(path, _ABSENT), theirs.get(path, _ABSENT))
        for path in paths
        if not _alike(ours.get(path, _ABSENT), theirs.get(path, _ABSENT))
    )


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Leaf]]:
    """Yield every value of a JSON tree with its path; an empty list or object is a value, too."""
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from leaves(value, f"{path}.{key}" if path else key)
    elif isinstance(tree, list) and tree:
        for position, value in enumerate(tree):
            yield from leaves(value, f"{path}[{position}]")
    else:
        yield path, json.dumps(tree) if isinstance(tree, dict | list) else tree


def _difference(path: str, recorded: Leaf, derived: Leaf) -> AuditFinding:
    text = f"the summary says {_shown(recorded)}, the lines give {_shown(derived)}"
    return AuditFinding(SUMMARY, text, path, recorded, derived)


def _shown(value: Leaf) -> str:
    return value if value is _ABSENT else json.dumps(value, ensure_ascii=False)


def _alike(one: Leaf, two: Leaf) -> bool:
    if isinstance(one, bool) or isinstance(two, bool) or not isinstance(one, int | float):
        return type(one) is type(two) and one == two
    if not isinstance(two, int | float):
        return False
    return one == two or abs(one - two) <= NOISE * max(abs(one), abs(two))


def _recorded(folder: Path) -> tuple[Any, list[AuditFinding]]:
    try:
        return json.loads((folder / SUMMARY).read_bytes()), []
    except OSError as error:
        return None, [AuditFinding(SUMMARY, f"cannot be read: {error.strerror or error}")]
    except ValueError as error:
        return None, [AuditFinding(SUMMARY, f"is no JSON: {error}")]


def _derived(reader: RunReader, broken: set[str]) -> tuple[tuple[Findings, Summary] | None, list[AuditFinding]]:
    """Return the findings and the summary that the lines give, or why they give none."""
    try:
        findings = find(read_run(reader))
        return (findings, summarise(findings)), []
    except (RecordError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError) as error:
        # Changed lines can be read and yet make no sense anywhere above: whatever it is, it is a finding.
        text = f"no figure can be derived: {error or type(error).__name__}"
        raw: list[str] = [name for name in (MANIFEST, *RAW) if name in broken]
        return None, [AuditFinding(name, text) for name in raw or [_named_in(str(error))]]


def _named_in(text: str) -> str:
    return next((name for name in (*RAW, MANIFEST) if name in text), MANIFEST)


def _plan_digest(reader: RunReader) -> list[AuditFinding]:
    manifest = reader.manifest()
    digest = hashlib.sha256(json.dumps(manifest.plan, sort_keys=True).encode()).hexdigest()
    if digest == manifest.plan_digest:
        return []
    text = f"its plan has the digest {digest}, it says {manifest.plan_digest}"
    return [AuditFinding(MANIFEST, text, "plan_digest", manifest.plan_digest, digest)]


def _texts(folder: Path, findings: Findings, summary: Summary) -> list[AuditFinding]:
    """Return the texts of the report that its lines (and its pictures as they are) do not give."""
    try:
        pictures = {name: (folder / REPORT / name).read_bytes() for name in plots.PICTURES}
    except OSError as error:
        return [AuditFinding(REPORT, f"is not whole: {error}")]
    found = []
    for name, text in texts_of(findings, summary, pictures).items():
        path = folder / REPORT / name
        written = path.read_bytes() if path.is_file() else b""
        if f"{REPORT}/{name}" != SUMMARY and written != text:
            found.append(AuditFinding(f"{REPORT}/{name}", _first_difference(written, text)))
    return found


def _first_difference(written: bytes, derived: bytes) -> str:
    ours, theirs = written.splitlines(), derived.splitlines()
    at = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
    shown = [line[at].decode(errors="replace")[:200] if at < len(line) else _ABSENT for line in (ours, theirs)]
    return f"line {at + 1} is {shown[0]!r}, the lines give {shown[1]!r}"
