"""Several benchmarks write one file, each its own keys."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.gateway_figures import write_figures


def test_keys_of_others_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "out" / "gateway.json"
    write_figures({"pairs": 1, "added_latency_us": {"p50": 2}}, path)
    write_figures({"pairs": 3}, path)
    assert json.loads(path.read_text()) == {"pairs": 3, "added_latency_us": {"p50": 2}}


def test_each_program_replaces_its_own_keys_alone(tmp_path: Path) -> None:
    path = tmp_path / "out" / "gateway.json"
    write_figures({"mutations": 200, "pairs": 1}, path)
    write_figures({"pairs": 2, "per_cpu_second_vs_nginx": None}, path)
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "mutations": 200, "pairs": 2, "per_cpu_second_vs_nginx": None
    }  # fmt: skip
    assert [one.name for one in path.parent.iterdir()] == ["gateway.json"]
