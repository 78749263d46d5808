"""Who sits where: every user once, also over workers; draws by activity, repeatable."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from swarm_cases import make_plan

from swarm.seats import Seat, draw_strata, seat_users, seats_wanted


def pool(users: int) -> tuple[list[str], np.ndarray]:
    return [f"u{number}" for number in range(users)], np.arange(users, 0, -1, dtype=np.int64) ** 2


@given(users=st.integers(1, 400), workers=st.sets(st.integers(0, 30), min_size=1, max_size=5), seats=st.integers(1, 50))
def test_each_user_is_in_exactly_one_seat_of_one_worker(users: int, workers: set[int], seats: int) -> None:
    ids, activity = pool(users)
    crew = tuple(sorted(workers))
    seatings = [seat_users(ids, activity, crew, worker, seats) for worker in crew]
    carried = Counter(user for seating in seatings for part in seating.users for user in part)
    assert carried == Counter(range(users))
    assert all(len(seating.users) == seats for seating in seatings)


@given(users=st.integers(1, 120), workers=st.integers(1, 4), seats=st.integers(1, 50))
def test_occupied_seats_have_places_of_their_own_without_a_gap(users: int, workers: int, seats: int) -> None:
    ids, activity = pool(users)
    crew = tuple(range(workers))
    places = []
    for worker in crew:
        seating = seat_users(ids, activity, crew, worker, seats)
        places += [seating.first + number for number, part in enumerate(seating.users) if part]
    assert sorted(places) == list(range(seating.occupied))


def test_a_lost_worker_moves_its_own_users_alone() -> None:
    ids, activity = pool(2000)
    before = {worker: _users(ids, activity, (0, 1, 2), worker) for worker in (0, 1, 2)}
    after = {worker: _users(ids, activity, (0, 2), worker) for worker in (0, 2)}
    assert before[0] < after[0]
    assert before[2] < after[2]
    assert after[0] | after[2] == set(range(2000))


def _users(ids: list[str], activity: np.ndarray, crew: tuple[int, ...], worker: int) -> set[int]:
    return {user for part in seat_users(ids, activity, crew, worker, 50).users for user in part}


def test_users_are_drawn_by_activity_from_the_seats_own() -> None:
    seat = Seat(0)
    seat.carry((7, 8, 9), [1, 0, 3])
    seat.begin(object(), "seed", 0, 1)
    drawn = Counter(seat.draw_user() for _ in range(40_000))
    assert set(drawn) == {7, 9}
    assert abs(drawn[9] / 40_000 - 0.75) < 0.011  # five standard errors


def test_the_same_seed_draws_the_same_phase_and_users() -> None:
    one, two = Seat(0), Seat(0)
    for seat in (one, two):
        seat.carry(tuple(range(50)), [1] * 50)
        seat.begin(object(), "7/front/0/3", 4, 10)
    assert one.phase == two.phase
    assert [one.draw_user() for _ in range(100)] == [two.draw_user() for _ in range(100)]


@given(seats=st.integers(1, 300), seed=st.text(max_size=5))
def test_phases_take_one_stratum_each(seats: int, seed: str) -> None:
    phases = []
    for place, stratum in enumerate(draw_strata(seats, seed)):
        seat = Seat(place)
        seat.begin(object(), f"{seed}/{place}", stratum, seats)
        phases.append(seat.phase)
    assert sorted(int(phase * seats + 1e-9) for phase in phases) == list(range(seats))


def test_the_engine_has_a_seat_for_every_pool_user_and_others_few_a_process() -> None:
    native = make_plan(swarm={"sender": "native-schedule"}, pool={"users": 16_000})
    assert [seats_wanted(native, workers) for workers in (1, 2, 3)] == [16_000] * 3
    assert seats_wanted(make_plan(swarm={"sender": "native-schedule", "seats": 30}), 2) == 60
    assert seats_wanted(make_plan(swarm={"sender": "fasthttp"}), 2) == 128
    many = make_plan(swarm={"sender": "native-schedule"}, pool={"users": 100_000})
    assert [seats_wanted(many, workers) for workers in (1, 3)] == [20_000, 60_000]
