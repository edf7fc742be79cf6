"""The kernel distance against double loops, a closed form and torch-fidelity."""

from __future__ import annotations

import numpy as np
import pytest

from unmask.evaluation import kid as module
from unmask.evaluation.kid import kid, paired_kid, paired_kid_interval, subset_kid

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(13, 5)).astype(np.float32), RNG.normal(0.4, 1.3, size=(9, 5)).astype(np.float32)


def k(a: np.ndarray, b: np.ndarray) -> float:
    return (sum(float(p) * float(q) for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3


def pairs(counts: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
    """The paired estimate of people drawn `counts` times, pair by pair, without pairs of equal people."""
    drawn = np.repeat(np.arange(len(counts)), counts)
    terms = [k(x[i], x[j]) + k(y[i], y[j]) - k(x[i], y[j]) - k(y[i], x[j]) for i in drawn for j in drawn if i != j]
    return float(np.mean(terms))


@pytest.fixture(params=[2048, 4])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel matrix in one piece, and in several."""
    monkeypatch.setattr(module, "BLOCK", request.param)


@pytest.mark.usefixtures("blocks")
def test_it_is_what_a_double_loop_gives() -> None:
    within = [np.mean([k(a, b) for i, a in enumerate(s) for j, b in enumerate(s) if i != j]) for s in (X, Y)]
    assert kid(X, Y) == pytest.approx(sum(within) - 2 * np.mean([k(a, b) for a in X for b in Y]))
    assert kid(X, Y) == pytest.approx(kid(Y, X))
    assert paired_kid(X[:9], Y) == pytest.approx(pairs(np.ones(9, int), X[:9], Y))


@pytest.mark.usefixtures("blocks")
def test_replicates_are_what_drawn_people_give() -> None:
    rng = np.random.default_rng(0)
    counts = rng.multinomial(9, np.full(9, 1 / 9), size=5).astype(np.uint16)
    expected = [pairs(row, X[:9], Y) for row in counts]
    assert module._weighted(X[:9], Y, counts) == pytest.approx(expected)


@pytest.mark.slow
def test_torch_fidelity_agrees() -> None:
    rng = np.random.default_rng(0)
    reference = pytest.importorskip("torch_fidelity.metric_kid")
    x, y = rng.normal(size=(2, 40, 16))
    assert kid(x, y) == pytest.approx(float(reference.kernel_mmd(x, y)))
    whole = subset_kid(x, y, subsets=3, size=1000)
    assert whole.size == 40
    assert whole.mean == pytest.approx(kid(x, y))
    assert whole.std == pytest.approx(0, abs=1e-12)


def test_it_estimates_the_closed_form_without_bias() -> None:
    """In one dimension E(xy + 1)³ of independent x, y is a sum of products of moments."""

    def expected(a: tuple[float, ...], b: tuple[float, ...]) -> float:
        return sum(binomial * p * q for binomial, p, q in zip((1, 3, 3, 1), a, b, strict=True))

    x_moments, y_moments = (1.0, 0.0, 1.0, 0.0), (1.0, 0.5, 1.25, 1.625)  # N(0, 1) and N(.5, 1)
    truth = expected(x_moments, x_moments) + expected(y_moments, y_moments) - 2 * expected(x_moments, y_moments)
    rng = np.random.default_rng(1)
    for paired in (False, True):
        values = []
        for _ in range(3000):
            x = rng.normal(size=(12, 1))
            y = 0.5 + x if paired else rng.normal(0.5, 1, size=(12, 1))
            values.append(paired_kid(x, y) if paired else kid(x, y))
        assert np.mean(values) == pytest.approx(truth, abs=4 * np.std(values) / len(values) ** 0.5)


def test_with_pairs_the_papers_estimate_is_too_low() -> None:
    """A picture that is its own original: no distance, but the cross terms hold every k(x_i, x_i)."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 8))
    assert paired_kid(x, x) == pytest.approx(0, abs=1e-9)
    assert kid(x, x) < -0.05


def test_subsets_scatter_about_the_whole() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 8)), rng.normal(0.5, 1, size=(200, 8))
    found = subset_kid(x, y, subsets=200, size=50)
    assert found.mean == pytest.approx(kid(x, y), abs=4 * found.std / 200**0.5)
    assert found == subset_kid(x, y, subsets=200, size=50)


def test_replicates_are_centred_on_the_estimate() -> None:
    """With duplicates' pairs left in, their mean would be off by far more than this."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(25, 6))
    y = x + rng.normal(0.3, 0.5, size=(25, 6))
    counts = rng.multinomial(25, np.full(25, 1 / 25), size=4000).astype(np.uint16)
    replicates = module._weighted(x, y, counts)
    assert replicates.mean() == pytest.approx(paired_kid(x, y), abs=4 * replicates.std() / 4000**0.5)


@pytest.mark.parametrize(("shift", "covers"), [(0.6, (0.87, 0.99)), (0.0, (0.96, 1.0))])
def test_the_interval_covers_the_truth(shift: float, covers: tuple[float, float]) -> None:
    """Of two different sets nearly as often as it says; where there is no difference, more often."""
    moments = (1.0, shift, 1 + shift**2, 3 * shift + shift**3)
    truth = 1 + 3 + sum(b * p * p for b, p in zip((1, 3, 3, 1), moments, strict=True)) - 2 * (1 + 3 * moments[2])
    rng = np.random.default_rng(2)
    covered = 0
    for seed in range(200):
        x, y = rng.normal(size=(100, 1)), rng.normal(shift, 1, size=(100, 1))
        found = paired_kid_interval(x, y, samples=300, seed=seed)
        covered += found.low <= truth <= found.high
    assert covers[0] <= covered / 200 <= covers[1]


def test_same_seed_same_limits() -> None:
    found = paired_kid_interval(X[:9], Y, samples=50, seed=3)
    assert found == paired_kid_interval(X[:9], Y, samples=50, seed=3)
    assert found.low != paired_kid_interval(X[:9], Y, samples=50, seed=4).low
    assert found.people == 9
