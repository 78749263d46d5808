"""One run against an earlier one: new ÷ base per figure with its interval, held against the plan's thresholds. Pure.

    findings of both -> samples by block -> ratio (unpaired) -> threshold -> pass, fail or inconclusive

Three subjects: each twin by itself, and `ratio`, candidate ÷ baseline within each run, in which what the machine had of
a good or a bad day cancels. Blocks are the unit for a twin, pairs for the ratio. Capacities come with intervals alone.
CPU and memory, which depend little on the rate, are compared at rates within 20 %, p99 within 2 %; where both runs
searched capacities, in the trials near each twin's own, and saturation throughput, of one block then, is not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from analysis.curve import BlockPoint, CurvePoint
from analysis.findings import Findings
from analysis.intervals import Interval
from analysis.likeness import Unlike, programs_changed, unlike
from analysis.proof import mean_or_none
from analysis.ratio import Bound
from analysis.same_load import best_rate, carries, common_pairs, cpu_s_per_1k
from analysis.summary_schema import Summary
from analysis.trial_points import near_capacity
from analysis.unpaired import ratio_of_estimates, unpaired_ratio
from records.plan import ComparePlan

Figure = Literal["capacity", "saturation", "p99", "cpu_s_per_1k", "memory"]
Subject = Literal["baseline", "candidate", "ratio"]
Outcome = Literal["pass", "fail", "inconclusive"]

FIGURES: Final[tuple[Figure, ...]] = ("capacity", "saturation", "p99", "cpu_s_per_1k", "memory")
SUBJECTS: Final[tuple[Subject, ...]] = ("baseline", "candidate", "ratio")
MORE_IS_BETTER: Final = frozenset({"capacity", "saturation"})
_RATES_APART: Final = {"p99": 0.02, "cpu_s_per_1k": 0.2, "memory": 0.2}
_READ: Final[dict[str, Callable[[BlockPoint], float | None]]] = {
    "p99": lambda block: block.quantiles.p99_ms,
    "cpu_s_per_1k": cpu_s_per_1k,
    "memory": lambda block: block.memory_bytes,
}


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """A run with what was found in it."""

    findings: Findings
    summary: Summary


@dataclass(frozen=True, slots=True)
class Compared:
    """New ÷ base of one figure. `ratio` is None where it cannot be formed, `note` then says why.

    `allowed` is the plan's threshold, None where nobody asked; `outcome` likewise.
    """

    endpoint: str
    subject: Subject
    figure: Figure
    ratio: Interval | None
    bound: Bound | None
    note: str
    allowed: float | None
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """A run held against its base: every figure, and the verdict with its reasons."""

    base: str
    new: str
    rows: tuple[Compared, ...]
    differences: tuple[Unlike, ...]
    programs: tuple[str, ...]
    verdict: Outcome
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    ratio: Interval | None = None
    bound: Bound | None = None
    note: str = ""
    asked: bool = True  # False where neither run measured it at all


def compare(base: ComparedRun, new: ComparedRun) -> Comparison:
    """Return the comparison, by the thresholds of the new run's plan; both runs have the same twins and sweeps."""
    plan = new.findings.run.plan.compare
    rows = tuple(
        _judged(plan, endpoint, subject, figure, _find(base, new, endpoint, subject, figure))
        for endpoint in new.findings.endpoints
        for subject in SUBJECTS
        for figure in FIGURES
    )
    verdict, reasons = _verdict(base, new, rows)
    manifests = base.findings.run.manifest, new.findings.run.manifest
    return Comparison(
        base=manifests[0].run_id,
        new=manifests[1].run_id,
        rows=rows,
        differences=unlike(*manifests),
        programs=programs_changed(*manifests),
        verdict=verdict,
        reasons=reasons,
    )


def outcome_of(ratio: Interval, allowed: float, *, more_is_better: bool, bound: Bound | None = None) -> Outcome:
    """Return whether a whole interval lies on the allowed side (pass), beyond it (fail), or neither is sure.

    A range of under 3 blocks is no interval and decides nothing. A ratio that is at least cannot fail where more is
    better and cannot pass where less is; at most the other way round.
    """
    if ratio.kind == "range":
        return "inconclusive"
    within = ratio.lo >= allowed if more_is_better else ratio.hi <= allowed
    beyond = ratio.hi < allowed if more_is_better else ratio.lo > allowed
    if within and bound != ("at_most" if more_is_better else "at_least"):
        return "pass"
    if beyond and bound != ("at_least" if more_is_better else "at_most"):
        return "fail"
    return "inconclusive"


