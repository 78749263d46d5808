"""Requests from templates: path, headers and body of a workload entry, compiled once, filled per request. Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final
from urllib.parse import quote

from records.plan import Expect, WorkloadEntry
from records.plan_types import REQUEST_ID
from swarm.targets import SwarmError, resolved

Columns = Mapping[str, Sequence[str]]
MIX: Final = "mix"
"""The sweep of the whole workload by weight."""
_COLUMN = re.compile(r"\{([a-z_0-9]+)\}")


class Template:
    """A text with `{column}` places; `fill` is a few joins, so that a sender can afford it per request.

    `names_id` says whether `{request_id}` is one of them.
    """

    __slots__ = ("_columns", "_literals", "_whole", "names_id")

    def __init__(self, text: str, columns: Columns, *, quoted: bool = False) -> None:
        """Compile a template.

        Args:
            text: literal text and `{column}` places.
            columns: values by column and user.
            quoted: percent-encode the values, as a path needs.
        Raises: SwarmError for a column that the pool does not have.
        """
        pieces = _COLUMN.split(text)
        self._literals = pieces[0::2]
        self._columns: list[Sequence[str] | None] = []
        self.names_id = REQUEST_ID in pieces[1::2]
        for name in pieces[1::2]:
            if name == REQUEST_ID:
                self._columns.append(None)
                continue
            if name not in columns:
                raise SwarmError(f"{{{name}}}: the pool has no such column; it has {', '.join(columns)}")
            values = columns[name]
            self._columns.append([quote(value, safe="") for value in values] if quoted else values)
        self._whole = text if not self._columns else None

    def fill(self, user: int, request_id: str = "") -> str:
        """Return the text for one pool user's request."""
        if self._whole is not None:
            return self._whole
        parts = [self._literals[0]]
        for column, literal in zip(self._columns, self._literals[1:], strict=True):
            parts.append(request_id if column is None else column[user])
            parts.append(literal)
        return "".join(parts)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a good answer looks like; header names in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, expect: Expect) -> Expectation:
        """Return a plan's expectation."""
        return cls(expect.status, tuple((name.lower(), value) for name, value in expect.headers.items()))

    def fault(self, status: int, headers: Mapping[str, str]) -> str | None:
        """Return the cause by which an answer fails: `status-<code>` or `header`; None for a good one."""
        if status != self.status:
            return f"status-{status}"
        for name, value in self.headers:
            if headers.get(name) != value:
                return "header"
        return None


class EntryRequests:
    """The requests of one workload entry; `path_text`, `header_texts` and `body_text` are not filled in yet."""

    __slots__ = (
        "_body", "_headers", "_path", "body_text", "expectation", "header_texts", "method", "name", "names_id",
        "path_text",
    )  # fmt: skip

    def __init__(self, entry: WorkloadEntry, columns: Columns, environ: Mapping[str, str]) -> None:
        self.name = entry.name
        self.method = entry.method
        self.expectation = Expectation.of(entry.expect)
        self._path = Template(entry.path, columns, quoted=True)
        self._body = Template(entry.body, columns) if entry.body is not None else None
        given = {
            name: resolved(text, environ, f"workload.{entry.name}.headers.{name}")
            for name, text in entry.headers.items()
        }
        if entry.body is not None and not any(name.lower() == "content-type" for name in given):
            given["Content-Type"] = "application/json"
        self._headers = {name: Template(text, columns) for name, text in given.items()}
        templates = (self._path, *self._headers.values(), *((self._body,) if self._body is not None else ()))
        self.names_id = any(template.names_id for template in templates)
        self.path_text, self.body_text = entry.path, entry.body
        self.header_texts: Mapping[str, str] = given

    def path(self, user: int, request_id: str = "") -> str:
        """Return the path and query for a pool user's request."""
        return self._path.fill(user, request_id)

    def headers(self, user: int, request_id: str = "") -> dict[str, str]:
        """Return the entry's own headers for a pool user's request."""
        return {name: template.fill(user, request_id) for name, template in self._headers.items()}

    def body(self, user: int, request_id: str = "") -> str | None:
        """Return the body for a pool user's request; None when the entry has none."""
        return self._body.fill(user, request_id) if self._body is not None else None


class Mix:
    """The workload's entries by weight: `pick` takes a number drawn from [0, total)."""

    __slots__ = ("_entries", "_sums", "total")

    def __init__(self, entries: Sequence[EntryRequests], weights: Sequence[float]) -> None:
        drawn = [(entry, weight) for entry, weight in zip(entries, weights, strict=True) if weight > 0]
        self._entries = [entry for entry, _ in drawn]
        self._sums = list(accumulate(weight for _, weight in drawn))
        self.total = self._sums[-1] if self._sums else 0.0

    @property
    def names(self) -> tuple[str, ...]:
        """The entries that can be drawn."""
        return tuple(entry.name for entry in self._entries)

    def pick(self, drawn: float) -> EntryRequests:
        """Return the entry that a draw falls on."""
        return self._entries[min(bisect_right(self._sums, drawn), len(self._entries) - 1)]


def statistics_name(twin: str, endpoint: str, entry: str) -> str:
    """Return the name in Locust's statistics, which keeps twins apart: `go balance`, or `go mix balance`."""
    return f"{twin} {endpoint} {entry}" if endpoint == MIX else f"{twin} {endpoint}"
