"""What callers notice when the candidate of a gray release falls sick: eight faults at every increment, under load.

    .venv/bin/python -m benchmarks.canary [--faults killed …] [--shares 0.01 …] [--rate 2000] [--seed 1] [--doc FILE]

For each fault and share: a baseline, a candidate, the gateway in mode `canary` with the plan's default values, and
callers in an open loop, 19 of 20 of whose requests are reads. When the candidate is well it is struck. Counted are the
reads that any caller did not get, whole and with the right bytes; and the time from the fault to the last request that
the candidate was sent: noted by the candidate itself, for a stopped one by a forwarder before it, and for a dead one,
to which nothing can be sent, by the gateway's own count, which is asked every 10 ms. A trial whose breaker opened
before the fault, as on a machine that is too busy, is told and run anew.

Writes `failed_requests_over_all_faults`, `fallback_ms` (the largest), `fallback_ms_median`, `faults` and
`fault_requests` into gateway.json. Exit code 1 when a read failed or callers did not end at the baseline, 2 when the
gateway is not built.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.faults.candidate import FAULTS, Fault, missing_for
from benchmarks.faults.trial import BINARY, OpenedEarly, Outcome, run_trial
from benchmarks.gateway_figures import write_figures

SHARES = (0.01, 0.05, 0.25, 0.5, 1.0)
ATTEMPTS = 5


def main(argv: list[str] | None = None) -> int:
    """Run the trials, print each, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [fault.name for fault in FAULTS]
    parser.add_argument("--faults", nargs="+", choices=names, default=names)
    parser.add_argument("--shares", nargs="+", type=float, default=list(SHARES))
    parser.add_argument("--rate", type=float, default=2_000.0, help="requests a second")
    parser.add_argument("--seed", type=int, default=1, help="of the first trial; each has another")
    parser.add_argument("--doc", type=Path, help="where the table is written as Markdown")
    options = parser.parse_args(argv)
    console = Console(width=None if sys.stdout.isatty() else 120)
    if not BINARY.is_file():
        console.print(".twinload/bin/gateway is missing: run `make setup`", style="red")
        return 2
    outcomes = []
    for outcome in trials(options, console):
        console.print(told(outcome), markup=False)
        outcomes.append(outcome)
    figures = figures_of(outcomes)
    write_figures(figures)
    console.print_json(data=figures)
    if options.doc is not None:
        options.doc.write_text("\n".join(table_of(outcomes)) + "\n", encoding="utf-8")
    return 0 if not figures["failed_requests_over_all_faults"] and figures["fallback_ms"] is not None else 1


def trials(options: argparse.Namespace, console: Console) -> Iterator[Outcome]:
    """Yield the outcome of each fault at each share."""
    seeds = itertools.count(options.seed)
    for fault in (one for one in FAULTS if one.name in options.faults):
        if (why := missing_for(fault)) is not None:
            console.print(f"{fault.name}: left out, {why}", style="yellow")
            continue
        for share in options.shares:
            yield one_trial(fault, share, options.rate, seeds, console)


def one_trial(fault: Fault, share: float, rate_rps: float, seeds: Iterator[int], console: Console) -> Outcome:
    """Run a trial, anew while the breaker opens before the fault.

    Raises: OpenedEarly when that happens again and again: the machine cannot carry this rate.
    """
    for attempt in itertools.count(1):
        try:
            with tempfile.TemporaryDirectory(prefix="twinload-faults-") as folder:
                return run_trial(fault, share, rate_rps, Path(folder), seed=next(seeds))
        except OpenedEarly as early:
            console.print(f"{fault.name} at {share:.0%}: opened before the fault ({early}), once more", style="yellow")
            if attempt == ATTEMPTS:
                raise
    raise AssertionError  # the count has no end


def told(one: Outcome) -> str:
    """Return an outcome as a line."""
    fallback = "not ended" if one.fallback_ms is None else f"{one.fallback_ms:.0f} ms"
    amiss = {how: count for how, count in one.how.items() if how != "good"}
    writes = {how: count for how, count in one.unsafe.items() if how != "good"}
    return (
        f"{one.fault} at {one.share:.0%}: {one.failed} of {one.requests:,} reads failed{f' {amiss}' if amiss else ''}, "
        f"on the baseline after {fallback} ({one.reason}); of {one.unsafe.total()} writes {writes or 'none'} failed, "
        f"{one.twice} came twice"
    )


def figures_of(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """Return the file's keys; `fallback_ms` is None when callers of a trial did not end at the baseline."""
    times = [one.fallback_ms for one in outcomes]
    known = [time_ms for time_ms in times if time_ms is not None]
    return {
        "failed_requests_over_all_faults": sum(one.failed for one in outcomes),
        "fallback_ms": round(max(known), 1) if known and len(known) == len(times) else None,
        "fallback_ms_median": round(statistics.median(known), 1) if known else None,
        "fault_trials": len(outcomes), "fault_requests": sum(one.requests for one in outcomes),
        "fault_writes_twice": sum(one.twice for one in outcomes),
    }  # fmt: skip


def table_of(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield a Markdown table: a row a fault, a column a share, in each failed reads and the time to the baseline."""
    shares = sorted({one.share for one in outcomes})
    yield "| fault | " + " | ".join(f"{share:.0%}" for share in shares) + " | opened by |"
    yield "|---|" + "---:|" * len(shares) + "---|"
    for name in dict.fromkeys(one.fault for one in outcomes):
        row = {one.share: one for one in outcomes if one.fault == name}
        cells = [_cell(row.get(share)) for share in shares]
        reasons = dict.fromkeys(one.reason or "nothing" for one in row.values())
        yield f"| {name} | " + " | ".join(cells) + f" | {', '.join(reasons)} |"


def _cell(one: Outcome | None) -> str:
    if one is None:
        return ""
    fallback = "not ended" if one.fallback_ms is None else f"{one.fallback_ms:.0f} ms"
    return f"{one.failed} failed, {fallback}"


if __name__ == "__main__":
    sys.exit(main())
