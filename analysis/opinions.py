"""Second opinions on a twin's limit, each from other records than the capacity's, and where they disagree. Pure.

| opinion | from |
|---|---|
| saturation throughput | stages past saturation |
| USL | the curve: throughput against requests at once |
| utilisation law | CPU per request at low load: the rate at which it fills the allotment (X = U / D) |
| Little's law | checks the measurement, no limit: counts against clocks |

The first three say what the twin can give at all; the capacity is what it gives within the SLO, so theirs may lie above
it, which says that latency gives out before throughput. Below it one of the two is wrong, and what that usually means
is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from analysis import setting
from analysis.binding import Binding, Seen, binding_of
from analysis.capacity import Capacity
from analysis.curve import Curve
from analysis.findings import Findings, memory_of
from analysis.intervals import Interval, mean_interval
from analysis.little import Little, check_little
from analysis.proof import mean_or_none
from analysis.same_load import carries
from analysis.usl import Usl, fit_usl
from records.hdr import mean_us, total

Name = Literal["saturation throughput", "USL", "utilisation law"]
_BELOW: Final[dict[Name, str]] = {
    "saturation throughput": "overloaded, it gives less than it can: its limit falls under load",
    "USL": "the fit does not reach what was carried, so it does not describe this twin",
    "utilisation law": "a request costs more CPU at low load than at the limit, so the law's ceiling is none here",
}
LOW_PERCENT: Final = 60.0  # of the allotment: below it CPU per request knows of no limit


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What an opinion says a twin can give at most, in requests a second; `why` says why it says nothing.

    `hi` is None where nothing bounds it; `at_least` where the twin was never at its limit.
    """

    name: Name
    value: float | None
    lo: float | None = None
    hi: float | None = None
    interval: str | None = None
    at_least: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Opinions:
    """All opinions on one twin's endpoint; `usl` is None with its reason in the ceiling of that name."""

    ceilings: tuple[Ceiling, ...]
    usl: Usl | None
    little: Little
    binding: Binding
    disagreements: tuple[str, ...]


def opinions_of(findings: Findings, twin: str, endpoint: str) -> Opinions:
    """Return the opinions."""
    curve, capacity = findings.curves[twin, endpoint], findings.capacity[twin, endpoint]
    fitted = fit_usl(*_together(curve))
    usl = fitted if isinstance(fitted, Usl) else None
    ceilings = (
        _saturation(findings, twin, endpoint),
        _usl(fitted),
        _utilisation(findings, twin, endpoint),
    )
    little = check_little(findings.run, twin, endpoint)
    seen = Seen(
        curve, findings.saturation[twin, endpoint], capacity, findings.blocks_of(twin, endpoint),
        findings.trials.get((twin, endpoint), ()), memory_of(findings.run, twin, endpoint).limit_bytes,
    )  # fmt: skip
    against = [] if little.agrees is not False else [f"Little's law: {little.why}"]
    against += _disagreements(ceilings, capacity, findings.run.plan.search.ratio_width)
    return Opinions(ceilings, usl, little, binding_of(seen), tuple(against))


def _together(curve: Curve) -> tuple[list[float], list[float]]:
    """Return requests at once and answers a second of the valid points of a curve."""
    rows = []
    for point in curve.points:
        rate = mean_or_none([block.answered_rps for block in point.counted])
        if point.valid and rate and total(point.service):
            rows.append((rate * mean_us(point.service) / 1e6, rate))
    return [n for n, _ in rows], [x for _, x in rows]


def _saturation(findings: Findings, twin: str, endpoint: str) -> Ceiling:
    found = findings.saturation[twin, endpoint]
    if found is None:
        return Ceiling("saturation throughput", None, why="no valid stage was measured")
    at = found.interval
    why = "the twin was never past saturation" if found.at_least else ""
    return Ceiling("saturation throughput", at.value, at.lo, at.hi, at.kind, found.at_least, why)


def _usl(fitted: Usl | str) -> Ceiling:
    if isinstance(fitted, str):
        return Ceiling("USL", None, why=fitted)
    peak = fitted.peak_rps
    if peak is None:
        return Ceiling("USL", None, why="throughput does not bend within reach of what was carried")
    return Ceiling("USL", peak.value, peak.lo, peak.hi, "t95")


def _utilisation(findings: Findings, twin: str, endpoint: str) -> Ceiling:
    run = findings.run
    serving = setting.serving(run.manifest.instances, twin, endpoint, run.plan)
    allotment = setting.twin_cores(run.manifest.instances, serving, run.plan, twin)
    if allotment is None:
        return Ceiling("utilisation law", None, why="the twin's CPU allotment is unknown")
    cost_s = _cpu_s_per_request(findings.curves[twin, endpoint])
    if cost_s is None or cost_s.value <= 0:
        return Ceiling("utilisation law", None, why=f"no valid stage below {LOW_PERCENT:.0f} % of the allotment")
    hi = allotment / cost_s.lo if cost_s.lo > 0 else None
    return Ceiling("utilisation law", allotment / cost_s.value, allotment / cost_s.hi, hi, cost_s.kind)


def _cpu_s_per_request(curve: Curve) -> Interval | None:
    """Return the CPU seconds of a request at low load over the blocks: a block's CPU ÷ its answers."""
    cores: dict[int, float] = {}
    answered: dict[int, float] = {}
    for point in curve.points:
        for block in point.counted:
            if not carries(point) or block.target_cores is None or block.target_percent is None:
                continue
            if block.target_percent <= LOW_PERCENT:
                cores[block.block] = cores.get(block.block, 0.0) + block.target_cores
                answered[block.block] = answered.get(block.block, 0.0) + block.answered_rps
    return mean_interval([_share(cores, answered, block) for block in cores if answered[block]])


def _share(cores: Mapping[int, float], answered: Mapping[int, float], block: int) -> float:
    return cores[block] / answered[block]


def _disagreements(ceilings: tuple[Ceiling, ...], capacity: Capacity | None, width: float) -> list[str]:
    """Return where an opinion and the capacity lie further apart than the width, with no overlap of intervals."""
    if capacity is None:
        return []
    found, texts = capacity.interval, []
    for one in ceilings:
        if one.value is None:
            continue
        away = one.value / found.value - 1
        says = f"{one.name} says {one.value:,.0f} a second, {100 * abs(away):.0f} %"
        at = f"the capacity of {found.value:,.0f}"
        if away > width and (one.lo is None or one.lo > found.hi) and not capacity.at_least:
            texts.append(f"{says} above {at}: the SLO gives out before throughput does")
        if away < -width and one.hi is not None and one.hi < found.lo and not one.at_least:
            texts.append(f"{says} below {at}: {_BELOW[one.name]}")
    return texts
