"""Makes a pool: `userpool.csv`, the ledgers and `pool.json`, from a seed. The edge that writes; the rest is pure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from userpool.errors import PoolError
from userpool.folder import drafted, seal, standing, write
from userpool.ledger import Ledger, draw_ledger, npy_files
from userpool.means import request_weighted_entries, seated_mean_entries
from userpool.people import People, Presence, csv_chunks, draw_people, draw_presence
from userpool.record import (
    CSV_NAME,
    FORMAT,
    LEDGER_NAME,
    PoolFile,
    PoolRecord,
    PoolSummary,
    Recipe,
    digest_of,
    versions,
)
from userpool.shape import IntArray, PoolShape, wanted_entries

SEATS: Final = 64  # seats that the record's seated mean is told for: those of the reference plan
LEDGER_USERS_MAX: Final = 200_000
"""More ledgers than this would not fit the memory that building them takes (about 150 bytes an entry)."""

Progress = Callable[[str], None]


def make_pool(
    users: int,
    seed: int,
    out: Path,
    *,
    ledgers: bool = True,
    shape: PoolShape | None = None,
    progress: Progress = lambda _: None,
) -> PoolSummary:
    """Make the pool of a seed in folder `out`, or keep the one that stands there when its recipe is the same.

    Same users, seed and shape: same bytes on any machine with the same versions of numpy and Faker. About 2 s for
    16,000 users; without ledgers a million users stream in bounded memory.

    Raises: PoolError for a number of users out of range or a place that cannot be written, PoolTaken when `out` holds
    something else.
    """
    _check(users, seed, ledgers=ledgers)
    shape = shape or PoolShape()
    recipe = Recipe(FORMAT, users, seed, ledgers, shape, None, versions())
    record = standing(out, recipe)
    if record is not None:
        progress(f"pool kept: {out} holds {users} users of seed {seed} already")
        return PoolSummary.of(record, out, kept=True)
    progress(f"making {users} users of seed {seed}")
    people = draw_people(users, seed, shape)
    with drafted(out) as draft:
        presence = draw_presence(users, seed, shape)
        files: list[PoolFile] = []
        if ledgers:
            ledger = _draw_ledger(people, seed, shape)
            progress(f"writing {len(ledger.seq)} ledger entries")
            files += [write(draft, f"{LEDGER_NAME}/{name}", (head, data)) for name, head, data in npy_files(ledger)]
            presence = _witnessed(ledger, presence)
        files.append(write(draft, CSV_NAME, csv_chunks(people, presence, seed)))
        record = _record(recipe, people, presence.entries, files)
        seal(draft, record)
    progress(f"pool made: {out}, {record.digest[:12]}")
    return PoolSummary.of(record, out, kept=False)


def _check(users: int, seed: int, *, ledgers: bool) -> None:
    if not 1 <= users <= 10_000_000:
        raise PoolError(f"users = {users}: a pool has 1 to 10,000,000 users")
    if seed < 0:
        raise PoolError(f"seed = {seed}: a seed is an integer from 0")
    if ledgers and users > LEDGER_USERS_MAX:
        raise PoolError(f"users = {users}: ledgers are made for at most {LEDGER_USERS_MAX}; make the pool without them")


def _draw_ledger(people: People, seed: int, shape: PoolShape) -> Ledger:
    wanted = wanted_entries(people.activity, people.ranks, people.tiers, seed, shape)
    return draw_ledger(wanted, people.tiers, seed, shape)


def _witnessed(ledger: Ledger, drawn: Presence) -> Presence:
    """Return when users were there by their ledgers: from the first entry to 1 ms after the last.

    The empty ledgers keep their drawn first moment, and end 1 ms after it.
    """
    entries = ledger.entries
    some = entries > 0
    first_ms, until_ms = drawn.first_seen_ms.copy(), drawn.first_seen_ms + 1
    first_ms[some] = ledger.time_ms[ledger.offsets[:-1][some]]
    until_ms[some] = ledger.time_ms[ledger.offsets[1:][some] - 1] + 1
    return Presence(first_ms, until_ms, entries)


def _record(recipe: Recipe, people: People, lengths: IntArray | None, files: list[PoolFile]) -> PoolRecord:
    by_name = tuple(sorted(files, key=lambda file: file.name))
    entries = weighted = seats = seated = None
    if lengths is not None:
        entries, seats = int(lengths.sum()), SEATS
        weighted = int(request_weighted_entries(people.activity, lengths))
        seated = int(seated_mean_entries(people.activity, lengths, SEATS))
    return PoolRecord(
        recipe=recipe,
        users=len(people.ids),
        entries=entries,
        now_ms=recipe.shape.now_ms if recipe.shape else None,
        request_weighted_entries=weighted,
        seats=seats,
        seated_entries=seated,
        files=by_name,
        digest=digest_of(by_name),
    )
