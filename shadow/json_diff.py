"""The JSON paths by which two documents differ. Pure; fed by the judge with bodies that are not equal.

A document is read so that nothing which bytes can show gets lost: objects keep order and repeated keys, numbers keep
their digits (`1.0` is not `1`). What is left, escapes and white space, the judge reports by byte offset.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, NoReturn

ChangeKind = Literal["value", "type", "missing", "added", "key-order", "length", "item-order", "repeated-key"]
SHOWN: Final = 80
"""Longest value shown, in characters; longer ones are cut around their first difference."""


@dataclass(frozen=True, slots=True)
class PathChange:
    """One path and both values as JSON text; None where a side has no such member."""

    path: str
    kind: ChangeKind
    baseline: str | None
    candidate: str | None

    def __str__(self) -> str:
        if self.kind == "missing":
            return f"{self.path}: missing in the candidate, was {self.baseline}"
        if self.kind == "added":
            return f"{self.path}: only in the candidate, {self.candidate}"
        said = {"key-order": "keys in another order: ", "item-order": "items in another order: "}.get(self.kind, "")
        return f"{self.path}: {said}{self.baseline} != {self.candidate}"


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it was written."""

    text: str


@dataclass(frozen=True, slots=True)
class Members:
    """An object as its members in order, repeated keys included."""

    pairs: tuple[tuple[str, Any], ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys in order."""
        return tuple(key for key, _ in self.pairs)


class NotJsonError(ValueError):
    """A body is no JSON document; the message says where it stops being one."""


def parse(body: bytes) -> Any:
    """Return a body's document: Members, list, str, Number, bool or None.

    Raises: NotJsonError for anything else, `NaN` and nesting beyond what the parser can follow included.
    """
    try:
        return json.loads(
            body.decode("utf-8"),
            object_pairs_hook=lambda pairs: Members(tuple(pairs)),
            parse_int=Number, parse_float=Number, parse_constant=_constant,
        )  # fmt: skip
    except UnicodeDecodeError as error:
        raise NotJsonError(f"byte {error.start} is not UTF-8") from None
    except json.JSONDecodeError as error:
        at_byte = len(error.doc[: error.pos].encode("utf-8", "surrogatepass"))
        raise NotJsonError(f"{error.msg} at byte {at_byte} of {len(body)}") from None
    except RecursionError:
        raise NotJsonError("nested too deeply to be read") from None


def differing_paths(baseline: Any, candidate: Any) -> Iterator[PathChange]:
    """Yield the paths that differ, in the order of the baseline's document.

    Args: two documents from `parse`. An object or list that only one side has is one change, not many.
    """
    todo: list[tuple[str, Any, Any] | PathChange] = [("$", baseline, candidate)]
    while todo:
        step = todo.pop()
        if isinstance(step, PathChange):
            yield step
            continue
        path, one, two = step
        if _kind(one) != _kind(two):
            yield PathChange(path, "type", f"{_text(one)} ({_kind(one)})", f"{_text(two)} ({_kind(two)})")
        elif isinstance(one, Members):
            todo.extend(reversed(list(_members(path, one, two))))
        elif isinstance(one, list):
            todo.extend(reversed(list(_items(path, one, two))))
        elif one != two:
            yield PathChange(path, "value", *_cut_pair(_whole(one), _whole(two)))


def _members(path: str, one: Members, two: Members) -> Iterator[tuple[str, Any, Any] | PathChange]:
    ours, theirs = dict(one.pairs), dict(two.pairs)
    if len(ours) != len(one.pairs) or len(theirs) != len(two.pairs):
        if one.keys != two.keys:
            yield PathChange(path, "repeated-key", _keys(one.keys), _keys(two.keys))
        for number, ((key, a), (_, b)) in enumerate(zip(one.pairs, two.pairs, strict=False)):
            yield f"{_member(path, key)}#{number}", a, b
        return
    common = tuple(key for key in one.keys if key in theirs)
    if common != tuple(key for key in two.keys if key in ours):
        yield PathChange(path, "key-order", *_cut_pair(_keys(one.keys), _keys(two.keys)))
    for key in one.keys:
        if key in theirs:
            yield _member(path, key), ours[key], theirs[key]
        else:
            yield PathChange(_member(path, key), "missing", _text(ours[key]), None)
    for key in two.keys:
        if key not in ours:
            yield PathChange(_member(path, key), "added", None, _text(theirs[key]))


def _items(path: str, one: list[Any], two: list[Any]) -> Iterator[tuple[str, Any, Any] | PathChange]:
    if len(one) == len(two) > 1 and one != two and sorted(map(_whole, one)) == sorted(map(_whole, two)):
        yield PathChange(path, "item-order", *_cut_pair(_whole(one), _whole(two)))
        return
    if len(one) != len(two):
        yield PathChange(path, "length", f"{len(one)} items", f"{len(two)} items")
    for index, (a, b) in enumerate(zip(one, two, strict=False)):
        yield f"{path}[{index}]", a, b


def _kind(value: Any) -> str:
    if isinstance(value, Members):
        return "object"
    names = {Number: "number", str: "string", bool: "boolean", list: "array", type(None): "null"}
    return names[type(value)]


def _member(path: str, key: str) -> str:
    return f"{path}.{key}" if key.isidentifier() else f"{path}[{json.dumps(key, ensure_ascii=False)}]"


def _keys(keys: tuple[str, ...]) -> str:
    return ", ".join(keys)


def _whole(value: Any) -> str:
    """Return a value as compact JSON text, without recursion so that depth is no limit."""
    out: list[str] = []
    todo: list[Any] = [(value,)]
    while todo:
        step = todo.pop()
        if isinstance(step, str):
            out.append(step)
        else:
            todo.extend(reversed(_parts(step[0])))
    return "".join(out)


def _parts(value: Any) -> list[Any]:
    """Return a value's text in pieces: strings as they stand, values still to be written as one-tuples."""
    if isinstance(value, Number):
        return [value.text]
    parts: list[Any] = []
    if isinstance(value, Members):
        for key, item in value.pairs:
            parts += [",", json.dumps(key, ensure_ascii=False), ":", (item,)]
        return ["{", *parts[1:], "}"]
    if isinstance(value, list):
        for item in value:
            parts += [",", (item,)]
        return ["[", *parts[1:], "]"]
    return [json.dumps(value, ensure_ascii=False)]


def _text(value: Any) -> str:
    text = _whole(value)
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


def _constant(name: str) -> NoReturn:
    raise NotJsonError(f"{name} is no JSON number")