def _judged(plan: ComparePlan, endpoint: str, subject: Subject, figure: Figure, found: _Found) -> Compared:
    allowed: float | None = getattr(plan, figure)
    if subject not in plan.of or not found.asked:
        allowed = None
    outcome: Outcome | None = None
    if allowed is not None:
        outcome = "inconclusive"
        if found.ratio is not None:
            outcome = outcome_of(found.ratio, allowed, more_is_better=figure in MORE_IS_BETTER, bound=found.bound)
    note = found.note or ("" if found.ratio is None else _interval_note(found.ratio, subject))
    return Compared(endpoint, subject, figure, found.ratio, found.bound, note, allowed, outcome)


def _interval_note(ratio: Interval, subject: Subject) -> str:
    unit = "pairs" if subject == "ratio" else "blocks"
    if ratio.kind == "range":
        return f"under 3 {unit} in a run: minimum and maximum only, which decide nothing"
    return f"95 % interval over {ratio.count} {unit} or more a run"


def _verdict(base: ComparedRun, new: ComparedRun, rows: Sequence[Compared]) -> tuple[Outcome, tuple[str, ...]]:
    failed = [_reason(row) for row in rows if row.outcome == "fail"]
    open_ = [_reason(row) for row in rows if row.outcome == "inconclusive"]
    open_ += [
        f"{run.findings.run.manifest.run_id} is partial: {run.findings.run.partial}"
        for run in (base, new)
        if run.findings.run.partial is not None
    ]
    if not any(row.outcome for row in rows):
        open_.append("nothing was held against a threshold: [compare] of the plan names none that was measured")
    if failed:
        return "fail", (*failed, *open_)
    return ("inconclusive", tuple(open_)) if open_ else ("pass", ())


def _reason(row: Compared) -> str:
    name = f"{row.endpoint}, {row.subject}, {row.figure}"
    if row.ratio is None:
        return f"{name}: {row.note}"
    side = "at least" if row.figure in MORE_IS_BETTER else "at most"
    spread = f"{row.ratio.value:.3f} ({row.ratio.lo:.3f} to {row.ratio.hi:.3f})"
    known = {"at_least": ", a lower bound", "at_most": ", an upper bound", None: ""}[row.bound]
    return f"{name}: {spread}{known}, allowed {side} {row.allowed:g}; {row.note}"


def _find(base: ComparedRun, new: ComparedRun, endpoint: str, subject: Subject, figure: Figure) -> _Found:
    if figure == "capacity":
        return _of_estimates(*(_capacity(run.summary, run.findings, endpoint, subject) for run in (base, new)))
    if figure == "saturation":
        return _of_saturation(base.findings, new.findings, endpoint, subject)
    if figure in ("cpu_s_per_1k", "memory") and _searched(base.findings, new.findings, endpoint):
        return _at_capacity(base.findings, new.findings, endpoint, subject, figure)
    return _at_load(base.findings, new.findings, endpoint, subject, figure)


def _capacity(
    summary: Summary, findings: Findings, endpoint: str, subject: Subject
) -> tuple[Interval, Bound | None] | None:
    if subject == "ratio":
        ratio = summary.ratios[endpoint].capacity
        if ratio is None or ratio.lo is None or ratio.hi is None:
            return None
        return Interval(ratio.value, ratio.lo, ratio.hi, ratio.pairs, ratio.interval or "range"), ratio.bound
    found = summary.twins[getattr(findings, subject)][endpoint].capacity_rps
    if found is None:
        return None
    kind: Literal["t95", "range"] = "range" if found.interval == "range" else "t95"
    bound: Bound | None = "at_least" if found.at_least else None
    return Interval(found.value, found.lo, found.hi, found.blocks, kind), bound


def _of_estimates(base: tuple[Interval, Bound | None] | None, new: tuple[Interval, Bound | None] | None) -> _Found:
    if base is None and new is None:
        return _Found(note="neither run searched a capacity", asked=False)
    if base is None or new is None:
        return _Found(note=f"the {'base' if base is None else 'new run'} has no capacity")
    return _bounded(ratio_of_estimates(base[0], new[0]), base[1], new[1])


def _of_saturation(base: Findings, new: Findings, endpoint: str, subject: Subject) -> _Found:
    samples, bounds = [], []
    for findings in (base, new):
        if subject == "ratio":
            ratio = findings.ratios[endpoint].saturation
            sides = [findings.saturation[twin, endpoint] for twin in findings.twins]
            by_pair = [{b.pair: b.value_rps for b in side.blocks} if side else {} for side in sides]
            samples.append(_ratios(*by_pair) if ratio is not None else [])
            bounds.append(None if ratio is None else ratio.bound)
        else:
            found = findings.saturation[getattr(findings, subject), endpoint]
            samples.append([block.value_rps for block in found.blocks] if found else [])
            bounds.append("at_least" if found and found.at_least else None)
    if not all(samples):
        return _Found(note=f"no saturation throughput in {_missing(samples)}")
    ratio_found = _bounded(unpaired_ratio(*samples), *bounds)
    # a search drives one block there: the capacity decides
    return replace(ratio_found, asked=not _searched(base, new, endpoint))


