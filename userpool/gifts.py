"""The gift catalogue and what is drawn from it: gift ids, amounts, and the other small drawn quantities. Pure.

Draws go through tables of 65,536 cells: a 16-bit draw picks a cell, so a skewed distribution costs one look-up and is
made of integers alone.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from userpool.shape import IntArray

GIFTS: Final = 200
CELLS: Final = 2**16
_PRICE_POINTS: Final = (1, 2, 5, 9, 10, 15, 20, 30, 49, 66, 99, 150, 199, 299, 520, 999, 1999, 3000, 5200, 13140)
_PER_POINT: Final = GIFTS // len(_PRICE_POINTS)
_COMBO_PRICE_MAX: Final = 99
_COMBOS: Final = (1, 3, 5, 10, 20, 66, 99)
_COMBO_WEIGHTS: Final = (700, 120, 70, 70, 25, 10, 5)


def table(values: tuple[int, ...] | range, weights: tuple[int, ...]) -> IntArray:
    """Return the 65,536 cells of a distribution: each value in proportion to its weight, what is left to the first."""
    cells = np.array(weights, dtype=np.int64) * CELLS // sum(weights)
    cells[0] += CELLS - int(cells.sum())
    return np.repeat(np.array(values, dtype=np.int64), cells)


def prices() -> IntArray:
    """Return the price of each gift id, coins; shape (201,), cell 0 unused. Ten ids a price point, ascending."""
    ids = np.arange(GIFTS)
    point = np.array(_PRICE_POINTS, dtype=np.int64)[ids // _PER_POINT]
    return np.concatenate([[0], point * (100 + 5 * (ids % _PER_POINT)) // 100])


def draw_gift_ids(rng: np.random.Generator, lavish: npt.NDArray[np.bool_]) -> IntArray:
    """Return a gift id 1..200 for each giver: cheap ones mostly, dearer ones from the lavish."""
    points = len(_PRICE_POINTS)
    thrifty_weights = tuple((points - k) ** 4 for k in range(points))
    lavish_weights = tuple((points - k) ** 2 for k in range(points))
    ids = range(1, GIFTS + 1)
    tables = np.concatenate(
        [table(ids, tuple(np.repeat(w, _PER_POINT).tolist())) for w in (thrifty_weights, lavish_weights)]
    )
    cell = rng.integers(0, CELLS, len(lavish), dtype=np.uint16).astype(np.int64)
    return tables[cell + CELLS * lavish]


def draw_amounts(rng: np.random.Generator, gift_ids: IntArray) -> IntArray:
    """Return what each gift costs, coins: its price, times a combo for cheap gifts."""
    price = prices()[gift_ids]
    combo = table(_COMBOS, _COMBO_WEIGHTS)[rng.integers(0, CELLS, len(gift_ids), dtype=np.uint16)]
    return np.where(price <= _COMBO_PRICE_MAX, price * combo, price)
