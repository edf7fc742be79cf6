"""The interval of a mean."""

from __future__ import annotations

import numpy as np
import pytest

from unmask.results.bootstrap import mean_interval


def test_large_samples_agree_with_the_normal_interval() -> None:
    values = np.random.default_rng(1).normal(3.0, 2.0, 1000)
    interval = mean_interval(values, samples=4000)
    half = 1.959964 * values.std() / np.sqrt(len(values))
    assert interval.mean == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half, abs=0.05 * half)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.05 * half)


def test_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    generator = np.random.default_rng(2)
    repeats = 400
    covered = 0
    for _ in range(repeats):
        interval = mean_interval(generator.normal(0.0, 1.0, 60), samples=400)
        covered += interval.low <= 0.0 <= interval.high
    # binomial standard error at .95 is .011; the percentile bootstrap is a little narrow at n = 60
    assert 0.91 <= covered / repeats <= 0.98


def test_same_seed_same_limits_and_another_seed_others() -> None:
    values = np.random.default_rng(3).normal(size=20).tolist()
    assert mean_interval(values, seed=5) == mean_interval(values, seed=5)
    assert mean_interval(values, seed=5).low != mean_interval(values, seed=6).low


def test_one_value_has_no_width() -> None:
    interval = mean_interval([4.0])
    assert (interval.low, interval.mean, interval.high) == (4.0, 4.0, 4.0)
