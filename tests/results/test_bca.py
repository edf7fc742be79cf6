"""BCa intervals against scipy's, and what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from unmask.results.bca import bca_intervals

SKEWED = np.random.default_rng(0).exponential(size=(40, 3)) * [1, 5, 0.1]


def test_scipy_agrees() -> None:
    found = bca_intervals(SKEWED, samples=9999)
    for column in range(3):
        reference = stats.bootstrap(
            (SKEWED[:, column],), np.mean, n_resamples=9999, method="BCa", rng=np.random.default_rng(0)
        ).confidence_interval
        assert found.mean[column] == pytest.approx(SKEWED[:, column].mean())
        assert found.low[column] == pytest.approx(reference.low, rel=1e-9)
        assert found.high[column] == pytest.approx(reference.high, rel=1e-9)


def test_chunks_change_nothing() -> None:
    whole, parts = bca_intervals(SKEWED), bca_intervals(SKEWED, draws=130)
    assert np.array_equal(whole.low, parts.low)
    assert np.array_equal(whole.high, parts.high)


def test_nans_are_left_out_column_by_column() -> None:
    holed = SKEWED.copy()
    holed[[3, 7], 1] = np.nan
    holed[:, 2] = np.nan
    found = bca_intervals(holed)
    alone = bca_intervals(np.delete(SKEWED[:, 1:2], [3, 7], axis=0))
    assert found.count.tolist() == [40, 38, 0]
    assert (found.mean[1], found.low[1], found.high[1]) == (alone.mean[0], alone.low[0], alone.high[0])
    assert found.low[0] == pytest.approx(bca_intervals(SKEWED).low[0])
    assert np.isnan([found.mean[2], found.low[2], found.high[2]]).all()


def test_one_value_or_equal_ones_have_no_width() -> None:
    found = bca_intervals(np.array([[0.1, 0.3], [0.1, np.nan], [0.1, np.nan]]))
    for limits in (found.mean, found.low, found.high):
        assert limits == pytest.approx([0.1, 0.3])


def test_shares_of_zeros_and_ones_with_one_exception_have_limits() -> None:
    found = bca_intervals(np.array([[1.0]] * 9 + [[0.0]]))
    assert 0 <= found.low[0] < 0.9 < found.high[0] <= 1


def test_same_seed_same_limits_and_another_seed_others() -> None:
    assert bca_intervals(SKEWED, seed=5).low[0] == bca_intervals(SKEWED, seed=5).low[0]
    assert bca_intervals(SKEWED, seed=5).low[0] != bca_intervals(SKEWED, seed=6).low[0]


def test_on_skewed_values_it_covers_more_often_than_the_percentile_interval() -> None:
    """400 columns are 400 experiments; the binomial standard error at .93 is .013."""
    values = np.random.default_rng(4).exponential(size=(25, 400))
    found = bca_intervals(values, samples=1000)
    covered = np.mean((found.low <= 1) & (found.high >= 1))
    assert 0.89 <= covered <= 0.97
    picks = np.random.default_rng(0).integers(25, size=(1000, 25))
    low, high = np.quantile(values[picks].mean(1), [0.025, 0.975], axis=0)
    # the mass a skewed mean has above is met: limits lie higher
    assert found.low.mean() > low.mean()
    assert found.high.mean() > high.mean()
    assert covered >= np.mean((low <= 1) & (high >= 1))
