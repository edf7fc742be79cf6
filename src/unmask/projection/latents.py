"""The distribution of w, and penalties for leaving it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unmask.generators.base import Generator

STATISTICS_SAMPLES = 10_000
STATISTICS_SEED = 123


@dataclass(frozen=True)
class LatentStatistics:
    """Moments of w over random z.

    Attributes:
        mean: (w_dim,) the average w, called w_avg or mean_w in the field.
        std: (w_dim,) the standard deviation of every component.
    """

    mean: Tensor
    std: Tensor


@torch.no_grad()
def measure(generator: Generator, device: torch.device) -> LatentStatistics:
    """Mean and deviation of 10,000 mapped w, the number the reference projector uses (Karras et al. 2020)."""
    rng = torch.Generator().manual_seed(STATISTICS_SEED)
    w = generator.map(torch.randn(STATISTICS_SAMPLES, generator.z_dim, generator=rng).to(device))
    return LatentStatistics(mean=w.mean(0), std=w.std(0))


def prior_penalty(w_plus: Tensor, statistics: LatentStatistics) -> Tensor:
    """Mean squared deviation from the mean w in units of its deviation, (B,L,D) -> (B,).

    The Gaussian prior on w of BRGM (Marinescu et al. 2020, "Bayesian Image Reconstruction using Deep Generative
    Models", eq. 9); 1 for a typical random face.
    """
    return ((w_plus - statistics.mean) / statistics.std).square().mean((1, 2))


def spread_penalty(w_plus: Tensor, statistics: LatentStatistics) -> Tensor:
    """How far the layers' w disagree: mean squared distance to their average in units of deviation, (B,L,D) -> (B,)."""
    return ((w_plus - w_plus.mean(1, keepdim=True)) / statistics.std).square().mean((1, 2))


def anchor_penalty(w_plus: Tensor, anchor: Tensor, statistics: LatentStatistics) -> Tensor:
    """Mean squared distance to `anchor` (B,1,D) in units of deviation, (B,L,D) -> (B,)."""
    return ((w_plus - anchor) / statistics.std).square().mean((1, 2))
