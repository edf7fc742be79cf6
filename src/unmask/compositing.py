"""Joining what a method generated to the input's own pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from unmask.images import depth
from unmask.kinds import Blend

ROBUST_SCALE = 0.05
"""Differences from the common cast above this (pictures in [-1,1]) are taken for content that disagrees, not for
colour."""
CAST_REACH = 10.0
"""How far from the hole a visible pixel may be to tell of the cast, in pixels at 256: the scale of a Gaussian."""
CAST_ROUNDS = 5
"""Of weighing anew what disagrees; the cast hardly changes after three."""
SEAM_REACH = 10.0
"""How far into the hole a difference at the seam is felt, in pixels at 256: it fades to 1/e."""


def composite(
    raw: Tensor, masked: Tensor, hole: Tensor, *, feather: float, blend: Blend, unit: float | None = None
) -> Tensor:
    """`raw` inside the hole with a soft edge, `masked` everywhere else, bit for bit.

    Args:
        raw, masked: (B,3,H,W) in [-1,1].
        hole: (B,1,H,W), 1 where `raw` replaces `masked`.
        feather: width of the soft edge inside the hole, in pixels at 256.
        blend: see `Blend`.
        unit: how many pixels of these pictures are one at 256; None: they are whole frames, W/256.
    Returns:
        (B,3,H,W) in [-1,1].
    """
    unit = hole.shape[-1] / 256.0 if unit is None else unit
    if blend is Blend.membrane:
        raw = raw + colour_membrane(masked - raw, hole, unit)
    joined = torch.lerp(masked, raw, soft_edge(hole, feather * unit)).clamp(-1, 1)
    return torch.where(hole > 0, joined, masked)


def soft_edge(hole: Tensor, width: float) -> Tensor:
    """(B,1,H,W) opacity in [0,1]: 0 outside the hole, rising to 1 over `width` pixels inside it."""
    # A hole that touches the picture's border has no seam there: only distances to visible pixels count.
    return (depth(hole) / (width + 1.0)).clamp(0.0, 1.0)


def colour_membrane(difference: Tensor, hole: Tensor, unit: float) -> Tensor:
    """Continue the colour difference seen around the hole smoothly into it.

    A membrane in the spirit of Poisson image editing (Pérez et al. 2003), interpolated with a pull-push pyramid
    (Gortler et al. 1996, "The Lumigraph", section 3.4), which is fast and does not amplify noise at the seam. It is
    screened, as in Bhat et al. 2008 ("Fourier analysis of the 2D screened Poisson equation"): deep in the hole only the
    cast is left that most of its surroundings have in common, so that a shirt under a chin does not dye it.

    Args:
        difference: (B,3,H,W), wanted minus generated; only its visible part is used.
        hole: (B,1,H,W).
        unit: how many pixels are one at 256.
    Returns:
        (B,3,H,W), zero where nothing is visible at all.
    """
    cast = _common_cast(difference, hole, unit)
    at_the_seam = _pull_push(difference - cast, 1 - hole)
    return cast + at_the_seam * torch.exp(-depth(hole) / (SEAM_REACH * unit))


def _common_cast(difference: Tensor, hole: Tensor, unit: float) -> Tensor:
    """(B,3,1,1), the difference that most visible pixels around the hole agree on: iteratively reweighted means with
    Cauchy's weights (Holland and Welsch 1977)."""
    far = depth(1 - hole) / unit / CAST_REACH
    near = (1 - hole) * torch.exp(-0.5 * far.square())
    cast = difference.new_zeros(len(difference), 3, 1, 1)
    for _ in range(CAST_ROUNDS):
        apart = (difference - cast).abs().mean(1, keepdim=True) / ROBUST_SCALE
        weight = near / (1 + apart.square())
        total = weight.sum((2, 3), keepdim=True).clamp_min(1e-12)
        cast = (difference * weight).sum((2, 3), keepdim=True) / total
    return cast


def _pull_push(values: Tensor, weight: Tensor) -> Tensor:
    """Fill in `values` (B,C,H,W) where `weight` (B,1,H,W) is small from ever coarser averages."""
    height, width = values.shape[-2:]
    if max(height, width) == 1:
        return values * (weight > 0)
    padded = F.pad(torch.cat([values * weight, weight], 1), (0, width % 2, 0, height % 2))
    coarse = F.avg_pool2d(padded, 2)
    total = coarse[:, -1:]
    below = _pull_push(coarse[:, :-1] / total.clamp_min(1e-12), (4 * total).clamp(max=1.0))
    filled = F.interpolate(below, (height + height % 2, width + width % 2), mode="bilinear", align_corners=False)
    return torch.lerp(filled[..., :height, :width], values, weight.clamp(max=1.0))
