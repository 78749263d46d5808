"""Several programs write one file of figures."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.forwarding.merge import merge


def test_each_program_replaces_its_own_keys_alone(tmp_path: Path) -> None:
    path = tmp_path / "out" / "gateway.json"
    merge(path, {"mutations": 200, "pairs": 1})
    merge(path, {"pairs": 2, "per_cpu_second_vs_nginx": None})
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "mutations": 200, "pairs": 2, "per_cpu_second_vs_nginx": None
    }  # fmt: skip
    assert [one.name for one in path.parent.iterdir()] == ["gateway.json"]
