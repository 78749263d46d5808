"""Places in a JSON document, `$.lots[3].remaining`, and patterns of them, `$.lots[*].id`: of rules and findings."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final, NamedTuple


class Nth(NamedTuple):
    """A member of an object that has a key more than once: which of its members it is, from 0."""

    key: str
    number: int


Steps = tuple[str | int | Nth, ...]
"""From the top: a key for a member, a position for an item."""
_STEP: Final = re.compile(r"\.(\*|[^\W\d]\w*)|\[(\*|0|[1-9][0-9]*)\]|\[(\"(?:[^\"\\]|\\.)*\")\]")


class PathError(ValueError):
    """A pattern cannot be read; the message says where and how one is written."""


def path_text(steps: Steps) -> str:
    """Return a place as text."""
    return "$" + "".join(_step_text(step) for step in steps)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A place in which a step may be None: any key, or any position."""

    steps: tuple[str | int | None, ...]

    def fits(self, steps: Steps) -> bool:
        """Say whether it names this place."""
        return len(steps) == len(self.steps) and all(
            wanted is None or wanted == step for wanted, step in zip(self.steps, steps, strict=True)
        )


def read_pattern(text: str) -> Pattern:
    """Return a pattern: `$`, then `.key`, `["any key"]`, `[3]`, `.*` or `[*]`, as many as there are.

    Raises: PathError.
    """
    if not text.startswith("$"):
        raise PathError(
            f'{text!r} does not begin with "$", the whole document: write $.key, $.list[*].key or $["a key"]'
        )
    steps: list[str | int | None] = []
    at = 1
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            raise PathError(f'{text!r} cannot be read from {text[at:]!r} on: write .key, ["any key"], [3], .* or [*]')
        steps.append(_wanted(match))
        at = match.end()
    return Pattern(tuple(steps))


def any_position(text: str) -> str:
    """Return a place's text with every position replaced by `[*]`: what the items of a list have in common."""
    return re.sub(r"\[[0-9]+\]", "[*]", text)


def _wanted(match: re.Match[str]) -> str | int | None:
    if "*" in (match[1], match[2]):
        return None
    if match[2] is not None:
        return int(match[2])
    return match[1] if match[3] is None else _text(match[3])


def _text(quoted: str) -> str:
    try:
        found: Any = json.loads(quoted)
    except json.JSONDecodeError as error:
        raise PathError(f"{quoted} is no JSON string: {error.msg}") from None
    return str(found)


def _step_text(step: str | int | Nth) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    if isinstance(step, Nth):
        return f"{_step_text(step.key)}#{step.number}"
    return f".{step}" if step.isidentifier() else f"[{json.dumps(step, ensure_ascii=False)}]"
