"""The verdict: what is not known never passes, and never fails."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.verdict import Asked, verdict_of

FASTER = Asked("capacity of balance", "higher", 2.0, 1.9, 2.1, "t95")
CHEAPER = Asked("CPU of balance", "lower", 0.5, 0.45, 0.55, "t95")


def test_whole_intervals_on_the_good_side_pass_with_a_reason_each() -> None:
    found = verdict_of([FASTER, CHEAPER], gate_passed=True)
    assert found.value == "PASS"
    assert found.reasons == (
        "capacity of balance: 2.000 (1.900 to 2.100) is above 1",
        "CPU of balance: 0.500 (0.450 to 0.550) is below 1",
    )


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ({"lo": 0.9, "hi": 2.1}, "INCONCLUSIVE"),
        ({"value": 0.8, "lo": 0.7, "hi": 0.9}, "FAIL"),
        ({"interval": "range"}, "INCONCLUSIVE"),
        ({"value": None, "lo": None, "hi": None}, "INCONCLUSIVE"),
        ({"bound": "at_least"}, "PASS"),
        ({"bound": "at_most"}, "INCONCLUSIVE"),
        ({"bound": "at_least", "value": 0.8, "lo": 0.7, "hi": 0.9}, "INCONCLUSIVE"),
        ({"bound": "at_most", "value": 0.8, "lo": 0.7, "hi": 0.9}, "FAIL"),
        ({"limit": 2.5}, "FAIL"),
        ({"limit": 2.05}, "INCONCLUSIVE"),
    ],
)
def test_one_ratio_decides_by_its_whole_interval(change: dict[str, object], value: str) -> None:
    assert verdict_of([replace(FASTER, **change)], gate_passed=True).value == value  # type: ignore[arg-type]


def test_a_failed_gate_fails_and_a_gate_left_out_or_a_partial_run_decides_nothing() -> None:
    assert verdict_of([FASTER], gate_passed=False).value == "FAIL"
    assert verdict_of([FASTER], gate_passed=None).value == "INCONCLUSIVE"
    assert verdict_of([FASTER], gate_passed=True, partial="interrupted").reasons == ("the run is partial: interrupted",)
    assert verdict_of([], gate_passed=True).value == "INCONCLUSIVE"


@given(st.lists(st.tuples(st.floats(0.1, 5), st.floats(0, 2)), min_size=1, max_size=4))
def test_pass_and_fail_need_intervals_that_exclude_the_limit(drawn: list[tuple[float, float]]) -> None:
    asked = [Asked("x", "higher", value, value - half, value + half, "t95") for value, half in drawn]
    found = verdict_of(asked, gate_passed=True)
    if found.value == "PASS":
        assert all(one.lo is not None and one.lo > 1 for one in asked)
    if found.value == "FAIL":
        assert any(one.hi is not None and one.hi < 1 for one in asked)
