"""Templates and raw queries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.template import Parameter, Target, fill, is_target, quoted


def test_columns_are_filled_and_variables_of_the_environment_left() -> None:
    assert fill("/u/{user_id}?t=${token}&f={first_seen_ms}", str.upper) == "/u/USER_ID?t=${token}&f=FIRST_SEEN_MS"


def test_a_value_is_quoted_only_where_it_would_end_a_segment_or_parameter() -> None:
    assert quoted("Ab-9_z.~:@") == "Ab-9_z.~:@"
    assert quoted("a/b c&d=é?#%") == "a%2Fb%20c%26d%3D%C3%A9%3F%23%25"


@pytest.mark.parametrize(
    ("text", "fine"), [("/a?b={x}", True), ("a", False), ("/a b", False), ("/é", False), ("", False)]
)
def test_only_printable_ascii_without_spaces_is_a_target(text: str, fine: bool) -> None:
    assert is_target(text) is fine


def test_a_query_is_taken_apart_as_raw_text() -> None:
    target = Target.parse("/p?a=1&b&c=x=y&&d=?")
    assert target.query == (
        Parameter("a", "1"), Parameter("b", None), Parameter("c", "x=y"), Parameter("", None), Parameter("d", "?"),
    )  # fmt: skip


def test_the_last_parameter_takes_the_question_mark_with_it() -> None:
    assert str(Target.parse("/p?a=1").replaced(0)) == "/p"


@given(st.text(st.sampled_from("ab/?&=%{}"), max_size=30))
def test_a_target_comes_back_as_it_was(text: str) -> None:
    assert str(Target.parse(text)) == text
