"""Places and patterns by hand, and the property that a place is the pattern of itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.json_path import Nth, PathError, any_position, path_text, read_pattern


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        ((), "$"),
        (("lots", 3, "remaining"), "$.lots[3].remaining"),
        (("a key", "é"), '$["a key"].é'),
        ((Nth("a", 1),), "$.a#1"),
    ],
)
def test_a_place_reads_as_a_path(steps: tuple[str | int, ...], text: str) -> None:
    assert path_text(steps) == text


@pytest.mark.parametrize(
    "text", ["lots", "$lots", "$.", "$.a.", "$[", "$[-1]", "$[01]", "$[x]", '$["a]', "$..a", "$.a b"]
)
def test_a_pattern_that_cannot_be_read_says_how_one_is_written(text: str) -> None:
    with pytest.raises(PathError, match=r"\$|write"):
        read_pattern(text)


@pytest.mark.parametrize(
    ("pattern", "fits", "not_fits"),
    [
        ("$.lots[*].id", ("lots", 7, "id"), ("lots", 7, "name")),
        ("$.*[0]", ("any", 0), ("any", 1)),
        ('$["a key"]', ("a key",), ("a key", 0)),
        ("$", (), ("a",)),
    ],
)
def test_a_pattern_names_its_places_alone(
    pattern: str, fits: tuple[str | int, ...], not_fits: tuple[str | int, ...]
) -> None:
    assert read_pattern(pattern).fits(fits)
    assert not read_pattern(pattern).fits(not_fits)


@given(st.lists(st.text() | st.integers(0, 999), max_size=6))
def test_a_places_text_is_the_pattern_of_that_place(steps: list[str | int]) -> None:
    assert read_pattern(path_text(tuple(steps))).fits(tuple(steps))


def test_all_items_of_a_list_have_one_place() -> None:
    assert any_position("$.lots[12].by_bucket[0]") == "$.lots[*].by_bucket[*]"
