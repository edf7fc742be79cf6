"""Where a projection starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from unmask.generators.base import Generator
from unmask.images import resize
from unmask.losses import masked_mean
from unmask.projection.latents import LatentStatistics
from unmask.projection.regression import visible_thumbnails
from unmask.seeds import picture_generators

ProgressCallback = Callable[[int], None]

RENDER_BATCH = 8
"""Candidates rendered at once; bounds the memory of a search."""


def mean_start(statistics: LatentStatistics, ids: tuple[str, ...]) -> Tensor:
    """The average w for every picture: (B,w_dim)."""
    return statistics.mean.expand(len(ids), -1).clone()


@torch.no_grad()
def random_start(generator: Generator, device: torch.device, ids: tuple[str, ...], seed: int) -> Tensor:
    """A random face of its own for every picture, as in the study: (B,w_dim)."""
    rows = [torch.randn(1, generator.z_dim, generator=rng) for rng in picture_generators(seed, ids)]
    return generator.map(torch.cat(rows).to(device))


@dataclass(frozen=True)
class Candidates:
    """Random faces rendered once a run, against which every picture is scored.

    Attributes:
        w: (N,w_dim).
        thumbnails: (N,3,S,S) in [-1,1].
    """

    w: Tensor
    thumbnails: Tensor


@torch.no_grad()
def render_candidates(
    generator: Generator,
    statistics: LatentStatistics,
    *,
    count: int,
    truncation_psi: float,
    size: int,
    seed: int,
    on_batch: ProgressCallback | None = None,
) -> Candidates:
    """Draw `count` faces truncated to `truncation_psi` and render thumbnails of `size` pixels."""
    rng = torch.Generator().manual_seed(seed)
    z = torch.randn(count, generator.z_dim, generator=rng).to(statistics.mean.device)
    w = statistics.mean + truncation_psi * (generator.map(z) - statistics.mean)
    thumbnails = []
    for chunk in w.split(RENDER_BATCH):
        images = generator.synthesize(chunk[:, None].expand(-1, generator.num_ws, -1))
        thumbnails.append(resize(images, size))
        if on_batch is not None:
            on_batch(len(chunk))
    return Candidates(w, torch.cat(thumbnails))


@torch.no_grad()
def search_start(candidates: Candidates, masked: Tensor, visible: Tensor, *, best: int) -> Tensor:
    """Mean w of the `best` candidates by visible mean squared error: (B,w_dim).

    Args:
        masked: (B,3,H,W) in [-1,1]; visible: (B,1,H,W).
    """
    pictures, weight = visible_thumbnails(masked, visible, candidates.thumbnails.mean(0))
    starts = []
    for picture, seen in zip(pictures, weight, strict=True):
        error = (candidates.thumbnails - picture).square()
        score = masked_mean(error, seen.expand(len(error), -1, -1, -1))
        starts.append(candidates.w[score.argsort()[:best]].mean(0))
    return torch.stack(starts)
