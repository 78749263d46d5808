"""Writing `report/`: made whole beside it, then put in its place, so that nobody reads half a report."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

from analysis import plots
from analysis.findings import Findings, find
from analysis.report.junit import junit_of
from analysis.report.markdown import markdown_of
from analysis.report.page import page_of
from analysis.run import read_run
from analysis.summary import summarise
from analysis.summary_schema import Summary
from records.errors import RunFolderError
from records.run_folder import REPORT, REPORT_FILES, RunReader


def write_report(run: Path) -> Summary:
    """Write the eleven files of a run's report, replacing an older one, and return its summary.

    Args:
        run: a run folder, whole or cut short; nothing outside it is read.
    Raises: RunFolderError when the folder is none, is damaged or cannot be written; an older report then stays.
    """
    findings = find(read_run(RunReader(run)))
    summary = summarise(findings)
    files = files_of(findings, summary)
    part, old = run / f".{REPORT}.part", run / f".{REPORT}.old"
    _tidy(run, part, old)  # what a killed writer may have left
    try:
        part.mkdir()
        for name in REPORT_FILES:
            (part / name).write_bytes(files[name])
        if (run / REPORT).exists():
            (run / REPORT).replace(old)
        part.replace(run / REPORT)
    except OSError as error:
        raise RunFolderError(
            f"cannot write {run / REPORT}: {error.strerror or error}; the run folder needs room and write permission"
        ) from error
    finally:
        _tidy(run, part, old)
    return summary


def files_of(findings: Findings, summary: Summary) -> dict[str, bytes]:
    """Return the bytes of all eleven files by name; equal findings give equal bytes."""
    pictures = {name: plots.png_of(name, findings) for name in plots.PICTURES}
    return {**pictures, **texts_of(findings, summary, pictures)}


def texts_of(findings: Findings, summary: Summary, pictures: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the bytes of the four texts by name; the page holds the pictures (PNG by name) as they are given."""
    return {
        "index.html": page_of(findings, summary, pictures).encode(),
        "summary.json": msgspec.json.format(msgspec.json.encode(summary), indent=1) + b"\n",
        "summary.md": markdown_of(findings, summary).encode(),
        "junit.xml": junit_of(findings),
    }


def _tidy(run: Path, part: Path, old: Path) -> None:
    """Remove what is left over; where no report is in place, put the old one back."""
    if old.exists() and not (run / REPORT).exists():
        old.replace(run / REPORT)
    for folder in (part, old):
        shutil.rmtree(folder, ignore_errors=True)
