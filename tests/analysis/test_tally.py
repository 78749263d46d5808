"""The answers to a stage's measured requests."""

from analysis.tally import Tally, times_of
from records.clock import NS
from records.second import Second, StatusCount


def second(phase: str, done: int, failed: int, at_us: int) -> Second:
    status = {
        "2xx": StatusCount(done, {"timeout": failed} if failed else {}, ((at_us, done),), ((at_us * 2, done),), 10)
    }
    return Second(NS, "", 1, 1, "go", "balance", phase, 10.0, done, 1, ((3, done),), 4, status)  # type: ignore[arg-type]


def test_what_ends_after_the_stage_counts_and_the_warm_up_does_not() -> None:
    tally = Tally()
    for line in (second("warmup", 50, 9, 1), second("measure", 100, 0, 20), second("drain", 5, 5, 1_000)):
        tally.add(line)
    assert (tally.done, tally.failures, tally.failed) == (105, 5, {"timeout": 5})
    assert times_of(tally, open_loop=False) == ((20, 100), (1_000, 5))
    assert times_of(tally, open_loop=True) == ((40, 100), (2_000, 5))
    assert (tally.dropped, tally.backlog_max, tally.bytes) == (2, 4, 20)


def test_an_empty_tally_has_no_backlog() -> None:
    assert Tally().backlog_max is None
    assert times_of(Tally(), open_loop=True) == ()


def test_lag_and_backlog_are_those_of_the_measured_seconds_in_every_phase() -> None:
    lines = (second("warmup", 50, 0, 1), second("measure", 100, 0, 20))  # both in second 1
    for span, lag, backlog in (((1, 2), ((3, 150),), 4), ((2, 4), (), None), (None, ((3, 150),), 4)):
        tally = Tally(span)
        for line in lines:
            tally.add(line)
        assert (tally.send_lag.sparse(), tally.backlog_max, tally.sent) == (lag, backlog, 100)
