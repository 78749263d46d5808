"""The example of a board: valid, without a data source of its own, and of no metric that the gateway does not have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BOARD = ROOT / "examples" / "grafana" / "twinload-gateway.json"
SOURCES = ROOT / "shadow" / "gateway" / "src" / "status"
SUFFIXES = ("_bucket", "_sum", "_count")


@pytest.fixture(scope="module")
def board() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(BOARD.read_text(encoding="utf-8"))
    return found


def expressions(board: dict[str, Any]) -> list[str]:
    """Return every query of a board."""
    found = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    found += [one["expr"] for one in board["annotations"]["list"]]
    return found + [one["query"]["query"] for one in board["templating"]["list"] if one["type"] == "query"]


def metrics_of_the_gateway() -> set[str]:
    """Return the names that the gateway's source writes, with those of a histogram's series."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES.glob("*.rs"))
    names = set(re.findall(r'family\(\s*"([a-z_]+)"', text))
    names |= {f"twinload_gateway_{name}" for name in re.findall(r'\bone\(\s*page,\s*"([a-z_]+)"', text)}
    return names | {f"{name}{suffix}" for name in names for suffix in SUFFIXES}


def test_every_metric_of_the_board_is_one_of_the_gateways(board: dict[str, Any]) -> None:
    used = {name for text in expressions(board) for name in re.findall(r"\b(?:twinload_gateway|process)_[a-z_]+", text)}
    assert len(used) > 15
    assert used <= metrics_of_the_gateway()


def test_the_data_source_is_a_variable_everywhere(board: dict[str, Any]) -> None:
    assert board["templating"]["list"][0]["type"] == "datasource"

    def sources(tree: Any) -> Iterator[Any]:
        if isinstance(tree, dict):
            yield from (value for key, value in tree.items() if key == "datasource")
            tree = list(tree.values())
        if isinstance(tree, list):
            for item in tree:
                yield from sources(item)

    found = list(sources(board))
    assert found
    assert all(one == {"type": "prometheus", "uid": "${datasource}"} for one in found)


def test_every_query_is_of_the_chosen_job_and_its_brackets_close(board: dict[str, Any]) -> None:
    for text in expressions(board):
        assert 'job=~"$job"' in text or text.startswith("label_values(twinload_gateway_mode"), text
        for opening, closing in ("()", "{}", "[]"):
            assert text.count(opening) == text.count(closing), text


def test_panels_have_a_number_a_unit_a_description_and_a_place_of_their_own(board: dict[str, Any]) -> None:
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["type"] == "row" or (panel["description"] and panel["fieldConfig"]["defaults"]["unit"])
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    for one, two in combinations([panel["gridPos"] for panel in panels], 2):
        beside = one["x"] + one["w"] <= two["x"] or two["x"] + two["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= two["y"] or two["y"] + two["h"] <= one["y"]


def test_no_query_asks_for_a_label_that_prometheus_renames(board: dict[str, Any]) -> None:
    legends = [target["legendFormat"] for panel in board["panels"] for target in panel.get("targets", ())]
    assert "{{side}} {{exported_instance}}" in legends
