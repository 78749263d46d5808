"""What a difference is called: its signs, a kind and a place each, for counts and the mutation score. Pure.

| sign | place |
|---|---|
| late, unanswered, truncated (cut short on the wire) | the side that gave no answer |
| status | `status` |
| header, header-missing, header-added | `header NAME` |
| a kind of PathChange | its JSON path |
| truncated, trailing-bytes | `byte N`: one body begins as the whole other |
| white-space, escape | `byte N`: equal values, written differently |
| not-json, bytes | `byte N`: the candidate alone is no JSON; neither is |
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from shadow.judge import BodyChange, Difference


class Sign(NamedTuple):
    """One thing by which two answers differ: its kind, and where."""

    kind: str
    place: str


def signs_of(difference: Difference) -> tuple[Sign, ...]:
    """Return every sign of a difference, the coarsest first."""
    return tuple(_signs(difference))


def _signs(difference: Difference) -> Iterator[Sign]:
    for side, why in zip(("baseline", "candidate"), difference.unanswered or (), strict=False):
        if why is not None:
            yield Sign(_silence(why), side)
    if difference.status is not None:
        yield Sign("status", "status")
    for header in difference.headers:
        kind = "header-missing" if header.candidate is None else "header-added" if header.baseline is None else "header"
        yield Sign(kind, f"header {header.name}")
    if difference.body is not None:
        yield from _body_signs(difference.body)


def _silence(why: str) -> str:
    cause = why.partition(":")[0]
    return {"timeout": "late", "cut-short": "truncated"}.get(cause, "unanswered")


def _body_signs(body: BodyChange) -> Iterator[Sign]:
    byte = f"byte {body.at_byte}"
    if body.at_byte == body.candidate_bytes:
        yield Sign("truncated", byte)
    elif body.at_byte == body.baseline_bytes:
        yield Sign("trailing-bytes", byte)
    elif body.form == "bytes":
        yield Sign("not-json" if body.no_json == ("candidate",) else "bytes", byte)
    elif body.spelled is not None:
        yield Sign(body.spelled, byte)
    for change in body.paths:
        yield Sign(change.kind, change.path)
