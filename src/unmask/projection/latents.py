"""The distribution of latents, and penalties for leaving it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unmask.generators.base import Generator

STATISTICS_SAMPLES = 10_000
STATISTICS_SEED = 123


@dataclass(frozen=True)
class LatentStatistics:
    """Moments of latents over random z, in the coordinates of a `unmask.projection.spaces.LatentSpace`.

    Attributes:
        mean: (w_dim,) the average; of w it is called w_avg or mean_w in the field.
        std: (w_dim,) the standard deviation of every component.
    """

    mean: Tensor
    std: Tensor

    @property
    def total_std(self) -> Tensor:
        """Root mean square distance from the mean over all components together, the reference projector's w_std: ()."""
        return self.std.square().sum().sqrt()


@torch.no_grad()
def sample_w(generator: Generator, device: torch.device) -> Tensor:
    """10,000 mapped w (N,w_dim), the number the reference projector measures them on (Karras et al. 2020)."""
    rng = torch.Generator().manual_seed(STATISTICS_SEED)
    return generator.map(torch.randn(STATISTICS_SAMPLES, generator.z_dim, generator=rng).to(device))


def statistics_of(w: Tensor) -> LatentStatistics:
    """Moments of w (N,w_dim)."""
    return LatentStatistics(mean=w.mean(0), std=w.std(0))


def prior_penalty(latents: Tensor, statistics: LatentStatistics) -> Tensor:
    """Mean squared deviation from the mean in units of its deviation, (B,L,D) -> (B,).

    The Gaussian prior on w of BRGM (Marinescu et al. 2020, "Bayesian Image Reconstruction using Deep Generative
    Models", eq. 9); 1 for a typical random face.
    """
    return ((latents - statistics.mean) / statistics.std).square().mean((1, 2))


def spread_penalty(latents: Tensor, statistics: LatentStatistics) -> Tensor:
    """How far the layers disagree: mean squared distance to their average in units of deviation, (B,L,D) -> (B,)."""
    return ((latents - latents.mean(1, keepdim=True)) / statistics.std).square().mean((1, 2))


def anchor_penalty(latents: Tensor, anchor: Tensor, statistics: LatentStatistics) -> Tensor:
    """Mean squared distance to `anchor` (B,1,D) in units of deviation, (B,L,D) -> (B,)."""
    return ((latents - anchor) / statistics.std).square().mean((1, 2))
