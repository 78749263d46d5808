"""Rules of the plan (`[[shadow.rule]]`): differences that someone agreed on. Pure; nothing is hidden without a count.

A rule bears on JSON bodies alone: status, headers, answers that did not come and bodies that are no JSON are compared
as ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from typing import Any, Final, Literal

from records.json_path import Pattern, Steps, read_pattern
from records.plan_shadow import ShadowRule
from shadow.json_text import Members, whole

Action = Literal["ignore", "tolerance", "unordered", "spelling"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as the comparison asks it; `number` is its position in the plan, from 1."""

    number: int
    action: Action
    pattern: Pattern
    tolerance: Decimal | None = None


class Rules:
    """The rules that hold for one endpoint; the first that fits a place is the one that is counted."""

    __slots__ = ("_by_action",)

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._by_action: dict[str, tuple[Rule, ...]] = {}
        for rule in rules:
            self._by_action[rule.action] = (*self._by_action.get(rule.action, ()), rule)

    def __bool__(self) -> bool:
        return bool(self._by_action)

    def number(self, action: Action, steps: Steps) -> int | None:
        """Return the number of the rule of this action that fits a place, None when there is none."""
        return next((r.number for r in self._by_action.get(action, ()) if r.pattern.fits(steps)), None)

    def close(self, steps: Steps, one: str, two: str) -> int | None:
        """Return the number of the rule by which two numbers are close enough, None when none says so."""
        for rule in self._by_action.get("tolerance", ()):
            if rule.tolerance is not None and rule.pattern.fits(steps) and _apart(one, two) <= rule.tolerance:
                return rule.number
        return None

    @property
    def spelling(self) -> int | None:
        """The number of the rule that lets white space and escapes differ, None when there is none."""
        return self.number("spelling", ())

    def bare(self, steps: Steps, value: Any) -> str:
        """Return a value's text without what rules ignore and with unordered parts in one order."""
        return whole(self._bare(steps, value)) if self else whole(value)

    def _bare(self, steps: Steps, value: Any) -> Any:
        if isinstance(value, Members):
            kept = [
                (key, self._bare((*steps, key), item))
                for key, item in value.pairs
                if self.number("ignore", (*steps, key)) is None
            ]
            return Members(tuple(sorted(kept, key=_key) if self.number("unordered", steps) is not None else kept))
        if isinstance(value, list):
            items = [self._bare((*steps, place), item) for place, item in enumerate(value)]
            return sorted(items, key=whole) if self.number("unordered", steps) is not None else items
        return value


NO_RULES: Final = Rules()


class RuleBook:
    """All rules of a plan, by endpoint."""

    def __init__(self, planned: Sequence[ShadowRule] = ()) -> None:
        self.texts = tuple(text_of_rule(rule) for rule in planned)
        self._rules = [(rule.endpoint, _rule(number, rule)) for number, rule in enumerate(planned, start=1)]
        self._of: dict[str, Rules] = {}

    def of(self, endpoint: str) -> Rules:
        """Return the rules that hold for an endpoint."""
        if endpoint not in self._of:
            self._of[endpoint] = Rules(rule for where, rule in self._rules if where in (None, endpoint))
        return self._of[endpoint]


def _rule(number: int, planned: ShadowRule) -> Rule:
    tolerance = None if planned.tolerance is None else Decimal(repr(planned.tolerance))
    return Rule(number, planned.do, read_pattern(planned.path), tolerance)


def text_of_rule(rule: ShadowRule) -> str:
    """Return a rule in words."""
    where = f" of {rule.endpoint}" if rule.endpoint else ""
    said = {
        "ignore": f"{rule.path}{where} is ignored",
        "tolerance": f"{rule.path}{where} may differ by {rule.tolerance:g}" if rule.tolerance is not None else "",
        "unordered": f"{rule.path}{where} in any order",
        "spelling": f"white space and escapes{where} may differ",
    }
    return said[rule.do]


def _apart(one: str, two: str) -> Decimal:
    try:
        return abs(Decimal(one) - Decimal(two))
    except DecimalException:  # an exponent beyond what a decimal holds
        return Decimal("Infinity")


def _key(member: tuple[str, Any]) -> str:
    return member[0]
