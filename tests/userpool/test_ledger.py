"""The ledgers obey the service's rules: an own fold, entry by entry, over every user of the pool."""

from __future__ import annotations

import heapq
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from userpool import PoolShape, PoolSummary, read_pool
from userpool.ledger import NO_PARTY, Kind, Ledger, draw_ledger, npy_files
from userpool.people import draw_people
from userpool.shape import DAY_MS, HOUR_MS, wanted_entries

COLUMNS = ("seq", "time_ms", "kind", "amount", "ref")


class Purse:
    """Lots taken first-expiring-first; `take` returns the portions, None when there is not enough."""

    def __init__(self) -> None:
        self.left: dict[int, int] = {}
        self.expiry: dict[int, int] = {}
        self.queue: list[tuple[int, int]] = []

    def add(self, lot: int, amount: int, expires_ms: int) -> None:
        self.left[lot], self.expiry[lot] = amount, expires_ms
        heapq.heappush(self.queue, (expires_ms, lot))

    def take(self, amount: int, now_ms: int) -> list[tuple[int, int]] | None:
        portions = []
        while amount:
            while self.queue and (self.queue[0][0] <= now_ms or not self.left[self.queue[0][1]]):
                heapq.heappop(self.queue)
            if not self.queue:
                return None
            lot = self.queue[0][1]
            portion = min(amount, self.left[lot])
            self.left[lot] -= portion
            amount -= portion
            portions.append((lot, portion))
        return portions

    def put_back(self, lot: int, amount: int) -> None:
        self.left[lot] += amount
        heapq.heappush(self.queue, (self.expiry[lot], lot))


def broken_rule(entries: list[tuple[int, int, int, int, int]]) -> str | None:
    """Return the first rule that a user's entries (seq, time, kind, amount, ref) break, None when they break none."""
    coins, diamonds = Purse(), Purse()
    frozen: list[tuple[int, int, int, int]] = []
    thawed = 0
    holds: dict[int, tuple[int, list[tuple[int, int]]]] = {}
    for seq, time_ms, kind, amount, ref in entries:
        if kind in (Kind.RECHARGE, Kind.BONUS):
            coins.add(seq, amount, time_ms + ref * HOUR_MS)
        elif kind in (Kind.GIFT_SENT, Kind.HOLD):
            portions = coins.take(amount, time_ms)
            if portions is None:
                return f"seq {seq}: coins below zero"
            if kind == Kind.HOLD:
                if ref != seq:
                    return f"seq {seq}: hold id {ref}"
                holds[ref] = (amount, portions)
        elif kind == Kind.GIFT_RECEIVED:
            frozen.append((time_ms + 7 * DAY_MS, seq, amount, time_ms + (30 + 30 * (ref % 4)) * DAY_MS))
        elif kind == Kind.WITHDRAWAL:
            while thawed < len(frozen) and frozen[thawed][0] <= time_ms:
                diamonds.add(*frozen[thawed][1:])
                thawed += 1
            if diamonds.take(amount, time_ms) is None:
                return f"seq {seq}: diamonds below zero"
        else:
            held, portions = holds.pop(ref, (0, []))
            if held != amount:
                return f"seq {seq}: ends hold {ref} of {held} with {amount}"
            for lot, portion in portions if kind == Kind.RELEASE else ():
                coins.put_back(lot, portion)
    return None


def broken_rules(ledger: Ledger) -> list[str]:
    """Return the rules broken by any user, at most one for each."""
    found = []
    for user, (start, stop) in enumerate(pairwise(ledger.offsets.tolist())):
        lists = [getattr(ledger, name)[start:stop].tolist() for name in COLUMNS]
        what = broken_rule(list(zip(*lists, strict=True)))
        if what is not None:
            found.append(f"user {user}: {what}")
    return found


