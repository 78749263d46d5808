"""`twinload audit RUN`: is every byte as sealed, and does every figure follow from the raw lines?"""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from analysis.audit import Audit, audit_run
from twinload.context import Context


def audit(context: Context, options: argparse.Namespace) -> int:
    """Audit a run folder; 0 when nothing is against it, 1 when something is."""
    folder = Path(options.run).resolve()
    found = audit_run(folder)
    if context.as_json:
        context.talk.out.print_json(msgspec.json.encode(_document(folder, found)).decode())
        return 0 if found.passed else 1
    for finding in found.findings:
        where = finding.file if finding.figure is None else f"{finding.file}: {finding.figure}"
        context.talk.out.print(f"{where}: {finding.text}", markup=False)
    counted = f"{found.files} files as sealed, {found.figures} figures follow from the lines"
    against = f"{len(found.findings)} against it" if len(found.findings) != 1 else "1 thing against it"
    context.talk.out.print(
        f"PASS: {folder.name}: {counted}" if found.passed else f"FAIL: {folder.name}: {against}", markup=False
    )
    return 0 if found.passed else 1


def _document(folder: Path, found: Audit) -> dict[str, object]:
    return {
        "run": folder.name, "passed": found.passed, "files": found.files, "figures": found.figures,
        "findings": found.findings,
    }  # fmt: skip
