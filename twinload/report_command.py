"""`twinload report RUN`: the report again, from the run folder alone."""

from __future__ import annotations

import argparse
from pathlib import Path

from analysis.report import write_report
from records.run_folder import REPORT, RunReader, broken_seals, seal
from twinload.context import Context
from twinload.errors import BadEnvironment


def report(context: Context, options: argparse.Namespace) -> int:
    """Check the raw lines against their seal, draw the report anew and seal again."""
    folder = Path(options.run).resolve()
    RunReader(folder)
    broken = broken_seals(folder)
    if broken:
        raise BadEnvironment(
            f"{folder}: changed since the run was sealed: {', '.join(broken)}; its figures are not to be trusted"
        )
    finish_report(context, folder)
    return 0


def finish_report(context: Context, folder: Path) -> None:
    """Write the report of a run, seal the folder and tell the result."""
    write_report(folder)
    seal(folder)
    if context.as_json:
        context.talk.out.print_json((folder / REPORT / "summary.json").read_text(encoding="utf-8"))
    else:
        context.talk.out.print((folder / REPORT / "summary.md").read_text(encoding="utf-8"), markup=False)
    context.talk.say(f"report: {(folder / REPORT / 'index.html').resolve()}")
