"""index.html: the report as one page that needs nothing else: no script, no link, pictures inside. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import jinja2

from analysis.cost_words import COST_HEAD, cost_line, cost_notes, cost_rows
from analysis.findings import Findings
from analysis.plots import style
from analysis.published import SOURCE
from analysis.report.opinions import CAPACITY_HEAD, OPINION_HEAD, capacity_rows, opinion_notes, opinion_rows
from analysis.report.proof import PROOF_HEAD, PROOF_NUMBERS, proof_rows, proof_text
from analysis.report.words import headline_rows, missing, stage_rows, terms, verdict_notes
from analysis.summary_schema import Summary

_TEMPLATE: Final = Path(__file__).with_name("page.html.j2")
_CAPTIONS: Final = {
    "headline.png": "The ratios, measured and published",
    "saturation.png": "Achieved against offered rate",
    "latency.png": "Percentiles against offered rate",
    "cpu.png": "CPU of each instance",
    "memory.png": "Memory of each instance",
    "timeline.png": "The run second by second",
    "spectrum.png": "All percentiles, at the same load and past saturation",
}


def page_of(findings: Findings, summary: Summary, pictures: Mapping[str, bytes]) -> str:
    """Return the page; `pictures` are PNG by file name."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        summary=summary,
        run=summary.run,
        gate=summary.gate,
        baseline=findings.label(findings.baseline),
        candidate=findings.label(findings.candidate),
        notes=missing(findings, summary),
        verdict=findings.verdict.value,
        verdict_notes=verdict_notes(findings),
        capacity_head=CAPACITY_HEAD,
        capacity=capacity_rows(findings, summary),
        opinion_head=OPINION_HEAD,
        opinions=opinion_rows(findings, summary),
        opinion_notes=opinion_notes(findings, summary),
        headline=headline_rows(findings),
        cost_line=cost_line(findings, summary.cost),
        cost_head=COST_HEAD,
        cost=cost_rows(findings, summary.cost),
        cost_notes=cost_notes(summary.cost),
        stages=stage_rows(findings),
        events=findings.run.events,
        terms=terms(findings),
        load_loop=style.loop_text(findings),
        proof_head=PROOF_HEAD,
        proof_numbers=PROOF_NUMBERS,
        proof=proof_rows(findings),
        proof_text=proof_text(findings),
        source=SOURCE,
        pictures=[
            (name, caption, base64.b64encode(pictures[name]).decode())
            for name, caption in _CAPTIONS.items()
            if name in pictures
        ],
    )
