"""Who lies by how much: the same stalls through several load testers, and which latency each of them reports.

    python -m benchmarks.stalls                    two series of stalls through all testers, about four minutes
    python -m benchmarks.stalls --only twinload wrk --run-s 6

The target answers at once and is stopped (SIGSTOP) and let go on (SIGCONT) at the same moments of every run: once for
a second, and at random for a fifth of one. The truth is what someone meets who comes at any moment, computed from how
long the target stood still in that very run. Exit code 2 when nothing can be measured here.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Event, Thread

from benchmarks.sending.target import BINARY, Target, target
from benchmarks.stalls.series import Latencies, Stall, at_random, once, truth
from benchmarks.stalls.testers import PROGRAMS, Load, Tester, Twinload

RATE_RPS, RUN_S = 500.0, 15
LONG_S = 1.0
SHORT_S, EVERY_S = 0.2, 1.5


@dataclass(frozen=True, slots=True)
class Told:
    """What a tester reported of a run, and the truth of the stalls that the target had in it; `why` it was not run."""

    tester: str
    how: str
    reported: Latencies | None
    true: Latencies | None
    why: str = ""


class Stalls(Thread):
    """Stops a target and lets it go on, by a clock that begins with a tester's first request."""

    def __init__(self, one: Target, wanted: Sequence[Stall], after_s: float) -> None:
        super().__init__(daemon=True)
        self._target = one
        self._wanted = wanted
        self._after_s = after_s
        self._before = one.count()
        self._is_over = Event()
        self.had: list[Stall] = []
        self.ended_s: float | None = None

    def run(self) -> None:
        """Wait for the tester, then stall by the clock."""
        if not self._first():
            return
        zero_s = time.monotonic() + self._after_s
        for stall in self._wanted:
            time.sleep(max(0.0, zero_s + stall.at_s - time.monotonic()))
            begun_s = time.monotonic()
            self._target.stop()
            try:
                time.sleep(stall.length_s)
            finally:
                self._target.go_on()
            self.ended_s = time.monotonic()
            self.had.append(Stall(begun_s - zero_s, self.ended_s - begun_s))

    def end(self) -> None:
        """Hear that the tester is over, so that nobody waits for its first request any more."""
        self._is_over.set()

    def _first(self) -> bool:
        """Wait until more came than our own questions; False when the tester was over before."""
        asked = 0
        while not self._is_over.wait(0.02):
            asked += 1
            if self._target.count() - self._before > asked + 2:
                return True
        return False


def through(tester: Tester, one: Target, wanted: Sequence[Stall], load: Load) -> Told:
    """Send stalls through a tester and return what it told of them.

    Raises: RuntimeError when not all stalls fell into its run.
    """
    why = tester.absent()
    if why is not None:
        return Told(tester.name, tester.how, None, None, why)
    stalls = Stalls(one, wanted, tester.warm_up_s)
    stalls.start()
    try:
        reported = tester.run(one, load)
    finally:
        over_s = time.monotonic()
        stalls.end()
        stalls.join()
    if len(stalls.had) < len(wanted) or (stalls.ended_s or over_s) > over_s:
        raise RuntimeError(f"{tester.name} ended before all stalls were over: {len(stalls.had)} of {len(wanted)} began")
    return Told(tester.name, tester.how, reported, truth(stalls.had, load.run_s))


def rows(told: Iterable[Told]) -> list[str]:
    """Return a table in Markdown, in ms: what was reported, what is true, and their quotient at the 99th percentile."""
    out = ["| tester | how it sends | p50 | p99 | max | true p99 | true max | p99 reported ÷ true |", "|" + "---|" * 8]
    for one in told:
        if one.reported is None or one.true is None:
            out.append(f"| {one.tester} | {one.why} | | | | | | |")
            continue
        said, true = one.reported, one.true
        share = "–" if said.p99_s is None or not true.p99_s else f"{said.p99_s / true.p99_s:.3f}"
        figures = (said.p50_s, said.p99_s, said.max_s, true.p99_s, true.max_s)
        out.append(f"| {one.tester} | {one.how} | {' | '.join(_ms(value) for value in figures)} | {share} |")
    return out


def _ms(value_s: float | None) -> str:
    return "–" if value_s is None else f"{1e3 * value_s:,.1f}"


def unusable() -> str | None:
    """Return why nothing can be measured here, or None."""
    if not BINARY.is_file():
        return f"{BINARY.name} is not built: `make bench` builds it"
    if len(os.sched_getaffinity(0)) < 2:
        return "one core alone: the target and the testers need one each"
    return None


def main(argv: Sequence[str] | None = None) -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.stalls", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = ["twinload", *(one.name for one in PROGRAMS)]
    parser.add_argument("--only", nargs="*", choices=names, help="these alone")
    parser.add_argument("--rate", type=float, default=RATE_RPS, help="requests a second, of those who know a rate")
    parser.add_argument("--run-s", type=int, default=RUN_S, help="seconds of each run, 6 at least")
    parser.add_argument("--seed", type=int, default=7, help="draws the moments of the short stalls")
    options = parser.parse_args(argv)
    if fault := unusable():
        print(fault, file=sys.stderr)
        return 2
    first, second = sorted(os.sched_getaffinity(0))[:2]
    load = Load(options.rate, options.run_s, second)
    every = {
        f"one stall of {LONG_S:g} s": once(load.run_s, LONG_S),
        f"stalls of {SHORT_S:g} s at random": at_random(load.run_s, SHORT_S, EVERY_S, options.seed),
    }
    with ExitStack() as stack:
        one, spare = (stack.enter_context(target(first)) for _ in range(2))
        testers: list[Tester] = [Twinload(spare), *PROGRAMS]
        for what, wanted in every.items():
            print(f"\n{what}, {len(wanted)} in {load.run_s} s, {load.rate_rps:g} a second; ms\n", flush=True)
            told = [through(tester, one, wanted, load) for tester in testers if tester.name in (options.only or names)]
            print("\n".join(rows(told)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
