"""What may be wrong with a request: ids that nobody has, parameters that are no good. Pure, drawn by a seeded rng.

Everything stays a well-formed HTTP request: what an HTTP parser refuses before the service sees it (spaces, bytes
beyond ASCII, broken percent triplets, a "#") says nothing about the service.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import numpy as np

from shadow.template import USER, Parameter, Target

NOBODY: Final = "twinload-no-such-user"
"""Stands for the user wherever a request with an unsafe method is tried."""
SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")

_FIXED_IDS: Final[tuple[tuple[str, str], ...]] = (
    ("empty segment", ""),
    ("zero", "0"),
    ("minus one", "-1"),
    ("null", "null"),
    ("a dot", "."),
    ("two dots", ".."),
    ("encoded slash", "a%2Fb"),
    ("encoded climb", "%2e%2e%2f"),
    ("encoded zero byte", "%00"),
    ("encoded space", "%20"),
    ("unicode", "%E2%82%AC%F0%9F%8E%81"),
    ("no UTF-8", "%FF%C0%AF"),
    ("quote", "%22'"),
    ("absurd", "$(id);*~!@,+"),
    ("65 characters", "u" * 65),
    ("2,000 characters", "u" * 2_000),
)
_NEAR_IDS: Final = ("one character changed", "one character more", "one character less", "other case", "random")
_ENCODED: Final = "percent-encoded"
UNKNOWN_IDS: Final = (*_NEAR_IDS, _ENCODED, *(name for name, _ in _FIXED_IDS))


@dataclass(frozen=True, slots=True)
class UnknownId:
    """An id as it goes into a target; `derived` when it was made from a real one and tells something of it."""

    text: str
    derived: bool


def unknown_id(
    variant: str, near: str, known: Collection[str], alphabet: Sequence[str], rng: np.random.Generator
) -> UnknownId:
    """Return an id that no pool user has.

    Args:
        variant: one of `UNKNOWN_IDS`.
        near: a pool user's id to stay close to.
        known: all ids of the pool.
        alphabet: the characters that the pool's ids are made of.
    """
    for name, text in _FIXED_IDS:
        if name == variant:
            return UnknownId(text if text not in known else NOBODY, derived=False)
    if variant == _ENCODED:
        return UnknownId("".join(f"%{byte:02X}" for byte in near.encode()), derived=True)
    text = _nearby(variant, near, alphabet, rng)
    while text in known or not text:
        near += alphabet[0]  # a crowded pool may have every id of this length
        text = _nearby("random", near, alphabet, rng)
    return UnknownId(quote(text, safe="-._~:@"), derived=True)


def _nearby(variant: str, near: str, alphabet: Sequence[str], rng: np.random.Generator) -> str:
    place = int(rng.integers(len(near)))
    drawn = alphabet[int(rng.integers(len(alphabet)))]
    if variant == "one character changed":
        return near[:place] + drawn + near[place + 1 :]
    if variant == "one character more":
        return near + drawn
    if variant == "one character less":
        return near[:place] + near[place + 1 :]
    if variant == "other case":
        return near.swapcase()
    return "".join(alphabet[int(i)] for i in rng.integers(len(alphabet), size=len(near)))


@dataclass(frozen=True, slots=True)
class Fault:
    """One bad request: what is wrong with it, its method and its target template."""

    name: str
    method: str
    template: str


_BAD_VALUES: Final[tuple[tuple[str, str], ...]] = (
    ("empty", ""),
    ("not digits", "abc"),
    ("negative", "-1"),
    ("huge", "9" * 30),
    ("float", "1.5"),
    ("exponent", "1e3"),
    ("plus sign", "+1"),
    ("leading zero", "007"),
    ("spaces encoded", "%201%20"),
    ("digit encoded", "%31"),
    ("other alphabet's digits", "%D9%A1%D9%A2"),
)
_JUNK_QUERIES: Final = ("", "x=1", "x", "&&=&", "user_id=1&user_id=2", "%00=%FF", "a=1?b=2")


def bad_requests(method: str, template: str, *, unsafe: bool) -> tuple[Fault, ...]:
    """Return every fault that a safe request can be given.

    Args:
        method: GET or HEAD.
        template: the target template.
        unsafe: whether POST and DELETE may be tried too; then only at the id of nobody, so that nothing is there to be
            changed, and never at a path that names no user.
    """
    target = Target.parse(template)
    faults: list[Fault] = []
    for place, parameter in enumerate(target.query or ()):
        faults += [Fault(name, method, str(changed)) for name, changed in _bad_parameters(target, place, parameter)]
    if target.query is None:
        faults += [Fault(f"query ?{junk}", method, f"{template}?{junk}") for junk in _JUNK_QUERIES]
    else:
        faults.append(Fault("unknown parameter", method, f"{template}&unknown=1"))
        faults.append(Fault("no query", method, target.path))
        faults.append(Fault("empty pieces", method, f"{target.path}?&&{template.partition('?')[2]}&"))
    slashed = Target(f"{target.path}/", target.query)
    faults.append(Fault("trailing slash", method, str(slashed)))
    faults.append(Fault("method OPTIONS", "OPTIONS", template))
    if unsafe and USER in target.path:
        nobody = template.replace(USER, NOBODY)
        faults += [Fault(f"method {wrong}", wrong, nobody) for wrong in ("POST", "DELETE")]
    return tuple(faults)


def _bad_parameters(target: Target, place: int, good: Parameter) -> list[tuple[str, Target]]:
    name = good.name
    change: Callable[..., Target] = target.replaced
    return [
        (f"{name} dropped", change(place)),
        (f"{name} without value", change(place, Parameter(name, None))),
        (f"{name} doubled", change(place, good, good)),
        (f"{name} in capitals", change(place, Parameter(name.upper(), good.value))),
        *((f"{name} {what}", change(place, Parameter(name, value))) for what, value in _BAD_VALUES),
    ]
