"""Requests from templates: places, quoting, expectations, the mix."""

from __future__ import annotations

import pytest

from records.plan import Expect, WorkloadEntry
from swarm.targets import SwarmError
from swarm.templates import EntryRequests, Expectation, Mix, Template

COLUMNS = {"user_id": ["u1", "u2"], "name": ["A & B", "Ü/?"]}


def test_places_are_filled_per_user() -> None:
    template = Template("/v1/{user_id}/x?to={user_id}", COLUMNS)
    assert [template.fill(user) for user in (0, 1)] == ["/v1/u1/x?to=u1", "/v1/u2/x?to=u2"]


def test_a_path_quotes_what_a_pool_holds() -> None:
    assert Template("/n/{name}", COLUMNS, quoted=True).fill(1) == "/n/%C3%9C%2F%3F"


def test_other_braces_stay_as_they_are() -> None:
    assert Template('{"id": "{user_id}", "a": {}}', COLUMNS).fill(0) == '{"id": "u1", "a": {}}'


def test_an_unknown_column_is_named_with_those_there_are() -> None:
    with pytest.raises(SwarmError, match=r"\{tier\}.*it has user_id, name"):
        Template("/x/{tier}", COLUMNS)


def test_an_entry_makes_path_headers_and_body() -> None:
    entry = WorkloadEntry(
        name="e", method="POST", path="/e/{user_id}", headers={"X-Key": "${KEY}-{user_id}"}, body='{"n":"{name}"}'
    )
    made = EntryRequests(entry, COLUMNS, {"KEY": "k"})
    assert (made.method, made.path(1), made.body(0)) == ("POST", "/e/u2", '{"n":"A & B"}')
    assert made.headers(0) == {"X-Key": "k-u1", "Content-Type": "application/json"}


def test_a_requests_id_is_the_same_in_all_of_its_places() -> None:
    entry = WorkloadEntry(
        name="e", method="POST", path="/e/{request_id}", headers={"Idempotency-Key": "k-{request_id}"},
        body='{"n":"{user_id}{request_id}"}',
    )  # fmt: skip
    made = EntryRequests(entry, COLUMNS, {})
    assert (made.names_id, made.path(0, "7"), made.body(1, "7")) == (True, "/e/7", '{"n":"u27"}')
    assert made.headers(0, "7")["Idempotency-Key"] == "k-7"
    assert entry.columns == ("user_id",)
    assert not EntryRequests(WorkloadEntry(name="e", path="/{user_id}"), COLUMNS, {}).names_id


def test_a_secret_that_is_not_set_is_named() -> None:
    entry = WorkloadEntry(name="e", path="/e", headers={"Authorization": "Bearer ${TOKEN}"})
    with pytest.raises(SwarmError, match="export TOKEN before the run"):
        EntryRequests(entry, COLUMNS, {})


def test_an_answer_fails_by_status_first_then_by_header() -> None:
    expectation = Expectation.of(Expect(status=200, headers={"Content-Type": "application/json"}))
    assert expectation.fault(200, {"content-type": "application/json"}) is None
    assert expectation.fault(503, {}) == "status-503"
    assert expectation.fault(200, {"content-type": "text/html"}) == "header"
    assert expectation.fault(200, {}) == "header"


def test_the_mix_gives_each_entry_its_share_and_none_to_weight_zero() -> None:
    entries = [EntryRequests(WorkloadEntry(name=n, path="/"), COLUMNS, {}) for n in ("a", "none", "b")]
    mix = Mix(entries, [3.0, 0.0, 1.0])
    assert (mix.total, mix.names) == (4.0, ("a", "b"))
    assert [mix.pick(drawn).name for drawn in (0.0, 2.999, 3.0, 3.999)] == ["a", "a", "b", "b"]
