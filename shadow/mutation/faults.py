"""Faults: an answer in, the same answer with one seeded fault out, and the sign that the judge must give. Pure.

A body's faults are made in its document, so that the fault is exactly one value, member or item, and its JSON path is
known. A body that has no place for a fault (no list, no text) cannot be given it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from records.json_path import Steps, path_text
from shadow.answer import Answer
from shadow.json_text import Members, NotJsonError, Number, parse, whole
from shadow.signs import Sign

Wire = Literal["whole", "cut", "reset", "late"]
"""How it goes out: as it is, with its last bytes never sent, not at all, or later than anyone waits."""


@dataclass(frozen=True, slots=True)
class Faulty:
    """An answer with one fault, how it goes out, and the sign that must be seen."""

    answer: Answer
    sign: Sign
    wire: Wire = "whole"


Place = tuple[Steps, Any]


def inject(kind: str, good: Answer, rng: random.Random, *, other: Answer | None = None) -> Faulty | None:
    """Return an answer with one fault.

    Args:
        kind: one of KINDS.
        good: what the candidate answered.
        rng: draws the place.
        other: what it answers for another user, for the kind "user".
    Returns: None when the answer has no place for this fault.
    """
    if kind in _OF_DOCUMENT:
        return _in_document(kind, good, rng)
    if kind in _OF_BYTES:
        return _in_bytes(kind, good, rng)
    if kind == "user":
        return _other_user(good, other)
    return _of_answer(kind, good)


def _in_document(kind: str, good: Answer, rng: random.Random) -> Faulty | None:
    fits, change = _OF_DOCUMENT[kind]
    try:
        document = parse(good.body)
    except NotJsonError:
        return None
    places = [place for place in _places(document) if fits(place[1])]
    if whole(document).encode() != good.body or not places:
        return None  # written in a way of its own: the document would not give the same bytes again
    steps, value = places[rng.randrange(len(places))]
    changed, below = change(rng, value)
    body = whole(_with(document, steps, changed)).encode()
    return Faulty(Answer(good.status, good.headers, body), Sign(kind, path_text((*steps, *below))))


def _places(document: Any) -> Iterator[Place]:
    todo: list[Place] = [((), document)]
    while todo:
        steps, value = todo.pop()
        yield steps, value
        if isinstance(value, Members):
            todo.extend(((*steps, key), item) for key, item in reversed(value.pairs))
        elif isinstance(value, list):
            todo.extend(((*steps, place), item) for place, item in reversed(list(enumerate(value))))


def _with(document: Any, steps: Steps, changed: Any) -> Any:
    """Return the document with one value replaced."""
    if not steps:
        return changed
    first, rest = steps[0], steps[1:]
    if isinstance(document, Members):
        return Members(tuple((k, _with(v, rest, changed) if k == first else v) for k, v in document.pairs))
    return [_with(item, rest, changed) if place == first else item for place, item in enumerate(document)]


def _is_number(value: Any) -> bool:
    return isinstance(value, Number)


def _is_signed(value: Any) -> bool:
    return isinstance(value, Number) and value.text.lstrip("-") != "0"


def _is_whole_number(value: Any) -> bool:
    return isinstance(value, Number) and value.text.lstrip("-").isdigit()


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _has_members(value: Any) -> bool:
    return isinstance(value, Members) and bool(value.pairs)


def _has_two_members(value: Any) -> bool:
    return isinstance(value, Members) and len(value.pairs) > 1


def _has_items(value: Any) -> bool:
    return isinstance(value, list) and bool(value)


def _has_unlike_items(value: Any) -> bool:
    return isinstance(value, list) and len({whole(item) for item in value}) > 1


def _digit(rng: random.Random, value: Number) -> tuple[Any, Steps]:
    at = rng.choice([place for place, c in enumerate(value.text) if c.isdigit()])
    others = [c for c in "123456789" if c != value.text[at]]
    return Number(value.text[:at] + rng.choice(others) + value.text[at + 1 :]), ()


def _sign(_rng: random.Random, value: Number) -> tuple[Any, Steps]:
    return Number(value.text[1:] if value.text.startswith("-") else f"-{value.text}"), ()


def _longer(rng: random.Random, value: Number) -> tuple[Any, Steps]:
    return Number(f"{value.text}{rng.randrange(10)}" if value.text.strip("-") != "0" else "10"), ()


def _fraction(_rng: random.Random, value: Number) -> tuple[Any, Steps]:
    return Number(f"{value.text}.0"), ()


def _null(_rng: random.Random, _value: Number) -> tuple[Any, Steps]:
    return None, ()


def _quoted(_rng: random.Random, value: Number) -> tuple[Any, Steps]:
    return value.text, ()


def _letter(rng: random.Random, value: str) -> tuple[Any, Steps]:
    at = rng.randrange(len(value))
    return value[:at] + ("x" if value[at] != "x" else "y") + value[at + 1 :], ()


def _unseen(rng: random.Random, value: str) -> tuple[Any, Steps]:
    at = rng.randrange(len(value) + 1)
    return f"{value[:at]}\u200b{value[at:]}", ()


def _missing(rng: random.Random, value: Members) -> tuple[Any, Steps]:
    at = rng.randrange(len(value.pairs))
    return Members(value.pairs[:at] + value.pairs[at + 1 :]), (value.pairs[at][0],)


def _added(rng: random.Random, value: Members) -> tuple[Any, Steps]:
    at = rng.randrange(len(value.pairs) + 1)
    return Members((*value.pairs[:at], ("injected", "injected"), *value.pairs[at:])), ("injected",)


def _renamed(rng: random.Random, value: Members) -> tuple[Any, Steps]:
    at = rng.randrange(len(value.pairs))
    key, item = value.pairs[at]
    return Members((*value.pairs[:at], (f"{key}_renamed", item), *value.pairs[at + 1 :])), (key,)


def _keys_exchanged(rng: random.Random, value: Members) -> tuple[Any, Steps]:
    return Members(tuple(_exchanged(value.pairs, *sorted(rng.sample(range(len(value.pairs)), 2))))), ()


def _key_twice(rng: random.Random, value: Members) -> tuple[Any, Steps]:
    at = rng.randrange(len(value.pairs))
    return Members((*value.pairs[: at + 1], *value.pairs[at:])), ()


def _items_exchanged(rng: random.Random, value: list[Any]) -> tuple[Any, Steps]:
    texts = [whole(item) for item in value]
    pairs = [(a, b) for a in range(len(texts)) for b in range(a) if texts[a] != texts[b]]
    return _exchanged(value, *rng.choice(pairs)), ()


def _item_twice(rng: random.Random, value: list[Any]) -> tuple[Any, Steps]:
    at = rng.randrange(len(value))
    return [*value[: at + 1], *value[at:]], ()


def _item_missing(rng: random.Random, value: list[Any]) -> tuple[Any, Steps]:
    at = rng.randrange(len(value))
    return [*value[:at], *value[at + 1 :]], ()


def _exchanged(items: Sequence[Any], a: int, b: int) -> list[Any]:
    out = list(items)
    out[a], out[b] = out[b], out[a]
    return out


_OF_DOCUMENT: Final[dict[str, tuple[Callable[[Any], bool], Callable[..., tuple[Any, Steps]]]]] = {
    "digit": (_is_whole_number, _digit),
    "sign": (_is_signed, _sign),
    "number": (_is_whole_number, _longer),
    "number-form": (_is_whole_number, _fraction),
    "null": (_is_number, _null),
    "type": (_is_number, _quoted),
    "string": (_is_text, _letter),
    "unicode": (_is_text, _unseen),
    "missing": (_has_members, _missing),
    "added": (_has_members, _added),
    "renamed": (_has_members, _renamed),
    "key-order": (_has_two_members, _keys_exchanged),
    "repeated-key": (_has_members, _key_twice),
    "item-order": (_has_unlike_items, _items_exchanged),
    "item-twice": (_has_items, _item_twice),
    "item-missing": (_has_items, _item_missing),
}
_OF_BYTES: Final = ("white-space", "escape", "trailing-bytes", "truncated")


def _in_bytes(kind: str, good: Answer, rng: random.Random) -> Faulty | None:
    body, at = good.body, 0
    if kind == "trailing-bytes":
        changed, at = body + rng.choice([b"\n", b" ", b"\x00", b"}"]), len(body)
    elif kind == "truncated" and body:
        at = rng.randrange(len(body))
        changed = body[:at]
    elif kind == "white-space" and b":" in body:
        at = body.index(b":") + 1
        changed = body[:at] + b" " + body[at:]
    elif kind == "escape" and _first_letter(body) is not None:
        at = _first_letter(body) or 0
        changed = body[:at] + b"\\u%04x" % body[at] + body[at + 1 :]
    else:
        return None
    return Faulty(Answer(good.status, good.headers, changed), Sign(kind, f"byte {at}"))


def _first_letter(body: bytes) -> int | None:
    """Return where the first key or text begins, when it begins with an ASCII letter."""
    at = body.find(b'"') + 1
    return at if at and body[at : at + 1].isalpha() else None


def _other_user(good: Answer, other: Answer | None) -> Faulty | None:
    if other is None or other.body == good.body or other.status != good.status:
        return None
    return Faulty(Answer(good.status, good.headers, other.body), Sign("user", "$.user_id"))


def _of_answer(kind: str, good: Answer) -> Faulty | None:
    if kind == "status":
        return Faulty(Answer(500 if good.status != 500 else 200, good.headers, good.body), Sign("status", "status"))
    kept = tuple(pair for pair in good.headers if pair[0] != "content-type")
    if kind == "header":
        html = (*kept, ("content-type", "text/html"))
        return Faulty(Answer(good.status, html, good.body), Sign("header", "header content-type"))
    if kind == "header-missing":
        return Faulty(Answer(good.status, kept, good.body), Sign("header-missing", "header content-type"))
    wires: dict[str, tuple[Wire, str]] = {
        "cut-short": ("cut", "truncated"), "reset": ("reset", "unanswered"), "late": ("late", "late")
    }  # fmt: skip
    if kind not in wires:
        raise ValueError(f"{kind} is no kind of fault; there are: {', '.join(KINDS)}")
    wire, sign = wires[kind]
    return Faulty(good, Sign(sign, "candidate"), wire)


KINDS: Final = (
    *_OF_DOCUMENT, *_OF_BYTES, "user", "status", "header", "header-missing", "cut-short", "reset", "late"
)  # fmt: skip
"""Every kind of fault, 27 of them."""
