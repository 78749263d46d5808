"""One file of figures that several programs write: each replaces its own keys and leaves the others'."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


def merge(path: Path, figures: Mapping[str, object]) -> None:
    """Put figures into a JSON file in one step; keys that are not given stay as they are."""
    before: dict[str, object] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(before | dict(figures), indent=1) + "\n", encoding="utf-8")
    part.replace(path)
