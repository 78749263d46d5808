"""The JSON paths by which two documents differ, each with its kind. Pure; fed by the judge with bodies not equal.

Rules (shadow.rules) take part here, because a list in any order must be matched before its items can be compared: what
a rule hides is told all the same, with the rule's number.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from typing import Any, Final, Literal

from records.json_path import Nth, Steps, path_text
from shadow.json_text import Members, Number, whole
from shadow.rules import NO_RULES, Rules

ChangeKind = Literal[
    "digit", "number", "sign", "number-form", "string", "unicode", "user", "boolean", "null", "type",
    "missing", "added", "renamed", "key-order", "repeated-key",
    "item-order", "item-missing", "item-added", "item-twice",
]  # fmt: skip
SHOWN: Final = 80
"""Longest value shown, in characters; longer ones are cut around their first difference."""


@dataclass(frozen=True, slots=True)
class PathChange:
    """One path and both values as JSON text; None where a side has no such member.

    | kind | is |
    |---|---|
    | digit, sign, number-form, number | one digit; the sign alone; the same value written otherwise; any other number |
    | string, unicode, user | text; text beyond ASCII alone; a user's id that the request does not name |
    | null, boolean, type | null on one side; true for false; unlike types |
    | missing, added, renamed | of a member; renamed: gone and there under another key with an equal value |
    | key-order, repeated-key | of an object |
    | item-order, item-missing, item-added, item-twice | of a list; twice: one that is there already came once more |

    `rule` is the number of the rule that hides it, None where none does.
    """

    path: str
    kind: ChangeKind
    baseline: str | None
    candidate: str | None
    rule: int | None = None

    def __str__(self) -> str:
        if self.kind == "missing":
            return f"{self.path}: missing in the candidate, was {self.baseline}"
        if self.kind == "renamed":
            return f"{self.path}: missing in the candidate, there as {self.candidate}"
        if self.kind == "added":
            return f"{self.path}: only in the candidate, {self.candidate}"
        said = {"key-order": "keys in another order: ", "item-order": "items in another order: "}.get(self.kind, "")
        return f"{self.path}: {said}{self.baseline} != {self.candidate}"


def differing_paths(baseline: Any, candidate: Any, rules: Rules = NO_RULES) -> Iterator[PathChange]:
    """Yield the paths that differ, in the order of the baseline's document.

    Args: two documents from `parse`. An object or list that only one side has is one change, not many.
    """
    comparison = _Comparison(rules)
    todo: list[_Step] = [((), baseline, candidate)]
    while todo:
        step = todo.pop()
        if isinstance(step, PathChange):
            yield step
        else:
            todo.extend(reversed(list(comparison.of(*step))))


_Step = tuple[Steps, Any, Any] | PathChange


class _Comparison:
    """Takes two values apart into changes and pairs still to be compared."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def of(self, steps: Steps, one: Any, two: Any) -> Iterator[_Step]:
        ignored = self._rules.number("ignore", steps)
        if ignored is not None:
            texts = whole(one), whole(two)
            if texts[0] != texts[1]:
                yield PathChange(path_text(steps), _leaf_kind(one, two), *_cut_pair(*texts), ignored)
        elif _type(one) != _type(two):
            yield PathChange(path_text(steps), _leaf_kind(one, two), _with_type(one), _with_type(two))
        elif isinstance(one, Members):
            yield from self._members(steps, one, two)
        elif isinstance(one, list):
            yield from self._items(steps, one, two)
        elif one != two:
            close = self._rules.close(steps, one.text, two.text) if isinstance(one, Number) else None
            yield PathChange(path_text(steps), _leaf_kind(one, two), *_cut_pair(whole(one), whole(two)), close)

    def _members(self, steps: Steps, one: Members, two: Members) -> Iterator[_Step]:
        ours, theirs = dict(one.pairs), dict(two.pairs)
        if len(ours) != len(one.pairs) or len(theirs) != len(two.pairs):
            yield from _repeated(steps, one, two)
            return
        renamed = _renamed(ours, theirs)
        common = tuple(key for key in one.keys if key in theirs)
        if common != tuple(key for key in two.keys if key in ours):
            said = _cut_pair(_keys(one.keys), _keys(two.keys))
            yield PathChange(path_text(steps), "key-order", *said, self._rules.number("unordered", steps))
        for key in one.keys:
            if key in theirs:
                yield (*steps, key), ours[key], theirs[key]
            elif key in renamed:
                yield self._told("renamed", (*steps, key), _text(ours[key]), renamed[key])
            else:
                yield self._told("missing", (*steps, key), _text(ours[key]), None)
        for key in two.keys:
            if key not in ours and key not in renamed.values():
                yield self._told("added", (*steps, key), None, _text(theirs[key]))

    def _told(self, kind: ChangeKind, steps: Steps, one: str | None, two: str | None) -> PathChange:
        return PathChange(path_text(steps), kind, one, two, self._rules.number("ignore", steps))

    def _items(self, steps: Steps, one: list[Any], two: list[Any]) -> Iterator[_Step]:
        ours, theirs = [whole(item) for item in one], [whole(item) for item in two]
        loose = self._rules.number("unordered", steps)
        if loose is not None:
            yield from self._loose_items(steps, one, two, loose)
            return
        if ours != theirs and Counter(ours) == Counter(theirs):
            yield PathChange(path_text(steps), "item-order", *_cut_pair(whole(one), whole(two)))
            return
        if len(one) != len(two):
            yield PathChange(path_text(steps), _length_kind(ours, theirs), f"{len(one)} items", f"{len(two)} items")
        for place in _unlike(ours, theirs):
            yield (*steps, place), one[place], two[place]

    def _loose_items(self, steps: Steps, one: list[Any], two: list[Any], rule: int) -> Iterator[_Step]:
        """Match items that are equal but for what rules ignore wherever they stand; pair the others in their order."""
        ours = [self._rules.bare((*steps, place), item) for place, item in enumerate(one)]
        theirs = [self._rules.bare((*steps, place), item) for place, item in enumerate(two)]
        free: dict[str, deque[int]] = {}
        for place, text in enumerate(theirs):
            free.setdefault(text, deque()).append(place)
        found = {place: free[text].popleft() for place, text in enumerate(ours) if free.get(text)}
        if list(found.values()) != sorted(found.values()):
            yield PathChange(path_text(steps), "item-order", *_cut_pair(whole(one), whole(two)), rule)
        if len(one) != len(two):
            yield PathChange(path_text(steps), _length_kind(ours, theirs), f"{len(one)} items", f"{len(two)} items")
        left = (place for place in range(len(one)) if place not in found)
        rest = (place for place in range(len(two)) if place not in set(found.values()))
        for here, there in sorted([*found.items(), *zip(left, rest, strict=False)]):
            yield (*steps, here), one[here], two[there]


