"""The coordinates a projection moves in: inverses of each other, and white."""

import pytest
import torch
import torch.nn.functional as F

from unmask.config import LatentSpaceName
from unmask.projection.spaces import build_space, whiten

DIM = 6


def mapped(count: int = 20_000) -> torch.Tensor:
    """What a mapping network leaves: correlated normal numbers through a LeakyReLU."""
    rng = torch.Generator().manual_seed(5)
    mixing = torch.randn(DIM, DIM, generator=rng)
    return F.leaky_relu(0.3 + torch.randn(count, DIM, generator=rng) @ mixing, 0.2)


@pytest.mark.parametrize("name", list(LatentSpaceName))
def test_there_and_back(name: LatentSpaceName) -> None:
    w = mapped()
    space = build_space(name, w)
    # float32: there and back
    torch.testing.assert_close(space.to_w(space.from_w(w[:50])), w[:50], atol=1e-4, rtol=0)
    latents = torch.randn(2, 3, DIM, generator=torch.Generator().manual_seed(1))
    assert space.to_w(latents).shape == (2, 3, DIM)
    torch.testing.assert_close(space.from_w(space.to_w(latents)), latents, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", list(LatentSpaceName))
def test_the_statistics_are_those_of_the_latents(name: LatentSpaceName) -> None:
    w = mapped()
    space = build_space(name, w)
    latents = space.from_w(w)
    # float32: statistics of the very samples they are compared on
    torch.testing.assert_close(latents.mean(0), space.statistics.mean, atol=1e-3, rtol=0)
    torch.testing.assert_close(latents.std(0), space.statistics.std, atol=1e-3, rtol=0)


def test_whitened_latents_are_uncorrelated_and_w_is_not() -> None:
    w = mapped()
    # as above
    torch.testing.assert_close(torch.cov(whiten(w).from_w(w).T), torch.eye(DIM), atol=1e-3, rtol=0)
    assert torch.corrcoef(w.T).fill_diagonal_(0).abs().max() > 0.3


def test_a_direction_without_variance_does_no_harm() -> None:
    w = mapped()
    w[:, 0] = 0.5
    space = whiten(w)
    latents = space.from_w(w[:50])
    assert latents.isfinite().all() and latents.abs().max() < 10
    torch.testing.assert_close(space.to_w(latents), w[:50], atol=1e-4, rtol=0)
