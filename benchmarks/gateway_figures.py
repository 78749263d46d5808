"""`benchmarks/out/gateway.json`: several benchmarks write it, each its own keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).parent / "out" / "gateway.json"


def write_figures(figures: Mapping[str, Any], path: Path = FILE) -> None:
    """Put figures in by key; keys of others stay as they are."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps({**known, **figures}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    part.replace(path)
