"""What was asked: the parts of a request from which its lines, its body and its request object are made."""

from __future__ import annotations

import json as jsonlib
from typing import Any, NamedTuple
from urllib.parse import urlencode

from geventhttpclient.url import _encode_params

from swarm.native.heads import Head, Payload


class Dress(NamedTuple):
    """Head and body of a request, with the payload as its request object shall show it."""

    head: Head
    payload: Any
    body: bytes | None


Asked = tuple[Any, ...]
"""What a request is made from: the session, the method, the URL, headers, payload, and perhaps parameters and files."""


def request_of(asked: Asked) -> Any:
    """Return a new request object, as FastHttpUser's client makes it."""
    session, verb, url, headers, payload, params, *files = asked
    return session.client._make_request(
        url, method=verb, headers=headers.copy(), payload=payload, params=params, files=files[0] if files else None
    )


class Shape(NamedTuple):
    """A payload: its kind, itself, and its bytes."""

    kind: Payload
    payload: Any
    body: bytes | None


NOTHING = Shape(Payload.NONE, None, None)


def shape_of(data: Any, json: Any) -> Shape | None:
    """Return what a call's `data` and `json` make; None for a file or an iterable, which is sent in chunks.

    Data comes first; json counts only without it.
    """
    if not data:
        if json is None:
            return NOTHING
        text = jsonlib.dumps(json)
        return Shape(Payload.JSON, text, text.encode())
    match data:
        case str():
            return Shape(Payload.TEXT, data, data.encode())
        case bytes():
            return Shape(Payload.BYTES, data, data)
        case dict():
            return Shape(Payload.FORM, data, urlencode(data).encode())
        case bytearray() | memoryview():
            return Shape(Payload.BYTES, data, bytes(data))
        case _:
            return None


def with_query(target: str, params: Any) -> str:
    """Return a target with parameters added: a mapping, pairs, or text that is encoded already."""
    query = _encode_params(params)
    text = query.decode("latin-1") if isinstance(query, bytes) else query
    if not text:
        return target
    return f"{target}{'&' if '?' in target else '?'}{text}"
