"""Noise: what differs between two equal baselines. Pure.

A place that differs between baseline and second baseline, positions in lists taken as one, tells nothing about the
candidate. It is named and counted, and a pair that differs in such places alone is counted apart: never as a match.
"""

from __future__ import annotations

from dataclasses import dataclass

from records.json_path import any_position
from shadow.judge import Difference, Verdict
from shadow.signs import Sign, signs_of


@dataclass(frozen=True, slots=True)
class Noise:
    """The places in which the baseline differs from itself; `is_all` when the candidate differs nowhere else."""

    places: frozenset[str]
    is_all: bool


def noise_in(difference: Difference, again: Verdict) -> Noise:
    """Hold a difference of the candidate against the verdict on two answers of the baseline.

    An answer that did not come, and a path beyond those that a difference keeps, is never noise.
    """
    if not isinstance(again, Difference) or again.unanswered is not None:
        return Noise(frozenset(), is_all=False)
    places = frozenset(place_of(sign) for sign in signs_of(again))
    counted = difference.body is None or len(difference.body.paths) == difference.body.paths_in_all
    mine = {place_of(sign) for sign in signs_of(difference)}
    return Noise(places, is_all=difference.unanswered is None and counted and mine <= places)


def place_of(sign: Sign) -> str:
    """Return where a sign is, as one place for all items of a list and one for all bytes of a body."""
    return "bytes" if sign.place.startswith("byte ") else any_position(sign.place)
