"""The users themselves: ids, tiers, activity and names, and their lines in `userpool.csv`.

Second step of making a pool. What a user is depends on the seed and the number of users alone, so a pool has the same
users with ledgers and without.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from userpool.names import LOCALES, NameLists, draw_names
from userpool.shape import DAY_MS, TIERS, IntArray, PoolShape, activity_weights, draw_ranks, draw_tiers, stream

HEADER: Final = "user_id,name,locale,tier,activity,first_seen_ms,until_ms"
CHUNK_ROWS: Final = 50_000
ID_DIGITS: Final = 12
_ALPHABET: Final = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz234567", dtype=np.uint8)
_ID_MASK: Final = np.uint64(2 ** (5 * ID_DIGITS) - 1)


@dataclass(frozen=True, slots=True)
class People:
    """All users of a pool as columns of one length; `ids` holds the 13 ASCII bytes of each id."""

    ids: npt.NDArray[np.bytes_]
    tiers: IntArray
    activity: IntArray
    ranks: IntArray


@dataclass(frozen=True, slots=True)
class Presence:
    """When users were there: [first_seen_ms, until_ms) holds every entry; `entries` is None without ledgers."""

    first_seen_ms: IntArray
    until_ms: IntArray
    entries: IntArray | None


def draw_people(users: int, seed: int, shape: PoolShape) -> People:
    """Return the users of a seed."""
    ranks = draw_ranks(users, seed)
    return People(draw_ids(users, seed), draw_tiers(ranks, seed, shape), activity_weights(ranks, shape), ranks)


def draw_ids(users: int, seed: int) -> npt.NDArray[np.bytes_]:
    """Return distinct ids, `u` and twelve base32 digits; shape (users,).

    Distinct by construction: each step (add, xor with a right shift, multiply by an odd number, all modulo 2^60) can
    be undone, so two users can never meet.
    """
    start = stream(seed, "ids").integers(0, 2**60, dtype=np.uint64)
    value = (np.arange(users, dtype=np.uint64) + start) & _ID_MASK
    for odd in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9):
        value = ((value ^ (value >> np.uint64(31))) * np.uint64(odd)) & _ID_MASK
    value ^= value >> np.uint64(29)
    letters = np.empty((users, 1 + ID_DIGITS), dtype=np.uint8)
    letters[:, 0] = ord("u")
    for digit in range(ID_DIGITS):
        letters[:, 1 + digit] = _ALPHABET[(value >> np.uint64(5 * digit)) & np.uint64(31)]
    ids: npt.NDArray[np.bytes_] = letters.view(f"S{1 + ID_DIGITS}").ravel()
    return ids


def draw_presence(users: int, seed: int, shape: PoolShape) -> Presence:
    """Return when users without a ledger were there: from some moment of the pool's days until its now."""
    first_seen_ms = shape.start_ms + stream(seed, "presence").integers(0, shape.days * DAY_MS, users)
    return Presence(first_seen_ms, np.full(users, shape.now_ms + 1, dtype=np.int64), None)


def csv_chunks(people: People, presence: Presence, seed: int) -> Iterator[bytes]:
    """Yield `userpool.csv` piece by piece, the header first: UTF-8, `\\n`, no quoting; memory is bounded by a piece."""
    yield (HEADER + (",entries\n" if presence.entries is not None else "\n")).encode()
    names = draw_names(seed)
    rng = stream(seed, "names")
    for start in range(0, len(people.ids), CHUNK_ROWS):
        yield "".join(_rows(people, presence, names, rng, slice(start, start + CHUNK_ROWS))).encode()


def _rows(
    people: People, presence: Presence, names: tuple[NameLists, ...], rng: np.random.Generator, part: slice
) -> Iterator[str]:
    ids = people.ids[part]
    drawn = rng.integers(0, 2**16, (3, len(ids)), dtype=np.uint16).tolist()
    locale_of = [number % len(LOCALES) for number in drawn[0]]
    columns: list[list[str]] = [
        [text.decode() for text in ids.tolist()],
        [
            names[locale].full(given, family)
            for locale, given, family in zip(locale_of, drawn[1], drawn[2], strict=True)
        ],
        [LOCALES[locale] for locale in locale_of],
        [TIERS[tier] for tier in people.tiers[part].tolist()],
    ]
    numbers = [people.activity, presence.first_seen_ms, presence.until_ms]
    if presence.entries is not None:
        numbers.append(presence.entries)
    columns += [list(map(str, column[part].tolist())) for column in numbers]
    for row in zip(*columns, strict=True):
        yield ",".join(row) + "\n"
