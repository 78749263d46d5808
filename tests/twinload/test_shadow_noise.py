"""`twinload shadow run` before services that never answer twice alike: noise is told by place, and a rule agrees."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from live_pair import ROOT, Pair

from clusters.ports import free_ports

GATEWAY = ROOT / ".twinload" / "bin" / "gateway"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.access(GATEWAY, os.X_OK), reason="the gateway is not built here"),
]
PRINTED = '''

_quote = quote


def quote(query):
    """Say when the answer was made, too."""
    import time

    return {**_quote(query), "printed_ns": time.time_ns()}
'''
RULE = """
[[shadow.rule]]
do = "ignore"
path = "$.printed_ns"
"""


def prepared(pair: Pair, *, more: str = "") -> None:
    """Have both services print the time, and ask the baseline twice for what differs."""
    pricing = pair.folder / "pricing.py"
    pricing.write_text(pricing.read_text(encoding="utf-8") + PRINTED, encoding="utf-8")
    listen, admin = free_ports(2)
    lines = [
        f"command = {json.dumps([str(GATEWAY), '--config', '{config}'])}", f'listen = "127.0.0.1:{listen}"',
        f'admin = "127.0.0.1:{admin}"', "rate_rps = 80.0", "run_s = 60", "pairs_per_kind = 100000",
    ]  # fmt: skip
    text = pair.plan.read_text(encoding="utf-8").rstrip()
    assert text.count("[shadow]\n") == 1
    text = text.replace("[shadow]\n", '[shadow]\nsecond = "baseline"\n') + f"\n{more}\n[shadow.gateway]\n"
    pair.plan.write_text(text + "\n".join(lines) + "\n", encoding="utf-8")


def result(pair: Pair) -> tuple[dict[str, Any], str]:
    """Return the only run's result and page."""
    (folder,) = pair.runs.glob("*-shadow")
    page: Path = folder / "report" / "index.html"
    return json.loads((folder / "shadow.json").read_text(encoding="utf-8")), page.read_text(encoding="utf-8")


def test_what_the_baseline_differs_in_from_itself_is_named_and_is_no_match(pair: Pair) -> None:
    prepared(pair)
    done = pair.call("shadow", "run", "--pairs", "60")
    assert done.returncode == 1, done.stderr
    found, page = result(pair)
    (count,) = found["endpoints"]
    assert (count["matched"], count["mismatches"]) == (0, 0)
    assert count["noise"] >= 60
    assert [(place["endpoint"], place["place"]) for place in found["noise"]] == [("quote", "$.printed_ns")]
    assert any("where the baseline differs from itself: $.printed_ns" in why for why in found["why"])
    assert "$.printed_ns" in page
    assert found["traffic"]["failed"] == {}


def test_a_rule_for_the_noisy_place_lets_the_gate_pass_and_is_counted(pair: Pair) -> None:
    prepared(pair, more=RULE)
    done = pair.call("shadow", "run", "--pairs", "60")
    assert done.returncode == 0, done.stderr + done.stdout
    found, _page = result(pair)
    (count,) = found["endpoints"]
    assert count["by_rule"] == count["matched"] >= 60
    (rule,) = found["rules"]
    assert rule["pairs"] == count["by_rule"]