def assert_whole(ledger: Ledger, now_ms: int) -> None:
    """Assert what spans users: seq, time, gifts in both wallets, coins conserved."""
    rows = len(ledger.seq)
    assert ledger.offsets[0] == 0
    assert ledger.offsets[-1] == rows
    assert (ledger.amount >= 1).all()
    owner = np.repeat(np.arange(len(ledger.offsets) - 1), ledger.entries)
    order = np.argsort(ledger.seq)
    assert (ledger.seq[order] == np.arange(1, rows + 1)).all()
    within = np.diff(ledger.seq.astype(np.int64)) > 0
    assert within[np.diff(owner) == 0].all()
    time_ms = ledger.time_ms[order]
    assert (np.diff(time_ms) >= 0).all()
    assert rows == 0 or time_ms[-1] == now_ms
    kind, user, party = ledger.kind[order], owner[order], ledger.party[order]
    sent = np.flatnonzero(kind == Kind.GIFT_SENT)
    assert (np.flatnonzero(kind == Kind.GIFT_RECEIVED) == sent + 1).all()
    for column in (ledger.time_ms, ledger.amount, ledger.ref):
        assert (column[order][sent] == column[order][sent + 1]).all()
    assert (user[sent] == party[sent + 1]).all()
    assert (user[sent + 1] == party[sent]).all()
    assert (user[sent] != user[sent + 1]).all()
    is_gift = (kind == Kind.GIFT_SENT) | (kind == Kind.GIFT_RECEIVED)
    assert ((party == NO_PARTY) == ~is_gift).all()
    gift_ids = ledger.ref[order][is_gift]
    assert len(gift_ids) == 0 or (gift_ids.min() >= 1 and gift_ids.max() <= 200)


def read_ledger(folder: Path) -> Ledger:
    """Return the ledger of a pool as its files hold it."""
    return Ledger(**{path.stem: np.load(path) for path in (folder / "ledger").glob("*.npy")})


def small_ledger(users: int, seed: int, shape: PoolShape) -> Ledger:
    """Return the ledger of a small pool, without its files."""
    people = draw_people(users, seed, shape)
    wanted = wanted_entries(people.activity, people.ranks, people.tiers, seed, shape)
    return draw_ledger(wanted, people.tiers, seed, shape)


def test_no_user_of_the_reference_pool_breaks_a_rule(reference_pool: PoolSummary) -> None:
    assert broken_rules(read_ledger(reference_pool.folder)) == []


def test_gifts_stand_in_both_wallets_and_the_last_entry_is_now(reference_pool: PoolSummary) -> None:
    assert reference_pool.now_ms is not None
    assert_whole(read_ledger(reference_pool.folder), reference_pool.now_ms)


@settings(deadline=None, max_examples=60)
@given(users=st.integers(1, 80), seed=st.integers(0, 2**40), size=st.integers(1, 400))
def test_small_pools_of_any_seed_obey_the_rules_too(users: int, seed: int, size: int) -> None:
    shape = PoolShape(entries_per_user=size)
    ledger = small_ledger(users, seed, shape)
    assert broken_rules(ledger) == []
    assert_whole(ledger, shape.now_ms)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**40), days=st.integers(9, 398))
def test_all_entries_lie_within_the_days_of_the_shape(seed: int, days: int) -> None:
    shape = PoolShape(days=days)
    ledger = small_ledger(40, seed, shape)
    assert ledger.time_ms.min() >= shape.start_ms
    assert broken_rules(ledger) == []


def test_the_checker_sees_a_coin_too_much_and_an_expired_lot() -> None:
    recharge = (1, 0, Kind.RECHARGE, 10, 24)
    assert broken_rule([recharge, (2, 5, Kind.GIFT_SENT, 10, 1)]) is None
    assert broken_rule([recharge, (2, 5, Kind.GIFT_SENT, 11, 1)]) == "seq 2: coins below zero"
    assert broken_rule([recharge, (2, 24 * HOUR_MS, Kind.GIFT_SENT, 10, 1)]) == "seq 2: coins below zero"
    receipt = (1, 0, Kind.GIFT_RECEIVED, 10, 4)
    assert broken_rule([receipt, (2, 7 * DAY_MS, Kind.WITHDRAWAL, 10, 0)]) is None
    assert broken_rule([receipt, (2, 7 * DAY_MS - 1, Kind.WITHDRAWAL, 10, 0)]) == "seq 2: diamonds below zero"
    assert broken_rule([receipt, (2, 30 * DAY_MS, Kind.WITHDRAWAL, 10, 0)]) == "seq 2: diamonds below zero"


