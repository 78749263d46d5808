"""What the fleets cost, in a headline and table rows, told alike by the page and the Markdown. Pure."""

from __future__ import annotations

from typing import Final

from analysis.cost import CostSummary, Estimate, Fleet, Saving
from analysis.findings import Findings
from analysis.numbers_told import UNKNOWN, number
from analysis.ratio import Bound

COST_HEAD: Final = ("fleet", "instances", "of vCPU", "vCPU", "money a year", "decided by", "before rounding up")
_SIGNS: Final = {"at_least": "≥ ", "at_most": "≤ ", None: ""}
_NO_RATE: Final = "no money: the plan names no cost.fleet_rate_rps"


def cost_line(findings: Findings, cost: CostSummary | None) -> str:
    """Return the headline: what the candidate saves a year, from how many instances to how many."""
    if cost is None:
        return f"Cost: {_NO_RATE}."
    baseline, candidate = (cost.twins[twin] for twin in findings.twins)
    if cost.saved is None or baseline is None or candidate is None:
        return f"Cost: unknown; {'; '.join(cost.missing)}."
    rates = " and ".join(f"{name} at {number(rate)} /s" for name, rate in cost.fleet_rate_rps.items())
    fleets = f"{_count(baseline.instances)} → {_count(candidate.instances)} instances"
    saves = cost.saved.money_per_year.value >= 0
    money, vcpus = (one if saves else _turned(one) for one in (cost.saved.money_per_year, cost.saved.vcpus))
    told = f"{_spread(money)} {cost.currency} a year and {_spread(vcpus)} vCPU{'' if saves else ' more'}"
    verb = f"{findings.label(findings.candidate)} {'saves' if saves else 'costs'}"
    return f"Cost: {verb} {told}: {fleets} for {rates}, by {sizing_text(cost)}."


def sizing_text(cost: CostSummary) -> str:
    """Return which throughput the fleets are sized by."""
    words = {"capacity": "capacity under the SLO", "saturation": "saturation throughput"}
    return " and ".join(words[kind] for kind in dict.fromkeys(cost.sized_by.values()))


def cost_rows(findings: Findings, cost: CostSummary | None) -> tuple[tuple[str, ...], ...]:
    """Return a row for each twin and one for what is saved."""
    if cost is None:
        return ()
    rows = [_fleet_row(findings.label(twin), cost.twins[twin], cost.currency) for twin in findings.twins]
    return (*rows, _saved_row(cost.saved, cost.currency))


def cost_notes(cost: CostSummary | None) -> tuple[str, ...]:
    """Return what every figure assumes, and what is missing."""
    if cost is None:
        return ()
    price = f"{cost.price_per_vcpu_hour:g} {cost.currency} a vCPU-hour ({cost.price_source})"
    return (f"Price: {price}.", *(f"{text[:1].upper()}{text[1:]}." for text in (*cost.assumptions, *cost.missing)))


def _fleet_row(label: str, fleet: Fleet | None, currency: str) -> tuple[str, ...]:
    if fleet is None:
        return (label, *[UNKNOWN] * 6)
    memory = "" if fleet.memory_instances is None else f", memory {fleet.memory_instances:.2f}"
    return (
        label,
        _spread(fleet.instances),
        f"{fleet.vcpus_per_instance:g}",
        _spread(fleet.vcpus),
        f"{_spread(fleet.money_per_year)} {currency}",
        {"cpu": "CPU", "memory": "memory", "minimum": "the minimum"}[fleet.binding],
        f"CPU {fleet.cpu_instances:.2f}{memory}",
    )


def _saved_row(saved: Saving | None, currency: str) -> tuple[str, ...]:
    if saved is None:
        return ("saved", *[UNKNOWN] * 6)
    money = f"{_spread(saved.money_per_year)} {currency}"
    return ("saved", _spread(saved.instances), "", _spread(saved.vcpus), money, "", "")


def _turned(estimate: Estimate) -> Estimate:
    """Return what is saved as what is paid more."""
    turned: dict[Bound | None, Bound | None] = {"at_least": "at_most", "at_most": "at_least", None: None}
    lo, hi = (None if end is None else -end for end in (estimate.hi, estimate.lo))
    return Estimate(-estimate.value, lo, hi, estimate.interval, turned[estimate.bound])


def _count(estimate: Estimate) -> str:
    return f"{_SIGNS[estimate.bound]}{_whole(estimate.value)}"


def _spread(estimate: Estimate) -> str:
    """Return a value with its ends: "12 (10 to 14)", an end that nothing bounds as a dash."""
    ends = [UNKNOWN if end is None else _whole(end) for end in (estimate.lo, estimate.hi)]
    return f"{_count(estimate)} ({ends[0]} to {ends[1]})"


def _whole(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 100 else f"{value:,.3g}"
