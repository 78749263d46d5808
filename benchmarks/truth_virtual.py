"""Does a capacity search find what is there? Known targets in virtual time: bias, half-width, coverage, false claims.

    python -m benchmarks.truth_virtual --repetitions 200 [--targets M/M/1 …] [--jobs 2]
    python -m benchmarks.truth_virtual --stopping

Each repetition is a whole run of the product's own schedule, search, judge and analysis: a baseline, and a candidate
that is 1.6 times as fast (coverage of the ratio) or the same (false claims of a difference). `--stopping` simulates the
stop by width alone, on normal log-ratios.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache, partial
from typing import Final

import numpy as np

from analysis.capacity import capacity_of, capacity_ratio
from analysis.stopping import is_narrow, sequential_interval
from benchmarks.truth.targets import (
    Target,
    drifting,
    exponential,
    exponential_servers,
    failing_above,
    falling,
    fixed,
    stalling,
    swinging,
)
from benchmarks.truth.virtual import ENDPOINT, VirtualDriver, make_plan

FASTER: Final = 1.6
TARGETS: Final[dict[str, Callable[[float], Target]]] = {
    "D/D/1": lambda x: fixed(1_000 * x, 20),
    "D/D/1 slack": lambda x: fixed(1_000 * x, 100),
    "M/M/1": lambda x: exponential(2_000 * x, 10),
    "M/M/1 noisy": lambda x: exponential(1_000 * x, 20),
    "M/M/4": lambda x: exponential_servers(2_000 * x, 4, 20),
    "stall": lambda x: stalling(1_000 * x, 20, stall_s=0.025, every_s=1.0),
    "stall rare": lambda x: stalling(1_000 * x, 25, stall_s=0.03, every_s=2.0),
    "limit falls": lambda x: falling(1_000 * x, 20),
    "slow drift": lambda x: drifting(1_000 * x, 50, lost_an_hour=0.2),
    "swings": lambda x: swinging(1_000 * x, 50, by=0.05),
    "fails above": lambda x: failing_above(3_000 * x, 50, above_rps=1_200 * x, name="fails above"),
    "wrong above": lambda x: failing_above(3_000 * x, 50, above_rps=900 * x, name="wrong above"),
}


@cache
def target_of(name: str, factor: float) -> Target:
    """Return a target, made once: some capacities are found by long simulation."""
    return TARGETS[name](factor)


@dataclass(frozen=True, slots=True)
class Repetition:
    """One run: capacity of the baseline ÷ truth, whether its interval holds the truth, and the same of the ratio."""

    capacity_error: float
    capacity_holds: bool
    capacity_half: float
    ratio_error: float
    ratio_holds: bool
    ratio_half: float
    pairs: int
    took_s: float
    trials: int


def repeat(seed: int, *, name: str, factor: float, options: argparse.Namespace) -> Repetition | None:
    """Make one run; None when it ended with fewer than three pairs, which have no interval."""
    twins = {"baseline": target_of(name, 1.0), "candidate": target_of(name, factor)}
    truth = twins["baseline"].capacity_rps
    plan = make_plan(
        twins["baseline"].limit_ms, seed=seed, time_limit_s=options.time_limit, ratio_width=options.ratio_width,
        trial_s=options.trial_s,
    )  # fmt: skip
    if options.whole:
        plan = plan.model_copy(update={"hooks": plan.hooks.model_copy(update={"before_block": [["true"]]})})
    rng = np.random.default_rng([seed, 1])
    begins_s = rng.random() * twins["baseline"].moments_s if twins["baseline"].moments_s else 0.0
    run = VirtualDriver(plan, twins, rng, begins_s).run()
    capacity, ratio = capacity_of(run.blocks, "baseline", ENDPOINT, plan), capacity_ratio(run.blocks, ENDPOINT, plan)
    if capacity is None or ratio is None or ratio.interval.kind != "t95":
        return None
    ratio_truth = twins["candidate"].capacity_rps / truth
    c, r = capacity.interval, ratio.interval
    return Repetition(
        c.value / truth - 1, c.lo <= truth <= c.hi, math.sqrt(c.hi / c.lo) - 1, r.value / ratio_truth - 1,
        r.lo <= ratio_truth <= r.hi, math.sqrt(r.hi / r.lo) - 1, r.count, run.took_s, run.trials,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """A target's figures over all repetitions; ratios and errors as shares."""

    target: str
    factor: float
    repetitions: int
    without_interval: int
    capacity_bias: float
    capacity_covers: float
    capacity_half: float
    ratio_bias: float
    ratio_covers: float
    ratio_half: float
    pairs: float
    took_s: float
    trials: float


