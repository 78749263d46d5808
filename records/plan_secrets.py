"""Which values of a plan may be secrets: headers and environment variables by their names, masked wherever told.

A secret never stands in a plan: its value is `${NAME}`, taken from the environment when a request is made or a process
is started. What was written literally all the same is a fault, and no message, record or list of arguments repeats it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

MASK: Final = "***"
_WHOLE: Final = ("authorization", "proxy-authorization", "cookie")
_WITHIN: Final = ("token", "secret", "password", "api-key", "apikey")
_MENTION = re.compile(r"authorization|cookie|token|secret|password|api[-_]?key|[-_]key\b", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_TABLES: Final = ("headers", "env")


def is_secret_name(name: str) -> bool:
    """Say whether a header or variable of this name carries a secret; case and `-` or `_` make no difference."""
    plain = name.strip(" \t\"'").lower().replace("_", "-")
    if plain in _WHOLE or any(part in plain for part in _WITHIN):
        return True
    return plain.endswith("-key") and not plain.endswith("idempotency-key")


def takes_variable(value: str) -> bool:
    """Say whether a value takes an environment variable by `${NAME}`, alone or behind a prefix."""
    return _VARIABLE.search(value) is not None


def may_hide(path: Sequence[str], value: str) -> bool:
    """Say whether a value at a plan's path may hold a secret; a value written as a table is searched for names."""
    names = [part for place, part in enumerate(path) if not (place == 1 and path[0] == "twins")]  # a twin's own name
    if any(is_secret_name(name) for name in names):
        return True
    is_table = value.lstrip().startswith(("{", "["))
    return (is_table or any(name in _TABLES for name in names)) and _MENTION.search(value) is not None


def masked_setting(text: str) -> str:
    """Return KEY=VALUE with `***` for a value that may be a secret; a text without a key may be one as a whole."""
    key, equals, value = text.partition("=")
    if not equals or any(c.isspace() for c in key.strip()):
        return MASK if _MENTION.search(text) else text
    return f"{key}={MASK}" if may_hide(key.strip().split("."), value) else text
