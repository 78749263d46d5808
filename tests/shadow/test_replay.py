"""How often one pair is asked, and how long it rests in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from shadow.answer import Answer, Case, Reply
from shadow.replay import Sides, ask_pair
from shadow.wire import Request, Target

CASE = Case(0, "balance", "valid", "", "any", "GET", "/v1/users/u1/balance", "/v1/users/u1/balance")


def target(twin: str) -> Target:
    return Target(f"{twin}-1", twin, "127.0.0.1", 1, "127.0.0.1:1", (), None)


@dataclass
class Wire:
    """Gives the states that both sides name, in turn."""

    states: Iterator[str]
    asked: list[str] = field(default_factory=list)

    def ask(self, one: Target, _request: Request) -> Reply:
        self.asked.append(one.twin)
        return Answer(200, (("ledger-as-of", next(self.states)),), b"{}")


def pair_of(states: str, repeats: int) -> tuple[int, list[float]]:
    """Return how often a pair was asked and its rests, in ms, when both sides name these states in turn."""
    rests: list[float] = []
    sides = Sides({"balance": (target("go"),)}, {"balance": (target("rust"),)})
    wire = Wire(iter(states))
    pair = ask_pair(CASE, sides, wire, repeats=repeats, sleep=lambda rest_s: rests.append(1_000 * rest_s))  # type: ignore[arg-type]
    assert wire.asked == ["go", "rust"] * pair.asked
    return pair.asked, rests


@pytest.mark.parametrize(
    ("states", "asked", "rests"), [("11", 1, []), ("1222", 2, [1]), ("12131415", 4, [1, 2, 4])],
    ids=["agrees at once", "agrees when asked again", "races to the end"],
)  # fmt: skip
def test_a_pair_that_raced_rests_and_is_asked_again(states: str, asked: int, rests: list[float]) -> None:
    assert pair_of(states, 3) == (asked, pytest.approx(rests))


def test_rests_double_up_to_a_tenth_of_a_second() -> None:
    assert pair_of("12" * 11, 10)[1] == pytest.approx([1, 2, 4, 8, 16, 32, 64, 100, 100, 100])
