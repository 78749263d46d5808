"""`[safety]` and `[hooks]`: when a run ends by itself so as not to harm a target, and what is run before each block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from records.plan_secrets import is_secret_name, takes_variable
from records.plan_types import Name, Section

Command = Annotated[list[str], Field(min_length=1)]


class StopRule(Section):
    """`[[safety.stop_when]]`: one harm, of each twin by itself unless one is named; `above` so much `for_s` seconds.

    failed_ratio: failed requests ÷ those that ended (what the sender gave up unsent is none of them); p99_ms: of the
    service times; unanswered: nothing was answered though requests were sent (has no `above`); host_memory_percent:
    memory in use on this machine (has no twin).
    """

    figure: Literal["failed_ratio", "p99_ms", "unanswered", "host_memory_percent"]
    above: float | None = Field(default=None, ge=0)
    for_s: int = Field(default=5, ge=1, le=3_600)
    twin: Name | None = None

    @model_validator(mode="after")
    def _limit_fits_the_figure(self) -> Self:
        if (self.above is None) != (self.figure == "unanswered"):
            raise ValueError('every figure but "unanswered" has a limit: give above')
        most = {"failed_ratio": 1.0, "host_memory_percent": 100.0}.get(self.figure)
        if most is not None and self.above is not None and self.above >= most:
            raise ValueError(f"{self.figure} is never above {most:g}: give less")
        if self.figure == "host_memory_percent" and self.twin is not None:
            raise ValueError("host_memory_percent is this machine's: leave twin out")
        return self


HOST_RULES: Final = (StopRule(figure="host_memory_percent", above=97.0, for_s=5),)
SHARED_RULES: Final = (
    StopRule(figure="failed_ratio", above=0.25, for_s=5),
    StopRule(figure="p99_ms", above=5_000.0, for_s=10),
    StopRule(figure="unanswered", for_s=5),
)
"""For external twins, whom others may use: past any overload that a search drives on purpose."""


class SafetyPlan(Section):
    """`[safety]`: stop_when, left out: `HOST_RULES`, and `SHARED_RULES` for external twins; [] for none."""

    stop_when: list[StopRule] | None = None


class HooksPlan(Section):
    """`[hooks]`: commands before each block, for every twin; a twin's own `before_block` follow them.

    Each is a list of words, run without a shell in the plan's folder: `{twin}`, `{pair}` and `{block}` (both from 0, as
    in the records) are filled in, `${NAME}` takes an environment variable. One that fails, or takes longer than
    `timeout_s`, ends the run.
    """

    before_block: list[Command] = Field(default_factory=list)
    timeout_s: float = Field(default=60.0, gt=0, le=86_400)


def literal_secrets(command: Sequence[str]) -> Iterator[str]:
    """Yield the words of a command that name a secret which stands there: `--token=abc`, `TOKEN=abc`, `--token abc`.

    The secret itself is no part of what is yielded.
    """
    for word, after in zip(command, (*command[1:], ""), strict=True):
        name, equals, value = word.partition("=")
        if not equals and name.startswith("-") and not after.startswith("-"):
            value = after
        if is_secret_name(name.lstrip("-")) and value and not takes_variable(value):
            yield name
