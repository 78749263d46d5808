"""Who is missing: what the clusters tell of a death and what the watch tells beside, put together by instance. Pure.

In a campaign the clusters tell the first death; by hand there is the watch alone, which both kinds of driver hear.

The clusters tell the first death of an instance, once; the watch tells each death of a container and each time that it
runs again, from a thread of its own, so that one may come before the other:

| instance is | clusters: death | watch: death | watch: runs again |
|---|---|---|---|
| there, never died | gone | (the clusters will tell it) | died, and back |
| gone | | | back |
| back | (was told) | gone | died, and back |
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Roll:
    """The deaths by instance, and who of them is `gone` now. Each method says whether it is a death not yet told."""

    deaths: dict[str, int] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    @property
    def died(self) -> tuple[str, ...]:
        """The instances that died at least once, in the order of their first deaths."""
        return tuple(self.deaths)

    def hear_death(self, name: str) -> bool:
        """Take in a death from the clusters."""
        return name not in self.deaths and self._die(name)

    def see_death(self, name: str) -> bool:
        """Take in a death from the watch."""
        return name in self.deaths and name not in self.gone and self._die(name)

    def see_restart(self, name: str) -> bool:
        """Take in that an instance runs again."""
        untold = name not in self.gone and self._die(name)
        self.gone.discard(name)
        return untold

    def _die(self, name: str) -> bool:
        self.deaths[name] = self.deaths.get(name, 0) + 1
        self.gone.add(name)
        return True
