"""Reads `ledger.json`: one entry a line, users by name, times as UTC text."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from clusters.contract.ledger import NO_PARTY, Entry, Kind, Ledger

LEDGER_FILE = Path(__file__).with_name("ledger.json")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def golden_ledger() -> Ledger:
    """Return the golden ledger; its now is 2025-06-15T12:00:00Z, its as-of 4000000000."""
    document = json.loads(LEDGER_FILE.read_text(encoding="ascii"))
    user_ids: list[str] = document["users"]
    rows: dict[str, list[Entry]] = {user_id: [] for user_id in user_ids}
    for row in document["entries"]:
        party = user_ids.index(row["party"]) if "party" in row else NO_PARTY
        entry = Entry(row["seq"], unix_ms(row["at"]), Kind[row["kind"]], row["amount"], party, row["ref"])
        rows[row["user"]].append(entry)
    return Ledger(tuple(user_ids), tuple(tuple(rows[user_id]) for user_id in user_ids))


def unix_ms(text: str) -> int:
    """Return a UTC time such as `2025-06-15T12:00:00.000Z` in Unix milliseconds, without rounding."""
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(milliseconds=1)
