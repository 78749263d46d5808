"""No raw id and no secret is written."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from shadow.answer import Answer, Case, Pair, Unanswered
from shadow.finding import Terms, make_finding, text_of
from shadow.scrub import Scrubber, scrubber_of
from shadow.template import quoted


def test_an_id_is_replaced_in_every_form_it_may_take() -> None:
    scrubber = Scrubber([("jörg/42@x", "P1")])
    assert scrubber.text("a jörg/42@x b") == "a P1 b"
    assert scrubber.text("/u/j%C3%B6rg%2F42@x") == "/u/P1"
    assert scrubber.text("/u/j%c3%b6rg%2f42@x") == "/u/P1"
    assert scrubber.text('"j\\u00f6rg/42@x"') == '"P1"'
    assert scrubber.text('"j\\u00F6rg/42@x"') == '"P1"'


def test_the_longest_id_is_replaced_where_several_fit() -> None:
    assert Scrubber([("user-1", "A"), ("user-12", "B")]).text("user-12 user-1 user-123") == "B A B3"


def test_a_short_id_is_replaced_only_where_it_stands_alone() -> None:
    assert Scrubber([("42", "P")]).text('{"id":"42","n":1042,"m":42}') == '{"id":"P","n":1042,"m":P}'


def test_secrets_become_the_names_of_their_variables() -> None:
    assert scrubber_of(None, {"TOKEN": "s3cr3t-value"}).text("Bearer s3cr3t-value") == "Bearer ${TOKEN}"


def test_bodies_that_are_no_text_survive() -> None:
    reply = Scrubber([("user-1", "A")]).reply(Answer(200, (), b"\xff\x00user-1\xfe"))
    assert reply == Answer(200, (), b"\xff\x00A\xfe")


def test_without_names_there_is_nothing_to_do() -> None:
    assert not Scrubber([])


@given(st.lists(st.text(min_size=6, max_size=12), min_size=1, max_size=5, unique=True), st.data())
def test_no_long_id_is_left_in_any_text(ids: list[str], data: st.DataObject) -> None:
    parts = data.draw(st.lists(st.sampled_from(ids) | st.text(max_size=4), max_size=8))
    text = Scrubber([(name, "\x00") for name in ids]).text("".join(parts))
    assert not any(name in text for name in ids if "\x00" not in name)


RAW = "real-customer-7"


def pair(baseline: Answer | Unanswered, candidate: Answer | Unanswered) -> Pair:
    case = Case(0, "balance", "unknown-id", "one character more", "fan", "GET", f"/u/{RAW}8", "/u/(more:PSEUDO)",
                aliases=((f"{RAW}8", "(more:PSEUDO)"),))  # fmt: skip
    return Pair(case, "old-1", "new-1", baseline, candidate)


def test_a_finding_holds_no_raw_id_anywhere() -> None:
    one = Answer(200, (("location", f"/u/{RAW}"),), json.dumps({"user_id": RAW, "asked": f"{RAW}8", "n": 1}).encode())
    two = Answer(404, (("location", quoted(RAW)),), json.dumps({"user_id": RAW, "asked": f"{RAW}8", "n": 2}).encode())
    scrubber = scrubber_of({"PSEUDO": RAW}, {})
    finding = make_finding(pair(one, two), "difference", f"about {RAW}", Terms(("location",), scrubber))
    assert "real" not in repr(finding)
    assert "real" not in text_of(finding)
    assert finding.difference is not None
    assert [str(change) for change in finding.difference.body.paths] == ["$.n: 1 != 2"]  # type: ignore[union-attr]


def test_a_difference_that_scrubbing_hides_still_says_that_there_is_one() -> None:
    one, two = (Answer(200, (), body) for body in (RAW.encode(), b"PSEUDO"))
    finding = make_finding(pair(one, two), "difference", "", Terms((), scrubber_of({"PSEUDO": RAW}, {})))
    assert finding.difference is None
    assert "differ only in an id" in finding.note