def _searched(base: Findings, new: Findings, endpoint: str) -> bool:
    """Say whether both runs found a capacity of both twins."""
    return all(run.capacity[twin, endpoint] is not None for run in (base, new) for twin in run.twins)


def _at_capacity(base: Findings, new: Findings, endpoint: str, subject: Subject, figure: Figure) -> _Found:
    """Compare what the twins used in the trials near their own capacities: a search drives those in every pair."""
    samples = []
    for run in (base, new):
        by_pair = {}
        for twin in run.twins:
            near = near_capacity(run.trials[twin, endpoint], run.blocks_of(twin, endpoint))
            means = {pair: mean_or_none([_READ[figure](one) for one in points]) for pair, points in near.items()}
            by_pair[twin] = {pair: value for pair, value in means.items() if value is not None}
        one = by_pair[run.baseline if subject == "baseline" else run.candidate]
        samples.append(
            _ratios(by_pair[run.baseline], by_pair[run.candidate]) if subject == "ratio" else [*one.values()]
        )
    if not all(samples):
        return _Found(note=f"no trial near the capacity has it in {_missing(samples)}")
    return _Found(unpaired_ratio(*samples))


def _bounded(ratio: Interval | None, base: Bound | None, new: Bound | None) -> _Found:
    """Return a ratio with the bound that its sides' bounds make; none where they leave both sides open."""
    if ratio is None:
        return _Found(note="an end of an interval is not above zero, so the ratio has no bound")
    turned: dict[Bound | None, Bound | None] = {"at_least": "at_most", "at_most": "at_least", None: None}
    sides = {bound for bound in (turned[base], new) if bound is not None}
    if len(sides) > 1:
        return _Found(note="neither run saw the limit: both figures are but bounds")
    return _Found(ratio, next(iter(sides), None))


def _at_load(base: Findings, new: Findings, endpoint: str, subject: Subject, figure: Figure) -> _Found:
    rates = _common_rates(base, new, endpoint)
    if rates is None:
        return _Found(note="no rate that both twins carry in both runs")
    if abs(rates[1] / rates[0] - 1) > _RATES_APART[figure]:
        why = f"the runs carry other rates: {rates[0]:,.0f} and {rates[1]:,.0f} a second"
        return _Found(note=f"{why}; plans of fixed rates (stages.kind steps, ramp, list) meet")
    samples = [
        _sample(findings, endpoint, subject, rate, _READ[figure])
        for findings, rate in zip((base, new), rates, strict=True)
    ]
    if not all(samples):
        why = "; a p99 of a block wants 1,000 answers" if figure == "p99" else ""
        return _Found(note=f"no block has it in {_missing(samples)}{why}")
    return _Found(unpaired_ratio(*samples))


def _common_rates(base: Findings, new: Findings, endpoint: str) -> tuple[float, float] | None:
    """Return the rates to compare at: the highest that both twins carry in both runs, else each run's own highest.

    As for the same load, a rate carried in three pairs goes before a higher one carried in fewer.
    """
    ours, theirs = (_pairs_by_rate(findings, endpoint) for findings in (base, new))
    common = {rate: min(ours[rate], theirs[rate]) for rate in ours.keys() & theirs.keys()}
    if common:
        return best_rate(common), best_rate(common)
    return (best_rate(ours), best_rate(theirs)) if ours and theirs else None


def _pairs_by_rate(findings: Findings, endpoint: str) -> dict[float, int]:
    one, two = (_carried(findings, twin, endpoint) for twin in findings.twins)
    return {rate: common_pairs(one[rate], two[rate]) for rate in one.keys() & two.keys()}


def _carried(findings: Findings, twin: str, endpoint: str) -> Mapping[float, CurvePoint]:
    return {point.at_rps: point for point in findings.curves[twin, endpoint].points if carries(point)}


def _sample(
    findings: Findings, endpoint: str, subject: Subject, rate: float, read: Callable[[BlockPoint], float | None]
) -> list[float]:
    def by_pair(twin: str) -> dict[int, float]:
        blocks = _carried(findings, twin, endpoint)[rate].counted
        return {block.pair: value for block in blocks if (value := read(block)) is not None}

    if subject == "ratio":
        return _ratios(by_pair(findings.baseline), by_pair(findings.candidate))
    return list(by_pair(getattr(findings, subject)).values())


def _ratios(baseline: Mapping[int, float], candidate: Mapping[int, float]) -> list[float]:
    common = sorted(baseline.keys() & candidate.keys())
    return [candidate[pair] / baseline[pair] for pair in common if baseline[pair] > 0]


def _missing(samples: Sequence[Sequence[float]]) -> str:
    empty = [name for name, sample in zip(("the base", "the new run"), samples, strict=True) if not sample]
    return " and ".join(empty)
