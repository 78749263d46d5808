"""The USL fit: drawn laws are found again, and what cannot bear a fit gets none."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.usl import Usl, fit_usl, throughput

N = np.array([0.5, 1, 2, 4, 8, 16, 32, 64])


def drawn(alpha: float, beta: float, *, noise: float = 0.01, seed: int = 1) -> list[float]:
    log_x = throughput(N, np.log(100.0), alpha, beta)
    return np.exp(log_x + np.random.default_rng(seed).normal(0, noise, len(N))).tolist()  # type: ignore[no-any-return]


def test_one_request_at_once_gives_lambda_and_two_by_hand() -> None:
    # X(2) = 2 λ / (1 + α + 2 β): 200 / 1.24
    assert np.exp(throughput(np.array([1.0, 2.0]), np.log(100), 0.2, 0.02)) == pytest.approx([100, 200 / 1.24])


def test_a_law_that_falls_again_is_found_with_its_peak() -> None:
    found = fit_usl(N.tolist(), drawn(0.05, 0.002))
    assert isinstance(found, Usl)
    for got, truth in ((found.lambda_rps, 100), (found.alpha, 0.05), (found.beta, 0.002)):
        assert got.lo <= truth <= got.hi
    assert found.n_star is not None
    assert found.peak_rps is not None
    n_star = np.sqrt(0.95 / 0.002)  # 21.8
    assert found.n_star.lo <= n_star <= found.n_star.hi
    assert found.peak_rps.value == pytest.approx(
        float(np.exp(throughput(np.array([n_star]), np.log(100), 0.05, 0.002))[0]), rel=0.03
    )


def test_without_coherence_throughput_nears_lambda_over_alpha() -> None:
    found = fit_usl(N.tolist(), drawn(0.2, 0.0))
    assert isinstance(found, Usl)
    assert (found.n_star, found.beta.value) == (None, 0.0)
    assert found.peak_rps is not None
    assert found.peak_rps.lo <= 500 <= found.peak_rps.hi


def test_what_scales_in_a_straight_line_has_no_peak() -> None:
    found = fit_usl(N.tolist(), (100 * N).tolist())
    assert isinstance(found, Usl)
    assert found.peak_rps is None


def test_intervals_cover_in_most_of_200_draws() -> None:
    held = 0
    for seed in range(200):
        found = fit_usl(N.tolist(), drawn(0.1, 0.003, noise=0.03, seed=seed))
        held += isinstance(found, Usl) and found.alpha.lo <= 0.1 <= found.alpha.hi
    assert 180 <= held <= 200  # 95 % of 200 is 190, with a standard error of 3


@pytest.mark.parametrize(
    ("n", "said"),
    [
        ([1.0, 2.0, 4.0], "3 points"),
        ([0.1, 0.2, 0.3, 0.5, 0.8, 1.5], "never had more than"),
        ([10.0, 11.0, 12.0, 13.0, 14.0, 15.0], "4 times as many"),
    ],
)
def test_points_that_bear_no_fit_say_why(n: list[float], said: str) -> None:
    found = fit_usl(n, [100.0] * len(n))
    assert isinstance(found, str)
    assert said in found


def test_points_off_every_law_say_so() -> None:
    found = fit_usl(N.tolist(), [10, 400, 20, 900, 30, 500, 10, 700])
    assert isinstance(found, str)
    assert "off the best fit" in found


def test_a_value_too_few_is_refused() -> None:
    with pytest.raises(ValueError, match="one each"):
        fit_usl([1.0], [])