def study(name: str, factor: float, options: argparse.Namespace) -> Found:
    """Repeat a target's run and sum it up."""
    job = partial(repeat, name=name, factor=factor, options=options)
    seeds = range(options.seed, options.seed + options.repetitions)
    if options.jobs > 1:
        with ProcessPoolExecutor(options.jobs) as pool:
            all_ = list(pool.map(job, seeds, chunksize=8))
    else:
        all_ = [job(seed) for seed in seeds]
    runs = [one for one in all_ if one is not None]

    def mean(read: Callable[[Repetition], float]) -> float:
        return float(np.mean([read(one) for one in runs])) if runs else math.nan

    return Found(
        name, factor, len(runs), len(all_) - len(runs), mean(lambda r: r.capacity_error),
        mean(lambda r: r.capacity_holds), mean(lambda r: r.capacity_half), mean(lambda r: r.ratio_error),
        mean(lambda r: r.ratio_holds), mean(lambda r: r.ratio_half), mean(lambda r: r.pairs), mean(lambda r: r.took_s),
        mean(lambda r: r.trials),
    )  # fmt: skip


def stopping(rng: np.random.Generator, repetitions: int, *, spread: float, most: int) -> tuple[float, float]:
    """Return coverage and mean pairs of the stop by width on normal log-ratios; `spread` is in widths asked for."""
    holds, pairs = 0, 0
    for _ in range(repetitions):
        logs = (rng.standard_normal(most) * spread).tolist()
        count = next((n for n in range(3, most) if is_narrow(logs[:n], 1.0)), most)
        found = sequential_interval(logs[:count], 1.0)
        holds += found is not None and found.lo <= 0 <= found.hi
        pairs += count
    return holds / repetitions, pairs / repetitions


def _tell_stopping(options: argparse.Namespace) -> None:
    rng = np.random.default_rng(options.seed)
    print("spread ÷ width asked for | " + " | ".join(f"at most {most} pairs" for most in (4, 6, 10, 30)))
    for spread in (0.1, 0.3, 0.6, 1.0, 1.5, 2.0, 3.0):
        cells = []
        for most in (4, 6, 10, 30):
            covers, pairs = stopping(rng, options.repetitions, spread=spread, most=most)
            cells.append(f"{100 * covers:5.1f} % ({pairs:4.1f} pairs)")
        print(f"{spread:24.1f} | " + " | ".join(cells), flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Print one line a target."""
    parser = argparse.ArgumentParser(prog="benchmarks.truth_virtual", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--targets", nargs="*", choices=list(TARGETS), default=list(TARGETS))
    parser.add_argument(
        "--factors", nargs="*", type=float, default=[FASTER, 1.0], help="candidate ÷ baseline; 1: twins"
    )
    parser.add_argument("--ratio-width", type=float, default=0.05)
    parser.add_argument("--trial-s", type=int, default=2, help="measured seconds of a trial")
    parser.add_argument("--whole", action="store_true", help="one block behind the other, as hooks ask for: no turns")
    parser.add_argument("--time-limit", type=float, default=360.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--stopping", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    if options.stopping:
        _tell_stopping(options)
        return 0
    head = (
        "target         faster  runs  none | capacity: bias   covers  half | ratio: bias   covers   half | pairs  time"
    )
    print(head, file=sys.stderr)
    for name in options.targets:
        for factor in options.factors:
            begun = time.perf_counter()
            f = study(name, factor, options)
            if options.json:
                print(json.dumps(asdict(f)), flush=True)
            else:
                print(
                    f"{f.target:14} {f.factor:5.1f} {f.repetitions:6d} {f.without_interval:5d} | "
                    f"{100 * f.capacity_bias:13.2f} % {100 * f.capacity_covers:6.1f} % "
                    f"{100 * f.capacity_half:4.1f} % | "
                    f"{100 * f.ratio_bias:8.2f} % {100 * f.ratio_covers:6.1f} % {100 * f.ratio_half:5.1f} % | "
                    f"{f.pairs:5.1f} {f.took_s:5.0f} s  ({time.perf_counter() - begun:.1f} s)", flush=True,
                )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
