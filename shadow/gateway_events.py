"""What a gateway says that happened: one answer of its `/events`, read into records.

Numbers begin at 1 with the gateway's process, and only the last thousand events are kept. Whoever reads on after a
number sees both: events that are kept no more are `lost`, and after a page that `is_of_another_life` all is read anew
from 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

_OWN: Final = frozenset({"n", "utc", "t_ns", "kind"})


class EventsError(ValueError):
    """The gateway's `/events` does not say what it should."""


@dataclass(frozen=True, slots=True)
class GatewayEvent:
    """One event; `t_ns` is the machine's monotonic clock, `figures` what its kind has beside these."""

    n: int
    utc: str
    t_ns: int
    kind: str
    figures: dict[str, Any]


@dataclass(frozen=True, slots=True)
class EventPage:
    """The events after a number, ascending.

    oldest_n: the oldest number that is kept; next_n: the next that will be given; begun_ns: when the gateway's process
    began, by the machine's monotonic clock.
    """

    after: int
    events: tuple[GatewayEvent, ...]
    oldest_n: int
    next_n: int
    begun_ns: int

    @property
    def last_n(self) -> int:
        """The number to ask after next time."""
        return self.next_n - 1

    @property
    def lost(self) -> int:
        """Events after the number asked after that are kept no more."""
        return max(0, self.oldest_n - self.after - 1)

    def is_of_another_life(self, earlier: EventPage) -> bool:
        """Whether the gateway began anew after an earlier page: numbers and counts begin anew too."""
        return self.begun_ns != earlier.begun_ns


def event_page(tree: Any, after: int) -> EventPage:
    """Return a decoded answer of `/events?after=N`.

    Raises: EventsError naming the field that is missing or of another type.
    """
    try:
        page = msgspec.convert(tree, _Page)
        events = tuple(_event(one) for one in page.events)
    except msgspec.ValidationError as fault:
        raise EventsError(f"the gateway's /events: {fault}: is it a gateway of this version?") from fault
    return EventPage(after, events, page.oldest, page.next, page.begun_ns)


def _event(tree: dict[str, Any]) -> GatewayEvent:
    head = msgspec.convert(tree, _Head)
    return GatewayEvent(head.n, head.utc, head.t_ns, head.kind, {k: v for k, v in tree.items() if k not in _OWN})


class _Page(msgspec.Struct):
    events: list[dict[str, Any]]
    oldest: int
    next: int
    begun_ns: int


class _Head(msgspec.Struct):
    n: int
    utc: str
    t_ns: int
    kind: str
