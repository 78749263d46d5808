"""Figures in words and table rows, told alike by the page and the Markdown. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from analysis.curve import CurvePoint
from analysis.findings import Findings
from analysis.numbers_told import UNKNOWN, number, percent
from analysis.plots import style
from analysis.plots.headline import Row, ratio_text, rows_of
from analysis.ratio import Ratio
from analysis.summary import coalescing_text
from analysis.summary_schema import Summary

_TOLD_RATIO: Final = 0.01  # of the periods; less is the scheduler's own grain


@dataclass(frozen=True, slots=True)
class HeadlineRow:
    """A line of the headline's table."""

    what: str
    measured: str
    spread: str
    pairs: int
    behind: str
    published: str
    scope: str
    note: str


@dataclass(frozen=True, slots=True)
class StageRow:
    """A line of the stages' table: one offered rate of one twin, merged over its blocks."""

    twin: str
    endpoint: str
    load: str
    offered: str
    achieved: str
    samples: str
    blocks: str
    times: tuple[str, str, str, str]
    service_p99: str
    failed: str
    dropped: str
    cpu: str
    memory: str
    valid: bool
    judgement: str
    why: tuple[str, ...]


def headline_rows(findings: Findings) -> tuple[HeadlineRow, ...]:
    """Return the ratios candidate ÷ baseline, measured and published."""
    rows = []
    for row in rows_of(findings):
        published = row.published
        rows.append(
            HeadlineRow(
                what=row.name.replace("\n", " "),
                measured=UNKNOWN if row.ratio is None else ratio_text(row.ratio),
                spread=_spread(row.ratio),
                pairs=0 if row.ratio is None else row.ratio.pairs,
                behind=row.behind or UNKNOWN,
                published=UNKNOWN if published is None else f"{published.ratio:.2f}×",
                scope="" if published is None else f"{published.what}, {published.scope}",
                note=_note(row),
            )
        )
    return tuple(rows)


def verdict_notes(findings: Findings) -> tuple[str, ...]:
    """Return the verdict's reasons as sentences, and what several ratios together mean."""
    found = findings.verdict
    asked = len(found.judgements)
    texts = [f"{reason}." for reason in found.reasons]
    if asked > 1:
        texts.append(
            f"{asked} ratios were asked; their 95 % intervals are not adjusted for that. PASS needs every one of them, "
            "and is wrong in at most 2.5 % of runs; FAIL needs one."
        )
    return tuple(texts)


def stage_rows(findings: Findings) -> tuple[StageRow, ...]:
    """Return every point of every curve."""
    rows = []
    for endpoint in findings.endpoints:
        for twin in findings.twins:
            for point in findings.curves[twin, endpoint].points:
                q = point.quantiles
                rows.append(
                    StageRow(
                        twin=findings.label(twin),
                        endpoint=endpoint,
                        load=load_text(point),
                        offered=number(point.offered_rps),
                        achieved=number(point.achieved_rps),
                        samples=number(point.samples),
                        blocks=f"{point.blocks} of {len(point.by_block)}",
                        times=(number(q.p50_ms), number(q.p90_ms), number(q.p99_ms), number(q.p999_ms)),
                        service_p99=number(point.service_p99_ms),
                        failed=percent(point.failed_ratio),
                        dropped=percent(point.proof.dropped_ratio),
                        cpu=number(_sum(point.cpu_cores)),
                        memory=number(None if (m := _sum(point.memory_bytes)) is None else m / (1 << 20)),
                        valid=point.valid,
                        judgement=_judgement(point),
                        why=point.why,
                    )
                )
    return tuple(rows)


def _judgement(point: CurvePoint) -> str:
    judged = "invalid" if not point.valid else "past saturation" if point.past_saturation else "valid"
    return "; ".join(text for text in (judged, throttled_text(point.throttled)) if text)


def throttled_text(throttled: dict[str, float]) -> str:
    """Return which containers were held back by their CPU limits, and how often; "" for under 1 % of the periods."""
    held = {name: round(100 * ratio) for name, ratio in throttled.items() if ratio >= _TOLD_RATIO}
    told = ", ".join(f"{name} in {percent} %" for name, percent in held.items())
    return f"throttled: {told} of its periods" if told else ""


def load_text(point: CurvePoint) -> str:
    """Return which loop drove a point, with its users where it was asked for in users."""
    users = "" if point.users is None else f", {point.users:,} users"
    return f"{point.loop}{users}{', steered by hand' if point.live else ''}"


def terms(findings: Findings) -> str:
    """Return in a sentence which loop a table's figures come from, what times count from, and how answers were read."""
    times = style.time_text(findings)
    if not times:
        return ""
    texts = [f"{times[:1].upper()}{times[1:]}"]
    if "open" in findings.loops:
        texts.append(f"{style.arrivals_text(findings)}, service time from the actual send beside it")
    if findings.coalesce_us:
        texts.append(coalescing_text(findings.coalesce_us))
    return "; ".join(texts) + "."


def missing(findings: Findings, summary: Summary) -> tuple[str, ...]:
    """Return in sentences what the report lacks and what a reader must know."""
    texts = []
    if summary.run.partial:
        texts.append(f"Partial run: {summary.run.partial_reason}.")
    if not any(curve.points for curve in findings.curves.values()):
        texts.append("No stage was measured: there are no curves, ratios or percentiles.")
    else:
        for endpoint in findings.endpoints:
            if findings.same_load[endpoint] is None:
                texts.append(
                    f"{endpoint}: no offered rate that both twins carry in valid stages, so no same-load figures."
                )
            for twin in findings.twins:
                saturation = findings.saturation[twin, endpoint]
                if saturation is None:
                    texts.append(f"{endpoint}: no valid stage of {findings.label(twin)}.")
                elif saturation.at_least:
                    texts.append(
                        f"{endpoint}: {findings.label(twin)} was not saturated in every block: "
                        "its saturation throughput is a lower bound."
                    )
        if any(point.is_unbounded for curve in findings.curves.values() for point in curve.points):
            texts.append(
                "Past saturation an open loop goes on offering: arrivals pile up as long as the stage lasts, so that "
                "latency there says how long that was; arrivals that were dropped have no latency at all."
            )
    return (*texts, *(f"{note[:1].upper()}{note[1:]}." for note in summary.run.notes))


def _note(row: Row) -> str:
    if row.ratio is not None:
        return row.ratio.note
    return "neither twin was saturated, or no pair has both" if row.behind else "not measured"


def _spread(ratio: Ratio | None) -> str:
    return UNKNOWN if ratio is None or ratio.ends is None else f"{ratio.ends[0]:.2f} to {ratio.ends[1]:.2f}"


def _sum(values: dict[str, float | None]) -> float | None:
    known = [value for value in values.values() if value is not None]
    return sum(known) if known and len(known) == len(values) else None
