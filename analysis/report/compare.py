"""A comparison of runs as Markdown, JUnit and JSON. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as ET

import msgspec

from analysis.compare import MORE_IS_BETTER, Compared, Comparison, Outcome
from analysis.numbers_told import UNKNOWN
from analysis.report.markdown import escape, table

_HEAD: Final = ("endpoint", "of", "figure", "new ÷ base", "interval", "allowed", "outcome", "note")
_FORBIDDEN: Final = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\U00010000-\U0010ffff]")
_CAVEAT: Final = (
    "Intervals hold the spread between blocks within the runs. What differs from one run to the next (where memory "
    "fell, who the neighbours were) is not in them. They are not adjusted for how many there are."
)


def overall(comparisons: Sequence[Comparison]) -> Outcome:
    """Return the worst verdict of several comparisons."""
    verdicts = {comparison.verdict for comparison in comparisons}
    return "fail" if "fail" in verdicts else "inconclusive" if "inconclusive" in verdicts or not verdicts else "pass"


def compare_markdown(comparisons: Sequence[Comparison]) -> str:
    """Return the text: a verdict with its reasons and a table for each run held against the base."""
    parts: list[str] = []
    for one in comparisons:
        parts += [
            f"# {one.verdict.upper()}: {escape(one.new)} against {escape(one.base)}",
            *[f"> {escape(reason)}" for reason in one.reasons],
            table(_HEAD, [_row(row) for row in one.rows]),
            _CAVEAT,
            *[f"Waived: {escape(str(difference))}." for difference in one.differences],
            f"Programs that changed: {escape(', '.join(one.programs) or 'none')}.",
        ]
    return "\n\n".join(parts) + "\n"


def compare_junit(comparisons: Sequence[Comparison]) -> bytes:
    """Return a case for each threshold, failed also where it is inconclusive, and one for the verdict of each run."""
    suites = ET.Element("testsuites", name="twinload compare")
    for one in comparisons:
        suite = ET.SubElement(suites, "testsuite", name=_clean(f"{one.new} against {one.base}"), errors="0")
        for row in one.rows:
            if row.outcome is None:
                continue
            case = ET.SubElement(
                suite, "testcase", classname=_clean(f"{row.endpoint}.{row.subject}"), name=_clean(_asked(row))
            )
            if row.outcome != "pass":
                _fail(case, row.outcome, _told(row))
        verdict = ET.SubElement(suite, "testcase", classname="compare", name="verdict")
        if one.verdict != "pass":
            _fail(verdict, one.verdict, "; ".join(one.reasons))
        suite.set("tests", str(len(list(suite.iter("testcase")))))
        suite.set("failures", str(len(list(suite.iter("failure")))))
    ET.indent(suites)
    document: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def compare_json(comparisons: Sequence[Comparison]) -> bytes:
    """Return the comparisons with the worst verdict."""
    document = {"schema": 1, "verdict": overall(comparisons), "comparisons": list(comparisons)}
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def _row(row: Compared) -> tuple[str, ...]:
    spread = UNKNOWN if row.ratio is None else f"{row.ratio.lo:.3f} to {row.ratio.hi:.3f}"
    allowed = "" if row.allowed is None else _limit(row)
    outcome = (row.outcome or "").upper()
    return row.endpoint, row.subject, row.figure, _value(row), spread, allowed, outcome, row.note


def _value(row: Compared) -> str:
    if row.ratio is None:
        return UNKNOWN
    sign = {"at_least": "≥ ", "at_most": "≤ ", None: ""}[row.bound]
    return f"{sign}{row.ratio.value:.3f}×"


def _limit(row: Compared) -> str:
    return f"{'≥' if row.figure in MORE_IS_BETTER else '≤'} {row.allowed:g}"


def _asked(row: Compared) -> str:
    return f"{row.figure} new ÷ base {_limit(row)}"


def _told(row: Compared) -> str:
    if row.ratio is None:
        return row.note
    return f"{_value(row)} ({row.ratio.lo:.3f} to {row.ratio.hi:.3f}); {row.note}"


def _fail(case: ET.Element, outcome: str, text: str) -> None:
    ET.SubElement(case, "failure", type=outcome, message=_clean(f"{outcome.upper()}: {text}"))


def _clean(text: str) -> str:
    """Return text with the characters that XML 1.0 forbids replaced."""
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
