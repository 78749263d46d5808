"""The quick rule checker: agrees with the slow fold, and names what is wrong."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clusters.contract.ledger import NO_PARTY, Entry, Kind, Ledger, load_columns, write_data_dir
from clusters.contract.random_ledger import random_ledger
from clusters.contract.rules import columns_violations, violations
from clusters.contract.wallet import DAY_MS, HOUR_MS, CorruptLedgerError, fold


def entry(seq: int, hours: int, kind: Kind, amount: int, ref: int, party: int = NO_PARTY) -> Entry:
    return Entry(seq, hours * HOUR_MS, kind, amount, party, ref)


RECHARGE = entry(1, 0, Kind.recharge, 10, 24)

BROKEN = {
    "takes 11 coins, 1 more than are usable": [RECHARGE, entry(2, 1, Kind.gift_sent, 11, 5, 0)],
    "takes 1 coins, 1 more": [RECHARGE, entry(2, 24, Kind.gift_sent, 1, 5, 0)],
    "settles hold 9, which is unknown": [RECHARGE, entry(2, 1, Kind.capture, 3, 9)],
    "which was settled before": [
        RECHARGE,
        entry(2, 1, Kind.hold, 3, 2),
        entry(3, 2, Kind.release, 3, 2),
        entry(4, 3, Kind.capture, 3, 2),
    ],
    "settles 2 of hold 2, which holds 3": [RECHARGE, entry(2, 1, Kind.hold, 3, 2), entry(3, 2, Kind.capture, 2, 2)],
    "hold id 7 is not its seq": [RECHARGE, entry(2, 1, Kind.hold, 3, 7)],
    "withdraws 1 diamonds, 1 too many": [
        entry(1, 0, Kind.gift_received, 5, 4, 0),
        entry(2, 7 * 24 - 1, Kind.withdrawal, 1, 0),
    ],
    "comes after seq 1": [RECHARGE, replace(RECHARGE, kind=Kind.bonus)],
    "is earlier than seq 1": [entry(1, 5, Kind.bonus, 1, 24), entry(2, 4, Kind.bonus, 1, 24)],
    "amount 0 is below 1": [replace(RECHARGE, amount=0)],
    "kind 9 is none of 1 to 8": [replace(RECHARGE, kind=9)],
    "party 3 does not suit kind 1": [replace(RECHARGE, party=3)],
    "does not suit kind 2": [RECHARGE, entry(2, 1, Kind.gift_sent, 1, 5)],
}


@pytest.mark.parametrize("message", BROKEN)
def test_a_broken_rule_is_named(message: str) -> None:
    found = violations(BROKEN[message])
    assert len(found) == 1
    assert message in found[0]


def test_a_release_brings_coins_back_until_their_end() -> None:
    held = [RECHARGE, entry(2, 1, Kind.hold, 10, 2)]
    in_time = [*held, entry(3, 23, Kind.release, 10, 2), entry(4, 23, Kind.gift_sent, 10, 5, 0)]
    too_late = [*held, entry(3, 24, Kind.release, 10, 2), entry(4, 24, Kind.gift_sent, 1, 5, 0)]
    assert violations(in_time) == []
    assert len(violations(too_late)) == 1


def test_diamonds_can_be_withdrawn_from_the_seventh_day_to_their_last() -> None:
    gift = entry(1, 0, Kind.gift_received, 5, 4, 0)
    assert violations([gift, entry(2, 7 * 24, Kind.withdrawal, 5, 0)]) == []
    assert violations([gift, entry(2, 30 * 24 - 1, Kind.withdrawal, 5, 0)]) == []
    assert len(violations([gift, entry(2, 30 * 24, Kind.withdrawal, 5, 0)])) == 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_random_ledgers_break_no_rule_and_conserve_coins_and_diamonds(seed: int) -> None:
    ledger = random_ledger(Random(seed), users=4, steps=80)
    for entries in ledger.entries:
        assert violations(entries) == []
        wallet = fold(entries)
        spent = sum(row.amount for row in entries if row.kind in (Kind.gift_sent, Kind.capture))
        came = sum(row.amount for row in entries if row.kind in (Kind.recharge, Kind.bonus))
        held = sum(hold.amount for hold in wallet.open_holds)
        left = sum(lot.remaining for lot in wallet.coin_lots)
        assert came == spent + held + left + wallet.coins_expired_on_release
        received = sum(row.amount for row in entries if row.kind == Kind.gift_received)
        withdrawn = sum(row.amount for row in entries if row.kind == Kind.withdrawal)
        assert received == withdrawn + sum(lot.remaining for lot in wallet.diamond_lots)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.data())
def test_the_quick_checker_and_the_slow_fold_agree_on_what_is_broken(seed: int, data: st.DataObject) -> None:
    ledger = random_ledger(Random(seed), users=3, steps=60)
    entries = list(max(ledger.entries, key=len))
    where = data.draw(st.integers(0, len(entries) - 1))
    how = data.draw(st.sampled_from(["drop", "more", "later", "lifetime"]))
    if how == "drop":
        del entries[where]
    elif how == "more":
        entries[where] = replace(entries[where], amount=entries[where].amount + data.draw(st.integers(1, 200)))
    elif how == "later":
        entries[where:] = [replace(row, time_ms=row.time_ms + 20 * DAY_MS) for row in entries[where:]]
    elif entries[where].kind in (Kind.recharge, Kind.bonus):
        entries[where] = replace(entries[where], ref=1)
    try:
        fold(entries)
        corrupt = False
    except CorruptLedgerError:
        corrupt = True
    assert bool(violations(entries)) == corrupt


@pytest.fixture
def columns(tmp_path: object) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    ledger = random_ledger(Random(7), users=5, steps=200)
    return load_columns(write_data_dir(ledger, tmp_path))  # type: ignore[arg-type]


def test_a_sound_ledger_breaks_no_rule_between_users(columns: dict[str, np.ndarray]) -> None:  # type: ignore[type-arg]
    assert columns_violations(columns, 5) == []


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("amount", "do not stand in both wallets alike"),
        ("ref", "do not stand in both wallets alike"),
        ("party", "do not stand in both wallets alike"),
        ("seq", "is used twice"),
        ("time_ms", "is earlier than the one before"),
        ("offsets", "do not cut"),
        ("kind", "were sent"),
    ],
)
def test_a_broken_rule_between_users_is_named(
    columns: dict[str, np.ndarray],  # type: ignore[type-arg]
    column: str,
    message: str,
) -> None:
    gift = int(np.flatnonzero(columns["kind"] == Kind.gift_sent)[3])
    if column == "seq":
        columns["seq"][gift] = columns["seq"][gift + 1]
    elif column == "time_ms":
        columns["time_ms"][gift] += 400 * DAY_MS
    elif column == "offsets":
        columns["offsets"][-1] -= 1
    elif column == "party":
        columns["party"][gift] = columns["party"][gift] % 4 + 1
    elif column == "kind":
        columns["kind"][gift] = Kind.bonus
    else:
        columns[column][gift] += 1
    assert any(message in line for line in columns_violations(columns, 5))


def test_random_ledgers_are_the_same_for_the_same_seed() -> None:
    first: Ledger = random_ledger(Random(3))
    assert first == random_ledger(Random(3))
    assert first != random_ledger(Random(4))
    assert first.entries[0] == ()
    assert {row.kind for rows in first.entries for row in rows} == set(Kind)
