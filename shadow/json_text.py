"""JSON as it was written: what a parser throws away, the comparison needs. Pure; fed by json_diff, judge and faults.

A document is read so that nothing which bytes can show gets lost: objects keep order and repeated keys, numbers keep
their digits (`1.0` is not `1`). What is left, escapes and white space, `spelling_of` tells.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final, NoReturn

_STRING_OR_SPACE: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|([ \t\r\n]+)', re.DOTALL)
_ESCAPE: Final = re.compile(rb"\\(?:u[0-9a-fA-F]{4}|.)", re.DOTALL)


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


def whole(value: Any) -> str:
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


def spelling_of(body: bytes) -> tuple[bytes, frozenset[bytes]]:
    """Return how a JSON body is written, apart from its values: its white space in order, and the escapes it uses."""
    spaces = b"|".join(match[1] for match in _STRING_OR_SPACE.finditer(body) if match[1])
    return spaces, frozenset(_ESCAPE.findall(body))


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


def _constant(name: str) -> NoReturn:
    raise NotJsonError(f"{name} is no JSON number")