def _renamed(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, str]:
    """Return the new name by the old one, of members that are gone and there again with an equal value."""
    new = {key: whole(theirs[key]) for key in theirs if key not in ours}
    found: dict[str, str] = {}
    for key in (key for key in ours if key not in theirs) if new else ():
        twin = next((other for other, text in new.items() if text == whole(ours[key])), None)
        if twin is not None:
            found[key] = twin
            del new[twin]
    return found


def _unlike(ours: list[str], theirs: list[str]) -> Iterator[int]:
    """Yield the positions to compare; where lengths differ, those between the equal beginnings and ends."""
    shorter, head, tail = min(len(ours), len(theirs)), 0, 0
    if len(ours) != len(theirs):
        while head < shorter and ours[head] == theirs[head]:
            head += 1
        while tail < shorter - head and ours[-1 - tail] == theirs[-1 - tail]:
            tail += 1
    return (place for place in range(head, shorter - tail) if ours[place] != theirs[place])


def _repeated(steps: Steps, one: Members, two: Members) -> Iterator[_Step]:
    if one.keys != two.keys:
        yield PathChange(path_text(steps), "repeated-key", _keys(one.keys), _keys(two.keys))
    for number, ((key, a), (_, b)) in enumerate(zip(one.pairs, two.pairs, strict=False)):
        yield (*steps, Nth(key, number)), a, b


def _length_kind(ours: list[str], theirs: list[str]) -> ChangeKind:
    if len(theirs) < len(ours):
        return "item-missing"
    more = Counter(theirs) - Counter(ours)
    return "item-twice" if all(text in ours for text in more) else "item-added"


def _leaf_kind(one: Any, two: Any) -> ChangeKind:
    if one is None or two is None:
        return "null"
    if _type(one) != _type(two):
        return "type"
    if isinstance(one, Number):
        return _number_kind(one.text, two.text)
    if isinstance(one, str):
        return "unicode" if _ascii(one) == _ascii(two) else "string"
    return "boolean" if isinstance(one, bool) else "type"


def _number_kind(one: str, two: str) -> ChangeKind:
    if one.lstrip("-") == two.lstrip("-"):
        return "sign"
    try:
        if Decimal(one) == Decimal(two):
            return "number-form"
    except DecimalException:  # an exponent beyond what a decimal holds
        return "number"
    same_length = len(one) == len(two)
    return "digit" if same_length and sum(a != b for a, b in zip(one, two, strict=True)) == 1 else "number"


def _ascii(text: str) -> str:
    """Return what a text has within ASCII, without the marks that stand for what could not be written."""
    return "".join(c for c in text if c.isascii() and c != "?")


def _type(value: Any) -> str:
    if isinstance(value, Members):
        return "object"
    names = {Number: "number", str: "string", bool: "boolean", list: "array", type(None): "null"}
    return names[type(value)]


def _with_type(value: Any) -> str:
    return f"{_text(value)} ({_type(value)})"


def _keys(keys: tuple[str, ...]) -> str:
    return ", ".join(keys)


def _text(value: Any) -> str:
    text = whole(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _cut_pair(one: str, two: str) -> tuple[str, str]:
    """Return both texts short enough to read, cut so that their first difference stays visible."""
    if len(one) <= SHOWN and len(two) <= SHOWN:
        return one, two
    first = next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))
    start = max(0, first - SHOWN // 4)
    return _window(one, start), _window(two, start)


def _window(text: str, start: int) -> str:
    cut = text[start : start + SHOWN - 2]
    return ("…" if start else "") + cut + ("…" if start + len(cut) < len(text) else "")
