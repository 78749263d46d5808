"""Capacities and second opinions on them, in table rows and sentences, told alike by page and Markdown. Pure."""

from __future__ import annotations

from typing import Final

from analysis.findings import Findings
from analysis.numbers_told import UNKNOWN, number
from analysis.opinions import Ceiling
from analysis.summary_schema import EndpointSummary, Figure, Summary, Throughput

CAPACITY_HEAD: Final = (
    "twin", "endpoint", "capacity /s", "interval", "blocks", "CPU there", "CPU-s per 1,000 there", "bound by",
)  # fmt: skip
OPINION_HEAD: Final = ("twin", "endpoint", "saturation throughput", "USL", "utilisation law", "Little's law")
_RESOURCES: Final = {
    "generator": "the generator", "cpu_limit": "its CPU limit", "cpu": "CPU", "memory": "memory", "errors": "errors",
    "unknown": "unknown",
}  # fmt: skip


def capacity_rows(findings: Findings, summary: Summary) -> tuple[tuple[str, ...], ...]:
    """Return a row for every twin and endpoint; () where no capacity was searched."""
    if not findings.trials:
        return ()
    return tuple(
        (
            findings.label(twin),
            endpoint,
            UNKNOWN if found.capacity_rps is None else _bounded(found.capacity_rps),
            UNKNOWN if found.capacity_rps is None else _interval(found.capacity_rps),
            _blocks(found),
            UNKNOWN if found.at_capacity is None else _percent(found.at_capacity.cpu_percent),
            UNKNOWN if found.at_capacity is None else _figure(found.at_capacity.cpu_s_per_1k),
            f"{_RESOURCES[found.opinions.binding.resource]}: {found.opinions.binding.why}",
        )
        for twin, endpoint, found in _all(findings, summary)
    )


def opinion_rows(findings: Findings, summary: Summary) -> tuple[tuple[str, ...], ...]:
    """Return a row for every twin and endpoint: what each opinion says, or why it says nothing."""
    return tuple(
        (
            findings.label(twin),
            endpoint,
            *(_ceiling(one) + _usl(found, one) for one in found.opinions.ceilings),
            found.opinions.little.why,
        )
        for twin, endpoint, found in _all(findings, summary)
    )


def opinion_notes(findings: Findings, summary: Summary) -> tuple[str, ...]:
    """Return every disagreement, and capacities that a search did not find, in sentences."""
    texts = []
    for twin, endpoint, found in _all(findings, summary):
        name = f"{endpoint}, {findings.label(twin)}"
        texts += [f"{name}: {text}." for text in found.opinions.disagreements]
        if found.at_capacity is not None and found.capacity_rps is None:
            texts.append(f"{name}: no block's search saw both sides of the limit in the time, so no capacity is known.")
        if found.at_capacity is not None and found.at_capacity.unsteady:
            count = found.at_capacity.unsteady
            texts.append(f"{name}: {count} trial{' was' if count == 1 else 's were'} not steady.")
    return tuple(texts)


def _all(findings: Findings, summary: Summary) -> list[tuple[str, str, EndpointSummary]]:
    return [
        (twin, endpoint, summary.twins[twin][endpoint]) for endpoint in findings.endpoints for twin in findings.twins
    ]


def _bounded(found: Throughput) -> str:
    return f"{'≥ ' if found.at_least else ''}{found.value:,.0f}"


def _interval(found: Throughput) -> str:
    if found.blocks == 1:
        return UNKNOWN
    kind = "minimum and maximum" if found.interval == "range" else "95 %"
    return f"{found.lo:,.0f} to {found.hi:,.0f} ({kind})"


def _blocks(found: EndpointSummary) -> str:
    at = found.at_capacity
    return UNKNOWN if at is None else f"{at.blocks_searched}, {at.blocks_settled} of them to the end"


def _figure(found: Figure | None) -> str:
    return UNKNOWN if found is None else f"{number(found.value)} ({number(found.lo)} to {number(found.hi)})"


def _percent(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.0f} %"


def _ceiling(one: Ceiling) -> str:
    if one.value is None:
        return f"none: {one.why}"
    ends = [UNKNOWN if end is None else f"{end:,.0f}" for end in (one.lo, one.hi)]
    return f"{'≥ ' if one.at_least else ''}{one.value:,.0f} /s ({ends[0]} to {ends[1]})"


def _usl(found: EndpointSummary, one: Ceiling) -> str:
    fit = found.opinions.usl
    if fit is None or one.name != "USL":
        return ""
    told = f"; α {fit.alpha.value:.3g} ({fit.alpha.lo:.3g} to {fit.alpha.hi:.3g})"
    if fit.n_star is None:
        return f"{told}, β not told from 0"
    beta = f", β {fit.beta.value:.2g} ({fit.beta.lo:.2g} to {fit.beta.hi:.2g})"
    return f"{told}{beta}, N* {fit.n_star.value:.3g} ({fit.n_star.lo:.3g} to {fit.n_star.hi:.3g})"
