"""A diff marks what differs and nothing else, and shows enough around it."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from analysis.report.shadow_diff import LINE_CHARACTERS, MOST_LINES, body_diff, readable


def shown(one: str, two: str) -> list[tuple[str, str, str, str]]:
    return [(line.mark, line.before, line.differs, line.after) for line in body_diff(one, two)]


def test_one_digit_is_marked_in_its_line_with_three_lines_around() -> None:
    keys = {f"k{i}": i for i in range(10)}
    lines = shown(json.dumps(keys), json.dumps({**keys, "k5": 6}))
    assert lines[0] == ("…", "", "", "")
    assert lines[4:6] == [("-", '  "k5": ', "5", ","), ("+", '  "k5": ', "6", ",")]
    assert [line[1].strip() for line in lines[1:4]] == ['"k2": 2,', '"k3": 3,', '"k4": 4,']
    assert lines[-1][0] == "…"


def test_json_is_indented_with_its_numbers_as_written_and_short_lists_in_one_line() -> None:
    assert readable('{"a":1.0,"b":[1,2],"c":[{"d":null}],"e":{},"f":[]}') == [
        "{", '  "a": 1.0,', '  "b": [1, 2],', '  "c": [', "    {", '      "d": null', "    }", "  ],", '  "e": {},',
        '  "f": []', "}",
    ]  # fmt: skip


def test_what_is_no_json_is_shown_as_it_stands() -> None:
    assert shown("<p>\none", "<p>\ntwo") == [
        (" ", "<p>", "", ""), ("-", "", "one", ""), ("+", "", "two", ""),
    ]  # fmt: skip


def test_a_line_that_only_one_side_has_is_marked_whole() -> None:
    assert shown('{"a":1,"b":2}', '{"a":1}')[1:] == [
        ("-", "", '  "a": 1,', ""), ("-", "", '  "b": 2', ""), ("+", "", '  "a": 1', ""), (" ", "}", "", ""),
    ]  # fmt: skip


def test_equal_values_say_that_they_are_written_differently() -> None:
    assert shown('{"a":1}', '{"a": 1}') == [("…", "the values are equal, but written differently", "", "")]


def test_a_large_difference_is_cut_and_says_so() -> None:
    lines = body_diff(json.dumps({f"k{i}": i for i in range(500)}), json.dumps({f"k{i}": -i - 1 for i in range(500)}))
    assert len(lines) == MOST_LINES + 1
    assert lines[-1].before.endswith("more lines")
    assert len(body_diff("x" * 9_000, "y" * 9_000)[0].differs) <= LINE_CHARACTERS + 1


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers() | st.text(max_size=5), max_size=6))
def test_the_lines_of_a_document_are_the_document(document: dict[str, int | str]) -> None:
    assert json.loads("\n".join(readable(json.dumps(document)))) == document
