"""Raw ids out, pseudonyms in: nothing that is written may name a real user. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Final

from shadow.answer import Answer, Reply, Unanswered
from shadow.template import quoted

_PERCENT: Final = re.compile(r"%[0-9A-F]{2}")
_ESCAPE: Final = re.compile(r"\\u([0-9a-f]{4})")
LONG: Final = 6
"""From this many characters on an id is replaced wherever it stands; shorter ones only where they stand alone, else
every number of an answer that holds the digits of an id would be rewritten."""


class Scrubber:
    """Replaces every id it knows, longest first; the time grows with the text, not with the number of ids."""

    __slots__ = ("_lengths", "_names")

    def __init__(self, names: Iterable[tuple[str, str]]) -> None:
        self._names: dict[str, str] = {}
        for sent, shown in names:
            for form in _forms(sent):
                self._names.setdefault(form, shown)
        self._lengths = tuple(sorted({len(name) for name in self._names}, reverse=True))

    def __bool__(self) -> bool:
        return bool(self._names)

    def text(self, text: str) -> str:
        """Return a text with every id replaced."""
        out: list[str] = []
        at = 0
        while at < len(text):
            for length in self._lengths:
                found = self._names.get(text[at : at + length])
                if found is not None and at + length <= len(text) and _may_replace(text, at, at + length):
                    out.append(found)
                    at += length
                    break
            else:
                out.append(text[at])
                at += 1
        return "".join(out)

    def reply(self, reply: Reply) -> Reply:
        """Return a reply with every id in its headers, body or cause replaced."""
        if isinstance(reply, Unanswered):
            return Unanswered(reply.cause, self.text(reply.detail))
        headers = tuple((name, self.text(value)) for name, value in reply.headers)
        body = self.text(reply.body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        return Answer(reply.status, headers, body)


def scrubber_of(raw_ids: Mapping[str, str] | None, secrets: Mapping[str, str]) -> Scrubber:
    """Return what hides the raw ids (by the id that may be written) and the secrets (by the variable's name)."""
    ids = [(raw, alias) for alias, raw in (raw_ids or {}).items()]
    return Scrubber([*ids, *((value, f"${{{name}}}") for name, value in secrets.items() if value)])


def _forms(text: str) -> set[str]:
    """Return how an id may stand in an answer: as it is, percent-encoded, escaped in JSON, hex digits in any case."""
    encoded, escaped = quoted(text), json.dumps(text)[1:-1]
    lower = _PERCENT.sub(lambda match: match[0].lower(), encoded)
    upper = _ESCAPE.sub(lambda match: "\\u" + match[1].upper(), escaped)
    return {text, encoded, lower, escaped, upper} - {""}


def _may_replace(text: str, start: int, end: int) -> bool:
    if end - start >= LONG:
        return True
    before, after = text[start - 1 : start], text[end : end + 1]
    return not before.isalnum() and not after.isalnum()
