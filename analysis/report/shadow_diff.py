"""Two bodies as one readable diff: lines that both have, that one has, and what differs within a line. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final, Literal

from shadow.json_text import Members, NotJsonError, Number, parse

CONTEXT: Final = 3
"""Lines that both have, shown before and after what differs."""
MOST_LINES: Final = 120
LINE_CHARACTERS: Final = 400
Mark = Literal[" ", "-", "+", "…"]


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line: its mark, and its text in three parts, of which the middle one is what differs."""

    mark: Mark
    before: str
    differs: str = ""
    after: str = ""


def body_diff(baseline: str, candidate: str) -> tuple[DiffLine, ...]:
    """Return the diff of two bodies, JSON indented first; at most MOST_LINES, the last then says that it goes on."""
    lines = list(_lines(readable(baseline), readable(candidate)))
    if len(lines) > MOST_LINES:
        return (*lines[:MOST_LINES], DiffLine("…", f"{len(lines) - MOST_LINES} more lines"))
    return tuple(lines)


def readable(body: str) -> list[str]:
    """Return a body's lines: a JSON document indented, with numbers as written; anything else as it stands."""
    try:
        document = parse(body.encode("utf-8", "surrogatepass"))
    except NotJsonError:
        return body.splitlines() or [""]
    return list(_indented(document, "", ""))


def _indented(value: Any, indent: str, tail: str) -> Iterator[str]:
    """Yield a value's lines; `tail` follows its last one. Depth is bounded by the parser's."""
    if isinstance(value, Members) and value.pairs:
        yield "{"
        for place, (key, item) in enumerate(value.pairs):
            comma = "," if place < len(value.pairs) - 1 else ""
            first, *rest = _indented(item, f"{indent}  ", comma)
            yield f"{indent}  {json.dumps(key, ensure_ascii=False)}: {first}"
            yield from rest
        yield f"{indent}}}{tail}"
    elif isinstance(value, list) and any(isinstance(item, list | Members) for item in value):
        yield "["
        for place, item in enumerate(value):
            first, *rest = _indented(item, f"{indent}  ", "," if place < len(value) - 1 else "")
            yield f"{indent}  {first}"
            yield from rest
        yield f"{indent}]{tail}"
    elif isinstance(value, list):
        yield f"[{', '.join(_scalar(item) for item in value)}]{tail}"
    else:
        yield f"{_scalar(value)}{tail}"


def _scalar(value: Any) -> str:
    if isinstance(value, Number):
        return value.text
    return "{}" if isinstance(value, Members) else json.dumps(value, ensure_ascii=False)


def _lines(one: Sequence[str], two: Sequence[str]) -> Iterator[DiffLine]:
    matcher = SequenceMatcher(None, one, two, autojunk=False)
    groups = list(matcher.get_grouped_opcodes(CONTEXT))
    for number, group in enumerate(groups):
        if number or group[0][1]:
            yield DiffLine("…", "")
        for tag, a, b, c, d in group:
            if tag == "equal":
                yield from (DiffLine(" ", _cut(text)) for text in one[a:b])
            else:
                yield from _replaced(one[a:b], two[c:d])
    if not groups:
        yield DiffLine("…", "the values are equal, but written differently")
    elif groups[-1][-1][2] < len(one):
        yield DiffLine("…", "")


def _replaced(ours: Sequence[str], theirs: Sequence[str]) -> Iterator[DiffLine]:
    if len(ours) != len(theirs):
        yield from (DiffLine("-", "", _cut(text)) for text in ours)
        yield from (DiffLine("+", "", _cut(text)) for text in theirs)
        return
    for one, two in zip(ours, theirs, strict=True):
        head, tail = _common(one, two)
        yield DiffLine("-", *_parts(one, head, tail))
        yield DiffLine("+", *_parts(two, head, tail))


def _common(one: str, two: str) -> tuple[int, int]:
    shorter, head, tail = min(len(one), len(two)), 0, 0
    while head < shorter and one[head] == two[head]:
        head += 1
    while tail < shorter - head and one[-1 - tail] == two[-1 - tail]:
        tail += 1
    return head, tail


def _parts(text: str, head: int, tail: int) -> tuple[str, str, str]:
    before, differs, after = text[:head], text[head : len(text) - tail], text[len(text) - tail :]
    room = LINE_CHARACTERS // 3
    return (before if len(before) <= room else f"…{before[-room:]}"), _cut(differs), _cut(after)


def _cut(text: str) -> str:
    return text if len(text) <= LINE_CHARACTERS else f"{text[:LINE_CHARACTERS]}…"
