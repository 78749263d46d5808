"""What people read of a gate."""

from __future__ import annotations

import io
import json
from dataclasses import replace

from rich.console import Console

from shadow.answer import Answer, Case, Pair
from shadow.finding import TEXT_CHARACTERS, text_of
from shadow.render import as_dict, as_text, bound_line, summary_lines, tables
from shadow.report import EndpointCount, GateReport, RuleUse
from shadow.scrub import Scrubber
from shadow.tally import Tally


def report(candidate: bytes = b'{"lots":[{"remaining":130}]}') -> GateReport:
    tally = Tally(wanted={"balance": 1}, needs=(), headers=["content-type"], scrubber=Scrubber([]))
    case = Case(0, "balance", "valid", "", "whale", "GET", "/u/[bold]1", "/u/[bold]1")
    tally.add(
        Pair(case, "go-1", "rust-1", Answer(200, (), b'{"lots":[{"remaining":120}]}'), Answer(200, (), candidate))
    )
    return tally.report(utc="2026-01-02T00:00:00Z", baseline="go", candidate="rust")


def count(mismatches: int, compared: int, bound: float | None) -> EndpointCount:
    return EndpointCount("balance", 1, compared, compared - mismatches, mismatches, 0, 0, 0, 0, bound)


def test_the_bound_is_said_in_a_sentence() -> None:
    assert bound_line(count(0, 3_000, 0.001)) == "0 of 3,000 differ: mismatch rate below 0.10 % (95 %)"
    assert bound_line(count(1, 3_000, 0.00158)) == "1 of 3,000 differs: mismatch rate below 0.16 % (95 %)"
    assert bound_line(count(0, 0, None)) == "nothing was compared"


def test_a_finding_reads_as_a_diff_with_its_path() -> None:
    assert text_of(report().findings[0]).splitlines() == [
        "difference: balance, valid, tier whale",
        "  GET /u/[bold]1",
        "  - go-1: 200, 28 bytes",
        "  + rust-1: 200, 28 bytes",
        "  body: 28 and 28 bytes, different from byte 23",
        "    $.lots[0].remaining: 120 != 130",
        '    - {"lots":[{"remaining":120}]}',
        '    + {"lots":[{"remaining":130}]}',
    ]


def test_a_finding_never_grows_beyond_its_cap() -> None:
    huge = ("[" + ",".join(f'{{"key{"x" * 300}{i}":{i}}}' for i in range(2_000)) + "]").encode()
    assert len(text_of(report(huge).findings[0])) <= TEXT_CHARACTERS


def test_tables_show_counts_coverage_and_findings_with_nothing_taken_as_markup() -> None:
    out = io.StringIO()
    Console(file=out, width=160, force_terminal=False).print(tables(report()))
    text = out.getvalue()
    for part in ("GET /u/[bold]1", "$.lots[0].remaining: 120 != 130", "whale", "1 (1)", "gate FAILED", "100.00 %"):
        assert part in text


def test_the_summary_names_every_reason() -> None:
    assert summary_lines(report()) == (
        "gate FAILED: go (baseline) against rust",
        "balance: 1 of 1 differs: mismatch rate below 100.00 % (95 %)",
        "differs: balance: digit at $.lots[*].remaining, in 1 pairs",
        "against it: balance: 1 of 1 differ",
    )


def test_the_summary_counts_every_rule() -> None:
    used = replace(report(), rules=(RuleUse("$.a is ignored", 2, 3), RuleUse("$.b in any order", 0, 0)))
    assert summary_lines(used)[2:4] == (
        "rule: $.a is ignored: hid 3 differences in 2 pairs",
        "rule: $.b in any order: hid nothing",
    )


def test_json_holds_everything() -> None:
    plain = json.loads(json.dumps(as_dict(report())))
    assert plain["passed"] is False
    assert plain["endpoints"][0]["mismatches"] == 1
    assert plain["findings"][0]["difference"]["body"]["paths"][0]["path"] == "$.lots[0].remaining"
    assert plain["coverage"] == [
        {"endpoint": "balance", "kind": "valid", "tier": "whale", "status_class": "2xx", "pairs": 1, "mismatches": 1}
    ]


def test_plain_text_holds_outcome_and_findings() -> None:
    text = as_text(report())
    assert text.startswith("gate FAILED: go (baseline) against rust\n")
    assert "$.lots[0].remaining: 120 != 130" in text
