"""Does a run call twins different that are the same? Go against Go, one ratio a run, false claims counted.

    python -m benchmarks.identical --runs 20                        saturation throughput, under a minute a run
    python -m benchmarks.identical --runs 20 --ratio cpu_s_per_1k   CPU per request at the same load, as long
    python -m benchmarks.identical --runs 20 --ratio capacity       a capacity search, under two minutes a run

Each run is `twinload run`, as a process, on the shipped plan with the candidate's binary replaced by the baseline's,
one endpoint, one asked ratio, few stages (`settings`). A claim is a 95 % interval without 1 in it; of honest ones a
twentieth claim. A first run, which does not count, compares the answers and finds the rough limit, so that the others
need no probe (but for a capacity search, which begins from its own). Exit code 2 when a run fails.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.sending.target import ROOT
from clusters.ports import free_ports
from records.plan import Plan
from records.plan_file import read_plan
from records.run_folder import RunReader
from shadow.binomial import interval

PLAN: Final = ROOT / "twinload.toml"
RATIOS: Final = ("saturation", "cpu_s_per_1k", "capacity")
_LATEST_S: Final = 600.0
_OF_LIMIT: Final = {"saturation": 1.25, "cpu_s_per_1k": 0.7}
"""The load of the one stage, of the rough limit: beyond it, or what both twins carry."""
_BY_RATIO: Final[dict[str, tuple[str, ...]]] = {
    "saturation": ('search.mode="curve"', "search.pairs=4", "stages.measure_s=2"),
    "cpu_s_per_1k": ('search.mode="curve"', "search.pairs=4", "stages.measure_s=2"),
    "capacity": ('search.mode="capacity"', "search.curve_fractions=[0.7]", "search.trial_s=1", "stages.measure_s=1"),
}


@dataclass(frozen=True, slots=True)
class Claim:
    """What a run said of its one ratio: the value, its interval over `pairs`, and whether that leaves 1 out.

    All is None where the run had no interval: that is no claim, and no honest one either.
    """

    value: float | None
    lo: float | None
    hi: float | None
    pairs: int
    took_s: float

    @property
    def is_known(self) -> bool:
        """Whether there was an interval."""
        return self.lo is not None and self.hi is not None

    @property
    def is_false(self) -> bool:
        """Whether it calls equal twins different."""
        return self.lo is not None and self.hi is not None and not self.lo <= 1 <= self.hi


def settings(plan: Plan, ratio: str, endpoint: str, ports: Sequence[int], limit_rps: float | None) -> tuple[str, ...]:
    """Return what is laid over the plan: the baseline twice, one endpoint, one ratio.

    Args:
        plan: the shipped plan.
        ratio: of `RATIOS`.
        endpoint: the one that stays hot.
        ports: one for each instance of both twins.
        limit_rps: the rough limit; None where a probe shall find it.
    """
    twin, other = plan.twins[plan.baseline], plan.twins[plan.candidate]
    given = [f"twins.{plan.candidate}.{key}={_toml(value)}" for key, value in
             (("command", twin.command), ("env", twin.env), ("label", f"{twin.label} again"))]  # fmt: skip
    places = [(name, place) for name in plan.twins for place in range(len(plan.twins[name].instances))]
    for (name, place), port in zip(places, ports, strict=True):
        given.append(f"twins.{name}.instances.{place}.address={_toml(f'127.0.0.1:{port}')}")
    for place, instance in enumerate(twin.instances[: len(other.instances)]):
        for key, value in (("command", instance.command), ("env", instance.env)):
            if value:
                given.append(f"twins.{plan.candidate}.instances.{place}.{key}={_toml(value)}")
    given += [f"workload.{place}.hot={_toml(one.name == endpoint)}" for place, one in enumerate(plan.workload)]
    given += ["cost.fleet_rate_rps={}", f"verdict.ask={_toml([ratio])}", 'label="identical"']
    if ratio in _OF_LIMIT:
        part = _OF_LIMIT[ratio]
        given.append(f"stages.fractions=[{part}]")
        if limit_rps is not None:
            given += ['stages.kind="steps"', f"stages.rates_rps=[{part * limit_rps:.1f}]"]
    return (*given, *_BY_RATIO[ratio])


def claim_of(summary: dict[str, Any], ratio: str, endpoint: str, took_s: float) -> Claim:
    """Read a run's `summary.json`."""
    found = summary["ratios"][endpoint][ratio]
    if found is None:
        return Claim(None, None, None, 0, took_s)
    has = found["interval"] == "t95"
    return Claim(found["value"], found["lo"] if has else None, found["hi"] if has else None, found["pairs"], took_s)


