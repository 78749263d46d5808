"""The synthetic long run of the benchmark is a run folder like any other, in small."""

from __future__ import annotations

from pathlib import Path

from analysis.findings import find
from analysis.run import read_run
from benchmarks.report import ENDPOINT, RATE_RPS, make_folder
from records.run_folder import RunReader


def test_a_short_form_of_the_long_run_gives_rates_cpu_and_four_pairs(tmp_path: Path) -> None:
    found = find(read_run(RunReader(make_folder(tmp_path / "run", hours=0.1, instances=8))))
    ratio = found.ratios[ENDPOINT].cpu_s_per_1k
    assert ratio is not None
    assert (ratio.pairs, ratio.interval) == (4, "t95")
    (point,) = found.curves["go", ENDPOINT].points
    assert point.achieved_rps == RATE_RPS
    assert len(point.cpu_cores) == 4
