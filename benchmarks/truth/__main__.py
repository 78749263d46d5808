"""Does a capacity search find what is there? Known servers over real sockets: bias, half-width, coverage, false claims.

    python -m benchmarks.truth                     a quick look: one server, over a minute, no interval
    python -m benchmarks.truth --long              20 runs over all servers, then 20 of identical twins: two hours

`twinload run` finds the capacity blind, as a process. In virtual time, with many more runs: benchmarks.truth_virtual.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.sending.target import BINARY
from benchmarks.truth.sockets import KNOWN, Blind, Setup, find

FASTER: Final = 1.6
QUICK: Final = ("D/D/1",)


@dataclass(frozen=True, slots=True)
class Line:
    """One run against the truth, as shares; half-widths and coverage None where there was no interval."""

    name: str
    factor: float
    capacity_error: float
    capacity_half: float | None
    capacity_holds: bool | None
    ratio_error: float
    ratio_half: float | None
    ratio_holds: bool | None
    pairs: int
    trials: int
    invalid: int
    took_s: float


def line_of(name: str, factor: float, found: Blind, took_s: float) -> Line:
    """Hold what a run found against the truth; NaN where it found nothing, or there is no truth."""
    truth_rps, ratio = KNOWN[name].truth_rps(1.0), factor
    if not math.isnan(truth_rps):
        ratio = KNOWN[name].truth_rps(factor) / truth_rps
    capacity = None if found.baseline is None else found.baseline.interval
    of_ratio = None if found.ratio is None else found.ratio.interval
    has_c, has_r = (one is not None and one.kind == "t95" for one in (capacity, of_ratio))
    return Line(
        name, factor,
        capacity.value / truth_rps - 1 if capacity else math.nan,
        math.sqrt(capacity.hi / capacity.lo) - 1 if capacity and has_c else None,
        capacity.lo <= truth_rps <= capacity.hi if capacity and has_c and not math.isnan(truth_rps) else None,
        of_ratio.value / ratio - 1 if of_ratio else math.nan,
        math.sqrt(of_ratio.hi / of_ratio.lo) - 1 if of_ratio and has_r else None,
        of_ratio.lo <= ratio <= of_ratio.hi if of_ratio and has_r else None,
        of_ratio.count if of_ratio else 0, found.trials, found.invalid, took_s,
    )  # fmt: skip


def shown(line: Line) -> str:
    """Return a line of the table."""

    def holds(value: bool | None) -> str:
        return "–" if value is None else "covers" if value else "misses"

    def half(value: float | None) -> str:
        return "    –" if value is None else f"{100 * value:4.1f}%"

    return (
        f"{line.name:12} {line.factor:4.1f} | {100 * line.capacity_error:+6.2f}% {half(line.capacity_half)} "
        f"{holds(line.capacity_holds):6} | {100 * line.ratio_error:+6.2f}% {half(line.ratio_half)} "
        f"{holds(line.ratio_holds):6} | {line.pairs:2d} pairs {line.trials:3d} trials {line.invalid:2d} invalid "
        f"{line.took_s:4.0f} s"
    )


def summed_up(lines: Sequence[Line]) -> str:
    """Return mean absolute bias and coverage over runs."""
    errors = [abs(line.capacity_error) for line in lines if not math.isnan(line.capacity_error)]
    capacity = [line.capacity_holds for line in lines if line.capacity_holds is not None]
    ratio = [line.ratio_holds for line in lines if line.ratio_holds is not None]
    bias = f"{100 * sum(errors) / len(errors):.2f} %" if errors else "–"
    return (
        f"{len(lines)} runs: capacity off by {bias} on average; intervals that hold the truth: capacity "
        f"{sum(capacity)} of {len(capacity)}, ratio {sum(ratio)} of {len(ratio)}"
    )


def _drive(wanted: Sequence[tuple[str, float]], options: argparse.Namespace, *, trial_s: int) -> list[Line]:
    lines = []
    for number, (name, factor) in enumerate(wanted):
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="twinload-truth-") as folder:
            setup = Setup(
                Path(folder), options.seed + number, options.time_limit, options.ratio_width, trial_s,
                binary=options.binary,
            )  # fmt: skip
            found = find(KNOWN[name], factor, setup)
        lines.append(line_of(name, factor, found, time.monotonic() - begun))
        print(shown(lines[-1]), flush=True)
    print(summed_up(lines), flush=True)
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    """Print one line a run."""
    parser = argparse.ArgumentParser(prog="benchmarks.truth", description=__doc__)
    parser.add_argument("--targets", nargs="*", choices=list(KNOWN), help="these alone")
    parser.add_argument("--long", action="store_true", help="20 runs over all servers, and 20 of identical twins")
    parser.add_argument("--runs", type=int, default=1, help="of each target named")
    parser.add_argument("--factor", type=float, default=FASTER, help="candidate ÷ baseline; 1: identical twins")
    parser.add_argument("--time-limit", type=float, help="of a run, in seconds; 240, quick 45, identical twins 100")
    parser.add_argument("--ratio-width", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--binary", type=Path, default=BINARY, help="bench-target")
    options = parser.parse_args(argv)
    print("server   faster | capacity: off, half, truth | ratio: off, half, truth |")
    limit_s = options.time_limit
    if options.long:
        options.time_limit = limit_s or 240.0
        _drive([(name, options.factor) for name in itertools.islice(itertools.cycle(KNOWN), 20)], options, trial_s=2)
        options.time_limit = limit_s or 100.0
        _drive([("D/D/1", 1.0)] * 20, options, trial_s=1)
        return 0
    quick = options.targets is None
    options.time_limit = limit_s or (45.0 if quick else 240.0)
    names = QUICK if quick else options.targets
    _drive([(name, options.factor) for name in names for _ in range(options.runs)], options, trial_s=2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
