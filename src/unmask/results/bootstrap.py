"""Intervals of a mean over pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Interval:
    """A mean and the limits between which it lies with the given confidence."""

    mean: float
    low: float
    high: float


def mean_interval(values: Sequence[float], *, samples: int = 2000, confidence: float = 0.95, seed: int = 0) -> Interval:
    """Percentile bootstrap of the mean (Efron 1979), resampling pictures; the same `seed`, the same limits.

    With few pictures the percentile bootstrap is somewhat narrow: by the factor sqrt((n-1)/n), and more in
    the tails. One value gives an interval of no width, which says nothing about the uncertainty.
    """
    assert len(values) > 0, "the mean of nothing"
    numbers = np.asarray(values, np.float64)
    picks = np.random.default_rng(seed).integers(len(numbers), size=(samples, len(numbers)))
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(numbers[picks].mean(axis=1), [tail, 1.0 - tail])
    return Interval(float(numbers.mean()), float(low), float(high))
