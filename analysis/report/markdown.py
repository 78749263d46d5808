"""summary.md: the result of a run for a pull request. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from analysis.cost_words import COST_HEAD, cost_line, cost_notes, cost_rows
from analysis.findings import Findings
from analysis.numbers_told import UNKNOWN
from analysis.published import SOURCE
from analysis.report.opinions import CAPACITY_HEAD, OPINION_HEAD, capacity_rows, opinion_notes, opinion_rows
from analysis.report.proof import PROOF_HEAD, proof_rows, proof_text
from analysis.report.words import StageRow, headline_rows, missing, stage_rows, terms, verdict_notes
from analysis.summary_schema import Provenance, Summary

_STAGE_HEAD: Final = (
    "twin", "endpoint", "loop", "offered /s", "achieved /s", "p50 ms", "p99 ms", "service p99 ms", "CPU cores",
    "memory MiB", "blocks", "judgement",
)  # fmt: skip


def markdown_of(findings: Findings, summary: Summary) -> str:
    """Return the text."""
    baseline, candidate = findings.label(findings.baseline), findings.label(findings.candidate)
    rows = stage_rows(findings)
    head = ("figure", f"{candidate} ÷ {baseline}", "spread", "pairs", f"{baseline} → {candidate}", "published", "scope")
    ratios = [
        (row.what, _bold(row.measured), row.spread, str(row.pairs), row.behind, row.published, row.scope)
        for row in headline_rows(findings)
    ]
    parts = [
        f"# {candidate} against {baseline}: {escape(summary.run.run_id)}{' (partial)' if summary.run.partial else ''}",
        f"**{findings.verdict.value}**",
        "\n".join(f"- {escape(text)}" for text in verdict_notes(findings)),
        *[f"> {escape(text)}" for text in missing(findings, summary)],
        table(head, ratios),
        escape(cost_line(findings, summary.cost)),
        f"{terms(findings) or 'No times were measured.'} Published figures: {SOURCE}.",
        *_cost(findings, summary),
        *_opinions(findings, summary),
        _counts(rows, terms(findings)),
        table(_STAGE_HEAD, [_stage(row) for row in rows]),
        *([f"## The generator's own proof\n\n{proof_text(findings)} {terms(findings)}"] if rows else []),
        table(PROOF_HEAD, [row.cells for row in proof_rows(findings)]),
        _provenance(summary.run),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _cost(findings: Findings, summary: Summary) -> tuple[str, ...]:
    if summary.cost is None:
        return ()
    notes = "\n".join(f"- {escape(text)}" for text in cost_notes(summary.cost))
    return ("## What it costs", table(COST_HEAD, cost_rows(findings, summary.cost)), notes)


def _opinions(findings: Findings, summary: Summary) -> tuple[str, ...]:
    return (
        "## Capacity, and second opinions",
        table(CAPACITY_HEAD, capacity_rows(findings, summary)) or "No capacity under the SLO was searched.",
        table(OPINION_HEAD, opinion_rows(findings, summary)),
        "\n".join(f"- {escape(text)}" for text in opinion_notes(findings, summary)),
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, "" without rows."""
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell if cell == '---' else escape(cell) for cell in line)} |" for line in lines)


def escape(text: str) -> str:
    """Return text that cannot break a table or become markup; our own emphasis stays."""
    for mark, safe in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("\n", " ")):
        text = text.replace(mark, safe)
    return text


def _bold(text: str) -> str:
    return text if text == UNKNOWN else f"**{text}**"


def _counts(rows: Sequence[StageRow], terms: str) -> str:
    valid = sum(row.valid for row in rows)
    return f"Stages: {valid} of {len(rows)} points valid. {terms}" if rows else ""


def _stage(row: StageRow) -> tuple[str, ...]:
    p50, _, p99, _ = row.times
    return (
        row.twin, row.endpoint, row.load, row.offered, row.achieved, p50, p99, row.service_p99, row.cpu, row.memory,
        row.blocks, _judged(row),
    )  # fmt: skip


def _judged(row: StageRow) -> str:
    if not row.why:
        return row.judgement
    return f"{row.judgement}{', without ' if row.valid else ': '}{'; '.join(row.why)}"


def _provenance(run: Provenance) -> str:
    commit = f"{run.commit[:12]}{' with changes' if run.dirty else ''}" if run.commit else "unknown"
    host = f"{run.host.hostname} ({run.host.cpu_model}, {run.host.cpus} CPUs)"
    load = f"{run.sender}, {run.seats} seats, {run.pool.users:,} pool users"
    return escape(f"Commit {commit}; host {host}; {load}; plan {run.plan_digest[:12]}.")
