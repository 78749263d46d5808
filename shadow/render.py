"""How a gate's report is shown: lines, tables for a terminal, plain values for `--json`. Pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from shadow.finding import text_of
from shadow.report import EndpointCount, GateReport, RuleUse

SHOWN_FINDINGS: Final = 5
SHOWN_SIGNS: Final = 10


def bound_line(count: EndpointCount) -> str:
    """Return what an endpoint's pairs say: "0 of 3,000 differ: mismatch rate below 0.10 % (95 %)"."""
    if count.bound is None:
        return "nothing was compared"
    verb = "differs" if count.mismatches == 1 else "differ"
    return f"{count.mismatches:,} of {count.compared:,} {verb}: mismatch rate below {100 * count.bound:.2f} % (95 %)"


def summary_lines(report: GateReport) -> tuple[str, ...]:
    """Return the outcome, one line an endpoint, and every reason against it."""
    verdict = "passed" if report.passed else "FAILED"
    head = f"gate {verdict}: {report.baseline} (baseline) against {report.candidate}"
    lines = [f"{count.endpoint}: {bound_line(count)}" for count in report.endpoints]
    hidden = [f"rule: {use.rule}: {_uses(use)}" for use in report.rules]
    signs = [f"differs: {s.endpoint}: {s.kind} at {s.place}, in {s.pairs:,} pairs" for s in report.signs[:SHOWN_SIGNS]]
    return (head, *lines, *hidden, *signs, *(f"against it: {reason}" for reason in report.why))


def _uses(use: RuleUse) -> str:
    return f"hid {use.places:,} differences in {use.pairs:,} pairs" if use.pairs else "hid nothing"


def tables(report: GateReport) -> RenderableType:
    """Return the report for a terminal: counts, coverage, the first findings, the outcome."""
    parts: list[RenderableType] = [_counts(report), _coverage(report)]
    parts += [Text(text_of(finding) + "\n") for finding in report.findings[:SHOWN_FINDINGS]]
    left = len(report.findings) - SHOWN_FINDINGS + report.withheld
    if left > 0:
        parts.append(Text(f"… and {left:,} more findings"))
    parts += [Text(line) for line in summary_lines(report)]
    return Group(*parts)


def as_text(report: GateReport) -> str:
    """Return the outcome and the first findings as plain lines, for a log or a terminal without tables."""
    findings = [text_of(finding) for finding in report.findings[:SHOWN_FINDINGS]]
    left = len(report.findings) - len(findings) + report.withheld
    more = [f"… and {left:,} more findings"] if left > 0 else []
    return "\n".join([*summary_lines(report), *findings, *more])


def as_dict(report: GateReport) -> dict[str, Any]:
    """Return the report as plain values; None stands for what is not known."""
    plain: dict[str, Any] = msgspec.to_builtins(report)
    return {**plain, "summary": list(summary_lines(report))}


def _counts(report: GateReport) -> Table:
    table = Table(title="Pairs compared", title_justify="left")
    shown = [(name, values) for name, values in _columns(report.endpoints) if name in _ALWAYS or any(values)]
    table.add_column("endpoint")
    for name in (*(name for name, _ in shown), "raced", "rate below"):
        table.add_column(name, justify="right")
    for place, c in enumerate(report.endpoints):
        raced = f"{c.raced:,}" + (f" ({c.unresolved:,} left)" if c.unresolved else "")
        bound = "–" if c.bound is None else f"{100 * c.bound:.2f} %"
        table.add_row(escape(c.endpoint), *(f"{values[place]:,}" for _, values in shown), raced, bound)
    return table


_ALWAYS: Final = ("compared", "wanted", "matched", "differ", "no answer", "unexpected")


def _columns(counts: tuple[EndpointCount, ...]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return the columns of the table of counts with their values by endpoint."""
    return (
        ("compared", tuple(c.compared for c in counts)),
        ("wanted", tuple(c.wanted for c in counts)),
        ("matched", tuple(c.matched for c in counts)),
        ("by rule", tuple(c.by_rule for c in counts)),
        ("differ", tuple(c.mismatches for c in counts)),
        ("no answer", tuple(c.unanswered for c in counts)),
        ("unexpected", tuple(c.unexpected for c in counts)),
        ("noise", tuple(c.noise for c in counts)),
        ("dropped", tuple(c.dropped for c in counts)),
        ("both failed", tuple(c.failed_alike for c in counts)),
    )


def _coverage(report: GateReport) -> Table:
    """Kinds as rows, tiers as columns: pairs by status class, with what differs in brackets."""
    tiers = sorted({row.tier for row in report.coverage})
    table = Table(title="Coverage (pairs by endpoint, kind, status class and tier; differing ones in brackets)")
    for name in ("endpoint", "kind", "status"):
        table.add_column(name)
    for tier in tiers:
        table.add_column(escape(tier), justify="right")
    cells = {(r.endpoint, r.kind, r.status_class, r.tier): _cell(r.pairs, r.mismatches) for r in report.coverage}
    for endpoint, kind, status in sorted({key[:3] for key in cells}):
        row = (cells.get((endpoint, kind, status, tier), "·") for tier in tiers)
        table.add_row(escape(endpoint), escape(kind), status, *row)
    return table


def _cell(pairs: int, mismatches: int) -> str:
    return f"{pairs:,} ({mismatches:,})" if mismatches else f"{pairs:,}"
