"""index.html of a shadow run: the gate with its bounds, what was compared, and examples as readable diffs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jinja2

from analysis.report.shadow_diff import DiffLine, body_diff
from shadow.finding import Finding
from shadow.live import ShadowRun
from shadow.render import bound_line
from shadow.report import EndpointCount, GateReport
from shadow.signs import signs_of

EXAMPLES: Final = 20
PLACES: Final = 8
_TEMPLATE: Final = Path(__file__).with_name("shadow.html.j2")


@dataclass(frozen=True, slots=True)
class Example:
    """One finding as it is shown."""

    finding: Finding
    signs: tuple[str, ...]
    headers: tuple[str, ...]
    lines: tuple[DiffLine, ...]


def shadow_page(run: ShadowRun, report: GateReport) -> str:
    """Return the page: no script, no link, pseudonyms only."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    twins = run.plan.twins
    return template.render(
        run=run.manifest,
        report=report,
        live=run.live,
        baseline=twins[report.baseline].label or report.baseline,
        candidate=twins[report.candidate].label or report.candidate,
        rows=[(count, bound_line(count), _percent(count)) for count in report.endpoints],
        examples=[_example(finding) for finding in report.findings[:EXAMPLES]],
        left=max(len(report.findings) - EXAMPLES, 0) + report.withheld,
    )


def _percent(count: EndpointCount) -> str:
    return "–" if count.bound is None else f"{100 * count.bound:.2f} %"


def _example(finding: Finding) -> Example:
    difference = finding.difference
    signs = signs_of(difference) if difference is not None else ()
    headers = () if difference is None else difference.headers
    has_both = finding.baseline.status is not None and finding.candidate.status is not None
    differs = has_both and finding.baseline.body != finding.candidate.body
    return Example(
        finding,
        tuple(f"{sign.kind} at {sign.place}" for sign in signs[:PLACES])
        + ((f"and {len(signs) - PLACES} more",) if len(signs) > PLACES else ()),
        tuple(f"{one.name}: {_or_absent(one.baseline)} → {_or_absent(one.candidate)}" for one in headers),
        body_diff(finding.baseline.body, finding.candidate.body) if differs else (),
    )


def _or_absent(value: str | None) -> str:
    return "(absent)" if value is None else value