def shown(number: int, one: Claim) -> str:
    """Return a run's line."""
    if one.value is None or one.lo is None or one.hi is None:
        said = "no ratio" if one.value is None else f"{one.value:.3f}, no interval"
        return f"run {number:2d}: {said} ({one.pairs} pairs), {one.took_s:.0f} s"
    word = "CALLED DIFFERENT" if one.is_false else "not told apart"
    return (
        f"run {number:2d}: {one.value:.3f} ({one.lo:.3f} to {one.hi:.3f}, {one.pairs} pairs) {word}, {one.took_s:.0f} s"
    )


def summed_up(claims: Sequence[Claim]) -> str:
    """Return the share of false claims with its exact binomial 95 % interval, and what the runs took."""
    known = [one for one in claims if one.is_known]
    if not known:
        return f"{len(claims)} runs, none with an interval"
    wrong = sum(one.is_false for one in known)
    halves = sorted((one.hi or 0.0) / (one.lo or 1.0) for one in known)
    low, high = (100 * limit for limit in interval(wrong, len(known)))
    middle = 100 * (halves[len(halves) // 2] ** 0.5 - 1)
    return (
        f"{wrong} of {len(known)} called different: {100 * wrong / len(known):.0f} % "
        f"(95 % interval {low:.1f} to {high:.1f} %); half-width {middle:.1f} % in the middle; "
        f"without an interval {len(claims) - len(known)}; longest {max(one.took_s for one in claims):.0f} s"
    )


def twinload(verb: str, given: Sequence[str], runs: Path) -> None:
    """Run one command of the suite; RuntimeError with the end of what it said when it does not end with 0."""
    argv = [sys.executable, "-m", "twinload.cli", verb, "--plan", str(PLAN), "--runs", str(runs), "-q"]
    argv += [word for one in given for word in ("--set", one)]
    ended = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=_LATEST_S, check=False)
    if ended.returncode:
        raise RuntimeError(
            f"twinload {verb} ended with {ended.returncode}:\n{ended.stdout[-1500:]}{ended.stderr[-3000:]}"
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line a run, then the count."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.identical", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--ratio", choices=RATIOS, default=RATIOS[0])
    parser.add_argument("--endpoint", help="the one to load (default: the first hot one)")
    parser.add_argument("--seed", type=int, default=1, help="of the first run; each has its own")
    options = parser.parse_args(argv)
    plan = read_plan(PLAN)
    endpoint = options.endpoint or plan.sweeps[0]
    ports = free_ports(sum(len(twin.instances) for twin in plan.twins.values()))
    claims: list[Claim] = []
    with tempfile.TemporaryDirectory(prefix="twinload-identical-") as folder:
        runs = Path(folder)
        try:
            first = settings(plan, options.ratio, endpoint, ports, None)
            twinload("run", (*first, 'search.mode="curve"', "search.pairs=1", "stages.fractions=[0.5]"), runs)
            given = settings(plan, options.ratio, endpoint, ports, rough_limit(runs / "latest"))
            for number in range(options.runs):
                begun_s = time.monotonic()
                twinload("run", (*given, f"search.seed={options.seed + number}"), runs)
                took_s = time.monotonic() - begun_s
                summary = json.loads((runs / "latest" / "report" / "summary.json").read_bytes())
                claims.append(claim_of(summary, options.ratio, endpoint, took_s))
                print(shown(number + 1, claims[-1]), flush=True)
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return 2
    print(summed_up(claims))
    return 0


def rough_limit(run: Path) -> float:
    """Return the mean of the rough limits that a run's probes found."""
    found = [event.figures["limit_rps"] for event in RunReader(run).events() if event.kind == "probe"]
    if not found or not min(found):
        raise RuntimeError("the first run found no rough limit: nothing good was answered")
    return sum(found) / len(found)


def _toml(value: object) -> str:
    """Return a value as TOML: texts, numbers, lists and tables of texts, all on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(one)}" for key, one in value.items()) + "}"
    return json.dumps(value)


if __name__ == "__main__":
    sys.exit(main())
