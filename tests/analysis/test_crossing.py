"""Where late shares cross 1 %: exact shares give the exact crossing, and no single large share moves it far."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.crossing import SLOPES, crossing, crossings_without


def shares(x: np.typing.NDArray[np.float64], at: float, slope: float) -> list[float]:
    return (1 - np.exp(math.log(0.99) * np.exp(slope * (x - at)))).tolist()


@pytest.mark.parametrize("slope", [float(SLOPES[16]), float(SLOPES[19])])
def test_exact_shares_give_their_crossing_and_slope(slope: float) -> None:
    x = np.log(np.array([940.0, 970.0, 1000.0, 1030.0]))
    found = crossing(x.tolist(), shares(x, math.log(985), slope))
    assert math.exp(found.log_rps) == pytest.approx(985, rel=1e-3)
    assert found.slope == pytest.approx(slope, rel=0.1)  # the list's step is 29 %


def test_a_sharp_limit_is_steep_and_lies_between_its_trials() -> None:
    x = np.log([990.0, 1000.0, 1010.0, 1020.0])
    found = crossing(x.tolist(), [0.0, 0.0, 0.3, 0.6])
    assert 1000 <= math.exp(found.log_rps) <= 1010
    assert found.slope > 50


def test_one_large_share_moves_the_crossing_by_little() -> None:
    x = np.log(np.linspace(940, 1030, 12))
    clean = shares(x, math.log(985), float(SLOPES[9]))
    moved = crossing(x.tolist(), [*clean[:5], 0.3, *clean[6:]])
    assert math.exp(moved.log_rps) == pytest.approx(985, rel=0.05)


def test_the_crossing_stays_within_the_rates_tried() -> None:
    x = np.log([900.0, 1000.0])
    assert crossing(x.tolist(), [0.0, 0.0]).log_rps <= x.max()
    assert crossing(x.tolist(), [0.9, 0.9]).log_rps >= x.min()


def test_too_few_trials_are_refused() -> None:
    with pytest.raises(ValueError, match="at least two"):
        crossing([1.0], [0.0])


def test_the_crossing_without_a_group_is_the_crossing_of_the_others() -> None:
    rng = np.random.default_rng(4)
    x = np.tile(np.log([940.0, 970.0, 1000.0, 1030.0]), 5)
    share = (np.array(shares(x, math.log(985), 20.0)) * rng.gamma(4, 1 / 4, len(x))).tolist()
    group = [number // 4 for number in range(len(x))]
    found = crossings_without(x.tolist(), share, group, crossing(x.tolist(), share))
    for left_out in range(5):
        kept = [at for at in range(len(x)) if group[at] != left_out]
        alone = crossing([x[at] for at in kept], [share[at] for at in kept])
        assert found[left_out] == pytest.approx(alone.log_rps, abs=1e-3)


def test_as_many_requests_were_late_as_the_crossing_says() -> None:
    rng = np.random.default_rng(5)
    x = np.log(np.linspace(900, 1100, 40))
    share = np.array(shares(x, math.log(1000), 20.0)) * rng.gamma(2, 1 / 2, len(x))
    found = crossing(x.tolist(), share.tolist())
    assert sum(shares(x, found.log_rps, found.slope)) == pytest.approx(share.sum(), rel=0.01)
