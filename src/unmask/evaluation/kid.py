"""Kernel Inception Distance (Bińkowski et al. 2018, arXiv:1801.01401): how far two sets of features are apart.

It is the squared maximum mean discrepancy under the kernel k(x, y) = (x·y / d + 1)³, estimated without bias, so it may
come out a little below 0. The name stands for features of the Inception network; with others say which, for the
numbers are not comparable.

Two estimators: `kid` is the paper's, for two independent sets. Where the i-th row of both belongs to one person, x_i
and y_i are not independent; the mean of k(x, y) over all pairs then holds n pairs of a picture with its own original,
which are more alike, and comes out too large, by 1/n of the difference. `paired_kid` leaves these out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BLOCK = 2048
"""Rows of the kernel matrix that are in memory at once: a block of 2048² float64 is 34 MB."""


@dataclass(frozen=True)
class Kid:
    """An estimate and the limits between which it lies with the given confidence; `people` is n."""

    value: float
    low: float
    high: float
    people: int


@dataclass(frozen=True)
class SubsetKid:
    """Mean and (population) standard deviation over random subsets, as the paper and torch-fidelity report them."""

    mean: float
    std: float
    subsets: int
    size: int


def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(n,d), (m,d) -> (n,m), in float64."""
    assert x.ndim == y.ndim == 2 and x.shape[1] == y.shape[1], f"{x.shape} and {y.shape} do not go together"
    return np.asarray((x.astype(np.float64) @ y.astype(np.float64).T / x.shape[1] + 1.0) ** 3)


def kid(x: np.ndarray, y: np.ndarray) -> float:
    """The unbiased estimate (Gretton et al. 2012, equation 3) of features (n,d) and (m,d); n, m at least 2.

    The time grows as (n + m)² d, the memory as n + m.
    """
    n, m = len(x), len(y)
    assert n > 1 and m > 1, f"{n} and {m} rows are too few"
    within_x = (_total(x, x) - _diagonal(x, x).sum()) / (n * (n - 1))
    within_y = (_total(y, y) - _diagonal(y, y).sum()) / (m * (m - 1))
    return float(within_x + within_y - 2.0 * _total(x, y) / (n * m))


def subset_kid(x: np.ndarray, y: np.ndarray, *, subsets: int = 100, size: int = 1000, seed: int = 0) -> SubsetKid:
    """`kid` of random subsets of `size` rows of each, drawn without replacement; fewer where there are fewer rows.

    The deviation says how much a set of `size` pictures scatters. It is not the uncertainty of the mean, and where the
    subsets are nearly everything they are nearly the same: for an interval take `paired_kid_interval`.
    """
    size = min(size, len(x), len(y))
    rng = np.random.default_rng(seed)
    values = [
        kid(x[rng.choice(len(x), size, replace=False)], y[rng.choice(len(y), size, replace=False)])
        for _ in range(subsets)
    ]
    return SubsetKid(float(np.mean(values)), float(np.std(values)), subsets, size)


def paired_kid(x: np.ndarray, y: np.ndarray) -> float:
    """The unbiased estimate (Gretton et al. 2012, equation 4) of (n,d) and (n,d), where row i of both is one person."""
    return float(_weighted(x, y, np.ones((1, len(x)), np.uint16))[0])


def paired_kid_interval(
    x: np.ndarray, y: np.ndarray, *, samples: int = 1000, confidence: float = 0.95, seed: int = 0
) -> Kid:
    """`paired_kid` and its percentile bootstrap over people: a person's two rows are drawn together.

    A person drawn twice would meet himself among the pairs: k(x_i, x_i) is no draw from two people, and as much too
    large as the n terms i = j which the estimator leaves out. So every pair of equal people is left out, however often
    they were drawn. With c_i the times person i was drawn and h_ij = k(x_i,x_j) + k(y_i,y_j) - k(x_i,y_j) - k(y_i,x_j),
    a replicate is the sum of c_i c_j h_ij over i ≠ j, divided by n² - Σ c_i². All i ≠ j have the same expected weight,
    so the replicates' mean is the estimate itself, and nothing has to be moved back.

    Where both sets come from one distribution the statistic is degenerate and the bootstrap too wide, rather than too
    narrow (Arcones & Giné 1992): a low limit above 0 can be trusted. Where they differ and people are few, the limits
    are too narrow, for the kernel's cube has a heavy tail: of N(0, 1) and N(.6, 1) in one dimension, 95 % limits held
    the truth in 84, 93 and 93 of 100 experiments with 40, 100 and 300 people.

    Time grows as n² (d + samples), memory as n · samples (2 bytes each).
    """
    n = len(x)
    rng = np.random.default_rng(seed)
    counts = np.empty((samples, n), np.uint16)
    for row in counts:
        row[:] = np.bincount(rng.integers(n, size=n), minlength=n)
    replicates = _weighted(x, y, counts)
    tail = (1.0 - confidence) / 2.0
    # with very few people a draw may hold one person only, and no pair
    low, high = np.quantile(replicates[np.isfinite(replicates)], [tail, 1.0 - tail])
    return Kid(paired_kid(x, y), float(low), float(high), n)


def _weighted(x: np.ndarray, y: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Replicates (samples,) of the paired estimate for `counts` (samples,n); NaN for one with a single person."""
    n = len(x)
    assert x.shape == y.shape, f"{x.shape} and {y.shape} are not pairs"
    assert n > 1, "one row is too few"
    sums = np.zeros(len(counts))
    pairs = np.full(len(counts), float(counts[0].sum()) ** 2)
    for a in range(0, n, BLOCK):
        rows = slice(a, a + BLOCK)
        left = counts[:, rows].astype(np.float64)
        pairs -= np.square(left).sum(1)
        for b in range(a, n, BLOCK):  # h is symmetric
            columns = slice(b, b + BLOCK)
            h = kernel(x[rows], x[columns]) + kernel(y[rows], y[columns])
            h -= kernel(x[rows], y[columns]) + kernel(y[rows], x[columns])
            if a == b:
                np.fill_diagonal(h, 0.0)
            sums += (1.0 if a == b else 2.0) * ((left @ h) * counts[:, columns]).sum(1)
    return np.divide(sums, pairs, out=np.full(len(counts), np.nan), where=pairs > 0)


def _total(x: np.ndarray, y: np.ndarray) -> float:
    return sum(
        float(kernel(x[a : a + BLOCK], y[b : b + BLOCK]).sum())
        for a in range(0, len(x), BLOCK)
        for b in range(0, len(y), BLOCK)
    )


def _diagonal(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray((np.einsum("id,id->i", x, y, dtype=np.float64) / x.shape[1] + 1.0) ** 3)
