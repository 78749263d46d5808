"""Blocks that take turns."""

from __future__ import annotations

from records.stage import Stage, StageLine
from swarm.turns import Sweeps, in_turns


def stage(name: str) -> Stage:
    """Return a stage that is told by its name alone."""
    return Stage(
        id=0, name=name, kind="trial", twin=name[0], endpoint="e", pair=0, block=0, rate_rps=1.0, warmup_s=1,
        measure_s=1,
    )  # fmt: skip


def block(name: str, count: int, got: list[str]) -> Sweeps:
    """Yield so many sweeps, and note what each was answered."""
    for number in range(count):
        (line,) = yield (stage(f"{name}{number}"),)
        got.append(line.stage.name)


def driven(*counts: int) -> tuple[list[str], list[str]]:
    """Drive blocks of so many sweeps each; return the order of the sweeps, and what the blocks were answered."""
    got: list[str] = []
    turns = in_turns([block(name, count, got) for name, count in zip("ab", counts, strict=False)])
    order: list[str] = []
    lines: tuple[StageLine, ...] | None = None
    while True:
        try:
            (one,) = next(turns) if lines is None else turns.send(lines)
        except StopIteration:
            return order, got
        order.append(one.name)
        lines = (StageLine(0, "", one, "x", 1, 0, None, 0, 0),)


def test_two_blocks_take_turns_whose_order_turns_round() -> None:
    order, got = driven(3, 3)
    assert order == ["a0", "b0", "b1", "a1", "a2", "b2"]
    assert sorted(got) == sorted(order), "each sweep's lines went to the block that asked for it"


def test_who_has_more_to_do_goes_on_alone() -> None:
    assert driven(1, 3)[0] == ["a0", "b0", "b1", "b2"]
    assert driven(3, 0)[0] == ["a0", "a1", "a2"]


def test_one_block_alone_stays_whole_and_none_is_over_at_once() -> None:
    assert driven(2)[0] == ["a0", "a1"]
    assert driven()[0] == []
