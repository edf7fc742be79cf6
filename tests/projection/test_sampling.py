"""The draws of several answers against their closed form, and what a linear generator makes of them."""

from __future__ import annotations

import torch

from unmask.projection.latents import LatentStatistics
from unmask.projection.sampling import sample_start
from unmask.projection.starts import picture_seed

DIM = 6
STATISTICS = LatentStatistics(mean=torch.full((DIM,), 9.0), std=torch.tensor([1.0, 2.0, 0.5, 1.0, 0.1, 3.0]))
MANY = tuple(f"{index:05d}" for index in range(4000))


def draw(
    ids: tuple[str, ...], sample: int, *, spread: float = 1.0, seed: int = 0, start: torch.Tensor | None = None
) -> torch.Tensor:
    start = torch.zeros(len(ids), 1, DIM) if start is None else start
    return sample_start(start, STATISTICS, ids, sample=sample, spread=spread, seed=seed)


def test_the_first_answer_starts_where_a_single_one_does() -> None:
    start = torch.randn(2, 1, DIM, generator=torch.Generator().manual_seed(1))
    assert draw(("a", "b"), 0, start=start) is start


def test_a_draw_is_the_start_and_normal_noise_of_the_pictures_own_seed() -> None:
    start = torch.randn(1, 1, DIM, generator=torch.Generator().manual_seed(1))
    noise = torch.randn(1, DIM, generator=torch.Generator().manual_seed(picture_seed(5, "sample/3/a")))
    expected = start + 0.7 * STATISTICS.std * noise
    torch.testing.assert_close(draw(("a",), 3, spread=0.7, seed=5, start=start), expected)
    assert torch.equal(draw(("a",), 3, spread=0.0, start=start), start)


def test_mean_and_deviation_over_many_pictures() -> None:
    start = torch.arange(DIM, dtype=torch.float32).expand(len(MANY), 1, DIM)
    found = draw(MANY, 1, spread=0.5, start=start)[:, 0]
    wanted = 0.5 * STATISTICS.std
    error = wanted / len(MANY) ** 0.5  # one standard deviation of the mean
    assert ((found.mean(0) - torch.arange(DIM)).abs() < 4 * error).all()
    assert ((found.std(0) / wanted - 1).abs() < 4 / (2 * len(MANY)) ** 0.5).all()


def test_coordinates_answers_pictures_and_seeds_have_nothing_in_common() -> None:
    first = draw(MANY, 1)[:, 0]
    others = (draw(MANY, 2)[:, 0], draw(MANY, 1, seed=1)[:, 0], first.roll(1, 0))
    for other in others:
        both = torch.corrcoef(torch.cat([first, other], 1).T)
        assert (both - torch.eye(2 * DIM)).abs().max() < 5 / len(MANY) ** 0.5


def test_a_draw_depends_neither_on_neighbours_nor_on_their_order() -> None:
    together = draw(("a", "b", "c"), 2)
    assert torch.equal(draw(("b",), 2), together[1:2])
    assert torch.equal(draw(("c", "a"), 2), together[[2, 0]])


def test_with_exact_observations_a_linear_generator_gives_samples_of_the_posterior() -> None:
    """Three observations of six latents, minimisers in closed form."""
    rng = torch.Generator().manual_seed(2)
    linear, variance = torch.randn(3, DIM, generator=rng).double(), 1e-4
    unit = LatentStatistics(torch.zeros(DIM), torch.ones(DIM))
    anchors = sample_start(torch.zeros(len(MANY), 1, DIM), unit, MANY, sample=1, spread=1.0, seed=0)[:, 0].double()
    observed = torch.randn(3, generator=rng).double()
    posterior = torch.linalg.inv(torch.eye(DIM) + linear.T @ linear / variance)
    answers = (anchors + observed @ linear / variance) @ posterior
    assert ((answers @ linear.T - observed).abs() < 0.01).all(), "the visible is the same in all answers"
    expected = posterior @ linear.T @ observed / variance
    torch.testing.assert_close(answers.mean(0), expected, atol=4 / len(MANY) ** 0.5, rtol=0)
    torch.testing.assert_close(torch.cov(answers.T), posterior, atol=5 / len(MANY) ** 0.5, rtol=0)
