from __future__ import annotations

from typing import Any

import pytest

from shadow.gateway_events import EventsError, GatewayEvent, event_page

UTC = "2026-11-21T16:37:38.001Z"


def event(n: int, kind: str = "share", **figures: Any) -> dict[str, Any]:
    return {"n": n, "utc": UTC, "t_ns": 7, "kind": kind, **figures}


def test_an_event_keeps_what_its_kind_has_apart() -> None:
    page = event_page({"events": [event(4, share=0.05, latched=False)], "oldest": 1, "next": 5, "begun_ns": 1}, 3)
    assert page.events == (GatewayEvent(4, UTC, 7, "share", {"share": 0.05, "latched": False}),)
    assert (page.last_n, page.lost) == (4, 0)


def test_events_that_are_kept_no_more_are_counted_as_lost() -> None:
    page = event_page({"events": [event(11), event(12)], "oldest": 11, "next": 13, "begun_ns": 1}, 4)
    assert page.lost == 6


def test_a_gateway_that_began_anew_is_told_by_its_beginning() -> None:
    first, same, other = (
        event_page({"events": [], "oldest": 1, "next": n, "begun_ns": begun}, 0)
        for n, begun in ((3, 7), (9, 7), (9, 8))
    )
    assert not same.is_of_another_life(first)
    assert other.is_of_another_life(first)


@pytest.mark.parametrize(
    "tree",
    [
        None,
        {"events": []},
        {"events": [{"n": 1}], "oldest": 1, "next": 2, "begun_ns": 1},
        {"events": [event(1) | {"t_ns": "7"}], "oldest": 1, "next": 2, "begun_ns": 1},
        {"events": [], "oldest": 1, "next": 1},
    ],
)
def test_another_answer_is_told_as_such(tree: Any) -> None:
    with pytest.raises(EventsError, match="the gateway's /events: "):
        event_page(tree, 0)
