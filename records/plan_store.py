"""`[store]`: where the twins' instances share what is written to them; and the rules that tie it to the commands.

`{store}` in a command becomes `none`, or the store's address.
"""

from __future__ import annotations

import re
from typing import Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from records.plan_types import Section

NONE: Final = "none"
PLACE: Final = "{store}"
_SCHEME: Final = "redis://"
_URL: Final = re.compile(r"^redis://(?P<address>(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5})(?:/[0-9]{1,3})?$")


class StorePlan(Section):
    """`[store]`: kind "none" (writes stay in the instance that takes them) or "redis".

    A Redis runs already, at `redis`, or with `start` the distribution's is started for each run: on a free loopback
    port, in memory alone, on the twins' cores, ended with the run. With kind "none" the other keys say nothing.
    `memory_mib`: how much the started one may hold, after which writes are refused.
    """

    kind: Literal["none", "redis"] = "none"
    redis: str | None = None
    start: bool = False
    memory_mib: int = Field(default=512, ge=16, le=1_048_576)

    @field_validator("redis")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is not None and "@" in value:
            raise ValueError("a password never stands in a plan, and a command would show it: name a store without one")
        if value is not None and not _URL.match(value):
            raise ValueError('a store has an address such as "redis://127.0.0.1:6379"')
        return value

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.kind == "redis" and self.start == (self.redis is not None):
            raise ValueError('kind = "redis" needs either redis = "redis://127.0.0.1:6379" or start = true')
        return self

    @property
    def is_started(self) -> bool:
        """Whether a run starts the store itself."""
        return self.kind == "redis" and self.start

    @property
    def text(self) -> str | None:
        """What `{store}` stands for; None when only the start tells."""
        if self.kind == NONE:
            return NONE
        return None if self.start else self.redis

    @property
    def address(self) -> str | None:
        """The "host:port" of a store that runs already; None without one."""
        match = _URL.match(self.redis) if self.kind == "redis" and self.redis is not None else None
        return match["address"] if match else None


def store_url(address: str) -> str:
    """Return what `{store}` stands for, of a "host:port"."""
    return f"{_SCHEME}{address}"
