"""Who is missing, told by two sides in any order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.roll import Roll

TOLD = {"heard": Roll.hear_death, "seen": Roll.see_death, "back": Roll.see_restart}


def told(*order: str) -> tuple[Roll, list[bool]]:
    roll = Roll()
    return roll, [TOLD[what](roll, "go-1") for what in order]


@pytest.mark.parametrize(
    ("order", "deaths", "gone"),
    [
        (("heard", "seen"), 1, True),
        (("seen", "heard"), 1, True),
        (("seen", "heard", "back"), 1, False),
        (("seen", "back", "heard"), 1, False),  # started again before the clusters looked
        (("heard", "back", "seen"), 2, True),  # the second life ended, too
        (("heard", "back", "seen", "back"), 2, False),
        (("back", "back"), 2, False),
        (("seen",), 0, False),  # the clusters will tell it, with the end of its log
    ],
)
def test_each_death_is_told_once_whoever_is_first(order: tuple[str, ...], deaths: int, gone: bool) -> None:
    roll, new = told(*order)
    assert sum(new) == deaths
    assert ("go-1" in roll.gone) is gone
    assert roll.died == (("go-1",) if deaths else ())


@given(st.lists(st.sampled_from(sorted(TOLD)), max_size=12))
def test_every_death_told_is_counted_and_only_the_dead_are_gone(order: list[str]) -> None:
    roll, new = told(*order)
    assert roll.deaths.get("go-1", 0) == sum(new)
    assert roll.gone <= set(roll.died)
