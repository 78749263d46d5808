"""What a quote is: shared by both services, so that the pair differs in how it serves, not in what it says."""

from __future__ import annotations

import hashlib


class BadRequestError(ValueError):
    """A parameter is missing or out of range."""


def quote(query: dict[str, str]) -> dict[str, object]:
    """Return the quote for `customer` and `items` (1 to 50, default 3); prices in cents."""
    customer = query.get("customer", "")
    if not customer:
        raise BadRequestError("customer is required")
    text = query.get("items", "3")
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 50):
        raise BadRequestError("items must be an integer from 1 to 50")
    lines = [_line(customer, number) for number in range(int(text))]
    return {"customer": customer, "lines": lines, "total_cents": sum(int(str(line["cents"])) for line in lines)}


def _line(customer: str, number: int) -> dict[str, object]:
    digest = hashlib.sha256(f"{customer}/{number}".encode()).digest()
    return {"sku": digest[:4].hex(), "cents": int.from_bytes(digest[4:6], "big")}
