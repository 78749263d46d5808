"""Golden vectors against numbers worked out by hand from the sentences, so that the oracle itself is tested.

Every number below was computed on paper from `golden/ledger.json`; N is the ledger's now, 2025-06-15T12:00:00Z.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from clusters.contract.golden.vectors import Vector, read_vectors

VECTORS = {vector.name: vector for vector in read_vectors()}
N = 1_749_988_800_000
HOUR = 3_600_000
DAY = 86_400_000
MIDNIGHT = 1_749_513_600_000


def body(name: str) -> Any:
    return json.loads(VECTORS[name].answer.body)


# user: (coins available, frozen, expiring), (diamonds ...), coins expired, diamonds expired
AMOUNTS = {
    # [F6] nothing came, nothing left
    "empty": ((0, 0, 0), (0, 0, 0), 0, 0),
    # 100 for 365 days, ten days ago
    "one-recharge": ((100, 0, 0), (0, 0, 0), 0, 0),
    # 500 - 120 gone after a day, 60 after two; 10 live 28 days more
    "expired": ((10, 0, 0), (0, 0, 0), 440, 0),
    # 11 end exactly at N, 13 one ms later, 17 at N + 7 d, 19 one ms after that
    "edge-now": ((49, 0, 30), (0, 0, 0), 11, 0),
    # 5 end exactly when 10 are given away: all 10 come from the 50, which end in five days and an hour
    "spend-edge": ((40, 0, 40), (0, 0, 0), 5, 0),
    # 8 + 30 + 30 + 30 less 50
    "ties": ((48, 0, 0), (0, 0, 0), 0, 0),
    # 300 in, 25 given, 20 captured, 95 held; of the lot of 100: 40 come back too late and 35 were left
    "holds": ((85, 95, 0), (0, 0, 0), 75, 0),
    # 40 in: 10 captured after their end, 5 released after it, 25 left
    "release-late": ((0, 0, 0), (0, 0, 0), 30, 0),
    # 21 end at N; 22, 23, 24, 25 are there (22 and 23 within a week); 26 wait one ms more
    "diamonds-edge": ((0, 0, 0), (94, 26, 45), 0, 21),
    # 100 days ago: classes of 30, 60, 90 days are over; 50 days ago: the one of 30 days
    "classes": ((0, 0, 0), (409, 0, 0), 0, 601),
    # 2300 received, 650 withdrawn
    "withdrawals": ((0, 0, 0), (1650, 0, 0), 0, 0),
    # 10 * (1 + .. + 25) less 22 holds of 1; 1 + .. + 23
    "many-lots": ((3228, 22, 0), (276, 0, 0), 0, 0),
    # 100000 less 700; 5 received nine days ago
    "many-gifts": ((99300, 0, 0), (5, 0, 0), 0, 0),
    # 1000 less 260 given; 60 received 17 days ago
    "both-ways": ((740, 0, 0), (60, 0, 0), 0, 0),
    # the last entry of all: 1 for an hour
    "last": ((1, 0, 1), (0, 0, 0), 0, 0),
}


@pytest.mark.parametrize("user_id", AMOUNTS)
def test_amounts_of_a_balance_are_those_worked_out_by_hand(user_id: str) -> None:
    document = body(f"balance of {user_id}")
    coins, diamonds, coins_expired, diamonds_expired = AMOUNTS[user_id]
    assert tuple(document["coins"].values()) == coins
    assert tuple(document["diamonds"].values()) == diamonds
    assert document["lifetime"]["coins_expired"] == coins_expired
    assert document["lifetime"]["diamonds_expired"] == diamonds_expired


def test_an_empty_ledger_answers_zeros_nulls_and_empty_lists_to_the_byte() -> None:
    assert VECTORS["balance of empty"].answer.body == (
        b'{"user_id":"empty","coins":{"available":0,"frozen":0,"expiring":0},'
        b'"diamonds":{"available":0,"frozen":0,"expiring":0},"lots_open":0,"lots":[],'
        b'"diamond_lots_open":0,"diamond_lots":[],"holds_open":0,"holds":[],'
        b'"lifetime":{"entries":0,"first_ms":null,"last_ms":null,"recharged":0,"bonus":0,"gifted":0,"captured":0,'
        b'"released":0,"received":0,"withdrawn":0,"coins_expired":0,"diamonds_expired":0}}'
    )


def test_one_recharge_answers_its_lot_to_the_byte() -> None:
    assert VECTORS["balance of one-recharge"].answer.body == (
        b'{"user_id":"one-recharge","coins":{"available":100,"frozen":0,"expiring":0},'
        b'"diamonds":{"available":0,"frozen":0,"expiring":0},"lots_open":1,'
        b'"lots":[{"id":233,"kind":"recharge","amount":100,"remaining":100,"expires_at_ms":1780660800000}],'
        b'"diamond_lots_open":0,"diamond_lots":[],"holds_open":0,"holds":[],'
        b'"lifetime":{"entries":1,"first_ms":1749124800000,"last_ms":1749124800000,"recharged":100,"bonus":0,'
        b'"gifted":0,"captured":0,"released":0,"received":0,"withdrawn":0,"coins_expired":0,"diamonds_expired":0}}'
    )


def test_the_first_expiring_lot_pays_and_of_equals_the_lower_id() -> None:
    # 50 = 8 of the lot ending first (id 336) + 30 of id 255 + 12 of id 256; 255, 256, 274 all end at N + 14 d
    assert body("balance of ties")["lots"] == [
        {"id": 256, "kind": "bonus", "amount": 30, "remaining": 18, "expires_at_ms": N + 14 * DAY},
        {"id": 274, "kind": "recharge", "amount": 30, "remaining": 30, "expires_at_ms": N + 14 * DAY},
    ]


def test_holds_are_listed_while_open_and_their_sums_are_told_apart() -> None:
    document = body("balance of holds")
    assert document["holds"] == [
        {"id": 309, "amount": 80, "since_ms": N - 3 * DAY},
        {"id": 333, "amount": 15, "since_ms": N - 2 * DAY},
    ]
    assert (document["lifetime"]["captured"], document["lifetime"]["released"]) == (20, 130)
    assert document["lots"] == [
        {"id": 137, "kind": "recharge", "amount": 200, "remaining": 85, "expires_at_ms": N + 31 * DAY}
    ]


def test_a_gift_and_a_bonus_between_midnights_leave_the_wallet_of_boundaries() -> None:
    # bonus of 15 at 06-10 06:00 for 48 h ends at 06-12 06:00: 5 and 6 were paid from it, 4 expired;
    # 1 + 2 + 3 + 4 were given and 8 captured out of the 1000: 982 remain
    document = body("balance of boundaries")
    assert document["coins"] == {"available": 982, "frozen": 0, "expiring": 0}
    assert document["lifetime"]["coins_expired"] == 4
    assert document["diamonds"]["available"] == 91


def test_diamond_lots_that_wait_are_not_listed() -> None:
    assert body("balance of diamonds-edge")["diamond_lots"] == [
        {"id": 136, "amount": 22, "remaining": 22, "expires_at_ms": N + 1},
        {"id": 113, "amount": 23, "remaining": 23, "expires_at_ms": N + 7 * DAY},
        {"id": 115, "amount": 24, "remaining": 24, "expires_at_ms": N + 7 * DAY + 1},
        {"id": 250, "amount": 25, "remaining": 25, "expires_at_ms": N + 23 * DAY},
    ]


def test_a_withdrawal_takes_the_first_expiring_available_diamonds() -> None:
    # 600 when the two lots of 500 become available: 500 of the one ending at N + 20 d (it is spent), 100 of the
    # other, which ends at N + 50 d; then 50 of the lot of 300, which ends at N + 20 d
    lots = [(lot["id"], lot["remaining"]) for lot in body("balance of withdrawals")["diamond_lots"]]
    assert lots == [(235, 250), (128, 400), (111, 1000)]


def test_twenty_of_many_lots_and_holds_are_listed_and_all_are_counted() -> None:
    document = body("balance of many-lots")
    assert (document["lots_open"], document["diamond_lots_open"], document["holds_open"]) == (25, 23, 22)
    # the i-th lot holds 10 i and ends earlier the higher i is; the 22 held coins come from the 25th
    assert [lot["remaining"] for lot in document["lots"]] == [228, *range(240, 50, -10)]
    assert [lot["remaining"] for lot in document["diamond_lots"]] == list(range(1, 21))
    ids = [hold["id"] for hold in document["holds"]]
    assert ids == list(range(ids[0], ids[0] + 20))


def test_top_gifts_are_by_sum_then_id_and_end_after_ten() -> None:
    # gift 21: 50 + 30 + 5 received; 27 and 28: 70 each; six of 50 fit, gift 32 (50) and 30 (40) do not
    top = [(gift["gift_id"], gift["count"], gift["sum"]) for gift in body("ties in sums by gift id")["top_gifts"]]
    assert top == [
        (29, 1, 90),
        (21, 3, 85),
        (27, 1, 70),
        (28, 1, 70),
        *[(gift_id, 1, 50) for gift_id in (22, 23, 24, 25, 26, 31)],
    ]


def test_top_counterparts_of_equal_sums_are_in_order_of_the_bytes_of_their_ids() -> None:
    top = [row["user_id"] for row in body("ties in sums by gift id")["top_counterparts"]]
    assert top == ["bob", "carl", "Bob", "-dash", "0zero", "ALICE", "Zed", "_under", "alice", "eve"]


def test_sent_and_received_add_up_in_the_order_of_counterparts() -> None:
    assert body("ties in counterparts by id")["top_counterparts"] == [
        {"user_id": "carl", "count": 1, "sent": 160, "received": 0},
        {"user_id": "dora", "count": 2, "sent": 100, "received": 60},
    ]


def whole_range(name: str) -> tuple[Any, ...]:
    values = body(name)["gift_values"]
    return values["count"], values["p50"], values["p90"], values["p99"]


def test_quantiles_are_nearest_rank() -> None:
    # 14 values: 5 30 40, eight 50, 70 70 90; ranks 7, 13, 14
    assert whole_range("month of many-gifts") == (14, 50, 70, 90)
    # 100 60 160: ranks 2, 3, 3
    assert whole_range("month of both-ways") == (3, 100, 160, 160)
    assert whole_range("quantiles of one value") == (1, 120, 120, 120)
    assert whole_range("month of empty") == (0, None, None, None)


def test_quantiles_of_a_bucket_are_those_of_its_own_gifts() -> None:
    # 06-09 23:59:59.999 gives 1; 06-10 gives 2 3 (hour 0), 4 (hour 1), 5 (hour 23); 06-11 gives 6
    assert body("default bucket of boundaries")["gift_values"] == {
        "count": 6,
        "p50": 3,
        "p90": 6,
        "p99": 6,
        # 2 3 4 5: ranks 2, 4, 4
        "by_bucket": {"p50": [1, 3, 6], "p90": [1, 5, 6], "p99": [1, 5, 6]},
    }
    # 2 3: ranks 1, 2, 2
    assert body("hours of boundaries")["gift_values"]["by_bucket"] == {
        "p50": [1, 2, 4, *[None] * 21, 5, 6, *[None] * 23],
        "p90": [1, 3, 4, *[None] * 21, 5, 6, *[None] * 23],
        "p99": [1, 3, 4, *[None] * 21, 5, 6, *[None] * 23],
    }


def test_ten_gifts_of_a_bucket_have_their_ranks() -> None:
    # 06-15: hour 10 has none; hour 11 sent 30 100 10 70 20, received 90 60 50 80 40 in turn: ranks 5, 9, 10; N sent 7
    hours = body("ten gifts in an hour by hour")["gift_values"]["by_bucket"]
    assert hours == {"p50": [None, 50, 7], "p90": [None, 90, 7], "p99": [None, 100, 7]}
    # 7 10 20 30 40 50 60 70 80 90 100: ranks 6, 10, 11; the day before had none
    assert body("ten gifts in an hour by day")["gift_values"] == {
        "count": 11,
        "p50": 50,
        "p90": 90,
        "p99": 100,
        "by_bucket": {"p50": [None, 50], "p90": [None, 90], "p99": [None, 100]},
    }


def test_a_bucket_without_gifts_is_null() -> None:
    nulls = [None, None, None]
    assert body("default bucket of empty")["gift_values"]["by_bucket"] == {"p50": nulls, "p90": nulls, "p99": nulls}
    assert VECTORS["quantiles of a bucket with one gift and one without"].answer.body.endswith(
        b'"gift_values":{"count":1,"p50":50,"p90":50,"p99":50,'
        b'"by_bucket":{"p50":[null,50],"p90":[null,50],"p99":[null,50]}}}'
    )


def test_days_are_cut_at_midnight_and_hours_on_the_hour() -> None:
    # from 06-09 23:00 to 06-12 00:00: three days, 49 hours
    days = body("default bucket of boundaries")
    assert (days["bucket"], days["bucket_ms"], days["first_bucket_ms"], days["buckets"]) == (
        "day",
        DAY,
        MIDNIGHT - DAY,
        3,
    )
    assert days["kinds"]["gift_sent"] == {"count": [1, 4, 1], "sum": [1, 2 + 3 + 4 + 5, 6]}
    hours = body("hours of boundaries")
    assert (hours["buckets"], hours["first_bucket_ms"]) == (49, MIDNIGHT - HOUR)
    assert hours["kinds"]["gift_sent"]["sum"] == [1, 5, 4, *[0] * 21, 5, 6, *[0] * 23]


def test_kinds_are_in_the_order_of_their_numbers_and_absent_ones_are_left_out() -> None:
    kinds = list(body("default bucket of boundaries")["kinds"])
    assert kinds == ["recharge", "gift_sent", "withdrawal", "hold", "capture", "release", "bonus"]
    assert body("default bucket of empty")["kinds"] == {}


def test_the_end_of_a_range_is_left_out_and_its_start_is_in() -> None:
    assert body("statistics to now leave the last entry out")["kinds"] == {}
    assert body("statistics past now hold the last entry")["kinds"] == {"bonus": {"count": [1], "sum": [1]}}
    assert body("one millisecond by day")["kinds"] == {"gift_sent": {"count": [1], "sum": [2]}}
    assert body("the last millisecond of a day by hour")["kinds"] == {"gift_sent": {"count": [1], "sum": [1]}}
    assert body("two milliseconds in two days by day")["kinds"]["gift_sent"]["sum"] == [1, 2]


@pytest.mark.parametrize(
    ("name", "buckets"),
    [
        ("a whole day by day", 1),
        ("a whole day by hour", 24),
        ("a day and one millisecond by day", 2),
        ("half of two days by day", 2),
        ("half of two days by hour", 24),
        ("the beginning of time by hour", 1),
        ("400 buckets by hour", 400),
        ("400 buckets by day", 400),
    ],
)
def test_buckets_are_counted_from_the_aligned_start(name: str, buckets: int) -> None:
    document = body(name)
    assert document["buckets"] == buckets
    assert all(len(kind["sum"]) == buckets for kind in document["kinds"].values())


# name: status, parameter, detail
FAULTS = {
    "401 buckets by day": (400, "to", "to is too far from from: at most 400 buckets."),
    "401 buckets by hour though 400 long": (400, "to", "to is too far from from: at most 400 buckets."),
    "from is '01'": (400, "from", "from must be Unix milliseconds: 1 to 14 digits without leading zeros."),
    "to is '123456789012345'": (400, "to", "to must be Unix milliseconds: 1 to 14 digits without leading zeros."),
    "bucket is ''": (400, "bucket", "bucket must be hour or day."),
    "faults: no query": (400, "from", "from is required."),
    "faults: from alone": (400, "to", "to is required."),
    "faults: to equal to from": (400, "to", "to must be later than from."),
    "faults: all twice": (400, "from", "from is given more than once."),
    "faults: to and bucket twice": (400, "to", "to is given more than once."),
    "faults: repeated before missing": (400, "bucket", "bucket is given more than once."),
    "faults: from before to": (400, "from", "from must be Unix milliseconds: 1 to 14 digits without leading zeros."),
    "faults: bucket before the order of from and to": (400, "bucket", "bucket must be hour or day."),
    "the query before the user": (
        400,
        "from",
        "from must be Unix milliseconds: 1 to 14 digits without leading zeros.",
    ),
    "an unknown user with a good query": (404, None, "No user has this id."),
    "fib of '46'": (400, "n", "n must be an integer from 0 to 45."),
    "fib of nothing": (400, "n", "n is required."),
    "no resource at /v1/users/ties/balance/": (404, None, "No such resource."),
    "no user a%2Fb": (404, None, "No user has this id."),
    "balance of corrupt-twice": (500, None, "The ledger of this user breaks its rules."),
    "a declared length over the limit": (413, None, "The body may have at most 65536 bytes."),
    "length before path": (413, None, "The body may have at most 65536 bytes."),
    "the method before the user": (405, None, "This resource does not answer that method."),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_answers_its_problem(name: str) -> None:
    status, parameter, detail = FAULTS[name]
    vector = VECTORS[name]
    document = body(name)
    assert vector.answer.status == document["status"] == status
    assert dict(vector.answer.headers)["Content-Type"] == "application/problem+json"
    assert document["detail"] == detail
    assert document.get("parameter") == parameter


def test_problem_documents_are_these_bytes() -> None:
    assert VECTORS["no user nobody"].answer.body == (
        b'{"type":"/problems/unknown-user","title":"Unknown user","status":404,"detail":"No user has this id."}'
    )
    assert VECTORS["faults: no query"].answer.body == (
        b'{"type":"/problems/bad-parameter","title":"Bad parameter","status":400,'
        b'"detail":"from is required.","parameter":"from"}'
    )


def test_the_headers_of_success_and_of_a_wrong_method() -> None:
    as_of = (("Content-Type", "application/json"), ("Ledger-As-Of", "4000000000"))
    assert VECTORS["balance of ties"].answer.headers == as_of
    assert VECTORS["fib of 20"].answer.headers == (("Content-Type", "application/json"),)
    assert dict(VECTORS["PUT on /fib?n=1"].answer.headers)["Allow"] == "GET, HEAD"
    assert dict(VECTORS["/v1/gifts asked by GET"].answer.headers)["Allow"] == "POST"


@pytest.mark.parametrize(("n", "value"), [(0, 0), (1, 1), (2, 1), (3, 2), (10, 55), (20, 6765), (25, 75025)])
def test_fibonacci_numbers(n: int, value: int) -> None:
    assert body(f"fib of {n}") == {"n": n, "fib": value}


def test_a_head_answer_has_the_headers_and_no_body() -> None:
    assert VECTORS["balance asked by HEAD"].answer.headers == VECTORS["balance of holds"].answer.headers
    heads = [vector for vector in VECTORS.values() if vector.request.method == "HEAD"]
    assert len(heads) > 5
    assert all(vector.answer.body == b"" for vector in heads)


def test_pages_of_transactions_go_backwards() -> None:
    page = body("transactions: one entry")
    assert [entry["seq"] for entry in page["entries"]] == [page["next_cursor"]]
    assert body("transactions: before all") == {"user_id": "many-lots", "entries": [], "next_cursor": None}
    # the lots of many-lots are seq 284 to 308
    at_entry = body("transactions: cursor at an entry")
    assert ([entry["seq"] for entry in at_entry["entries"]], at_entry["next_cursor"]) == ([299, 298], 298)
    assert [body(f"{limit} of 4 transactions")["next_cursor"] for limit in (3, 4, 5)] == [192, None, None]
    assert body("transactions of both-ways")["entries"] == [
        {"seq": 198, "kind": "gift_sent", "amount": 160, "time_ms": 1748610000000, "party": "carl", "ref": 50},
        {"seq": 195, "kind": "gift_received", "amount": 60, "time_ms": 1748523600000, "party": "dora", "ref": 51},
        {"seq": 192, "kind": "gift_sent", "amount": 100, "time_ms": 1748520000000, "party": "dora", "ref": 50},
        {"seq": 190, "kind": "recharge", "amount": 1000, "time_ms": 1748433600000, "party": None, "ref": 2000},
    ]


def test_statistics_do_not_fold_so_a_corrupt_ledger_has_them() -> None:
    vector: Vector = VECTORS["statistics of a corrupt ledger"]
    assert vector.answer.status == 200
    assert list(body("statistics of a corrupt ledger")["kinds"]) == ["recharge", "hold", "capture", "release"]
