"""Where a projection starts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from unmask.generators.base import Generator
from unmask.images import resize
from unmask.losses import masked_mean
from unmask.projection.latents import LatentStatistics

ProgressCallback = Callable[[int], None]

RENDER_BATCH = 8
"""Candidates rendered at once; bounds the memory of a search."""


def picture_seed(seed: int, picture_id: str) -> int:
    """A seed of its own for every picture, so that its neighbours and their order do not matter."""
    digest = hashlib.sha256(f"{seed}/{picture_id}".encode()).digest()
    return int.from_bytes(digest[:7], "big")


def mean_start(statistics: LatentStatistics, ids: tuple[str, ...]) -> Tensor:
    """The average w for every picture: (B,w_dim)."""
    return statistics.mean.expand(len(ids), -1).clone()


@torch.no_grad()
def random_start(generator: Generator, device: torch.device, ids: tuple[str, ...], seed: int) -> Tensor:
    """A random face of its own for every picture, as in the study: (B,w_dim)."""
    rows = []
    for picture_id in ids:
        rng = torch.Generator().manual_seed(picture_seed(seed, picture_id))
        rows.append(torch.randn(1, generator.z_dim, generator=rng))
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
    size = candidates.thumbnails.shape[-1]
    pictures, weight = resize(masked, size), _shrink_visible(visible, size)
    starts = []
    for picture, seen in zip(pictures, weight, strict=True):
        error = (candidates.thumbnails - picture).square()
        score = masked_mean(error, seen.expand(len(error), -1, -1, -1))
        starts.append(candidates.w[score.argsort()[:best]].mean(0))
    return torch.stack(starts)


@torch.no_grad()
def regression_start(
    candidates: Candidates, statistics: LatentStatistics, masked: Tensor, visible: Tensor, *, noise: float
) -> Tensor:
    """Expected w given the visible pixels, in the linear-Gaussian model of the candidates: (B,w_dim).

    With candidates as rows, pixels X (visible ones only, centred) and latents W (centred), ridge regression in its
    dual form is w = w̄ + x Xᵀ (X Xᵀ + noise·N·I)⁻¹ W, where the pixels' scale is normalised to mean variance one.
    """
    size = candidates.thumbnails.shape[-1]
    pictures, weight = resize(masked, size), _shrink_visible(visible, size)
    centre = candidates.thumbnails.mean(0)
    latents = candidates.w - candidates.w.mean(0)
    starts = []
    for picture, seen in zip(pictures, weight, strict=True):
        keep = (seen > 0.5).expand_as(picture)
        x = (candidates.thumbnails - centre)[:, keep].double()
        scale = x.square().mean().sqrt()
        x = x / scale
        wanted = (picture - centre)[keep].double() / scale
        gram = x @ x.T / x.shape[1]
        gram.diagonal().add_(noise)
        starts.append(((x @ wanted / x.shape[1]) @ torch.linalg.solve(gram, latents.double())).float())
    return candidates.w.mean(0) + torch.stack(starts)


def _shrink_visible(visible: Tensor, size: int) -> Tensor:
    """A thumbnail's pixel counts only if every pixel it covers is visible."""
    return 1 - torch.nn.functional.adaptive_max_pool2d(1 - visible, size)
