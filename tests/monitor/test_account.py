from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.account import Account
from monitor.reading import ProcessReading


def process(pid: int, waited_s: float = 0.0, *, started: float = 1.0, switches: int | None = 0) -> ProcessReading:
    return ProcessReading(pid, started, waited_s, 100, None if switches is None else {pid: switches}, ())


def cpu(account: Account, *readings: tuple[ProcessReading, float]) -> float | None:
    figures = account.add([r for r, _ in readings], {r.pid: own for r, own in readings})
    return figures.cpu_s if figures else None


def test_an_instance_is_the_sum_of_its_processes_and_of_what_they_waited_for() -> None:
    account = Account()
    figures = account.add([process(1, 0.5, switches=3), process(2, switches=4)], {1: 2.0, 2: 1.0})
    assert figures is not None
    assert (figures.cpu_s, figures.memory_bytes, figures.switches) == (3.5, 200, 7)


def test_a_child_that_was_waited_for_is_counted_once() -> None:
    account = Account()
    assert cpu(account, (process(1), 2.0), (process(2), 1.0)) == 3.0
    assert cpu(account, (process(1, 1.2), 2.0)) == 3.2


def test_a_child_that_nobody_waited_for_keeps_what_was_last_known() -> None:
    account = Account()
    cpu(account, (process(1), 2.0), (process(2), 1.0))
    assert cpu(account, (process(1), 2.5)) == 3.5
    assert cpu(account, (process(1), 2.5)) == 3.5


def test_a_waited_time_in_ticks_does_not_take_the_sum_back() -> None:
    account = Account()
    cpu(account, (process(1), 2.0), (process(2), 1.009))
    assert cpu(account, (process(1, 1.00), 2.0)) == 3.009


def test_a_grandchild_that_its_dead_parent_had_waited_for_is_counted_once() -> None:
    account = Account()
    cpu(account, (process(1), 1.0), (process(2), 1.0), (process(3), 1.0))
    assert cpu(account, (process(1), 1.0), (process(2, 1.0), 1.0)) == 3.0
    assert cpu(account, (process(1, 2.0), 1.0)) == 3.0


def test_a_child_that_shows_as_waited_for_a_sample_later_is_counted_once() -> None:
    account = Account()
    cpu(account, (process(1), 1.0), (process(2), 5.0))
    assert cpu(account, (process(1), 1.0)) == 6.0
    assert cpu(account, (process(1, 5.25), 1.0)) == 6.25


def test_a_child_that_came_and_went_between_samples_is_seen_through_its_parent() -> None:
    account = Account()
    cpu(account, (process(1), 1.0))
    assert cpu(account, (process(1, 0.75), 1.0)) == 1.75


def test_a_pid_used_again_is_another_process() -> None:
    account = Account()
    cpu(account, (process(1), 1.0), (process(2, started=1.0), 5.0))
    assert cpu(account, (process(1, 5.0), 1.0), (process(2, started=9.0), 0.25)) == 6.25


def test_nothing_alive_is_none_and_not_zero() -> None:
    account = Account()
    cpu(account, (process(1), 1.0))
    assert account.add([], {}) is None
    assert account.add([process(1)], {}) is None


def test_switches_of_threads_that_ended_stay_and_unknown_ones_are_none() -> None:
    account = Account()
    first = ProcessReading(1, 1.0, 0.0, 0, {1: 10, 2: 5}, ())
    second = ProcessReading(1, 1.0, 0.0, 0, {1: 12}, ())
    account.add([first], {1: 0.0})
    figures = account.add([second], {1: 0.0})
    assert figures is not None
    assert figures.switches == 17
    unknown = account.add([process(1, switches=None)], {1: 0.0})
    assert unknown is not None
    assert unknown.switches is None


steps = st.lists(
    st.lists(
        st.tuples(st.integers(2, 5), st.floats(0, 2, allow_nan=False), st.sampled_from(["run", "waited", "lost"])),
        max_size=6,
    ),
    min_size=1,
    max_size=8,
)


@given(steps)
def test_cpu_time_never_goes_back_and_never_exceeds_what_was_burnt(history: list[list[tuple[int, float, str]]]) -> None:
    """Children of process 1 run, and end waited for or lost; pid and generation make each its own process."""
    account, alive, generation = Account(), dict[int, float](), 0
    waited, burnt, before = 0.0, 0.0, 0.0
    born = dict[int, int]()
    for step in history:
        for pid, used, how in step:
            if pid not in alive:
                generation += 1
                born[pid], alive[pid] = generation, 0.0
            alive[pid] += used
            burnt += used
            if how == "waited":
                waited += alive.pop(pid)
            elif how == "lost":
                alive.pop(pid)
        children = [(process(pid, started=float(born[pid])), own) for pid, own in alive.items()]
        now = cpu(account, (process(1, waited, started=0.0), 0.0), *children) or 0.0
        assert before - 1e-9 <= now <= burnt + 1e-9
        before = now