def test_every_kind_of_entry_occurs_and_most_holds_end(reference_pool: PoolSummary) -> None:
    counts = np.bincount(read_ledger(reference_pool.folder).kind, minlength=9)
    assert counts[0] == 0
    assert (counts[1:] > 1000).all()
    ended = counts[Kind.CAPTURE] + counts[Kind.RELEASE]
    assert 0.9 * counts[Kind.HOLD] < ended < counts[Kind.HOLD]


def test_users_get_about_as_many_entries_as_wanted(reference_pool: PoolSummary) -> None:
    pool = read_pool(reference_pool.folder)
    people = draw_people(16_000, 20_260_101, PoolShape())
    wanted = wanted_entries(people.activity, people.ranks, people.tiers, 20_260_101, PoolShape())
    assert pool.entries is not None
    off = np.abs(pool.entries - wanted)
    assert (off <= np.maximum(3, wanted // 5)).all(), f"worst at user {int(np.argmax(off))}"
    assert abs(int(pool.entries.sum()) - 3_200_000) < 160_000


def test_files_hold_the_types_that_the_contract_names() -> None:
    ledger = small_ledger(30, 1, PoolShape())
    wanted = {
        "offsets": "<i8",
        "seq": "<u4",
        "time_ms": "<i8",
        "kind": "|u1",
        "amount": "<u4",
        "party": "<u4",
        "ref": "<u4",
    }
    found = {name.removesuffix(".npy"): head + bytes(data) for name, head, data in npy_files(ledger)}
    assert found.keys() == wanted.keys()
    for name, data in found.items():
        assert data[:8] == b"\x93NUMPY\x01\x00"
        assert f"'descr': '{wanted[name]}', 'fortran_order': False".encode() in data


def daily_answer_bytes(ledger: Ledger, user: int, window_ms: tuple[int, int]) -> int:
    """Return about how long the daily statistics of a user are: the arrays exactly, the lists at their longest."""
    part = slice(int(ledger.offsets[user]), int(ledger.offsets[user + 1]))
    day: npt.NDArray[np.int64] = ledger.time_ms[part] // DAY_MS - window_ms[0] // DAY_MS
    days = -(-window_ms[1] // DAY_MS) - window_ms[0] // DAY_MS
    size = 1500
    for kind in np.unique(ledger.kind[part]).tolist():
        of_kind = ledger.kind[part] == kind
        counts = np.bincount(day[of_kind], minlength=days)
        sums = np.zeros(days, dtype=np.int64)
        np.add.at(sums, day[of_kind], ledger.amount[part][of_kind].astype(np.int64))
        size += 40 + sum(len(f"{value},") for value in (*counts.tolist(), *sums.tolist()))
    return size


def test_daily_statistics_stay_short_and_within_400_buckets(reference_pool: PoolSummary) -> None:
    pool, ledger = read_pool(reference_pool.folder), read_ledger(reference_pool.folder)
    windows = np.array([pool.columns["first_seen_ms"], pool.columns["until_ms"]], dtype=np.int64)
    assert (windows[1] > windows[0]).all()
    assert (-(-windows[1] // DAY_MS) - windows[0] // DAY_MS).max() <= 121
    rng = np.random.default_rng(5)
    drawn = rng.choice(len(pool), 400, p=pool.activity / pool.activity.sum()).tolist()
    sizes = [daily_answer_bytes(ledger, user, (int(windows[0, user]), int(windows[1, user]))) for user in drawn]
    assert np.median(sizes) <= 4096
    assert np.quantile(sizes, 0.99) <= 32_768
