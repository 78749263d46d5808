"""The part of a faulty plan that holds: faulty keys are left out until the rest makes a plan, to judge that too.

So one wrong number hides no fault between sections and none of this machine. A key that was left out counts as guessed:
what is found because of the guess alone is no fault of the plan, and is not told.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from records.plan import Plan

Place = tuple[str | int, ...]  # keys and list positions, as they stand in the file


@dataclass(frozen=True, slots=True)
class SectionFault:
    """A fault within one section: where, what stands there, and pydantic's kind and message."""

    place: Place
    value: Any
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Salvage:
    """What holds of a plan (None when nothing does), the faults of its sections, the keys that were left out."""

    plan: Plan | None
    faults: tuple[SectionFault, ...]
    guessed: tuple[Place, ...]


def salvage(tree: dict[str, Any]) -> Salvage:
    """Return the plan that a tree makes once its faulty keys are left out; the tree stays as it is."""
    work = _Work(copy.deepcopy(tree))
    while True:
        try:
            return Salvage(Plan.model_validate(work.tree), tuple(work.faults), tuple(work.guessed))
        except ValidationError as error:
            if not work.leave_out(error):
                return Salvage(None, tuple(work.faults), tuple(work.guessed))


@dataclass(slots=True)
class _Work:
    """The tree under repair. `positions` keeps, by list, the positions its elements had before any was left out."""

    tree: dict[str, Any]
    faults: list[SectionFault] = field(default_factory=list)
    guessed: list[Place] = field(default_factory=list)
    positions: dict[int, list[int]] = field(default_factory=dict)

    def leave_out(self, error: ValidationError) -> bool:
        """Leave out what is faulty; False when that is the whole plan."""
        before, spots = tuple(self.guessed), set()
        for entry in error.errors(include_url=False):
            spot, place = self._find(tuple(part for part in entry["loc"] if part != "[key]"))
            if not any(guess[: len(place)] == place for guess in before):
                self.faults.append(SectionFault(place, entry["input"], entry["type"], entry["msg"]))
            spots.add(spot)
            if entry["type"] != "extra_forbidden":  # an unknown key says nothing: without it nothing is guessed
                self.guessed.append(self._find(spot)[1])
        if () in spots:
            return False
        for spot in sorted(spots, key=_order, reverse=True):
            self._drop(spot)
        return True

    def _find(self, loc: Place) -> tuple[Place, Place]:
        """Return the part of a location that is there, and the whole location by the positions in the file."""
        node: Any = self.tree
        place: list[str | int] = []
        for part in loc:
            if isinstance(node, dict) and part in node:
                place.append(part)
            elif isinstance(node, list) and isinstance(part, int) and part < len(node):
                place.append(self.positions.get(id(node), range(len(node)))[part])
            else:
                break
            node = node[part]
        return loc[: len(place)], (*place, *loc[len(place) :])

    def _drop(self, spot: Place) -> None:
        node: Any = self.tree
        for part in spot[:-1]:
            node = node[part]
        if isinstance(node, list):
            del self.positions.setdefault(id(node), list(range(len(node))))[int(spot[-1])]
        del node[spot[-1]]


def _order(spot: Place) -> tuple[tuple[int, str], ...]:
    """Return a key by which, in reverse, later positions come before earlier ones and the inner before the outer."""
    return tuple((part, "") if isinstance(part, int) else (-1, part) for part in spot)
