"""A line of `seconds.jsonl` as a report reads it: its histograms as tables, read when they are asked for.

msgspec's structs and raw parts, not dataclasses: a day has 86,400 lines, and their histograms are nine tenths of them.
"""

from __future__ import annotations

from typing import Final

import msgspec

from records.hdr import IntArray
from records.hdr_table import parse_table
from records.second import Second
from records.stage import Phase

_NONE: Final = msgspec.Raw(b"null")


class StatusTable(msgspec.Struct, frozen=True, gc=False):
    """As `StatusCount`."""

    done: int
    failed: dict[str, int] = {}
    service_text: msgspec.Raw = msgspec.field(name="service", default=msgspec.Raw(b"[]"))
    latency_text: msgspec.Raw = msgspec.field(name="latency", default=_NONE)
    bytes: int = 0

    @property
    def service(self) -> IntArray:
        """Service times; read anew each time."""
        return _table(self.service_text)

    @property
    def latency(self) -> IntArray | None:
        """Times from the intended start, None in a closed loop; read anew each time."""
        return None if self.latency_text == _NONE else _table(self.latency_text)


class SecondTable(msgspec.Struct, frozen=True, gc=False):
    """As `Second`."""

    t_ns: int
    utc: str
    second: int
    stage: int
    twin: str
    endpoint: str
    phase: Phase
    offered: float | None
    sent: int
    dropped: int = 0
    send_lag_text: msgspec.Raw = msgspec.field(name="send_lag", default=_NONE)
    backlog_max: int | None = None
    status: dict[str, StatusTable] = {}
    opened: int | None = None
    sender_cpu_ratio: float | None = None
    checked: int | None = None

    @property
    def send_lag(self) -> IntArray | None:
        """Send lags, None where the sender tells none; read anew each time."""
        return None if self.send_lag_text == _NONE else _table(self.send_lag_text)

    @property
    def done(self) -> int:
        """Requests that ended in this second, failed ones included."""
        return sum(count.done for count in self.status.values())

    @property
    def failed(self) -> int:
        """Requests that ended as failures in this second."""
        return sum(sum(count.failed.values()) for count in self.status.values())

    def whole(self) -> Second:
        """Return the line with tuples."""
        return msgspec.json.decode(msgspec.json.encode(self), type=Second)


def _table(text: msgspec.Raw) -> IntArray:
    return parse_table(bytes(text))
