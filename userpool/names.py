"""Names of pool users: Faker's shipped lists, drawn once per pool and combined by seeded integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

LOCALES: Final = ("en_US", "de_DE", "pt_BR", "id_ID", "tr_TR", "ja_JP")
FAMILY_FIRST: Final = frozenset({"ja_JP"})
DRAWS: Final = 200
_FORBIDDEN: Final = frozenset(',"\r\n')


@dataclass(frozen=True, slots=True)
class NameLists:
    """The names of one locale: `given` and `family`, each without repeats, none with a comma, quote or newline."""

    locale: str
    given: tuple[str, ...]
    family: tuple[str, ...]

    def full(self, given: int, family: int) -> str:
        """Return a full name in the locale's order; the numbers are taken modulo the lists' lengths."""
        first = self.given[given % len(self.given)]
        last = self.family[family % len(self.family)]
        return f"{last} {first}" if self.locale in FAMILY_FIRST else f"{first} {last}"


def draw_names(seed: int) -> tuple[NameLists, ...]:
    """Return name lists for every locale, drawn by one seeded Faker instance; about 0.4 s, mostly its import."""
    from faker import Faker  # readers of a pool never pay for it

    fake = Faker(list(LOCALES))
    fake.seed_instance(seed)
    return tuple(
        NameLists(locale, _distinct(fake[locale].first_name), _distinct(fake[locale].last_name)) for locale in LOCALES
    )


def _distinct(draw: Callable[[], str]) -> tuple[str, ...]:
    drawn = [draw() for _ in range(DRAWS)]
    return tuple(dict.fromkeys(name for name in drawn if name and not _FORBIDDEN & set(name)))
