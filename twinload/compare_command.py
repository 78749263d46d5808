"""`twinload compare BASE NEW…`, and the comparison that `run --baseline` ends with."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from analysis.compare import ComparedRun, Comparison, compare
from analysis.findings import find
from analysis.likeness import WAIVABLE, standing, unlike
from analysis.report.compare import compare_json, compare_junit, compare_markdown, overall
from analysis.run import read_run
from analysis.summary import summarise
from records.manifest import Manifest
from records.run_folder import RunReader, broken_seals
from twinload.context import Context
from twinload.errors import BadEnvironment

FILES: Final = ("compare.json", "compare.md", "junit.xml")


def compare_runs(context: Context, options: argparse.Namespace) -> int:
    """Hold runs against a base; 0 when every threshold is kept for sure, 1 when not, 2 when they are unlike."""
    base = Path(options.base).resolve()
    runs = [Path(run).resolve() for run in options.new]
    for run in runs:
        refuse_unlike(base, RunReader(run).manifest(), options.anyway)
    comparisons = hold_against(base, runs)
    if options.out is not None:
        write_comparison(Path(options.out), comparisons)
    tell(context, comparisons)
    return 0 if overall(comparisons) == "pass" else 1


def refuse_unlike(base: Path, new: Manifest, anyway: Sequence[str]) -> None:
    """Raise BadEnvironment with everything in which a run is unlike its base, but for what was waived by name."""
    left = standing(unlike(RunReader(base).manifest(), new), anyway)
    if not left:
        return
    names = [kind for kind in WAIVABLE if kind in {one.kind for one in left}]
    waive = " ".join(f"--anyway {name}" for name in names)
    lines = [f"{base.name} and {new.run_id} are unlike, so their figures are not compared:"]
    lines += [f"  {one}{'' if one.waivable else ' (cannot be waived)'}" for one in left]
    lines += [f"where that changes nothing that is measured: {waive}"] if names else []
    raise BadEnvironment("\n".join(lines))


def hold_against(base: Path, runs: Sequence[Path]) -> tuple[Comparison, ...]:
    """Return each run held against the base; BadEnvironment when raw lines are not as they were sealed."""
    against = _read(base)
    return tuple(compare(against, _read(run)) for run in runs)


def write_comparison(folder: Path, comparisons: Sequence[Comparison]) -> None:
    """Write compare.json, compare.md and junit.xml into a folder."""
    texts = (compare_json(comparisons), compare_markdown(comparisons).encode(), compare_junit(comparisons))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in zip(FILES, texts, strict=True):
            (folder / name).write_bytes(text)
    except OSError as error:
        raise BadEnvironment(f"{folder} cannot be written: {error.strerror}; give another folder by --out") from None


def tell(context: Context, comparisons: Sequence[Comparison]) -> None:
    """Print the result."""
    if context.as_json:
        context.talk.out.print_json(compare_json(comparisons).decode())
    else:
        context.talk.out.print(compare_markdown(comparisons), markup=False)


def _read(run: Path) -> ComparedRun:
    broken = broken_seals(run)
    if broken:
        raise BadEnvironment(
            f"{run}: changed since the run was sealed: {', '.join(broken)}; `twinload audit` tells more"
        )
    findings = find(read_run(RunReader(run)))
    return ComparedRun(findings, summarise(findings))
