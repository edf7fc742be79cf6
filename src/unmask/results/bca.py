"""Bootstrap intervals of many means at once, corrected for bias and skewness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DRAWS_AT_ONCE = 1 << 22
"""Drawn indices in memory at once: 32 MB, and as much for their counts."""


@dataclass(frozen=True)
class Intervals:
    """Of every column (k,): its mean, the limits, and how many values it has (without NaNs)."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    count: np.ndarray


def bca_intervals(
    values: np.ndarray, *, samples: int = 2000, confidence: float = 0.95, seed: int = 0, draws: int = DRAWS_AT_ONCE
) -> Intervals:
    """BCa interval (Efron 1987) of the mean of each column of (n,k), resampling its rows.

    NaNs are left out column by column: of a column with m numbers, m are drawn. Columns with the same rows share their
    draws, so their means move together as they should; a column's interval does not depend on the others.

    The acceleration is the jackknife's, which for a mean has the closed form Σ(v - v̄)³ / (6 (Σ(v - v̄)²)^1.5). Where
    all replicates lie on one side of the mean, the bias correction would be infinite; half a replicate is then counted
    on the other. No number gives NaNs; one, or all the same, an interval of no width, which says nothing about the
    uncertainty.

    Cost: n · samples draws of indices and as many multiplications per column; the memory is bounded by `draws` (which
    changes nothing else) and samples · k numbers.
    """
    assert values.ndim == 2, f"expected (n,k), got {values.shape}"
    numbers = values.astype(np.float64)
    there = ~np.isnan(numbers)
    k = numbers.shape[1]
    result = Intervals(np.full(k, np.nan), np.full(k, np.nan), np.full(k, np.nan), there.sum(0))
    patterns, group = np.unique(there, axis=1, return_inverse=True)
    for index, rows in enumerate(patterns.T):
        columns = np.flatnonzero(group.ravel() == index)
        if not rows.any():
            continue
        part = numbers[np.ix_(rows, columns)]
        result.mean[columns] = part.mean(0)
        result.low[columns], result.high[columns] = _limits(part, samples, confidence, seed, draws)
    return result


def _limits(part: np.ndarray, samples: int, confidence: float, seed: int, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """Low and high (k,) of columns without NaNs."""
    from scipy.special import ndtr, ndtri

    replicates = _replicates(part, samples, seed, draws)
    means = part.mean(0)
    below = ((replicates < means).sum(0) + 0.5 * (replicates == means).sum(0)).clip(0.5, samples - 0.5) / samples
    centred = part - means
    squares = np.square(centred).sum(0)
    flat = (part == part[0]).all(0)
    squares[flat] = 1.0  # not used
    acceleration = (centred**3).sum(0) / (6.0 * squares**1.5)
    bias = ndtri(below)
    limits = []
    for quantile in ((1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0):
        z = bias + ndtri(quantile)
        share = ndtr(bias + z / (1.0 - acceleration * z))
        limit = np.array([np.quantile(column, q) for column, q in zip(replicates.T, share, strict=True)])
        limits.append(np.where(flat, means, limit))
    return limits[0], limits[1]


def _replicates(part: np.ndarray, samples: int, seed: int, draws: int) -> np.ndarray:
    """Means (samples,k) of rows drawn with replacement."""
    rng, m = np.random.default_rng(seed), len(part)
    at_once = max(1, draws // m)
    means = np.empty((samples, part.shape[1]))
    for start in range(0, samples, at_once):
        rows = min(at_once, samples - start)
        picks = rng.integers(m, size=(rows, m))
        picks += m * np.arange(rows)[:, None]
        counts = np.bincount(picks.ravel(), minlength=rows * m).reshape(rows, m)
        means[start : start + rows] = counts.astype(np.float64) @ part / m
    return means
