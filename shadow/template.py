"""Request templates: `{user_id}` and pool columns filled in, and the query taken apart as raw text. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import quote

USER: Final = "{user_id}"
_COLUMN: Final = re.compile(r"(?<!\$)\{([a-z_0-9]+)\}")  # `${NAME}` is a variable of the environment, no column
_PLAIN: Final = "-._~:@"
_WIRE: Final = re.compile(r"/[\x21-\x7e]*\Z")


def fill(template: str, value_of: Callable[[str], str]) -> str:
    """Return a template with each column replaced by its value as it stands."""
    return _COLUMN.sub(lambda match: value_of(match[1]), template)


def quoted(value: str) -> str:
    """Return a value as it stands in a target: what would end a segment or a parameter is percent-encoded."""
    return quote(value, safe=_PLAIN)


def is_target(text: str) -> bool:
    """Say whether a text can be sent as a request target: begins with "/", printable ASCII, no space."""
    return _WIRE.match(text) is not None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One piece of a query: `name=value`; `value` is None for a piece without "="."""

    name: str
    value: str | None

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}={self.value}"


@dataclass(frozen=True, slots=True)
class Target:
    """A target template: its path, and its query as parameters in order (None: no "?")."""

    path: str
    query: tuple[Parameter, ...] | None

    @classmethod
    def parse(cls, template: str) -> Self:
        """Take a template apart at its first "?", then at each "&" and each piece's first "="."""
        path, mark, query = template.partition("?")
        return cls(path, tuple(_parameter(piece) for piece in query.split("&")) if mark else None)

    def __str__(self) -> str:
        return self.path if self.query is None else f"{self.path}?{'&'.join(map(str, self.query))}"

    def replaced(self, place: int, *pieces: Parameter) -> Self:
        """Return the target with the parameter at a place replaced by others (or by none)."""
        query = self.query or ()
        left = (*query[:place], *pieces, *query[place + 1 :])
        return type(self)(self.path, left or None)


def _parameter(piece: str) -> Parameter:
    name, equals, value = piece.partition("=")
    return Parameter(name, value if equals else None)
